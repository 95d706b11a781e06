"""Says what differs between two sets of a table's rows, for CHANGES.md."""

from dataclasses import dataclass

import pandas as pd

from pipeline.keys import positions


@dataclass(frozen=True)
class Difference:
    """Rows that are new, gone, in both, and changed; the columns that changed, most often first; examples."""

    added: int
    removed: int
    common: int
    changed: int
    columns: tuple[str, ...]
    examples: tuple[str, ...] = ()


def difference(before: pd.DataFrame, after: pd.DataFrame, key: list[str]) -> Difference:
    """Compare two frames of one table by its key; columns that only one of them has are ignored."""
    if before.reset_index(drop=True).equals(after.reset_index(drop=True)):  # most are: told in no time
        return Difference(added=0, removed=0, common=len(after), changed=0, columns=())
    old_key, new_key = positions((before, after), key)
    found = pd.Index(old_key).get_indexer(pd.Index(new_key))
    old, new = before.iloc[found[found >= 0]].reset_index(drop=True), after[found >= 0].reset_index(drop=True)
    shared = [column for column in new.columns if column in old.columns and column not in key]
    differs = pd.DataFrame({column: _differs(old[column], new[column]) for column in shared}, index=new.index)
    counts = differs.sum().sort_values(ascending=False, kind="stable")
    return Difference(
        added=len(after) - len(new),
        removed=len(before) - len(old),
        common=len(new),
        changed=int(differs.any(axis=1).sum()),
        columns=tuple(counts.index[counts > 0]),
        examples=tuple(_examples(old, new, differs, key)),
    )


def _examples(old: pd.DataFrame, new: pd.DataFrame, differs: pd.DataFrame, key: list[str]) -> list[str]:
    """Return the first changed cells as key, column, old and new value."""
    told = []
    for row in differs.index[differs.any(axis=1)][:3]:
        column = differs.columns[differs.loc[row]][0]
        name = "-".join(filter(None, map(str, new.loc[row, key])))
        told.append(f"{name} {column}: {old.at[row, column]!s} or {new.at[row, column]!s}")
    return told


def _differs(old: pd.Series, new: pd.Series) -> pd.Series:
    if isinstance(old.dtype, pd.ArrowDtype | pd.CategoricalDtype):
        old, new = old.map(str), new.map(str)
    return ~((old == new) | (old.isna() & new.isna())).fillna(value=False).astype(bool)
