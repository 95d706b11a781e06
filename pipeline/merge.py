"""Joins the rows of a release with our content, one row per code, and accounts for what did not meet."""

import re
from dataclasses import dataclass

import pandas as pd

from pipeline.content import Content
from pipeline.errors import DataError
from pipeline.validate import Finding
from schemas.columns import TextList

TEXTS = ["title", "description", "plain_language", "clinical_context"]


@dataclass(frozen=True)
class Accounting:
    """What a merge did: codes with and without content, and content whose code the release does not have."""

    matched: int
    codes_without_content: int
    content_without_code: tuple[str, ...]


def one_row_per_code(rvu: pd.DataFrame) -> pd.DataFrame:
    """Return each code's unmodified row, or its first row where only modified ones are printed (86153).

    `modifiers` lists all that are printed. Rows must be sorted by hcpcs and modifier.
    """
    rows = rvu.drop_duplicates("hcpcs").reset_index(drop=True)
    return rows.assign(modifiers=_text_lists(rows["hcpcs"], rvu["hcpcs"], rvu["modifier"]))


def coding_system(hcpcs: pd.Series) -> pd.Series:
    """Name the code set of each code: D codes are the ADA's, other letters CMS's, all else is CPT."""
    systems = pd.Series("CPT", index=hcpcs.index, dtype="str")
    systems = systems.mask(hcpcs.str.fullmatch(r"[A-Z].*"), "HCPCS Level II")
    return systems.mask(hcpcs.str.startswith("D"), "CDT")


def assign_categories(hcpcs: pd.Series, categories: pd.DataFrame) -> pd.Series:
    """Return the category of each code: the first rule of categories.csv that it meets.

    DataError when a code meets none, since every aggregate would silently lack it.
    """
    assigned = pd.Series(pd.NA, index=hcpcs.index, dtype="str")
    for rule in reversed(categories.to_dict("records")):
        fits = hcpcs.str.fullmatch(rule["pattern"])
        if pd.notna(rule["first"]):
            fits &= hcpcs >= rule["first"]
        if pd.notna(rule["last"]):
            fits &= hcpcs <= rule["last"]
        assigned = assigned.mask(fits, rule["category"])
    if assigned.isna().any():
        homeless = ", ".join(hcpcs[assigned.isna()].head(5))
        raise DataError(
            f"{assigned.isna().sum()} codes are in no category, such as {homeless}. "
            "Add a rule to raw/content/categories.csv."
        )
    return assigned


def merge_content(codes: pd.DataFrame, content: Content) -> tuple[pd.DataFrame, Accounting]:
    """Add our texts, synonyms and specialties to one row per code; nulls and empty lists where we have none."""
    merged = codes.merge(content.codes, on="hcpcs", how="left", validate="one_to_one")
    merged = merged.assign(
        synonyms=_text_lists(merged["hcpcs"], content.synonyms["hcpcs"], content.synonyms["synonym"]),
        specialties=_text_lists(merged["hcpcs"], content.specialties["hcpcs"], content.specialties["specialty"]),
    )
    known = content.codes["hcpcs"].isin(codes["hcpcs"])
    accounting = Accounting(
        int(known.sum()), int(len(codes) - known.sum()), tuple(content.codes.loc[~known, "hcpcs"])
    )
    return merged, accounting


def synonym_rows(codes: pd.DataFrame) -> pd.DataFrame:
    """Return release, hcpcs, synonym: one row per synonym of the release's codes."""
    rows = codes[["release", "hcpcs", "synonyms"]].explode("synonyms").dropna(subset="synonyms")
    return rows.rename(columns={"synonyms": "synonym"}).astype({"synonym": "str"}).reset_index(drop=True)


def copied_descriptors(codes: pd.DataFrame) -> list[Finding]:
    """Report texts of ours that are CMS's descriptor: those of CPT and CDT are not ours to publish as our own."""
    findings = []
    for column in TEXTS:
        written = codes[codes[column].notna()]
        findings += _copies(column, written[written[column].map(_bare) == written["descriptor"].map(_bare)])
    rows = codes.loc[:, ["hcpcs", "descriptor", "synonyms"]].explode("synonyms").dropna(subset="synonyms")
    return findings + _copies("synonyms", rows[rows["synonyms"].map(_bare) == rows["descriptor"].map(_bare)])


def _copies(column: str, copied: pd.DataFrame) -> list[Finding]:
    if copied.empty:
        return []
    examples = tuple(copied["hcpcs"].head(3))
    return [Finding("content", column, "is not CMS's descriptor", "error", len(copied), examples)]


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", str(text).lower()).strip()


def _text_lists(hcpcs: pd.Series, codes: pd.Series, texts: pd.Series) -> pd.Series:
    """Return for each code the list of its texts, in their order; empty where it has none."""
    lists: dict[str, list[str]] = {}
    for code, text in zip(codes, texts, strict=True):
        lists.setdefault(code, []).append(text)
    return pd.Series([lists.get(code, []) for code in hcpcs], index=hcpcs.index, dtype=TextList)
