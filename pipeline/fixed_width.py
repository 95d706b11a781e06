"""Turns a fixed-width member (TXT, PRN) into text cells by the positions that its layout declares."""

import numpy as np
import pandas as pd

from pipeline.errors import DataError
from pipeline.layouts import Layout, PrintedColumn

Grid = np.ndarray[tuple[int, int], np.dtype[np.bytes_]]  # a letter a cell, a record a row


def cut_columns(numbered: list[tuple[int, bytes]], layout: Layout, member: str) -> pd.DataFrame:
    """Cut numbered lines into the layout's columns, index = line in the file.

    DataError when a record has another length than declared, or text stands where no column is.
    """
    _check_lengths(numbered, layout, member)
    width = max(column.last for column in layout.columns)
    letters = np.array([line.ljust(width) for _, line in numbered], dtype=f"S{width}")
    grid = letters.view("S1").reshape(len(numbered), width)
    _check_fillers(grid, numbered, layout, member)
    cells = {position: _cells(grid, column) for position, column in enumerate(layout.columns)}
    frame = pd.DataFrame(cells)
    frame.index = pd.Index([number for number, _ in numbered], name="line")
    frame.columns = pd.Index([column.name for column in layout.columns])
    return frame


def _check_lengths(numbered: list[tuple[int, bytes]], layout: Layout, member: str) -> None:
    longest = layout.record_length or max(column.last for column in layout.columns)
    shortest = layout.record_length or max(column.first for column in layout.columns)
    for number, line in numbered:
        if not shortest <= len(line) <= longest:
            expected = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
            raise DataError(
                f"{member}, line {number}: expected a record of {expected} characters, found {len(line)}: "
                f"{line[:40]!r}. The file was cut short, or the layout changed: see Add a layout in the README."
            )


def _check_fillers(
    grid: Grid,
    numbered: list[tuple[int, bytes]],
    layout: Layout,
    member: str,
) -> None:
    covered = np.zeros(grid.shape[1], dtype=bool)
    for column in layout.columns:
        covered[column.first - 1 : column.last] = True
    rows, positions = np.nonzero((grid != b" ") & (grid != b"") & ~covered)
    if len(rows):
        raise DataError(
            f"{member}, line {numbered[rows[0]][0]}, position {positions[0] + 1}: expected a blank between columns, "
            f"found {grid[rows[0], positions[0]].decode('ascii', 'replace')!r}. A column moved or a new one was "
            "added: see Add a layout in the README."
        )


def _cells(grid: Grid, column: PrintedColumn) -> pd.Series:
    width = column.last - column.first + 1
    block = np.ascontiguousarray(grid[:, column.first - 1 : column.last]).view(f"S{width}").ravel()
    cells = pd.Series(np.char.decode(block, "utf-8")).astype("str").str.strip()
    if places := column.implied_decimals:
        digits = cells.str.zfill(places + 1)
        return cells.where(~cells.str.fullmatch("[0-9]+"), digits.str[:-places] + "." + digits.str[-places:])
    return cells
