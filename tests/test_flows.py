"""flows: what an operator sees of a run in Prefect."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pipeline.errors import MachineError, UsageError
from pipeline.flows import refresh, run_refresh, run_watch, watch_cms
from pipeline.store import PROJECT, Store
from tests.cms_pages import CMS, Posted, copy_catalog, put_cms
from tests.conftest import run_sample
from tests.loopback import Site


def cli(*arguments: str, home: Path, server: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pipeline.cli", *arguments],
        env=os.environ | {"RVU_HOME": str(home), "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_attaches_findings_and_changes_as_artifacts(home: Path, prefect_server: str) -> None:
    (home / "curated" / "LATEST").unlink()
    run_sample(home)
    wanted = {"artifacts": {"key": {"any_": ["validation", "version"]}}, "sort": "CREATED_DESC"}
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json=wanted).json()
    told = {artifact["key"]: str(artifact["data"]) for artifact in reversed(artifacts)}
    assert "GXXX1" in told["validation"]
    assert "leading zeros restored" in told["validation"]
    assert "First version. Releases:" in told["version"]


def test_problem_ends_the_flow_as_failed_with_its_message(home: Path, prefect_server: str) -> None:
    state = refresh(releases=["RVU99Z"], return_state=True)
    assert state.is_failed()
    assert state.name == "UsageError"
    assert "RVU99Z is not in raw/catalog.toml" in (state.message or "")


def test_failure_of_some_releases_ends_the_flow_as_incomplete(
    home: Path, prefect_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = tmp_path / "rvu26c.zip"
    page.write_bytes(b"<html><title>Page not found</title></html>")
    sources = {"RVU25A": str(next((PROJECT / "raw" / "sample").glob("rvu25a*"))), "RVU26C": str(page)}
    state = refresh(["RVU25A..RVU26D"], sources, is_sample=True, return_state=True)
    assert (state.is_completed(), state.name) == (True, "Incomplete")
    assert (state.message or "").startswith("failed: RVU26C; all else is in version ")
    assert "left out, not among the archives given: RVU25B, RVU25C, RVU25D, RVU26A" in caplog.text
    wanted = {"artifacts": {"key": {"any_": ["failures"]}}, "sort": "CREATED_DESC"}
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json=wanted).json()
    assert "RVU26C: rvu26c.zip is a web page" in artifacts[0]["data"]


def test_pulling_without_acceptance_stops_with_the_notice(home: Path, prefect_server: str) -> None:
    with pytest.raises(MachineError, match="American\nMedical Association"):
        run_refresh(["RVU26D"], {}, is_sample=False, accept_license=False)


def test_unknown_release_is_a_usage_error(home: Path, prefect_server: str) -> None:
    with pytest.raises(UsageError, match="append a \\[\\[release\\]\\] block"):
        run_refresh(["RVU99Z"], {}, is_sample=False, accept_license=True)


def test_broken_archive_is_told_without_a_traceback(home: Path, prefect_server: str, tmp_path: Path) -> None:
    broken = tmp_path / "rvu25b.zip"
    broken.write_bytes(b"<html><title>Page not found</title></html>")
    done = cli("run", "--from", str(broken), home=home, server=prefect_server)
    assert done.returncode == 1
    assert "rvu: rvu25b.zip is a web page (Page not found), expected a zip" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_two_publishers_at_once_both_end_up_in_the_final_version(
    tmp_path: Path, prefect_server: str, sample_archives: dict[str, Path]
) -> None:
    store = Store(tmp_path)
    command = [sys.executable, "-m", "pipeline.cli", "run", "--json", "--from"]
    environment = os.environ | {"RVU_HOME": str(tmp_path), "PREFECT_API_URL": prefect_server}
    running = [
        subprocess.Popen([*command, str(path)], env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
        for path in sample_archives.values()
    ]
    outcomes = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert set(store.manifest(store.require_version())["releases"]) == set(sample_archives)
    assert all('"is_new": true' in outcome for outcome in outcomes)


def test_run_prints_json_for_programs(home: Path, prefect_server: str) -> None:
    done = cli("run", "--sample", "--json", home=home, server=prefect_server)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["is_new"] is False


INDEX = 'index = "{cms}/medicare/payment/fee-schedules/physician/pfs-relative-value-files"\n'
KNOWN = """
[[release]]
label = "RVU26C"
effective_from = 2026-07-01
archives = ["{cms}/files/zip/rvu26c.zip"]
"""
OCTOBER = "/files/zip/rvu26d-updated-08-26-2026.zip"


@pytest.fixture
def cms(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_archives: dict[str, Path]) -> Site:
    """Return CMS's pages, which list one release more than the home's catalog, behind a licence page."""
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    catalog = copy_catalog(tmp_path, site, (INDEX + KNOWN).replace("{cms}", CMS))
    put_cms(site, catalog, {"RVU26D": Posted("October 2026 release", (f" /license/ama?file={OCTOBER}&x=1",))})
    for path in ("/files/zip/rvu26c.zip", OCTOBER):
        site.put(path, sample_archives["RVU26C"].read_bytes(), etag='"one"')
    return site


def test_watch_publishes_a_release_that_nobody_told_it_about(cms: Site, prefect_server: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = watch_cms(accept_license=True, workers=2, return_state=True)
    version = store.require_version()
    receipt = store.manifest(version)["releases"]["RVU26D"]["receipt"]
    assert first.name == "Published"
    assert receipt["url"] == cms.address + OCTOBER
    assert 'label = "RVU26D"' in store.found.read_text("utf-8")
    before = len(cms.requests)
    assert not run_watch(workers=2).is_new
    assert store.require_version() == version
    assert all("if-none-match" in request.headers for request in cms.requests[before:])
    wanted = {"artifacts": {"key": {"any_": ["watch"]}}, "sort": "CREATED_DESC"}
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json=wanted).json()
    assert OCTOBER in artifacts[1]["data"]


def test_watch_fails_on_a_page_that_it_does_not_know(cms: Site, prefect_server: str, tmp_path: Path) -> None:
    for path in cms.files:
        cms.put(path, b"<html><title>Site under maintenance</title><p>Back soon.</p></html>")
    state = watch_cms(accept_license=True, return_state=True)
    assert (state.is_failed(), state.name) == (True, "DataError")
    assert "Site under maintenance" in (state.message or "")
    assert not (tmp_path / "curated").exists()


@pytest.mark.skipif("RVU_TEST_DRILLS" not in os.environ, reason="test_mirror does it in less time; RVU_TEST_DRILLS=1")
def test_two_publishers_with_one_object_store_both_end_up_in_the_final_version(
    place: str, prefect_server: str, tmp_path: Path, sample_archives: dict[str, Path]
) -> None:
    places = {"RVU_CURATED": f"{place}/versions", "RVU_RAW": f"{place}/raw"}
    environment = os.environ | places | {"PREFECT_API_URL": prefect_server}
    running = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "pipeline.cli", "run", "--json", "--from", str(path)],
            env=environment | {"RVU_HOME": str(tmp_path / label)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for label, path in sample_archives.items()
    ]
    outcomes = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert all('"is_new": true' in outcome for outcome in outcomes)
    fresh = environment | {"RVU_HOME": str(tmp_path / "fresh")}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "versions", "--json"],
        env=fresh,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[-1]["releases"] == "RVU25A, RVU26C"
