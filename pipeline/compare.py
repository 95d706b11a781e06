"""Says what differs between two sets of a table's rows, for CHANGES.md."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Difference:
    """Rows that are new, gone or changed, and the columns that changed, most often changed first."""

    added: int
    removed: int
    changed: int
    columns: tuple[str, ...]


def difference(before: pd.DataFrame, after: pd.DataFrame, key: list[str]) -> Difference:
    """Compare two frames of one table by its key; columns that only one of them has are ignored."""
    old, new = before.set_index(key), after.set_index(key)
    common = old.index.intersection(new.index)
    shared = [column for column in new.columns if column in old.columns]
    differs = pd.DataFrame(
        {column: _differs(old.loc[common, column], new.loc[common, column]) for column in shared},
        index=common,
    )
    counts = differs.sum().sort_values(ascending=False, kind="stable")
    return Difference(
        added=len(new.index.difference(old.index)),
        removed=len(old.index.difference(new.index)),
        changed=int(differs.any(axis=1).sum()),
        columns=tuple(counts.index[counts > 0]),
    )


def _differs(old: pd.Series, new: pd.Series) -> pd.Series:
    if isinstance(old.dtype, pd.ArrowDtype):
        old, new = old.map(str), new.map(str)
    return ~((old == new) | (old.isna() & new.isna())).fillna(value=False).astype(bool)
