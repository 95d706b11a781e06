"""rederive: a version is what its archives give, or it is told what is not."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.assemble import plan_derived, plan_version
from pipeline.catalog import Catalog
from pipeline.errors import DataError, MachineError, UsageError
from pipeline.rederive import rebuilt_problems
from pipeline.store import MANIFEST, PROJECT, Receipt, Store, sha256_of, write_atomically
from pipeline.verify import verify_version
from tests.test_build import rezipped
from tests.test_cli import rvu


def manifest_of(store: Store) -> dict[str, Any]:
    return store.manifest(store.require_version())


def put_manifest(store: Store, manifest: dict[str, Any]) -> None:
    write_atomically(store.version_path(store.require_version()) / MANIFEST, json.dumps(manifest))


def archive_of(store: Store, label: str) -> Path:
    return store.archive_path(Receipt(**manifest_of(store)["releases"][label]["receipt"]))


def problems(store: Store) -> list[str]:
    return rebuilt_problems(store, store.require_version(), workers=1)


def test_one_value_that_was_changed_together_with_its_manifest_is_found_and_nothing_else(store: Store) -> None:
    path = store.version_path(store.require_version()) / "gpci" / "RVU25A.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("work_gpci")
    values = table.column(index).to_pylist()
    path.unlink()  # the file is shared with other tests
    field = table.schema.field(index)
    pq.write_table(table.set_column(index, field, [[values[0] + 0.001, *values[1:]]]), path)
    manifest = manifest_of(store)
    manifest["files"]["gpci/RVU25A.parquet"] |= {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    put_manifest(store, manifest)
    assert verify_version(store, store.require_version()).problems == ()
    code, text = rvu("verify", "--deep", "--workers", "1", "--json")
    outcome = json.loads(text[: text.rindex("}") + 1])
    assert (code, outcome["deep"], len(outcome["problems"])) == (1, True, 1)
    assert outcome["problems"][0].startswith("gpci/RVU25A.parquet is not what the archives give: expected sha256")
    assert "rvu rollback VERSION" in text
    assert "rvu run --sample" in text


def test_an_archive_that_is_gone_is_named(store: Store) -> None:
    path = archive_of(store, "RVU25A")
    path.unlink()
    again = "Restore it from a copy, or move its folder away and run RVU25A again."
    assert problems(store) == [f"RVU25A: its archive {path} is gone. {again}"]


def test_an_archive_that_was_changed_is_named(store: Store) -> None:
    path = archive_of(store, "RVU26C")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"\n")
    assert problems(store)[0].startswith(f"RVU26C: its archive {path} has sha256 {sha256_of(path)}, not ")


@pytest.mark.parametrize(
    ("fingerprint", "reason"),
    [
        ("code_fingerprint", "it was written by other code, or with other versions of pandas, pyarrow or pandera"),
        ("content_fingerprint", r"it was written with other texts in raw/content/"),
        ("version", "RVU26C: written with another catalog, or kept from an earlier version by a failed run"),
    ],
    ids=["code", "content", "catalog"],
)
def test_a_version_of_another_state_is_not_compared(store: Store, fingerprint: str, reason: str) -> None:
    manifest = manifest_of(store)
    manifest["releases"]["RVU26C"]["fingerprint"] = "another"
    manifest[fingerprint] = "another"
    put_manifest(store, manifest)
    with pytest.raises(UsageError, match=rf"cannot be compared byte by byte: {reason}.*rvu run --sample"):
        problems(store)


def test_a_changed_catalog_is_noticed(home: Path, store: Store) -> None:
    text = (PROJECT / "raw" / "catalog.toml").read_text("utf-8")
    write_atomically(
        home / "raw" / "catalog.toml", text.replace("effective_from = 2026-10-01", "effective_from = 2026-10-02")
    )
    with pytest.raises(UsageError, match="RVU26C: written with another catalog"):
        problems(store)


def test_a_build_that_fails_stops_with_its_own_problem(store: Store, catalog: Catalog, tmp_path: Path) -> None:
    archive = archive_of(store, "RVU25A")
    hollow = rezipped(archive, tmp_path / "rvu25a.zip", PPRRVU=None)
    archive.unlink()
    archive.write_bytes(hollow.read_bytes())
    manifest = manifest_of(store)
    entry = manifest["releases"]["RVU25A"]
    entry["receipt"]["sha256"] = sha256_of(hollow)
    target = store.archive_path(Receipt(**entry["receipt"]))
    archive.parent.rename(target.parent)
    steps = plan_version(catalog, None, [Receipt(**entry["receipt"])])
    plan = plan_derived({"RVU25A": steps["RVU25A"].fingerprint}, manifest["content_fingerprint"])
    manifest["releases"] = {"RVU25A": entry | {"fingerprint": plan["RVU25A"].fingerprint}}
    put_manifest(store, manifest)
    with pytest.raises(DataError, match="PPRRVU"):
        problems(store)


def test_a_temporary_folder_that_cannot_be_used_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(MachineError, match=r"While rebuilding .*gone"):
        problems(store)
