"""Says what a release changes for every code: rows that come and go, and every column that differs."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from schemas.change import WHOLE_ROW, ChangeTable
from schemas.rvu import ROW, RvuTable
from schemas.table import columns

Key = tuple[str, str]  # code and modifier


def changes(
    previous_release: str, before: pd.DataFrame, release: str, after: pd.DataFrame, revived: Collection[Key] = ()
) -> pd.DataFrame:
    """Return `change` of two releases' `rvu`; `revived` are rows that a release before both had."""
    old, new = before.set_index(ROW), after.set_index(ROW)
    common = old.index.intersection(new.index)
    come, gone = new.index.difference(common), old.index.difference(common)
    parts = [_rows(new.loc[come, "status"], old.loc[gone, "status"], revived)]
    old, new = old.loc[common], new.loc[common]
    for name in _compared(before, after):
        differs = ~((old[name] == new[name]) | (old[name].isna() & new[name].isna()))
        if differs.any():
            parts.append(_column(name, old.loc[differs, name], new.loc[differs, name]))
    found = pd.concat(parts, ignore_index=True)
    found = found.assign(release=release, previous_release=previous_release)
    declared = columns(ChangeTable)
    types = {name: column.frame_dtype for name, column in declared.items()}
    return found.reindex(columns=list(declared)).astype(types)


def _compared(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Return the columns that both releases print: one that CMS begins or ceases to print is no change of a code."""
    printed = [name for name in columns(RvuTable) if before[name].notna().any() and after[name].notna().any()]
    return [name for name in printed if name not in ("release", *ROW)]


def _rows(come: pd.Series, gone: pd.Series, revived: Collection[Key]) -> pd.DataFrame:
    """Return rows that came, came back or went, with their status."""
    kinds = np.where(come.index.isin(list(revived)), "revived", "added") if len(revived) else "added"
    arrived = come.rename("after").reset_index().assign(kind=kinds)
    departed = gone.rename("before").reset_index().assign(kind="deleted")
    return pd.concat([arrived, departed]).assign(field=WHOLE_ROW)


def _column(name: str, was: pd.Series, is_now: pd.Series) -> pd.DataFrame:
    """Return the changes of one column."""
    found = was.index.to_frame(index=False).assign(field=name, kind="changed")
    if was.dtype != "float64":
        return found.assign(before=_texts(was), after=_texts(is_now))
    return found.assign(number_before=was.to_numpy(), number_after=is_now.to_numpy(), **_movement(was, is_now))


def _movement(was: pd.Series, is_now: pd.Series) -> dict[str, "pd.Series[float]"]:
    """Return the difference of numbers with two decimals, exact, and as percent of what was."""
    steps = ((is_now * 100).round() - (was * 100).round()).reset_index(drop=True)
    base = (was * 100).round().reset_index(drop=True)
    return {"difference": steps / 100, "percent": (steps / base.where(base != 0) * 100).round(4)}


def _texts(cells: pd.Series) -> "pd.Series[str]":
    """Return cells as text: flags as true and false."""
    texts = cells.map({True: "true", False: "false"}) if cells.dtype == "bool" else cells
    return texts.reset_index(drop=True).astype("str")
