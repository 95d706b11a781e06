"""Turns a workbook (XLSX or legacy XLS) into the CSV that it would be saved as, sheet by sheet."""

import csv
import io
from collections.abc import Sequence
from functools import lru_cache

from python_calamine import CalamineError, CalamineWorkbook

from pipeline.errors import DataError


def sheets_as_csv(content: bytes, member: str) -> list[bytes]:
    """Return each sheet that holds anything as CSV, row by row, so that line numbers are row numbers.

    CMS types codes as numbers, which take leading zeros; they come out as printed, `100` for 00100.
    """
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [
            workbook.get_sheet_by_index(index).to_python(skip_empty_area=False)
            for index in range(len(workbook.sheet_names))
        ]
    except CalamineError as problem:
        raise DataError(f"{member} is no workbook that can be read ({problem}). Pull the archive again.") from problem
    return [_as_csv(rows) for rows in sheets if rows]


def _as_csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(map(_text, row) for row in rows)
    return text.getvalue().encode()


@lru_cache(maxsize=100_000, typed=True)  # most cells repeat: RVUs, indicators, flags
def _text(cell: object) -> str:
    """Return a cell as it is shown: 9 for 9.0, 32.3465 for 32.346499999999999; line breaks become blanks."""
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return " ".join(str(cell).splitlines()) if isinstance(cell, str) else str(cell)
