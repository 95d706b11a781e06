"""cli_care: the operator's commands, what they print and the exit codes that schedulers rely on."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.store import MANIFEST, Store, write_atomically
from tests.test_cli import rvu


@pytest.fixture
def two(store: Store) -> tuple[str, str]:
    """Return two versions, both of them long ago: the sample, and a copy of it as the latest."""
    (sample,) = store.versions()
    first, second = "2026-01-01.1", "2026-02-01.1"
    for version, parent in ((first, None), (second, first)):
        with store.staging() as staging:
            shutil.copytree(store.version_path(sample), staging, dirs_exist_ok=True)
            manifest = store.manifest(sample) | {"version": version, "parent": parent}
            manifest["created_at"] = f"{version[:10]}T00:00:00+00:00"
            (staging / MANIFEST).write_text(json.dumps(manifest), "utf-8")
            store.commit(staging, version)
    store.remove_version(sample)
    return first, second


def test_rollback_says_what_is_the_latest_now_and_how_to_stop_the_schedule(two: tuple[str, str]) -> None:
    first, second = two
    code, text = rvu("rollback", first)
    assert code == 0
    assert f"The latest version is {first} of 2026-01-01" in text
    assert f"(RVU25A, RVU26C). Before, it was {second}." in text
    assert "may publish again what was rolled back" in text
    assert "prefect deployment schedule pause" in text
    _, listed = rvu("versions", "--json")
    assert {row["version"]: row["latest"] for row in json.loads(listed)} == {first: True, second: False}


def test_rollback_help_warns_of_the_next_run() -> None:
    _, text = rvu("rollback", "--help")
    assert "may publish again" in " ".join(text.split())
    assert "prefect deployment schedule pause" in text


def test_rollback_refuses_with_the_exit_code_of_the_reason(two: tuple[str, str], store: Store) -> None:
    code, text = rvu("rollback", "2020-01-01.1")
    assert (code, "There is no version 2020-01-01.1" in text) == (2, True)
    (store.version_path(two[0]) / "gpci" / "RVU25A.parquet").unlink()
    code, text = rvu("rollback", two[0])
    assert (code, "gpci/RVU25A.parquet is missing" in text) == (1, True)
    assert store.latest_version() == two[1]


def test_prune_shows_what_it_does_before_it_does_it(two: tuple[str, str], store: Store) -> None:
    code, text = rvu("prune", "--keep", "1", "--dry-run")
    assert code == 0
    assert "Dry run" in text
    assert "1 of 2 versions would be removed" in text
    assert len(store.versions()) == 2
    code, text = rvu("prune", "--keep", "1")
    assert code == 0
    assert "1 of 2 versions removed, " in text
    assert store.versions() == [two[1]]


def test_prune_tells_programs_what_became_of_each_version(two: tuple[str, str], store: Store) -> None:
    _, text = rvu("prune", "--keep", "1", "--grace", "0", "--json")
    removed, kept = json.loads(text)
    assert (removed["version"], removed["is_removed"], removed["reason"]) == (two[0], True, "replaced on 2026-02-01")
    assert removed["bytes_freed"] > 1_000_000
    assert kept == {"version": two[1], "is_removed": False, "reason": "the latest", "bytes_freed": 0}


@pytest.mark.parametrize(
    "arguments", [["--keep", "0"], ["--keep", "-1"], ["--keep", "1", "--grace", "-1"], []], ids=" ".join
)
def test_prune_refuses_what_would_keep_too_little(arguments: list[str], two: tuple[str, str], store: Store) -> None:
    assert rvu("prune", *arguments)[0] == 2
    assert len(store.versions()) == 2


def test_prune_does_not_wait_for_ever_for_a_publisher(
    two: tuple[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_LOCK_TIMEOUT", "0.1")
    with store.locked():
        code, text = rvu("prune", "--keep", "1")
    assert (code, "Another run has been publishing" in text) == (3, True)
    assert len(store.versions()) == 2


def test_doctor_ends_with_0_when_there_are_warnings_only(home: Path) -> None:
    code, text = rvu("doctor", "--json")
    assert code == 0
    states = {row["check"]: row["state"] for row in json.loads(text)}
    assert (states["licence"], states["latest version"]) == ("warning", "ok")
    code, text = rvu("doctor")
    assert (code, "--accept-license" in text) == (0, True)


def test_doctor_ends_with_1_for_the_data_and_3_for_the_machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(store.curated / "LATEST", "2020-01-01.1\n")
    assert rvu("doctor")[0] == 1
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    code, text = rvu("doctor")
    assert code == 3
    assert "does not answer" in text
