"""mirror: what an object store holds is brought home whole and checked, and other tools read it where it lies."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import pytest

from pipeline import assemble, deposit, mirror, publish, pull
from pipeline.bucket import LATEST
from pipeline.catalog import load_catalog
from pipeline.content import content_fingerprint
from pipeline.crew import Crew
from pipeline.errors import DataError, OutrunError, UsageError
from pipeline.remote import Objects, Seen, open_objects
from pipeline.store import MANIFEST, Receipt, Store
from pipeline.verify import verify_version
from tests import object_store
from tests.object_store import DAY, KEY, SECRET, use
from tests.test_build import rezipped

ROWS = 990  # of the thousand lines
FIRST, SECOND = f"{DAY}.1", f"{DAY}.2"
OLD, NEW = {"rvu/RVU25A.parquet": "rows of 2025"}, {"rvu/RVU26A.parquet": "rows of 2026"}


@pytest.fixture
def store(place: str, tmp_path: Path) -> Store:
    return Store(tmp_path / "home", curated_place=place)


@pytest.fixture
def fresh(place: str, tmp_path: Path) -> Store:
    """Return the store of a machine that has nothing yet."""
    return Store(tmp_path / "fresh", curated_place=place)


def contents(store: Store, version: str) -> dict[str, str]:
    folder = store.version_path(version)
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


def test_latest_version_is_brought_whole(store: Store, fresh: Store) -> None:
    object_store.publish(store, OLD)
    mirror.bring_latest(fresh)
    assert fresh.require_version() == FIRST
    assert contents(fresh, FIRST) == contents(store, FIRST)
    assert (fresh.curated / "latest" / "rvu" / "RVU25A.parquet").read_text("utf-8") == "rows of 2025"


def test_command_that_reads_finds_the_latest_version(
    store: Store, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_store.publish(store, OLD)
    monkeypatch.setenv("RVU_HOME", str(tmp_path / "reader"))
    monkeypatch.setenv("RVU_CURATED", f"{place}/")
    opened = mirror.opened()
    assert opened.require_version() == FIRST
    assert opened.curated.is_relative_to(tmp_path / "reader" / "curated")
    assert Store(tmp_path / "reader").versions() == []  # what is published into the home itself is another matter


def test_file_that_an_older_version_has_is_not_brought_again(store: Store, fresh: Store, objects: Objects) -> None:
    object_store.publish(store, OLD)
    mirror.bring_latest(fresh)
    object_store.publish(store, NEW)
    objects.remove([f"{SECOND}/rvu/RVU25A.parquet"])  # so it cannot be
    mirror.bring_latest(fresh)
    older, newer = (fresh.version_path(version) / "rvu" / "RVU25A.parquet" for version in (FIRST, SECOND))
    assert newer.samefile(older)
    assert (newer.parent / "RVU26A.parquet").read_text("utf-8") == "rows of 2026"


def test_file_whose_copy_at_home_is_damaged_is_brought_again(store: Store, fresh: Store) -> None:
    object_store.publish(store, OLD)
    mirror.bring_latest(fresh)
    damaged = fresh.version_path(FIRST) / "rvu" / "RVU25A.parquet"
    damaged.write_text("nonsense", "utf-8")
    object_store.publish(store, NEW)
    mirror.bring_latest(fresh)
    assert contents(fresh, SECOND) == contents(store, SECOND)
    assert damaged.read_text("utf-8") == "nonsense"


def test_home_that_is_in_step_waits_for_nobody(store: Store, fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    object_store.publish(store, OLD)
    mirror.bring_latest(fresh)
    monkeypatch.setenv("RVU_LOCK_TIMEOUT", "0")
    with fresh.staging():
        mirror.bring_latest(fresh)


def test_latest_that_was_moved_back_is_followed(store: Store, fresh: Store, objects: Objects) -> None:
    object_store.publish(store, OLD)
    object_store.publish(store, NEW)
    mirror.bring_latest(fresh)
    objects.put(LATEST, f"{FIRST}\n")
    mirror.bring_latest(fresh)
    assert fresh.require_version() == FIRST
    assert fresh.versions() == [FIRST, SECOND]


def test_older_version_is_brought_when_it_is_asked_for(store: Store, fresh: Store) -> None:
    object_store.publish(store, OLD)
    object_store.publish(store, NEW)
    mirror.bring_version(fresh, FIRST)
    assert contents(fresh, FIRST) == contents(store, FIRST)
    assert fresh.latest_version() is None
    with pytest.raises(UsageError, match=r"There is no version 2020-01-01\.1 in s3://.*See: rvu versions"):
        mirror.bring_version(fresh, "2020-01-01.1")


def test_bucket_that_was_emptied_empties_no_home_but_is_believed(
    store: Store, fresh: Store, objects: Objects
) -> None:
    object_store.publish(store, OLD)
    objects.remove(objects.listing())
    mirror.bring_latest(store)
    assert store.latest_version() is None
    assert store.versions() == [FIRST]
    assert object_store.publish(fresh, NEW) == FIRST  # the same name again, for something else
    mirror.bring_latest(store)
    assert contents(store, FIRST) == contents(fresh, FIRST)


def test_home_that_holds_an_older_life_of_the_bucket_can_publish_into_it(store: Store, objects: Objects) -> None:
    object_store.publish(store, OLD)
    objects.remove(objects.listing())
    assert object_store.publish(store, NEW) == FIRST
    assert contents(store, FIRST).keys() == {"manifest.json", "CHANGES.md", "rvu/RVU26A.parquet"}


def test_two_buckets_of_one_home_do_not_mix(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = [Store(tmp_path, curated_place=use(s3_server, monkeypatch)) for _ in range(2)]
    for store, files in zip(stores, (OLD, NEW), strict=True):
        assert object_store.publish(store, files) == FIRST
    assert [set(store.manifest(FIRST)["files"]) for store in stores] == [set(OLD), set(NEW)]


# What must not be believed


@pytest.mark.parametrize("damage", ["rows of 1925", "", None], ids=["other bytes", "cut", "gone"])
def test_damaged_version_is_refused(store: Store, fresh: Store, objects: Objects, damage: str | None) -> None:
    object_store.publish(store, OLD)
    name = f"{FIRST}/rvu/RVU25A.parquet"
    objects.remove([name])
    if damage is not None:
        objects.put(name, damage)
    with pytest.raises(DataError, match=rf"{name} (has sha256|is missing).*is damaged\. Restore.*rvu rollback"):
        mirror.bring_latest(fresh)
    assert fresh.latest_version() is None
    assert [path.name for path in fresh.curated.iterdir() if path.name != ".lock"] == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil.parquet",
        "rvu/../../evil.parquet",
        "/tmp/evil.parquet",  # noqa: S108
        "rvu\\evil.parquet",
        "rvu/.parquet",
        "rvu/RVU25A.parquet\n",
        "manifest.json",
        "rvu/deep/RVU25A.parquet",
    ],
)
def test_name_that_leads_elsewhere_is_refused(store: Store, fresh: Store, objects: Objects, name: str) -> None:
    object_store.publish(store, OLD)
    manifest = store.manifest(FIRST)
    manifest["files"][name] = manifest["files"]["rvu/RVU25A.parquet"]
    objects.put(f"{FIRST}/{MANIFEST}", json.dumps(manifest))
    with pytest.raises(
        DataError, match=r"manifest\.json holds .*which this pipeline does not write.*Nothing was brought"
    ):
        mirror.bring_latest(fresh)
    assert not list(fresh.home.rglob("*evil*"))
    assert fresh.versions() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": "2026-11-23.9", "files": {}}', '{"files": {"a": 1}}', None]
)
def test_manifest_that_is_none_is_refused(store: Store, fresh: Store, objects: Objects, text: str | None) -> None:
    object_store.publish(store, OLD)
    objects.remove([f"{FIRST}/{MANIFEST}"])
    if text is not None:
        objects.put(f"{FIRST}/{MANIFEST}", text)
    with pytest.raises(DataError, match=r"does not write|holds no manifest of version .* rvu rollback"):
        mirror.bring_latest(fresh)
    assert fresh.versions() == []


# The whole sample


def run(store: Store, sources: dict[str, Path]) -> publish.Published:
    """Do what the flow does, without Prefect."""
    catalog, pulled = load_catalog(*store.catalogs), assemble.Pulled()
    for label, path in sources.items():
        deposit.bring_archives(store, label)
        pulled.receipts.append(pull.take_local(store, catalog[label], path, is_sample=True))
        deposit.send_archive(store, pulled.receipts[-1])
    mirror.bring_latest(store)
    with store.staging() as staging, Crew(1) as crew:
        content = content_fingerprint(store.declared("content"))
        assembly = assemble.assemble(store, staging, catalog, pulled, content)
        if current := publish.current_version(assembly):
            return current
        for step in assembly.steps.values():
            deposit.bring_archive(store, step.receipt)
        list(assemble.build_sources(assembly, crew))
        list(assemble.build_merged(assembly, crew))
        return publish.publish_version(assembly, DAY)


@pytest.fixture(scope="module")
def archive(sample_archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a release of a thousand lines."""
    with zipfile.ZipFile(sample_archives["RVU26C"]) as whole:
        lines = whole.read(whole.namelist()[0]).splitlines(keepends=True)
    target = tmp_path_factory.mktemp("archive") / "rvu26c.zip"
    return rezipped(sample_archives["RVU26C"], target, PPRRVU=b"".join(lines[:1000]))


@pytest.fixture(scope="module")
def remote_sample(s3_server: str, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Publish a release from each of two machines at once; return the store of the one that had to begin again."""
    with pytest.MonkeyPatch.context() as environment:
        place = use(s3_server, environment)
        folder = tmp_path_factory.mktemp("machines")
        one, two = (Store(folder / name, f"{place}/raw", f"{place}/curated") for name in ("one", "two"))
        really_swap = Objects.swap

        def swap(self: Objects, name: str, text: str, expected: Seen | None) -> Seen | None:
            if name == LATEST:
                environment.setattr(Objects, "swap", really_swap)
                run(one, {"RVU26C": archive})
            return really_swap(self, name, text, expected)

        environment.setattr(Objects, "swap", swap)
        with pytest.raises(OutrunError):
            run(two, {"RVU26D": archive})
        run(two, {"RVU26D": archive})
        yield two


def test_both_of_two_publishers_are_in_the_final_version(remote_sample: Store) -> None:
    version = remote_sample.require_version()
    assert list(remote_sample.manifest(version)["releases"]) == ["RVU26C", "RVU26D"]
    assert verify_version(remote_sample, version).problems == ()


def test_second_run_with_nothing_new_sends_nothing(remote_sample: Store, archive: Path) -> None:
    places = (remote_sample.raw_place, remote_sample.curated_place)
    before = [open_objects(place).listing() for place in places]
    assert not run(remote_sample, {"RVU26D": archive}).is_new
    assert [open_objects(place).listing() for place in places] == before


def test_fresh_machine_goes_on_from_the_object_store_alone(
    remote_sample: Store, tmp_path: Path, archive: Path
) -> None:
    fresh = Store(tmp_path, remote_sample.raw_place, remote_sample.curated_place)
    published = run(fresh, {"RVU26D": archive})
    assert not published.is_new
    assert verify_version(fresh, published.version).problems == ()
    assert fresh.receipts("RVU26D") == remote_sample.receipts("RVU26D")
    receipt = Receipt(**published.manifest["releases"]["RVU26C"]["receipt"])
    deposit.bring_archive(fresh, receipt)  # as before building it anew
    assert fresh.archive_path(receipt).read_bytes() == archive.read_bytes()


def options_of(s3_server: str) -> dict[str, Any]:
    return {"key": KEY, "secret": SECRET, "client_kwargs": {"endpoint_url": s3_server}}


@pytest.fixture
def folder_of_latest(s3_server: str, remote_sample: Store) -> str:
    files = fsspec.filesystem("s3", **options_of(s3_server))
    with files.open(f"{remote_sample.curated_place}/LATEST", "r") as latest:
        return f"{remote_sample.curated_place}/{latest.read().strip()}"


def test_pandas_reads_a_table_where_it_lies(s3_server: str, folder_of_latest: str) -> None:
    rvu = pd.read_parquet(f"{folder_of_latest}/rvu", storage_options=options_of(s3_server))
    assert rvu["release"].value_counts().to_dict() == {"RVU26C": ROWS, "RVU26D": ROWS}


def test_duckdb_reads_a_table_where_it_lies(s3_server: str, folder_of_latest: str) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("s3", **options_of(s3_server)))
        found = connection.sql(
            f"select release, count(*) from read_parquet('{folder_of_latest}/rvu/*.parquet') "
            "group by release order by release"
        ).fetchall()
    assert found == [("RVU26C", ROWS), ("RVU26D", ROWS)]
