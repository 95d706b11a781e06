"""history: going back to an older version, and removing old ones, while readers and publishers are at work."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.assemble import Pulled, assemble
from pipeline.catalog import Catalog
from pipeline.errors import DataError, MachineError, UsageError
from pipeline.history import Fate, fates, prune, rollback
from pipeline.publish import publish_version
from pipeline.store import MANIFEST, Store, link_or_copy, sha256_of, table_file, write_atomically
from pipeline.verify import verify_version

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
ROWS = "gpci/RVU24A.parquet"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("RVU_LOCK_TIMEOUT", "0.1")
    return Store(tmp_path)


def publish(store: Store, version: str, rows: int, created_at: str | None = None, shared: str | None = None) -> None:
    """Publish a version with one file, of so many rows, on the day of its name; or the file of another version."""
    with store.staging() as staging:
        file = staging / ROWS
        if shared:
            link_or_copy(store.version_path(shared) / ROWS, file)
        else:
            file.parent.mkdir()
            pq.write_table(pa.table({"row": list(range(rows))}), file, row_group_size=100)
        manifest = {
            "version": version,
            "parent": store.latest_version(),
            "created_at": created_at or f"{version[:10]}T00:00:00+00:00",
            "files": {ROWS: {"sha256": sha256_of(file)}},
        }
        (staging / MANIFEST).write_text(json.dumps(manifest), "utf-8")
        store.commit(staging, version)


@pytest.fixture
def three(empty: Store) -> Store:
    """Return a store of three old versions."""
    for version in ("2026-01-01.1", "2026-02-01.1", "2026-03-01.1"):
        publish(empty, version, rows=10)
    return empty


def removed(found: list[Fate]) -> list[str]:
    return [fate.version for fate in found if fate.is_removed]


def reason(found: list[Fate], version: str) -> str:
    return next(fate.reason for fate in found if fate.version == version)


def size(store: Store, version: str, file: str) -> int:
    return (store.version_path(version) / file).stat().st_size


# Rollback


def test_rollback_lets_readers_find_the_older_version_and_removes_nothing(three: Store) -> None:
    assert rollback(three, "2026-01-01.1") == "2026-03-01.1"
    assert (three.latest_version(), three.linked_version()) == ("2026-01-01.1", "2026-01-01.1")
    assert len(three.versions()) == 3


def test_rolling_back_to_the_newer_version_undoes_it(three: Store) -> None:
    rollback(three, "2026-01-01.1")
    assert rollback(three, "2026-03-01.1") == "2026-01-01.1"
    assert three.latest_version() == "2026-03-01.1"


def test_a_latest_that_names_nothing_is_repaired(three: Store) -> None:
    write_atomically(three.curated / "LATEST", "2020-01-01.1\n")
    rollback(three, "2026-03-01.1")
    assert three.require_version() == "2026-03-01.1"


def test_rollback_refuses_a_damaged_version(three: Store) -> None:
    (three.version_path("2026-01-01.1") / ROWS).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=rf"2026-01-01.1 is damaged, so that 2026-03-01.1 stays.*{ROWS} differs"):
        rollback(three, "2026-01-01.1")
    assert three.latest_version() == "2026-03-01.1"


def test_rollback_refuses_a_version_whose_manifest_cannot_be_read(three: Store) -> None:
    (three.version_path("2026-01-01.1") / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(DataError, match=r"manifest.json cannot be read"):
        rollback(three, "2026-01-01.1")


def test_rollback_refuses_what_does_not_exist(three: Store) -> None:
    with pytest.raises(UsageError, match=r"There is no version 2025-01-01.1"):
        rollback(three, "2025-01-01.1")


def test_rollback_and_prune_wait_for_a_publisher_no_longer_than_they_are_told(three: Store) -> None:
    with three.locked():
        with pytest.raises(MachineError, match="Another run has been publishing"):
            rollback(three, "2026-01-01.1")
        with pytest.raises(MachineError, match="Another run has been publishing"):
            prune(three, 1, WEEK, NOW)
        assert removed(fates(three, 1, WEEK, NOW)) == ["2026-01-01.1", "2026-02-01.1"]  # a dry run need not wait
    assert len(three.versions()) == 3


def test_after_a_rollback_the_next_run_starts_from_it_and_counts_on(store: Store, catalog: Catalog) -> None:
    today = datetime.now(UTC).date()
    first, second = store.require_version(), store.next_version(today)
    with store.staging() as staging:
        shutil.copytree(store.version_path(first), staging, dirs_exist_ok=True)
        store.commit(staging, second)
    rollback(store, first)
    with store.staging() as staging:
        assembly = assemble(store, staging, catalog, Pulled(), "content")
        shutil.copytree(store.version_path(first) / "rvu", staging / "rvu")
        assembly.entries |= store.manifest(first)["releases"]
        published = publish_version(assembly, today)
    assert published.manifest["parent"] == first
    assert store.versions() == [first, second, published.version]
    assert store.require_version() == published.version
    assert verify_version(store, second).problems == ()


# Prune


def test_prune_keeps_the_newest(three: Store) -> None:
    found = prune(three, 2, WEEK, NOW)
    assert removed(found) == ["2026-01-01.1"]
    assert reason(found, "2026-01-01.1") == "replaced on 2026-02-01"
    assert reason(found, "2026-02-01.1") == "one of the newest 2"
    assert reason(found, "2026-03-01.1") == "the latest"
    assert three.versions() == ["2026-02-01.1", "2026-03-01.1"]
    assert removed(prune(three, 2, WEEK, NOW)) == []


def test_the_latest_is_never_removed_however_old(three: Store) -> None:
    rollback(three, "2026-01-01.1")
    found = prune(three, 1, WEEK, NOW)
    assert removed(found) == ["2026-02-01.1"]
    assert reason(found, "2026-01-01.1") == "the latest"
    assert three.require_version() == "2026-01-01.1"


def test_a_version_that_was_the_latest_within_the_grace_period_stays(empty: Store) -> None:
    publish(empty, "2026-01-01.1", rows=10)
    publish(empty, "2026-11-20.1", rows=20)
    found = fates(empty, 1, WEEK, NOW)
    assert removed(found) == []
    assert reason(found, "2026-01-01.1").startswith("replaced less than 7 days ago")
    assert removed(fates(empty, 1, timedelta(days=4), NOW)) == ["2026-01-01.1"]


def test_a_version_that_was_the_latest_again_by_a_rollback_stays_as_long(three: Store) -> None:
    rollback(three, "2026-01-01.1")
    publish(three, "2026-11-23.1", rows=20)
    assert removed(fates(three, 1, WEEK, NOW)) == ["2026-02-01.1"]


@pytest.mark.parametrize("damaged", ["2026-01-01.1", "2026-02-01.1"], ids=["its own", "that of the next"])
@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"created_at": "soon", "parent": null}'])
def test_a_version_stays_while_a_manifest_does_not_say_how_old_it_is(three: Store, damaged: str, text: str) -> None:
    (three.version_path(damaged) / MANIFEST).write_text(text, "utf-8")
    found = fates(three, 2, WEEK, NOW)
    assert removed(found) == []
    assert "cannot be read" in reason(found, "2026-01-01.1")


def test_a_version_of_the_future_stays(three: Store) -> None:
    publish(three, "2026-12-01.1", rows=20)
    publish(three, "2026-12-01.2", rows=30, created_at="2026-11-01T00:00:00+00:00")
    found = fates(three, 1, WEEK, NOW)
    assert removed(found) == ["2026-01-01.1", "2026-02-01.1"]
    for version in ("2026-03-01.1", "2026-12-01.1"):
        assert reason(found, version) == "replaced in the future, on 2026-12-01: the clock went backwards"


def test_only_bytes_that_no_version_shares_any_longer_are_freed(empty: Store) -> None:
    publish(empty, "2026-01-01.1", rows=10)
    publish(empty, "2026-02-01.1", rows=0, shared="2026-01-01.1")
    publish(empty, "2026-03-01.1", rows=1000)
    publish(empty, "2026-04-01.1", rows=0, shared="2026-03-01.1")
    manifests = {version: size(empty, version, MANIFEST) for version in empty.versions()}
    file = size(empty, "2026-01-01.1", ROWS)
    freed = {fate.version: fate.bytes_freed for fate in fates(empty, 1, WEEK, NOW)}
    assert freed == {
        "2026-01-01.1": manifests["2026-01-01.1"],
        "2026-02-01.1": manifests["2026-02-01.1"] + file,
        "2026-03-01.1": manifests["2026-03-01.1"],
        "2026-04-01.1": 0,
    }
    assert pq.read_metadata(empty.version_path("2026-04-01.1") / ROWS).num_rows == 1000


def test_a_dry_run_says_what_would_happen_and_removes_nothing(three: Store) -> None:
    announced = fates(three, 1, WEEK, NOW)
    assert len(three.versions()) == 3
    assert prune(three, 1, WEEK, NOW) == announced
    assert three.versions() == ["2026-03-01.1"]


def test_a_reader_goes_on_reading_a_version_that_is_removed(empty: Store) -> None:
    publish(empty, "2026-01-01.1", rows=1000)
    publish(empty, "2026-02-01.1", rows=10)
    path = table_file(empty.version_path("2026-01-01.1"), "gpci", "RVU24A")
    with pq.ParquetFile(path) as plain, pq.ParquetFile(path, memory_map=True) as mapped:
        assert plain.read_row_group(0).num_rows == 100
        assert removed(prune(empty, 1, WEEK, NOW)) == ["2026-01-01.1"]
        assert not path.exists()
        for file in (plain, mapped):
            assert file.read_row_group(9).column("row").to_pylist() == list(range(900, 1000))


def test_what_an_interrupted_prune_left_is_cleared_by_the_next(three: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
        crash.setattr(shutil, "rmtree", interrupt)
        prune(three, 1, WEEK, NOW)
    assert three.versions() == ["2026-02-01.1", "2026-03-01.1"]
    assert [path.name[:9] for path in three.leftovers()] == [".removed-"]
    prune(three, 1, WEEK, NOW)
    assert three.leftovers() == []
    assert three.versions() == ["2026-03-01.1"]


def test_there_is_nothing_to_prune_before_the_first_version(empty: Store) -> None:
    assert prune(empty, 1, WEEK, NOW) == []
