"""Checks a published version: every byte against its manifest, every table against its model."""

from dataclasses import dataclass

import pyarrow.parquet as pq

from pipeline.assemble import Manifest
from pipeline.parquet import in_order, read_table
from pipeline.publish import schema_fingerprint
from pipeline.store import Store, sha256_of
from pipeline.validate import describe, judge
from schemas.table import Table, arrow_schema, primary_key
from schemas.tables import TABLES


@dataclass(frozen=True)
class Verification:
    """What was checked and what is wrong with it; `schema_checked` is False for versions of an older schema."""

    version: str
    files: int
    rows: int
    schema_checked: bool
    problems: tuple[str, ...]


def verify_version(store: Store, version: str) -> Verification:
    """Re-hash and re-check all files of a version; problems are returned, not raised."""
    manifest = store.manifest(version)
    damaged = damage(store, version)
    problems = list(damaged.values())
    same_schema = manifest["schema_fingerprint"] == schema_fingerprint()
    if same_schema:
        for path, facts in manifest["files"].items():
            if path not in damaged:
                problems += [f"{path}: {problem}" for problem in _table_problems(store, version, path, facts["rows"])]
    rows = sum(facts["rows"] for facts in manifest["files"].values())
    return Verification(version, len(manifest["files"]), rows, same_schema, tuple(problems))


def damage(store: Store, version: str) -> dict[str, str]:
    """Return what is wrong with the bytes of a version: its manifest against the files that are there, by path."""
    files = store.manifest(version)["files"]
    folder = store.version_path(version)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    found = {path: f"{path} is not in the manifest" for path in sorted(present - files.keys())}
    for path, facts in files.items():
        if path not in present:
            found[path] = f"{path} is missing"
        elif sha256_of(folder / path) != facts["sha256"]:
            found[path] = f"{path} differs from its manifest: expected sha256 {facts['sha256'][:16]}..."
    return found


def command_to_rebuild(manifest: Manifest) -> str:
    """Return the command that runs the releases of a version again."""
    return "rvu run --sample" if manifest["is_sample"] else f"rvu run {' '.join(manifest['releases'])}"


def _table_problems(store: Store, version: str, path: str, rows: int) -> list[str]:
    """Check types, rows, order and rules of one file."""
    file = store.version_path(version) / path
    model: type[Table] = TABLES[path.split("/", maxsplit=1)[0]]
    written, declared = pq.read_schema(file), arrow_schema(model)
    if not written.equals(declared) or [field.metadata for field in written] != [
        field.metadata for field in declared
    ]:
        return ["its Parquet schema is not the declared one"]
    frame = read_table(file, model)
    problems = [describe(finding) for finding in judge(frame, model) if finding.severity == "error"]
    if len(frame) != rows:
        problems.append(f"expected {rows} rows, found {len(frame)}")
    key = primary_key(model)
    if in_order(frame, key) is not frame:
        problems.append(f"is not sorted by {', '.join(key)}")
    return problems
