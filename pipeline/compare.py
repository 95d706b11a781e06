"""Says what differs between two sets of a table's rows, for CHANGES.md."""

from dataclasses import dataclass

import pandas as pd


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
        common=len(common),
        changed=int(differs.any(axis=1).sum()),
        columns=tuple(counts.index[counts > 0]),
        examples=tuple(_examples(old, new, differs)),
    )


def _examples(old: pd.DataFrame, new: pd.DataFrame, differs: pd.DataFrame) -> list[str]:
    """Return the first changed cells as key, column, old and new value."""
    changed = differs[differs.any(axis=1)].head(3)
    return [
        f"{'-'.join(filter(None, map(str, key)))} {column}: {old.at[key, column]!s} or {new.at[key, column]!s}"
        for key, row in changed.iterrows()
        for column in row.index[row][:1]
        if isinstance(key, tuple)
    ]


def _differs(old: pd.Series, new: pd.Series) -> pd.Series:
    if isinstance(old.dtype, pd.ArrowDtype):
        old, new = old.map(str), new.map(str)
    return ~((old == new) | (old.isna() & new.isna())).fillna(value=False).astype(bool)
