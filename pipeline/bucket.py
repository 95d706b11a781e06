"""Publishes versions in an object store: each appears whole or not at all, and two publishers never both win."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.errors import DataError, MachineError, OutrunError, UsageError
from pipeline.remote import Objects, Seen, open_objects, transfer
from pipeline.store import MANIFEST, VERSION, Store, is_remote, version_after, version_order

Manifest = Mapping[str, Any]
LATEST = "LATEST"
CHANGES = "CHANGES.md"
# Who creates the first one owns the version's name; the second one says that LATEST has named the version.
CLAIM, PUBLISHED = ".publisher", ".published"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """The name of a version to come, and the object that reserves it where versions are kept in an object store."""

    version: str
    seen: Seen | None = None


def objects_of(store: Store) -> Objects | None:
    """Return where versions are kept, if that is an object store."""
    return open_objects(store.curated_place) if is_remote(store.curated_place) else None


def latest_of(objects: Objects) -> str | None:
    """Return the version that LATEST names, or None before the first."""
    name = _name_in(objects.seen(LATEST))
    if name is not None and not VERSION.fullmatch(name):
        raise DataError(
            f"{objects.place}/{LATEST} names {name[:40]!r}, expected a version such as 2026-11-23.1. Write the one "
            "that shall be the latest into it."
        )
    return name


def latest_version(store: Store) -> str | None:
    """Return the latest version, in the object store if there is one."""
    objects = objects_of(store)
    return latest_of(objects) if objects else store.latest_version()


def claim_version(store: Store, today: date) -> Claim:
    """Return the name of the version to come, which nobody else can take; it sorts after all others.

    MachineError where the object store ignores conditions on writing, which would let two publishers win.
    """
    objects = objects_of(store)
    if objects is None:
        return Claim(store.next_version(today))
    taken = [name for name in objects.folders() if VERSION.fullmatch(name)]
    while True:
        version = version_after(taken, today)
        if seen := objects.swap(f"{version}/{CLAIM}", f"claimed {uuid4().hex}\n", None):
            _require_conditions(objects, version)
            return Claim(version, seen)
        taken.append(version)


def send_version(store: Store, staging: Path, claim: Claim, manifest: Manifest, parent: Manifest | None) -> None:
    """Send a staged version, file by file, and then let LATEST name it if that still names the parent.

    OutrunError when another version took the parent's place meanwhile; nothing of ours is left then.
    """
    objects, version = objects_of(store), claim.version
    if objects is None or claim.seen is None:
        return
    latest = objects.seen(LATEST)
    is_in_time = _name_in(latest) == (parent and parent["version"])
    if is_in_time:
        _send_files(objects, staging, manifest, parent)
    is_ours = objects.swap(f"{version}/{CLAIM}", f"sent {claim.seen.text}", claim.seen)
    if is_ours and is_in_time and _point_latest(objects, version, latest):
        return
    if is_ours and f"{version}/{PUBLISHED}" not in objects.listing(version):
        _remove(objects, version)
        objects.remove([f"{version}/{CLAIM}"])
    raise OutrunError(
        f"Another publisher was faster: {objects.place} has a new latest version. Run again to add to that one."
    )


def move_latest(store: Store, version: str, expected: str | None) -> None:
    """Let LATEST of the object store name another version; OutrunError if it does not name the expected one now."""
    objects = objects_of(store)
    if objects is None:
        return
    if version not in versions(store):
        raise UsageError(f"There is no version {version} in {objects.place}. See: rvu versions")
    latest = objects.seen(LATEST)
    if _name_in(latest) != expected or not _point_latest(objects, version, latest):
        raise OutrunError(f"The latest version of {objects.place} is no longer {expected}. See: rvu versions")


def remove_version(store: Store, version: str) -> None:
    """Delete a version of the object store but for its name; UsageError for the latest one.

    One that its publisher finishes sending at this moment stays. The name remains claimed, since a publisher who was
    thought dead may still be sending files under it.
    """
    objects = objects_of(store)
    if objects is None:
        return
    _require_not_latest(objects, version)
    claim = objects.seen(f"{version}/{CLAIM}")
    if claim and not objects.swap(f"{version}/{CLAIM}", f"removed {uuid4().hex}\n", claim):
        return
    manifest = objects.seen(f"{version}/{MANIFEST}")
    objects.remove([f"{version}/{MANIFEST}"])
    try:
        _require_not_latest(objects, version)  # somebody rolled back to it
    except UsageError:
        objects.put(f"{version}/{MANIFEST}", manifest.text if manifest else "")
        raise
    _remove(objects, version)


def versions(store: Store) -> list[str]:
    """Return all versions that were published, in the object store if there is one, oldest first."""
    objects = objects_of(store)
    if objects is None:
        return store.versions()
    latest = latest_of(objects)
    found = _listed(objects)
    return sorted((name for name in found if _is_published(found[name]) or name == latest), key=version_order)


def leftovers(store: Store, idle: timedelta = DAY) -> list[str]:
    """Return versions of the object store that nobody has written to for a day and that were never published."""
    objects = objects_of(store)
    if objects is None:
        return []
    latest, since = latest_of(objects), datetime.now(UTC) - idle
    return [
        version
        for version, files in _listed(objects).items()
        if files.keys() > {CLAIM} and not _is_published(files) and version != latest and max(files.values()) < since
    ]


def _name_in(latest: Seen | None) -> str | None:
    return latest.text.strip() if latest else None


def _listed(objects: Objects) -> dict[str, dict[str, datetime]]:
    """Return the objects of every version and when each was written."""
    found: dict[str, dict[str, datetime]] = {}
    for name, written_at in objects.listing().items():
        version, _, path = name.partition("/")
        if path and VERSION.fullmatch(version):
            found.setdefault(version, {})[path] = written_at
    return found


def _is_published(files: Mapping[str, datetime]) -> bool:
    """Tell whether a version is whole and LATEST has named it; who copied one by hand claimed nothing."""
    return MANIFEST in files and (PUBLISHED in files or CLAIM not in files)


def _require_conditions(objects: Objects, version: str) -> None:
    """Try to write over a claim that is taken, in both ways that must fail."""
    stale = Seen("", {"e_tag": '"0"', "version": "0"})
    if any(objects.swap(f"{version}/{CLAIM}", f"tried {uuid4().hex}\n", expected) for expected in (None, stale)):
        raise MachineError(
            f"{objects.place} ignores conditions on writing, so that two publishers at once could overwrite each "
            "other. Use a server that honours If-None-Match and If-Match, or publish into a folder."
        )


def _send_files(objects: Objects, staging: Path, manifest: Manifest, parent: Manifest | None) -> None:
    """Send what a version holds, the manifest last; files of the parent are copied where they lie."""
    version = manifest["version"]

    def send(path: str) -> None:
        target = f"{version}/{path}"
        is_shared = parent and parent["files"].get(path, {}).get("sha256") == manifest["files"][path]["sha256"]
        if not (parent and is_shared and objects.copy(f"{parent['version']}/{path}", target)):
            objects.put(target, staging / path)

    transfer(f"sending {version}", send, list(manifest["files"]))
    for name in (CHANGES, MANIFEST):
        objects.put(f"{version}/{name}", staging / name)


def _point_latest(objects: Objects, version: str, latest: Seen | None) -> bool:
    """Let LATEST name a version if it is still as it was seen; what was named before stays known as published."""
    if before := _name_in(latest):
        objects.put(f"{before}/{PUBLISHED}", "")
    if not objects.swap(LATEST, f"{version}\n", latest):
        return False
    objects.put(f"{version}/{PUBLISHED}", "")
    return True


def _require_not_latest(objects: Objects, version: str) -> None:
    if latest_of(objects) == version:
        raise UsageError(f"{version} is the latest version of {objects.place} and stays.")


def _remove(objects: Objects, version: str) -> None:
    """Delete the objects of a version, its manifest first and without the claim on its name."""
    objects.remove([f"{version}/{MANIFEST}"])
    objects.remove(objects.listing(version).keys() - {f"{version}/{CLAIM}"})
