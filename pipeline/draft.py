"""Drafts the `[[layout]]` block of a member whose header nobody has declared yet, from the layouts that exist."""

import difflib
import json

from pipeline.catalog import Release
from pipeline.layouts import NOT_PLACED, Layout, PrintedColumn, layouts_in_force, load_layouts
from pipeline.read import stacked_header, text_lines
from pipeline.workbook import sheets_as_csv

ALIKE = 0.75  # how alike two header texts are that probably name one column


def draft_layout(content: bytes, member: str, table: str, release: Release) -> str:
    """Return a block to paste into schemas/layouts/<table>.toml; what could not be placed is marked "?".

    A fixed-width member has no header to draft from: the answer then says where its positions are documented.
    """
    if not member.lower().endswith((".csv", ".xls", ".xlsx")):
        return f"{member} is fixed width: take the positions from the record layout in the archive's PDF."
    sheet = content if member.lower().endswith(".csv") else (*sheets_as_csv(content, member), b"")[0]
    like = layouts_in_force(table, release.effective_from)[0]
    known = [column for layout in reversed(load_layouts(table)) for column in layout.columns]
    printed = stacked_header(text_lines(sheet, member), like.header_lines)
    lines = _place(printed, known, release.effective_from.year)
    head = [
        f"A layout to start from, for schemas/layouts/{table}.toml:",
        "",
        "[[layout]]",
        f"since = {release.effective_from}",
        f"verified = true # on CMS's own bytes: {release.label}",
        _members(like),
        f"header_lines = {like.header_lines}",
        "columns = [",
    ]
    return "\n".join([*head, *lines, "]", *_rest(like)])


def _place(printed: list[str], known: list[PrintedColumn], year: int) -> list[str]:
    """Give each printed text the name of the column that it was before, or of the one it is most like."""
    used: set[str] = set()
    lines = []
    for text in printed:
        name, header, note = _name(text, [column for column in known if column.name not in used], year)
        used.add(name)
        lines.append(f"  {json.dumps([name, header.replace(str(year), '{year}')])},{note}")
    return lines


def _name(text: str, known: list[PrintedColumn], year: int) -> tuple[str, str, str]:
    """Return our name for a printed text, the header text to declare, and what a person should look at."""
    for column in known:
        for header in column.headers:
            if PrintedColumn(column.name, (header,)).match(text, year):
                return column.name, header, ""
    texts = {
        header.replace("{year}", str(year)): column.name for column in reversed(known) for header in column.headers
    }
    alike = difflib.get_close_matches(text, texts, n=1, cutoff=ALIKE)
    if alike:
        return texts[alike[0]], text, f" # check: so far {json.dumps(alike[0])}"
    return NOT_PLACED, text, ' # new: name it as in the table\'s model, or "-" to read and not keep it'


def _members(layout: Layout) -> str:
    if list(layout.members) == [""]:
        return f"member = '{layout.members['']}'"
    parts = ", ".join(f"{part} = '{pattern}'" for part, pattern in layout.members.items())
    return f"members = {{ {parts} }}"


def _rest(layout: Layout) -> list[str]:
    rest = [f"fill_down = {json.dumps(layout.fill_down)}"] if layout.fill_down else []
    quoted = ", ".join(f"'{footnote}'" for footnote in layout.footnotes)
    return [*rest, f"footnotes = [{quoted}]"] if quoted else rest
