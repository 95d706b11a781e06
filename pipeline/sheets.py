"""Turns a workbook into CSV in a process of its own, which a hostile one may exhaust or crash: bytes in, JSON out."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from functools import lru_cache

from python_calamine import CalamineError, CalamineWorkbook

MEMORY_BYTES = 2 << 30  # the largest workbook known needs a tenth
SECONDS = 120  # of work; it needs 2


def main() -> None:
    """Print the sheets that hold anything, each as CSV, or the problem."""
    _limit_self()
    try:
        answer = {"sheets": as_csv(sys.stdin.buffer.read())}
    except CalamineError as problem:
        answer = {"problem": [str(problem)]}
    json.dump(answer, sys.stdout)


def as_csv(content: bytes) -> list[str]:
    """Return each sheet that holds anything as CSV, row by row, so that line numbers are row numbers."""
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    sheets = (workbook.get_sheet_by_index(index) for index in range(len(workbook.sheet_names)))
    return [_csv(rows) for sheet in sheets if (rows := sheet.to_python(skip_empty_area=False))]


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(map(_text, row) for row in rows)
    return text.getvalue()


@lru_cache(maxsize=100_000, typed=True)  # most cells repeat: RVUs, indicators, flags
def _text(cell: object) -> str:
    """Return a cell as it is shown: 9 for 9.0, 32.3465 for 32.346499999999999; line breaks become blanks."""
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return " ".join(str(cell).splitlines()) if isinstance(cell, str) else str(cell)


def _limit_self() -> None:
    """Let the operating system end this process before it takes the machine down, where it can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
