"""Brings versions of an object store into the home, each whole or not at all, and checked byte by byte."""

import json
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.bucket import CHANGES, latest_of, objects_of, versions
from pipeline.errors import DataError, UsageError
from pipeline.remote import Objects, transfer
from pipeline.store import MANIFEST, SHA256, Store, explained, link_or_copy, sha256_of

DATA_FILE = re.compile(r"[a-z][a-z0-9_]*/[A-Z0-9]+\.parquet")


def opened() -> Store:
    """Open the store for reading, with the latest version of an object store in it."""
    store = Store.open()
    bring_latest(store)
    return store


def bring_latest(store: Store) -> None:
    """Make the latest version of the home that of the object store; not while this process is staging.

    An object store without versions leaves the home without a latest one. DataError for a damaged version.
    """
    objects = objects_of(store)
    if objects is None or _is_brought(store, objects, latest_of(objects)):
        return
    with store.staging() as staging:
        version = latest_of(objects)
        if version is None:
            store.forget_latest()
        else:
            _bring(store, staging, objects, version)
            store.make_latest(version)


def bring_version(store: Store, version: str) -> None:
    """Bring a version that need not be the latest; UsageError when the object store lacks it."""
    objects = objects_of(store)
    if objects is None:
        return
    if version not in versions(store):
        raise UsageError(f"There is no version {version} in {objects.place}. See: rvu versions")
    with store.staging() as staging:
        _bring(store, staging, objects, version)


def manifest_of(store: Store, version: str) -> dict[str, Any]:
    """Return the manifest of a version, which need not be in the home; DataError when it cannot be read."""
    objects = objects_of(store)
    if objects is None:
        return store.manifest(version)
    text = _manifest_text(objects, version)
    _files(objects, version, text)
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _is_brought(store: Store, objects: Objects, version: str | None) -> bool:
    """Tell whether the home is in step; a bucket that was emptied and filled anew may have given a name twice."""
    if version is None or store.latest_version() != version:
        return version == store.latest_version()
    return _own_manifest(store, version) == _manifest_text(objects, version)


def _bring(store: Store, staging: Path, objects: Objects, version: str) -> None:
    text = _manifest_text(objects, version)
    if _own_manifest(store, version) == text:
        return
    files = _files(objects, version, text)
    with explained(f"bringing version {version}"):
        twins = _own_files(store)
        work = partial(_bring_file, objects, version, staging, twins)
        transfer(f"bringing {version}", work, list(files.items()))
        objects.download(f"{version}/{CHANGES}", staging / CHANGES)
        (staging / MANIFEST).write_text(text, "utf-8")
        store.add_version(staging, version)


def _bring_file(objects: Objects, version: str, staging: Path, twins: dict[str, Path], item: tuple[str, str]) -> None:
    """Take a file that another version of the home has, or download it."""
    path, sha256 = item
    target = staging / path
    if path_of_twin := twins.get(sha256):
        link_or_copy(path_of_twin, target)
        if sha256_of(target) == sha256:
            return
        target.unlink()  # only the link: the other version is damaged
    found = objects.download(f"{version}/{path}", target)
    if found != sha256:
        what = f"has sha256 {found[:16]}" if found else "is missing"
        raise DataError(
            f"{objects.place}/{version}/{path} {what}, but its manifest says {sha256[:16]}: the version is damaged. "
            "Restore the object from a copy, or make another version the latest: rvu rollback"
        )


def _own_manifest(store: Store, version: str) -> str | None:
    path = store.version_path(version) / MANIFEST
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else None


def _own_files(store: Store) -> dict[str, Path]:
    """Return the data files of the home by their sha256."""
    found: dict[str, Path] = {}
    for version in store.versions():
        with suppress(DataError):  # a copy that is damaged is of no use
            files = store.manifest(version)["files"]
            found |= {facts["sha256"]: store.version_path(version) / path for path, facts in files.items()}
    return found


def _manifest_text(objects: Objects, version: str) -> str:
    found = objects.seen(f"{version}/{MANIFEST}")
    if found is None:
        raise DataError(
            f"{objects.place} holds no manifest of version {version}: the version is damaged. Restore it from a "
            "copy, or make another version the latest: rvu rollback"
        )
    return found.text


def _files(objects: Objects, version: str, text: str) -> dict[str, str]:
    """Return the data files that a manifest names, with their sha256; DataError for names that are not ours."""
    try:
        manifest = json.loads(text)
        files = {str(path): str(facts["sha256"]) for path, facts in manifest["files"].items()}
        wrong = [
            path for path, sha256 in files.items() if not DATA_FILE.fullmatch(path) or not SHA256.fullmatch(sha256)
        ]
        wrong += [manifest["version"]] if manifest["version"] != version else []
    except (ValueError, LookupError, TypeError, AttributeError):
        wrong = ["what is no manifest"]
    if wrong:
        raise DataError(
            f"{objects.place}/{version}/{MANIFEST} holds {wrong[0]!r}, which this pipeline does not write: expected "
            "files such as rvu/RVU25A.parquet. Nothing was brought. Find out who writes into the bucket."
        )
    return files
