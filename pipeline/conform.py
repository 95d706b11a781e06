"""Turns text cells into the declared columns and types; what does not convert stops, what was repaired is told."""

from dataclasses import dataclass

import pandas as pd

from pipeline.errors import DataError
from pipeline.layouts import Layout
from pipeline.read import TextTable
from schemas.table import Column

SHOWN = 5


@dataclass(frozen=True)
class Repair:
    """Cells of one column that held an unambiguous error of form: how many, what, and the first examples."""

    column: str
    what: str
    count: int
    examples: tuple[str, ...]


def conform(text: TextTable, layout: Layout, declared: dict[str, Column]) -> tuple[pd.DataFrame, list[Repair]]:
    """Return the kept columns typed as declared, in file order, index = line in the file; and the repairs.

    Identifiers that lost leading zeros are padded and counted. DataError with file, line, column and text as
    printed for cells that are not what their column holds.
    """
    trimmed = text.rows[layout.kept].apply(lambda cells: cells.str.strip())
    for name in layout.fill_down:
        trimmed[name] = _filled_down(trimmed[name], text.member)
    repairs: list[Repair] = []
    typed = {}
    for name in layout.kept:
        cells, repaired = _padded(trimmed[name], declared[name])
        repairs += repaired
        typed[name] = _converted(cells, declared[name], text.member)
    return pd.DataFrame(typed, index=text.rows.index), repairs


def _filled_down(cells: pd.Series, member: str) -> pd.Series:
    """Repeat what is printed on the first row of a group only; a blank line ends a group."""
    lost = (cells.index.to_series().diff() > 1) & (cells == "")
    if lost.any():
        raise DataError(
            f"{member}, line {lost.idxmax()}: expected {cells.name} in the first row after a blank line, found none. "
            "The line that printed it is missing: pull it again."
        )
    return cells.mask(cells == "").ffill()


def _padded(cells: pd.Series, column: Column) -> tuple[pd.Series, list[Repair]]:
    """Give identifiers back the leading zeros that a spreadsheet took: only digits, only too short."""
    width = column.metadata.get("width")
    if not width:
        return cells, []
    short = cells.str.fullmatch(r"[0-9]+") & (cells.str.len() < width)
    if not short.any():
        return cells, []
    padded = cells.where(~short, cells.str.zfill(width))
    examples = tuple(
        f"line {line}: {before} -> {after}"
        for line, before, after in zip(
            cells.index[short][:SHOWN], cells[short][:SHOWN], padded[short][:SHOWN], strict=True
        )
    )
    return padded, [Repair(column.name, "leading zeros restored", int(short.sum()), examples)]


def _converted(cells: pd.Series, column: Column, member: str) -> pd.Series:
    if "printed" in column.metadata:
        return _flags(cells, column, member)
    if column.arrow_type == "double":
        return _numbers(cells, column, member)
    if marks := column.metadata.get("footnotes"):
        cells = cells.str.rstrip(marks + " ")
    return cells.mask(cells == "") if column.nullable else cells


def _flags(cells: pd.Series, column: Column, member: str) -> pd.Series:
    printed = column.metadata["printed"]
    _require(cells.isin(list(printed)), cells, column, member, f"one of {list(printed)}")
    return cells.map(printed).astype(column.frame_dtype)


def _numbers(cells: pd.Series, column: Column, member: str) -> pd.Series:
    """Convert plain decimals; each double is the one nearest to the printed decimal."""
    places = column.metadata["decimals"]
    plain = cells.str.fullmatch(rf"[0-9]+(\.[0-9]{{0,{places}}})?|\.[0-9]{{1,{places}}}")
    if column.nullable:
        plain |= cells == ""
    _require(plain, cells, column, member, f"a number with at most {places} decimals")
    return pd.to_numeric(cells.mask(cells == "")).astype("float64")


def _require(fits: pd.Series, cells: pd.Series, column: Column, member: str, expected: str) -> None:
    if fits.all():
        return
    wrong = cells[~fits]
    found = ", ".join(f"line {line}: {cell!r}" for line, cell in wrong[:SHOWN].items())
    raise DataError(
        f"{member}, column {column.name}: expected {expected}, found {found} ({len(wrong)} cells in all). "
        "If a column moved, add a layout (README); if CMS printed a wrong value, tell them and wait for the re-issue."
    )
