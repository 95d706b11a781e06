"""Says which layout each member of an archive would be read with, and drafts layouts for a whole archive."""

from pathlib import Path
from typing import Any

from pipeline.archive import member_names, read_member
from pipeline.catalog import Release
from pipeline.draft import draft_layout
from pipeline.errors import DataError
from pipeline.layouts import layouts_in_force
from pipeline.source import members_of, read_text
from schemas.tables import PRINTED


def survey(archive: Path, release: Release) -> list[dict[str, Any]]:
    """Return one row per member: the table it prints, the layout that fits, or what differs from the usual one."""
    rows = [_fit(archive, release, table, part, member) for table, part, member in _printed_members(archive, release)]
    read = {row["member"] for row in rows}
    ignored = [member for member in member_names(archive) if member not in read]
    return rows + [_row(member, None, None, problem="not a table that is read") for member in ignored]


def drafts(archive: Path, release: Release) -> str:
    """Return a drafted layout for every member that prints a table with a header."""
    return "\n\n".join(
        draft_layout(read_member(archive, member), member, table, release)
        for table, _, member in _printed_members(archive, release)
    )


def _printed_members(archive: Path, release: Release) -> list[tuple[str, str, str]]:
    return [
        (table, part, member)
        for table in PRINTED
        for part in layouts_in_force(table, release.effective_from)[0].members
        for member, _ in members_of(archive, release, table, part)
    ]


def _fit(archive: Path, release: Release, table: str, part: str, member: str) -> dict[str, Any]:
    layouts = dict(members_of(archive, release, table, part))[member]
    try:
        layout, text = read_text(archive, member, layouts, release)
    except DataError as problem:
        return _row(member, table, part, problem=str(problem).split("\n\n")[0])
    return _row(member, table, part, since=str(layout.since), verified=layout.verified, rows=len(text.rows))


def _row(member: str, table: str | None, part: str | None, **facts: Any) -> dict[str, Any]:
    blank = {"since": None, "verified": None, "rows": None, "problem": None}
    return {"member": member, "table": table, "basis": part or None} | blank | facts
