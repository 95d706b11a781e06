"""schemas/layouts/*.toml: how CMS prints each table, from one release until the next layout."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

from pipeline.errors import DataError

NOT_KEPT = "-"


@dataclass(frozen=True)
class PrintedColumn:
    """One column as CMS prints it: our name for it (or a dash), and the header texts that are accepted."""

    name: str
    headers: tuple[str, ...]

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
    """Return the layouts that a release of that date may be printed in: the newest `since`, in file order.

    Several blocks with one `since` are variants, the first is the usual one. DataError before the first era.
    """
    in_force = [layout for layout in load_layouts(table) if layout.since <= effective_from]
    if not in_force:
        raise DataError(
            f"No layout of {table} is declared for a release of {effective_from}; the first holds since "
            f"{load_layouts(table)[0].since}. Add a [[layout]] block to schemas/layouts/{table}.toml (see README)."
        )
    return tuple(layout for layout in in_force if layout.since == in_force[-1].since)


def _layout(table: str, block: dict[str, object]) -> Layout:
    facts = dict(block)
    facts["members"] = facts.get("members") or {"": facts.pop("member")}
    facts["columns"] = tuple(PrintedColumn(name, tuple(headers)) for name, *headers in block["columns"])  # type: ignore[attr-defined]
    for name in ("fill_down", "footnotes"):
        facts[name] = tuple(facts.get(name, ()))  # type: ignore[arg-type]
    return Layout(table=table, **facts)  # type: ignore[arg-type]
