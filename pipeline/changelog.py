"""Writes CHANGES.md: what differs between a version and its parent, table by table."""

from pathlib import Path
from typing import Any

from pipeline.compare import difference
from pipeline.errors import printable
from pipeline.lookup import all_rows
from pipeline.parquet import read_table
from pipeline.store import table_file
from schemas.codes import CONTENT_TASK
from schemas.table import primary_key
from schemas.tables import TABLES

LISTED = 40  # codes of one task
Manifest = dict[str, Any]


def changes_text(staging: Path, manifest: Manifest, folder: Path | None, parent: Manifest | None) -> str:
    """Return CHANGES.md of the version in `staging` against its parent in `folder`, if it has one."""
    title = f"# {manifest['version']}\n\n"
    if parent is None or folder is None:
        listed = "\n".join(f"- {label}" for label in manifest["releases"])
        return f"{title}First version. Releases:\n\n{listed}\n"
    lines = [title + f"Differences from {parent['version']}.\n", *_release_changes(parent, manifest)]
    arrived = [label for label in manifest["releases"] if label not in parent["releases"]]
    lines += [line for label in arrived for line in _editors_tasks(staging, label)]
    lines += [
        "| table | release | rows added | rows removed | rows changed | columns |",
        "|---|---|--:|--:|--:|---|",
    ]
    old, new = parent["files"], manifest["files"]
    for path in sorted(old.keys() | new.keys()):
        if old.get(path, {}).get("sha256") != new.get(path, {}).get("sha256"):
            lines.append(_file_change(staging, folder, path, new.get(path) or old[path]))
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return what comes from outside as a code span, in which Markdown finds no link, no HTML and no emphasis."""
    plain = " ".join(printable(text).split()).replace("`", "'")
    return f"`{plain}`"


def _release_changes(parent: Manifest, manifest: Manifest) -> list[str]:
    before, after = parent["releases"], manifest["releases"]
    lines = [f"- release {label} is new" for label in after if label not in before]
    lines += [f"- release {label} is no longer part of the data" for label in before if label not in after]
    lines += [
        f"- release {label} was built from another archive: {quoted(after[label]['receipt']['archive'])}, "
        f"sha256 {after[label]['receipt']['sha256'][:16]}, was {before[label]['receipt']['sha256'][:16]}"
        for label in after
        if label in before and after[label]["receipt"]["sha256"] != before[label]["receipt"]["sha256"]
    ]
    if parent["content_fingerprint"] != manifest["content_fingerprint"]:
        lines.append("- our content changed")
    return [*lines, ""]


def _editors_tasks(staging: Path, label: str) -> list[str]:
    """Return what a new release gives our editors to do, with the first codes; `content_task` has all of them."""
    path = table_file(staging, "content_task", label)
    by_task: dict[str, list[str]] = {}
    for row in all_rows(path, ["hcpcs", "task"]) if path.exists() else []:
        by_task.setdefault(row["task"], []).append(row["hcpcs"])
    lines = [f"For our editors, from {label} (table `content_task`):\n"] if by_task else []
    for task, codes in by_task.items():
        more = f" and {len(codes) - LISTED} more" if len(codes) > LISTED else ""
        lines.append(f"- {CONTENT_TASK[task]}: {', '.join(codes[:LISTED])}{more}")
    return [*lines, ""] if lines else []


def _file_change(staging: Path, folder: Path, path: str, facts: Manifest) -> str:
    """Return one line of the table of changes."""
    label = f"| {facts['table']} | {facts['release']} |"
    if not (folder / path).exists():
        return f"{label} {facts['rows']} | 0 | 0 | new file |"
    if not (staging / path).exists():
        return f"{label} 0 | {facts['rows']} | 0 | file removed |"
    model = TABLES[facts["table"]]
    before = read_table(folder / path, model)
    found = difference(before, read_table(staging / path, model), primary_key(model))
    shown = ", ".join(found.columns[:8]) + (" ..." if len(found.columns) > 8 else "")
    return f"{label} {found.added} | {found.removed} | {found.changed} | {shown} |"
