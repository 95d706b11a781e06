"""Says what a release gives our editors to do: new codes, deleted ones, and those that CMS describes anew."""

import pandas as pd

from pipeline.catalog import Release
from pipeline.content import Content
from pipeline.merge import in_force
from pipeline.originality import significant_words
from schemas.content_task import ContentTaskTable
from schemas.table import columns


def content_tasks(
    release: Release, codes: pd.DataFrame, previous: str, before: pd.DataFrame, content: Content
) -> pd.DataFrame:
    """Return `content_task` of a release: its codes, merged with our texts, against `rvu` of the `previous` one."""
    old = before[["hcpcs", "descriptor"]].drop_duplicates("hcpcs")
    new = codes[["hcpcs", "descriptor", "description", "reviewed", "meaning_since"]]
    both = old.merge(new, on="hcpcs", how="outer", suffixes=("_before", "_after"), indicator=True)
    is_new, is_gone = both["_merge"] == "right_only", both["_merge"] == "left_only"
    described = both["description"].notna()
    kinds = {
        "write": is_new & ~described,
        "retire": is_gone & both["hcpcs"].isin(in_force(content.codes, release.label)["hcpcs"]),
        "review": described & ~is_new & _is_open(both, release) & _reworded(both, content),
    }
    tasks = pd.concat([both[rows].assign(task=task) for task, rows in kinds.items()], ignore_index=True)
    declared = columns(ContentTaskTable)
    tasks = tasks.assign(release=release.label, previous_release=previous).reindex(columns=list(declared))
    return tasks.astype({name: column.frame_dtype for name, column in declared.items()})


def _is_open(codes: pd.DataFrame, release: Release) -> "pd.Series[bool]":
    """Tell whose texts were neither found right nor written anew since the release came into force."""
    reviewed = pd.to_datetime(codes["reviewed"]) >= pd.Timestamp(release.effective_from)
    return ~reviewed.fillna(value=False) & (codes["meaning_since"].fillna("") != release.label)


def _reworded(codes: pd.DataFrame, content: Content) -> "pd.Series[bool]":
    """Tell which descriptors have other words now; another spelling of the same words is no reason to review."""
    before, after = codes["descriptor_before"], codes["descriptor_after"]
    differs = before.notna() & after.notna() & (before != after)
    reworded = [
        significant_words(was, content.abbreviations) != significant_words(is_now, content.abbreviations)
        for was, is_now in zip(before[differs], after[differs], strict=True)
    ]
    return differs.mask(differs, pd.Series(reworded, index=differs.index[differs], dtype="bool"))
