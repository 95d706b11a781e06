"""Builds a published version once more from its raw archives, and compares every file."""

from collections import deque
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.assemble import Assembly, Manifest, build_merged, build_sources, plan_version
from pipeline.build import code_fingerprint
from pipeline.catalog import load_catalog
from pipeline.content import content_fingerprint
from pipeline.crew import Crew, workers_wanted
from pipeline.errors import UsageError
from pipeline.store import Receipt, Store, explained, sha256_of
from pipeline.verify import command_to_rebuild


def rebuilt_problems(store: Store, version: str, workers: int | None) -> list[str]:
    """Return which files of a version its archives do not give; they are rebuilt in the system's temporary folder.

    UsageError when the version was written by another state of code, content or catalog, which may rightly give
    other bytes.
    """
    manifest = store.manifest(version)
    receipts = [Receipt(**entry["receipt"]) for entry in manifest["releases"].values()]
    if lost := [problem for receipt in receipts for problem in _archive_problems(store, receipt)]:
        return lost
    with explained(f"rebuilding {version}"), TemporaryDirectory(prefix="rvu-") as name:
        folder = Path(name)
        assembly = _assembly(store, folder, receipts)
        _require_same_state(manifest, assembly)
        with Crew(workers_wanted(workers)) as crew:
            deque(chain(build_sources(assembly, crew), build_merged(assembly, crew)), maxlen=0)
        if assembly.problems:
            raise next(iter(assembly.problems.values()))
        rebuilt = {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*.parquet")}
    return _differences(manifest["files"], rebuilt)


def _archive_problems(store: Store, receipt: Receipt) -> list[str]:
    """Say whether an archive is no longer what was received."""
    path = store.archive_path(receipt)
    again = f"Restore it from a copy, or move its folder away and run {receipt.release} again."
    if not path.exists():
        return [f"{receipt.release}: its archive {path} is gone. {again}"]
    if (found := sha256_of(path)) != receipt.sha256:
        return [f"{receipt.release}: its archive {path} has sha256 {found}, not {receipt.sha256}. {again}"]
    return []


def _assembly(store: Store, folder: Path, receipts: list[Receipt]) -> Assembly:
    """Begin a version without a parent, so that nothing is taken over."""
    steps = plan_version(load_catalog(*store.catalogs), None, receipts)
    return Assembly(store, folder, None, content_fingerprint(store.declared("content")), steps, {})


def _require_same_state(manifest: Manifest, assembly: Assembly) -> None:
    """Raise UsageError unless the fingerprints promise the same bytes."""
    then = {label: entry["fingerprint"] for label, entry in manifest["releases"].items()}
    now = {label: derivation.fingerprint for label, derivation in assembly.plan().items()}
    if then == now:
        return
    differing = ", ".join(label for label in then if then[label] != now.get(label))
    if manifest["code_fingerprint"] != code_fingerprint():
        reason = "it was written by other code, or with other versions of pandas, pyarrow or pandera"
    elif manifest["content_fingerprint"] != assembly.content_fingerprint:
        reason = "it was written with other texts in raw/content/"
    else:
        reason = f"{differing}: written with another catalog, or kept from an earlier version by a failed run"
    raise UsageError(
        f"{manifest['version']} cannot be compared byte by byte: {reason}. Check out the state that published it and "
        f"verify there; or run its releases again, which rebuilds them: {command_to_rebuild(manifest)}\n"
        "'Nothing new' then means that every file came out the same; else there is a new version to verify."
    )


def _differences(files: dict[str, Manifest], rebuilt: dict[str, str]) -> list[str]:
    """Compare the files that a manifest lists with those that were made anew."""
    problems = []
    for path in sorted(files.keys() | rebuilt.keys()):
        if path not in rebuilt:
            problems.append(f"{path} is in the manifest, but the archives do not give it")
        elif path not in files:
            problems.append(f"{path} is given by the archives, but is not in the manifest")
        elif rebuilt[path] != files[path]["sha256"]:
            problems.append(
                f"{path} is not what the archives give: expected sha256 {rebuilt[path][:16]}..., the manifest says "
                f"{files[path]['sha256'][:16]}..."
            )
    return problems
