"""doctor: what is wrong with an installation is found, one check at a time, and told with what to do."""

import json
import os
import platform
import shutil
import sys
import time
from collections import namedtuple
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline import doctor_data, doctor_machine
from pipeline.doctor import Diagnosis, examine, ok
from pipeline.errors import DataError, MachineError, UsageError
from pipeline.parquet import read_table, write_table
from pipeline.store import MANIFEST, Store, table_file, write_atomically
from schemas.tables import TABLES
from tests.loopback import Answer, serve

Usage = namedtuple("Usage", "total used free")
MACHINE, DATA = MachineError.exit_code, DataError.exit_code


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(tmp_path)


def put_catalog(store: Store, *releases: tuple[str, date, str]) -> None:
    """Declare releases by label, first day and note."""
    blocks = [
        f'[[release]]\nlabel = "{label}"\neffective_from = {start}\nnote = "{note}"\narchives = []\n'
        for label, start, note in releases
    ]
    write_atomically(store.home / "raw" / "catalog.toml", "\n".join(blocks))


def declare(folder: Path, *requirements: str) -> None:
    """Let a folder hold what an installed project declares about itself."""
    lines = ["Metadata-Version: 2.4", "Name: rvu", "Version: 0.1", *requirements]
    write_atomically(folder / "rvu-0.1.dist-info" / "METADATA", "\n".join(lines) + "\n")


def manifest_path(store: Store) -> Path:
    return store.version_path(store.require_version()) / MANIFEST


def edit_manifest(store: Store, **facts: object) -> None:
    write_atomically(manifest_path(store), json.dumps(store.manifest(store.require_version()) | facts))


def assert_found(found: Diagnosis, state: str, text: str, to_do: str) -> None:
    assert found.state == state
    assert text in found.found
    assert to_do in found.to_do


# All checks together


def test_every_check_gives_one_line_that_is_called_after_it(home: Path, store: Store) -> None:
    found = examine(store, (*doctor_machine.CHECKS, *doctor_data.CHECKS))
    assert list(found)[:3] == ["python", "packages", "write access"]
    assert len(found) == len(doctor_machine.CHECKS) + len(doctor_data.CHECKS)
    assert {name for name, each in found.items() if each.state == "problem"} == set()
    assert all(each.to_do for each in found.values() if each.state != "ok")


@pytest.mark.parametrize(
    ("raised", "exit_code", "text"),
    [
        (MachineError("no permission: run as the owner"), MACHINE, "no permission: run as the owner"),
        (DataError("x is damaged: restore it"), DATA, "x is damaged: restore it"),
        (UsageError("There is no version"), DATA, "There is no version"),
        (
            PermissionError(13, "Permission denied", "raw/license.json"),
            MACHINE,
            "raw/license.json: Permission denied",
        ),
        (KeyError("releases"), DATA, "the check itself failed: KeyError: 'releases'"),
    ],
)
def test_a_check_that_fails_has_found_a_problem_and_the_others_go_on(
    empty: Store, raised: Exception, exit_code: int, text: str
) -> None:
    def broken(_: Store) -> Diagnosis:
        raise raised

    def sound(_: Store) -> Diagnosis:
        return ok("fine")

    found = examine(empty, (broken, sound))
    assert found["broken"].state == "problem"
    assert (found["broken"].found, found["broken"].exit_code) == (text, exit_code)
    assert found["sound"] == Diagnosis("ok", "fine")


# The machine


def test_an_old_python(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_machine.python(empty).state == "ok"
    monkeypatch.setattr(platform, "python_version", lambda: "3.10.4")
    assert_found(doctor_machine.python(empty), "problem", "3.10.4, expected >=3.11", "another Python")


def test_packages_that_differ_from_what_is_declared(
    empty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = doctor_machine.packages(empty)
    assert installed.state == "ok"
    assert "pandas 3." in installed.found
    assert "ruff" not in installed.found  # of the developers only
    names = (
        "pandas<3",
        "no-such-package>=1",
        "httpx>=0.1",
        'ruff<0.1; extra == "dev"',
        'tomli; python_version < "3.11"',
    )
    declare(tmp_path, *(f"Requires-Dist: {name}" for name in names))
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor_machine.packages(empty)
    assert_found(found, "problem", "; no-such-package is missing, expected >=1", "pip install --constraint")
    assert found.found.startswith("pandas 3.")
    assert "httpx" not in found.found
    assert found.exit_code == MACHINE


def test_a_project_that_is_not_installed(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as bare:
        bare.setattr(sys, "path", [])
        with pytest.raises(MachineError, match=r"rvu is not installed in this Python\. .*pip install"):
            doctor_machine.packages(empty)


def test_folders_that_can_be_written_are_left_as_they_were(home: Path, store: Store) -> None:
    before = sorted(home.rglob("*"))
    assert doctor_machine.write_access(store).state == "ok"
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("name", ["raw", "curated"])
def test_a_folder_that_cannot_be_written(empty: Store, name: str) -> None:
    (empty.home / name).touch()
    with pytest.raises(MachineError, match=rf"While writing into .*{name}"):
        doctor_machine.write_access(empty)


def test_little_space_on_the_disk(home: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 6 * 10**9))
    assert doctor_machine.disk_space(store).state == "ok"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 4_300_000_000))
    assert_found(doctor_machine.disk_space(store), "warning", "4.3 GB free", "rvu prune --keep")


def test_prefect_that_answers_and_that_does_not(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "embedded server" in doctor_machine.prefect(empty).found
    with serve() as site:
        monkeypatch.setenv("PREFECT_API_URL", f"{site.address}/api/")
        site.put("/api/health", b"true")
        assert doctor_machine.prefect(empty) == ok(f"{site.address}/api/ answers")
        site.script.append(Answer(503))
        assert_found(doctor_machine.prefect(empty), "problem", "answered 503", "prefect server start")
    assert_found(doctor_machine.prefect(empty), "problem", "does not answer", "correct PREFECT_API_URL")
    monkeypatch.setenv("PREFECT_API_URL", "http://[broken/api")
    assert doctor_machine.prefect(empty).exit_code == MACHINE


def test_the_licence_is_accepted_or_not(empty: Store) -> None:
    assert_found(doctor_machine.licence(empty), "warning", "not accepted", "rvu run --accept-license")
    write_atomically(empty.license_record, '{"accepted_by": "ann", "accepted_at": "2026-11-24"}')
    assert doctor_machine.licence(empty) == ok("accepted by ann at 2026-11-24")


# The data


def test_a_gap_in_the_catalog_that_no_note_explains(empty: Store) -> None:
    assert doctor_data.catalog_gaps(empty).state == "ok"
    first, third = ("RVU26A", date(2026, 1, 1)), ("RVU26C", date(2026, 7, 1), "")
    put_catalog(empty, (*first, ""), third)
    found = doctor_data.catalog_gaps(empty)
    assert_found(found, "warning", "without a release between RVU26A and RVU26C", "raw/catalog.toml")
    put_catalog(empty, (*first, "There was no RVU26B."), third)
    assert doctor_data.catalog_gaps(empty).state == "ok"


@pytest.mark.parametrize(("days", "state"), [(99, "ok"), (102, "warning"), (-30, "ok")])
def test_a_catalog_that_has_not_been_told_of_the_newest_release(empty: Store, days: int, state: str) -> None:
    put_catalog(empty, ("RVU26A", doctor_data._today() - timedelta(days), ""))
    assert doctor_data.catalog_age(empty).state == state


def test_a_damaged_catalog_is_a_problem_of_the_data(empty: Store) -> None:
    write_atomically(empty.home / "raw" / "catalog.toml", "[[release")
    found = examine(empty, [doctor_data.catalog_gaps])["catalog gaps"]
    assert (found.state, found.exit_code) == ("problem", DATA)
    assert "catalog.toml cannot be read" in found.found


def test_before_the_first_version_there_is_little_to_find(empty: Store) -> None:
    put_catalog(empty, ("RVU26A", doctor_data._today(), ""))
    found = examine(empty, doctor_data.CHECKS)
    assert {name for name, each in found.items() if each.state != "ok"} == {"latest version", "release in force"}
    assert_found(found["latest version"], "warning", "no version is published yet", "rvu run --sample")


def test_a_latest_that_names_no_version(store: Store) -> None:
    version = store.require_version()
    assert doctor_data.latest_version(store).state == "ok"
    for text in ("2020-01-01.1\n", ""):
        write_atomically(store.curated / "LATEST", text)
        assert_found(doctor_data.latest_version(store), "problem", "which is no version", f"rvu rollback {version}")
    (store.curated / "LATEST").unlink()
    assert_found(doctor_data.latest_version(store), "problem", "LATEST names nothing", f"rvu rollback {version}")


def test_a_latest_that_names_a_version_where_there_is_none(empty: Store) -> None:
    write_atomically(empty.curated / "LATEST", "2020-01-01.1\n")
    assert_found(doctor_data.latest_version(empty), "problem", "2020-01-01.1, which is no version", "rvu run")


def test_a_latest_whose_manifest_cannot_be_read(store: Store) -> None:
    write_atomically(manifest_path(store), "{")
    found = examine(store, [doctor_data.latest_version, doctor_data.release_in_force])
    assert {each.exit_code for each in found.values()} == {DATA}
    assert all("manifest.json cannot be read" in each.found for each in found.values())


def test_a_link_that_leads_to_another_version(store: Store) -> None:
    (store.curated / "latest").unlink()
    (store.curated / "latest").symlink_to("2020-01-01.1")
    found = doctor_data.latest_version(store)
    assert_found(found, "warning", "but the link leads to 2020-01-01.1", f"rvu rollback {store.latest_version()}")
    (store.curated / "latest").unlink()  # as on a file system without links
    assert doctor_data.latest_version(store).state == "ok"


def test_the_release_of_today_is_published_or_not(store: Store) -> None:
    today = doctor_data._today()
    put_catalog(store, ("RVU25A", today - timedelta(90), ""), ("RVU26C", today, ""))
    assert_found(doctor_data.release_in_force(store), "warning", "holds the sample only", "rvu run RVU26C")
    edit_manifest(store, is_sample=False)
    assert doctor_data.release_in_force(store).state == "ok"
    put_catalog(store, ("RVU26C", today - timedelta(90), ""), ("RVU26D", today, ""))
    assert_found(doctor_data.release_in_force(store), "warning", "RVU26D prices services of today", "rvu run RVU26D")


def test_how_much_of_the_newest_release_has_texts(store: Store) -> None:
    assert "RVU26C: " in doctor_data.content_coverage(store).found
    path = table_file(store.version_path(store.require_version()), "code", "RVU26C")
    codes = read_table(path, TABLES["code"]).assign(title=None).astype({"title": "str"})
    path.unlink()  # the file is shared with other tests
    write_table(codes, TABLES["code"], path)
    assert_found(doctor_data.content_coverage(store), "warning", "0 of 536 payable codes", "rvu content missing")


def test_what_killed_runs_left_is_told_after_a_day(store: Store) -> None:
    left = [
        store.curated / ".staging-killed",
        store.curated / ".removed-killed",
        store.archives_folder("RVU25A") / ".incoming-killed",
        store.partial_download("RVU25A", "https://www.cms.gov/files/zip/rvu25a.zip"),
    ]
    for path in left:
        path.touch()
    assert doctor_data.leftovers(store).state == "ok"  # a run may be at work
    for path in left:
        yesterday = time.time() - 25 * 60 * 60
        os.utime(path, (yesterday, yesterday))
    found = doctor_data.leftovers(store)
    assert_found(found, "warning", "older than a day", "Remove the rest by hand")
    assert all(str(path) in found.found for path in left)


def test_a_run_that_is_publishing_is_told_and_not_disturbed(store: Store) -> None:
    assert doctor_data.publisher(store) == ok("no run is publishing")
    with store.locked():
        assert doctor_data.publisher(store) == ok("a run is publishing at this moment")
    assert doctor_data.publisher(store) == ok("no run is publishing")


def test_a_clock_that_went_backwards(store: Store) -> None:
    assert doctor_data.clock(store).state == "ok"
    later = doctor_data._today() + timedelta(days=2)
    store.version_path(store.require_version()).rename(store.version_path(f"{later}.1"))
    assert_found(doctor_data.clock(store), "warning", f"the newest version is of {later}", "Set the clock")
