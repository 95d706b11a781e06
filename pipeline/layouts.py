"""schemas/layouts/*.toml: how CMS prints each table, from one release until the next layout."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from pipeline.errors import DataError

NOT_KEPT = "-"  # read and checked, not kept
NOT_PLACED = "?"  # what a drafted layout could not place


@dataclass(frozen=True)
class PrintedColumn:
    """One column as CMS prints it: our name for it (or a dash), and how to find it.

    In a table (CSV or workbook) by its header text, one of `headers`; in fixed width by its positions `first` to
    `last`, counted from 1, where `implied_decimals` says how many digits stand behind a point that is not printed.
    """

    name: str
    headers: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    implied_decimals: int = 0

    def match(self, text: str, year: int) -> re.Match[str] | None:
        """Match printed header text; {year} is the release's year, any other {placeholder} a number to keep."""
        for header in self.headers:
            pattern = re.escape(header.replace("{year}", str(year)))
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[0-9]+\\.[0-9]+)", pattern)
            if found := re.fullmatch(pattern, text):
                return found
        return None


@dataclass(frozen=True)
class Layout:
    """One `[[layout]]` block. `members` maps what a member holds (a basis, or nothing) to its name's pattern."""

    table: str
    since: date
    verified: bool
    members: dict[str, str]
    columns: tuple[PrintedColumn, ...]
    header_lines: int = 1
    fill_down: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    record_length: int = 0

    @property
    def is_fixed_width(self) -> bool:
        """Tell whether the columns are found by position instead of by header."""
        return self.columns[0].last > 0

    @property
    def kept(self) -> list[str]:
        """Return the names of the columns that are kept, in file order."""
        return [column.name for column in self.columns if column.name != NOT_KEPT]


@lru_cache
def load_layouts(table: str) -> tuple[Layout, ...]:
    """Read the layouts of a printed table, oldest first."""
    text = files("schemas.layouts").joinpath(f"{table}.toml").read_text("utf-8")
    return tuple(_layout(table, block) for block in tomllib.loads(text)["layout"])


def layouts_in_force(table: str, effective_from: date) -> tuple[Layout, ...]:
    """Return the layouts that a release of that date may be printed in: tables first, then fixed width.

    Of each kind these are the blocks with the newest `since`; several with one `since` are variants, the first is
    the usual one. DataError before the first era.
    """
    started = [layout for layout in load_layouts(table) if layout.since <= effective_from]
    if not started:
        raise DataError(
            f"No layout of {table} is declared for a release of {effective_from}; the first holds since "
            f"{load_layouts(table)[0].since}. Add a [[layout]] block to schemas/layouts/{table}.toml (see README)."
        )
    in_force: list[Layout] = []
    for is_fixed_width in (False, True):
        kind = [layout for layout in started if layout.is_fixed_width is is_fixed_width]
        in_force += [layout for layout in kind if layout.since == kind[-1].since]
    return tuple(in_force)


def _layout(table: str, block: dict[str, Any]) -> Layout:
    facts = dict(block)
    facts["members"] = facts.get("members") or {"": facts.pop("member")}
    facts.pop("member", None)
    facts["columns"] = tuple(_column(table, *column) for column in block["columns"])
    for name in ("fill_down", "footnotes", "headings"):
        facts[name] = tuple(facts.get(name, ()))
    return Layout(table=table, **facts)


def _column(table: str, name: str, *where: Any) -> PrintedColumn:
    if name == NOT_PLACED:
        raise DataError(
            f'schemas/layouts/{table}.toml: the column printed as {where[0]!r} is still marked "{NOT_PLACED}". '
            f'Replace it by the name of our column, or by "{NOT_KEPT}" if the column is not kept.'
        )
    if isinstance(where[0], int):
        return PrintedColumn(name, (), *where)
    return PrintedColumn(name, where)
