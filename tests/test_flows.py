"""flows: what an operator sees of a run in Prefect."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pipeline.errors import MachineError, UsageError
from pipeline.flows import refresh, run_refresh
from pipeline.store import PROJECT, Store
from tests.conftest import run_sample


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
    assert state.message == "failed: RVU26C"
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
