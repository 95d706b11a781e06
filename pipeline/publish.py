"""Makes an assembled staging folder one immutable version of the whole data set, or nothing at all."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.assemble import Assembly, Manifest
from pipeline.bucket import claim_version, send_version
from pipeline.build import code_fingerprint
from pipeline.changelog import changes_text
from pipeline.errors import DataError, RvuError
from pipeline.merge import unknown_codes
from pipeline.store import MANIFEST, Store, explained, link_or_copy, sha256_of
from schemas.table import arrow_schema
from schemas.tables import TABLES


@dataclass(frozen=True)
class Published:
    """What a run came to: the version that is current now, whether it is new, its manifest, and what failed.

    `failures` holds a message per release; `exit_code` is 0 without any.
    """

    version: str
    is_new: bool
    manifest: Manifest = field(repr=False)
    failures: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


def current_version(assembly: Assembly) -> Published | None:
    """Return the parent version where nothing is to be built, added or left out."""
    parent = assembly.parent
    wanted = {label: each.fingerprint for label, each in assembly.plan().items()}
    if parent is None or wanted != {label: entry["fingerprint"] for label, entry in parent["releases"].items()}:
        return None
    return _published(assembly, parent, is_new=False)


def require_some_good(requested: Collection[str], problems: dict[str, RvuError]) -> None:
    """Raise what went wrong if all releases that were asked for failed; there is nothing to publish then."""
    told = {label: problems[label] for label in requested if label in problems}
    if len(told) < len(requested):
        return
    if len(told) == 1:
        raise next(iter(told.values()))
    listed = "\n".join(_labelled(told).values())
    raise _common_kind(told)(f"All {len(told)} releases failed, nothing was published:\n{listed}")


def publish_version(assembly: Assembly, today: date) -> Published:
    """Turn a staging folder that holds every release into the next version; nothing if nothing differs.

    OutrunError when another publisher was faster in an object store: begin again from its version.
    """
    store, staging, parent = assembly.store, assembly.staging, assembly.parent
    with explained("publishing"):
        files = _describe_files(staging)
        if parent and {path: facts["sha256"] for path, facts in files.items()} == {
            path: facts["sha256"] for path, facts in parent["files"].items()
        }:
            return _published(assembly, parent, is_new=False)
        claim = claim_version(store, today)
        manifest = _manifest(assembly, claim.version, files)
        folder = store.version_path(parent["version"]) if parent else None
        changes = changes_text(staging, manifest, folder, parent)
        if parent:
            _share_with_parent(store, staging, parent, files)
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        (staging / "CHANGES.md").write_text(changes, "utf-8")
        send_version(store, staging, claim, manifest, parent)
        store.commit(staging, claim.version)
    return _published(assembly, manifest, is_new=True)


def codes_without_release(assembly: Assembly) -> list[str]:
    """Return codes that our content describes and no release of the version has: of other years, or wrong."""
    absent = [entry["merge"]["content_without_code"] for entry in assembly.entries.values()]
    return unknown_codes(absent, is_sample=_is_sample(assembly))


def schema_fingerprint() -> str:
    """Return a hash of all tables' Parquet schemas, descriptions included."""
    text = "".join(arrow_schema(model).to_string(show_schema_metadata=True) for model in TABLES.values())
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(assembly: Assembly, version: str, files: dict[str, Manifest]) -> Manifest:
    parent = assembly.parent or {}
    return {
        "version": version,
        "parent": parent.get("version"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        # Files that were kept may be of the parent's schema; verify must not hold them to ours.
        "schema_fingerprint": parent["schema_fingerprint"] if assembly.kept else schema_fingerprint(),
        "code_fingerprint": code_fingerprint(),
        "content_fingerprint": assembly.content_fingerprint,
        "is_sample": _is_sample(assembly),
        "releases": assembly.entries,
        "files": files,
    }


def _is_sample(assembly: Assembly) -> bool:
    return all(entry["receipt"]["is_sample"] for entry in assembly.entries.values())


def _published(assembly: Assembly, manifest: Manifest, *, is_new: bool) -> Published:
    problems = assembly.problems
    exit_code = _common_kind(problems).exit_code if problems else 0
    return Published(manifest["version"], is_new, manifest, _labelled(problems), exit_code)


def _labelled(problems: dict[str, RvuError]) -> dict[str, str]:
    """Return messages that all begin with their release."""
    texts = {label: str(problem) for label, problem in problems.items()}
    return {label: text if text.startswith(label) else f"{label}: {text}" for label, text in texts.items()}


def _common_kind(problems: dict[str, RvuError]) -> type[RvuError]:
    """Return the kind of all problems, or that of data where they differ."""
    kinds = {type(problem) for problem in problems.values()}
    return kinds.pop() if len(kinds) == 1 else DataError


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
