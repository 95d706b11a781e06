"""Makes one immutable version of the whole data set out of built and unchanged releases, or nothing at all."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.build import Built, Previous, build_fingerprint, build_release, code_fingerprint
from pipeline.catalog import Catalog, Release, find_release
from pipeline.compare import difference
from pipeline.content import Content
from pipeline.errors import DataError
from pipeline.parquet import read_table, write_table
from pipeline.store import (
    MANIFEST,
    Receipt,
    Store,
    explained,
    link_or_copy,
    sha256_of,
    table_file,
)
from schemas.table import arrow_schema, primary_key
from schemas.tables import TABLES

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One release of the version to come: from which archive, after which release, and whether it is unchanged."""

    release: Release
    receipt: Receipt
    previous: str | None
    fingerprint: str
    unchanged: bool


@dataclass(frozen=True)
class Published:
    """What a run came to: the version that is current now, whether it is new, and its manifest."""

    version: str
    is_new: bool
    manifest: Manifest = field(repr=False)


def parent_manifest(store: Store) -> Manifest | None:
    """Return the manifest of the current version, or None before the first."""
    latest = store.latest_version()
    return store.manifest(latest) if latest else None


def plan_version(
    catalog: Catalog, parent: Manifest | None, received: list[Receipt], content_fingerprint: str
) -> list[Step]:
    """List the releases of the version to come in time order: those of the parent and those received.

    A version holds samples or real releases, never both: real ones take the place of all samples.
    """
    entries = parent["releases"] if parent else {}
    receipts = {label: Receipt(**entry["receipt"]) for label, entry in entries.items()}
    receipts |= {receipt.release: receipt for receipt in received}
    if any(not receipt.is_sample for receipt in receipts.values()):
        receipts = {label: receipt for label, receipt in receipts.items() if not receipt.is_sample}
    order = {label: position for position, label in enumerate(catalog)}
    labels = sorted(receipts, key=lambda label: order.get(find_release(catalog, label).label, 0))
    steps = []
    for label, previous in zip(labels, [None, *labels], strict=False):
        before = receipts[previous] if previous else None
        fingerprint = build_fingerprint(receipts[label], catalog[label], content_fingerprint, before)
        unchanged = entries.get(label, {}).get("fingerprint") == fingerprint
        steps.append(Step(catalog[label], receipts[label], previous, fingerprint, unchanged))
    return steps


def stage_release(store: Store, staging: Path, step: Step, content: Content, parent: Manifest | None) -> Manifest:
    """Put all files of one release into the staging folder; return its entry of the manifest."""
    label = step.release.label
    if step.unchanged and parent:
        _link_unchanged(store, staging, label, parent)
        entry: Manifest = parent["releases"][label]
        return entry
    archive = store.archive_path(step.receipt)
    if not archive.exists():
        raise DataError(
            f"{label} must be built again, but its archive {archive} is gone. Pull it again: rvu run {label}"
        )
    built = build_release(archive, step.receipt, step.release, content, _previous(staging, step.previous))
    with explained(f"writing {label}"):
        for table, frame in built.tables.items():
            write_table(frame, TABLES[table], table_file(staging, table, label))
    return _entry(step, built)


def publish_version(
    store: Store, staging: Path, entries: dict[str, Manifest], content_fingerprint: str, today: date
) -> Published:
    """Turn a staging folder that holds every release into the next version; nothing if nothing differs."""
    _require_known_codes(entries)
    parent = parent_manifest(store)
    with explained("publishing"):
        files = _describe_files(staging)
        if parent and {path: facts["sha256"] for path, facts in files.items()} == {
            path: facts["sha256"] for path, facts in parent["files"].items()
        }:
            return Published(parent["version"], is_new=False, manifest=parent)
        version = store.next_version(today)
        manifest: Manifest = {
            "version": version,
            "parent": parent["version"] if parent else None,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "schema_fingerprint": schema_fingerprint(),
            "code_fingerprint": code_fingerprint(),
            "content_fingerprint": content_fingerprint,
            "is_sample": all(entry["receipt"]["is_sample"] for entry in entries.values()),
            "releases": entries,
            "files": files,
        }
        changes = _changes(store, staging, parent, manifest)
        if parent:
            _share_with_parent(store, staging, parent, files)
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        (staging / "CHANGES.md").write_text(changes, "utf-8")
        store.commit(staging, version)
    return Published(version, is_new=True, manifest=manifest)


def schema_fingerprint() -> str:
    """Return a hash of all tables' Parquet schemas, descriptions included."""
    text = "".join(arrow_schema(model).to_string(show_schema_metadata=True) for model in TABLES.values())
    return hashlib.sha256(text.encode()).hexdigest()


def _link_unchanged(store: Store, staging: Path, label: str, parent: Manifest) -> None:
    folder = store.version_path(parent["version"])
    for path, facts in parent["files"].items():
        if facts["release"] == label:
            link_or_copy(folder / path, staging / path)


def _previous(staging: Path, label: str | None) -> Previous | None:
    """Read back what the next release is compared with."""
    if label is None:
        return None
    codes = read_table(table_file(staging, "code", label), TABLES["code"], ["hcpcs", "category"])
    rows = pq.read_metadata(table_file(staging, "rvu", label)).num_rows
    return Previous(label, rows, codes)


def _entry(step: Step, built: Built) -> Manifest:
    merge = asdict(built.accounting) if built.accounting else {}
    return {
        "receipt": asdict(step.receipt),
        "previous": step.previous,
        "fingerprint": step.fingerprint,
        "rows": {table: len(frame) for table, frame in built.tables.items()},
        "merge": merge | {"content_without_code": list(merge.get("content_without_code", ()))},
        "findings": [finding.as_dict() for finding in built.findings],
    }


def _require_known_codes(entries: dict[str, Manifest]) -> None:
    """Refuse content for a code that no release has; a sample can speak for HCPCS Level II only."""
    absent = [set(entry["merge"]["content_without_code"]) for entry in entries.values()]
    unknown = set.intersection(*absent) if absent else set()
    if all(entry["receipt"]["is_sample"] for entry in entries.values()):
        unknown = {code for code in unknown if code[0].isalpha() and code[0] != "D"}
    if unknown:
        raise DataError(
            f"raw/content/codes.csv describes codes that no release of this version has: "
            f"{', '.join(sorted(unknown)[:10])}. Correct or remove these rows."
        )


def _describe_files(staging: Path) -> dict[str, Manifest]:
    files = {}
    for path in sorted(staging.rglob("*.parquet")):
        files[path.relative_to(staging).as_posix()] = {
            "table": path.parent.name,
            "release": path.stem,
            "rows": pq.read_metadata(path).num_rows,
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
    return files


def _share_with_parent(store: Store, staging: Path, parent: Manifest, files: dict[str, Manifest]) -> None:
    """Replace files that came out as in the parent version by links to them."""
    folder = store.version_path(parent["version"])
    for path, facts in files.items():
        if parent["files"].get(path, {}).get("sha256") == facts["sha256"]:
            link_or_copy(folder / path, staging / path)


def _changes(store: Store, staging: Path, parent: Manifest | None, manifest: Manifest) -> str:
    """Write CHANGES.md: what differs from the parent version, table by table."""
    title = f"# {manifest['version']}\n\n"
    if parent is None:
        listed = "\n".join(f"- {label}" for label in manifest["releases"])
        return f"{title}First version. Releases:\n\n{listed}\n"
    lines = [title + f"Differences from {parent['version']}.\n", *_release_changes(parent, manifest)]
    lines += [
        "| table | release | rows added | rows removed | rows changed | columns |",
        "|---|---|--:|--:|--:|---|",
    ]
    old, new = parent["files"], manifest["files"]
    for path in sorted(old.keys() | new.keys()):
        if old.get(path, {}).get("sha256") != new.get(path, {}).get("sha256"):
            lines.append(_file_change(store, staging, parent, path, new.get(path) or old[path]))
    return "\n".join(lines) + "\n"


def _release_changes(parent: Manifest, manifest: Manifest) -> list[str]:
    before, after = parent["releases"], manifest["releases"]
    lines = [f"- release {label} is new" for label in after if label not in before]
    lines += [f"- release {label} is no longer part of the data" for label in before if label not in after]
    lines += [
        f"- release {label} was built from another archive: {after[label]['receipt']['archive']}, "
        f"sha256 {after[label]['receipt']['sha256'][:16]}, was {before[label]['receipt']['sha256'][:16]}"
        for label in after
        if label in before and after[label]["receipt"]["sha256"] != before[label]["receipt"]["sha256"]
    ]
    if parent["content_fingerprint"] != manifest["content_fingerprint"]:
        lines.append("- our content changed")
    return [*lines, ""]


def _file_change(store: Store, staging: Path, parent: Manifest, path: str, facts: Manifest) -> str:
    """Return one line of the table of changes."""
    label = f"| {facts['table']} | {facts['release']} |"
    if path not in parent["files"]:
        return f"{label} {facts['rows']} | 0 | 0 | new file |"
    if not (staging / path).exists():
        return f"{label} 0 | {facts['rows']} | 0 | file removed |"
    model = TABLES[facts["table"]]
    before = read_table(store.version_path(parent["version"]) / path, model)
    found = difference(before, read_table(staging / path, model), primary_key(model))
    shown = ", ".join(found.columns[:8]) + (" ..." if len(found.columns) > 8 else "")
    return f"{label} {found.added} | {found.removed} | {found.changed} | {shown} |"
