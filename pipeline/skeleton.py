"""Adds empty rows for a code to raw/content/, in their place among the others."""

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.lookup import rows_of_code
from pipeline.published import not_found, published_release
from pipeline.store import Store, write_atomically
from schemas.content import CodesContent, PatternCodesContent, SpecialtiesContent, SynonymsContent
from schemas.table import Table, columns, name

EMPTY_ROWS: dict[type[Table], int] = {CodesContent: 1, SynonymsContent: 2, SpecialtiesContent: 1}


def add_skeleton(store: Store, code: str) -> list[tuple[Path, int]]:
    """Add rows for a code of the newest release; return each file with the line of its first new row.

    Empty cells break the rules of content, so nothing is published before they are filled in. UsageError when the
    code is unknown, or described already.
    """
    chosen = published_release(store)
    if not rows_of_code(chosen.file("code"), code):
        raise not_found(chosen, "code", code)
    folder = store.declared("content")
    for described in (CodesContent, PatternCodesContent):
        if code in map(_first_cell, _lines(folder / f"{name(described)}.csv")):
            raise UsageError(f"{code} has texts already: edit its rows in {folder}.")
    places = []
    for model, count in EMPTY_ROWS.items():
        path = folder / f"{name(model)}.csv"
        places.append((path, _insert(path, code, len(columns(model)), count)))
    return places


def _insert(path: Path, code: str, cells: int, count: int) -> int:
    """Insert rows with nothing but the code, before the first row of a higher code; return the line of the first."""
    lines = _lines(path)
    later = (number for number, line in enumerate(lines[1:], 1) if _first_cell(line) > code)
    at = next(later, len(lines))
    lines[at:at] = [code + "," * (cells - 1) + "\n"] * count
    write_atomically(path, "".join(lines))
    return at + 1


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8-sig").splitlines(keepends=True)


def _first_cell(line: str) -> str:
    return line.split(",", 1)[0].strip()
