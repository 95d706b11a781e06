"""publish: a version appears whole or not at all, and shares what did not change."""

import errno
import io
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline import assemble, build, crew, publish
from pipeline.catalog import Catalog
from pipeline.content import content_fingerprint
from pipeline.errors import DataError, MachineError, RvuError, UsageError
from pipeline.flows import run_refresh
from pipeline.store import PROJECT, Store, sha256_of
from pipeline.verify import verify_version
from tests.conftest import run_sample
from tests.shaped import frame, row
from tests.test_build import receipt_of, rezipped


def tree(folder: Path) -> dict[str, str]:
    """Return what a reader can see of a folder: every file with its hash."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def run_with(home: Path, archive: Path, label: str, *, is_sample: bool = True) -> publish.Published:
    return run_refresh([], {label: str(archive)}, is_sample=is_sample, accept_license=False)


def run_all(archives: dict[str, Path]) -> publish.Published:
    sources = {label: str(path) for label, path in archives.items()}
    return run_refresh([], sources, is_sample=True, accept_license=False)


def shared_tables(store: Store, version: str, other: str, label: str) -> set[str]:
    """Return the tables of a release that are one file in both versions."""
    paths = list(store.version_path(version).rglob(f"{label}.parquet"))
    twins = {path: store.version_path(other) / path.relative_to(store.version_path(version)) for path in paths}
    return {path.parent.name for path, twin in twins.items() if twin.exists() and path.samefile(twin)}


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build in this process, which starts no other ones and sees what a test replaces."""
    monkeypatch.setenv("RVU_WORKERS", "1")


@pytest.fixture
def own_content(home: Path) -> Path:
    """Give the home its own copy of the content, to edit."""
    return Path(shutil.copytree(PROJECT / "raw" / "content", home / "raw" / "content"))


def replace_in(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")


def test_first_version_verifies_and_is_latest(store: Store) -> None:
    version = store.require_version()
    assert (store.curated / "latest").resolve() == store.version_path(version)
    assert verify_version(store, version).problems == ()
    assert (store.version_path(version) / "CHANGES.md").read_text("utf-8").startswith(f"# {version}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_same_inputs_give_the_same_bytes_elsewhere_whatever_the_number_of_workers(
    workers: str, sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_WORKERS", workers)
    run_sample(tmp_path / "other")
    # Paths below the version, not its name: midnight may lie between the two runs.
    one, other = (tree((home / "curated" / "latest").resolve()) for home in (sample_home, tmp_path / "other"))
    parquet = {path: digest for path, digest in one.items() if path.endswith(".parquet")}
    assert parquet == {path: digest for path, digest in other.items() if path.endswith(".parquet")}


def test_second_run_publishes_nothing_new(home: Path, store: Store) -> None:
    before = tree(store.curated)
    run_sample(home)
    assert tree(store.curated) == before


def test_content_edit_rewrites_only_the_files_it_affects(own_content: Path, home: Path, store: Store) -> None:
    first = store.require_version()
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")
    run_sample(home)
    second = store.require_version()
    assert second != first
    differing = {
        path.parent.name
        for path in store.version_path(second).rglob("*.parquet")
        if not path.samefile(store.version_path(first) / path.relative_to(store.version_path(second)))
    }
    assert differing == {"code"}
    changes = (store.version_path(second) / "CHANGES.md").read_text("utf-8")
    assert "| code | RVU25A | 0 | 0 | 1 | plain_language |" in changes
    assert "our content changed" in changes


def test_a_new_release_tells_the_editors_what_it_gives_them_to_do(
    tmp_path: Path, prefect_server: str, sample_archives: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    run_with(tmp_path, sample_archives["RVU25A"], "RVU25A")
    published = run_with(tmp_path, sample_archives["RVU26C"], "RVU26C")
    folder = Store(tmp_path).version_path(published.version)
    changes = (folder / "CHANGES.md").read_text("utf-8")
    tasks = pd.read_parquet(folder / "content_task" / "RVU26C.parquet")
    to_write = tasks.loc[tasks["task"] == "write", "hcpcs"].tolist()
    assert "For our editors, from RVU26C (table `content_task`):" in changes
    assert f"- The code is new, and we have no text on it: {', '.join(to_write[:40])} and" in changes
    assert not (folder / "content_task" / "RVU25A.parquet").exists()


def test_reissued_archive_becomes_a_new_version_beside_the_old_one(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    reissue = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a-updated.zip", OPPSCAP=None)
    before = store.require_version()
    published = run_with(home, reissue, "RVU25A")
    assert published.is_new
    assert len(store.receipts("RVU25A")) == 2
    assert verify_version(store, before).problems == ()
    changes = (store.version_path(published.version) / "CHANGES.md").read_text("utf-8")
    assert "RVU25A was built from another archive" in changes
    assert "| opps_cap | RVU25A | 0 | 0 | 0 | file removed |" in changes


def test_bytes_that_are_kept_as_a_sample_stay_one(home: Path, store: Store, sample_archives: dict[str, Path]) -> None:
    published = run_with(home, sample_archives["RVU26C"], "RVU26C", is_sample=False)
    # The same bytes are kept already, as a sample: they stay one, so nothing changes.
    assert list(published.manifest["releases"]) == ["RVU25A", "RVU26C"]


def test_samples_leave_when_a_real_release_arrives(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    real = rezipped(sample_archives["RVU26C"], tmp_path / "rvu26c.zip")
    published = run_with(home, real, "RVU26C", is_sample=False)
    assert list(published.manifest["releases"]) == ["RVU26C"]
    assert not published.manifest["is_sample"]


def test_content_for_a_code_that_no_release_has_is_told_and_stops_nothing(
    own_content: Path, home: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    made_up = frame("codes", row("codes", hcpcs="G0000"))
    made_up.to_csv(own_content / "codes.csv", mode="a", header=False, index=False, lineterminator="\n")
    run_sample(home)
    assert "1 codes that raw/content/ describes are in no release of this version, such as G0000" in caplog.text
    assert verify_version(store, store.require_version()).problems == ()


def test_broken_archive_leaves_curated_as_it_was(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    before = tree(store.curated)
    for number, member in enumerate((b"", b"HCPCS,MOD\r\nG0008,\r\n", b"\x00\xff" * 500)):
        broken = rezipped(sample_archives["RVU26C"], tmp_path / f"{number}-rvu26c.zip", PPRRVU=member)
        with pytest.raises(RvuError):
            run_with(home, broken, "RVU26C")
        assert tree(store.curated) == before


def test_full_disk_at_any_step_leaves_curated_as_it_was(
    own_content: Path, home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(store.curated)
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    moments = ((assemble, "write_table"), (publish, "_describe_files"), (publish, "changes_text"))
    for module, moment in (*moments, (publish, "_share_with_parent")):
        with monkeypatch.context() as patch, pytest.raises(MachineError, match="the disk is full"):
            patch.setattr(module, moment, full)
            run_sample(home)
        assert tree(store.curated) == before, moment
    run_sample(home)
    assert verify_version(store, store.require_version()).problems == ()


def test_verify_names_what_was_tampered_with(store: Store) -> None:
    version = store.require_version()
    path = store.version_path(version) / "gpci" / "RVU25A.parquet"
    content = bytearray(path.read_bytes())
    path.unlink()  # the private copy is a hard link
    content[100] ^= 1
    path.write_bytes(content)
    (store.version_path(version) / "code" / "RVU26C.parquet").unlink()
    (store.version_path(version) / "code" / "RVU99A.parquet").write_bytes(b"")
    problems = "\n".join(verify_version(store, version).problems)
    assert "gpci/RVU25A.parquet differs from its manifest" in problems
    assert "code/RVU26C.parquet is missing" in problems
    assert "code/RVU99A.parquet is not in the manifest" in problems


def test_archive_that_is_gone_is_named_with_the_way_to_get_it_back(
    home: Path, store: Store, sample_archives: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(store.archives_folder("RVU25A"))
    monkeypatch.setattr(build, "code_fingerprint", lambda: "another version of the code")
    published = run_with(home, sample_archives["RVU26C"], "RVU26C")
    assert list(published.failures) == ["RVU25A"]
    assert "Pull it again: rvu run RVU25A" in published.failures["RVU25A"]
    assert published.exit_code == 1
    assert verify_version(store, published.version).problems == ()


def test_content_edit_needs_no_archive(own_content: Path, home: Path, store: Store) -> None:
    shutil.rmtree(store.archives_folder("RVU25A"))
    replace_in(own_content / "codes.csv", "talking-and-doing group therapy", "hands-on group therapy")
    published = run_with(home, next((PROJECT / "raw" / "sample").glob("rvu26c*")), "RVU26C")
    assert published.is_new
    assert published.failures == {}


# Several releases, of which some fail


def test_published_release_that_fails_now_stays_as_it_was(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    before = store.require_version()
    reissue = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a.zip", OPPSCAP=None)
    broken = rezipped(sample_archives["RVU26C"], tmp_path / "rvu26c.zip", PPRRVU=b"HCPCS,MOD\r\nG0008,\r\n")
    published = run_all({"RVU25A": reissue, "RVU26C": broken})
    assert published.is_new
    assert published.failures["RVU26C"].endswith(f"RVU26C stays as it is in version {before}.")
    assert shared_tables(store, before, published.version, "RVU26C") == set(assemble.TABLES) & {
        path.parent.name for path in store.version_path(before).rglob("RVU26C.parquet")
    }
    assert not (store.version_path(published.version) / "opps_cap" / "RVU25A.parquet").exists()
    assert verify_version(store, before).problems == verify_version(store, published.version).problems == ()


def test_release_that_stays_may_lack_a_table_that_is_built_now(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    folder = store.version_path(store.require_version())
    manifest = store.manifest(folder.name)
    del manifest["files"]["synonym/RVU26C.parquet"], manifest["releases"]["RVU26C"]["rows"]["synonym"]
    (folder / "synonym" / "RVU26C.parquet").unlink()
    (folder / "manifest.json").unlink()  # the private copy is a hard link
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    reissue = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a.zip", OPPSCAP=None)
    broken = rezipped(sample_archives["RVU26C"], tmp_path / "rvu26c.zip", PPRRVU=b"HCPCS,MOD\r\nG0008,\r\n")
    published = run_all({"RVU25A": reissue, "RVU26C": broken})
    assert list(published.failures) == ["RVU26C"]
    assert verify_version(store, published.version).problems == ()


def test_published_release_whose_pull_fails_stays(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    page = tmp_path / "rvu26c.zip"
    page.write_bytes(b"<html><title>Page not found</title></html>")
    reissue = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a.zip", OPPSCAP=None)
    before = store.require_version()
    published = run_all({"RVU25A": reissue, "RVU26C": page})
    assert "is a web page (Page not found)" in published.failures["RVU26C"]
    assert f"RVU26C stays with its archive in version {before}." in published.failures["RVU26C"]
    assert list(published.manifest["releases"]) == ["RVU25A", "RVU26C"]


def test_when_all_fail_curated_stays_and_all_are_told(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    before = tree(store.curated)
    broken = {
        label: rezipped(sample_archives["RVU26C"], tmp_path / f"{label}.zip", PPRRVU=b"HCPCS,MOD\r\nG0008,\r\n")
        for label in ("RVU26B", "RVU26C")
    }
    with pytest.raises(DataError, match=r"(?s)All 2 releases failed.*\nRVU26B: .*\nRVU26C: "):
        run_all(broken)
    assert tree(store.curated) == before


def test_release_put_between_two_is_what_the_later_one_is_compared_with(
    home: Path, store: Store, sample_archives: dict[str, Path]
) -> None:
    before = store.require_version()
    published = run_with(home, sample_archives["RVU25A"], "RVU25D")
    category = pd.read_parquet(store.version_path(published.version) / "category" / "RVU26C.parquet")
    assert set(category["previous_release"]) == {"RVU25D"}
    assert published.manifest["releases"]["RVU26C"]["previous"] == "RVU25D"
    assert "category" not in shared_tables(store, before, published.version, "RVU26C")
    assert {"rvu", "release", "conversion_factor"} <= shared_tables(store, before, published.version, "RVU26C")


def test_release_that_fails_after_the_first_phase_is_no_longer_the_one_before(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    with_rows = (PROJECT / "raw" / "sample").glob("rvu26c*")
    cut = rezipped(next(with_rows), tmp_path / "rvu26b.zip", PPRRVU=first_lines(sample_archives["RVU26C"], 2000))
    published = run_all({"RVU26B": cut, "RVU26D": sample_archives["RVU26C"]})
    assert "of the rows of RVU25A" in published.failures["RVU26B"]
    assert {label: entry["previous"] for label, entry in published.manifest["releases"].items()} == {
        "RVU25A": None,
        "RVU26C": "RVU25A",
        "RVU26D": "RVU26C",
    }
    assert not list(store.version_path(published.version).rglob("RVU26B.parquet"))
    assert verify_version(store, published.version).problems == ()


def first_lines(archive: Path, lines: int) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return b"".join(opened.read(opened.namelist()[0]).splitlines(keepends=True)[:lines])


# Many at once


def test_what_workers_return_fits_into_json(
    sample_archives: dict[str, Path], catalog: Catalog, tmp_path: Path
) -> None:
    content, fingerprint = PROJECT / "raw" / "content", content_fingerprint(PROJECT / "raw" / "content")
    results = []
    for label, path in sample_archives.items():
        step = assemble.Step(catalog[label], receipt_of(label, path), "")
        results.append(assemble.stage_source(step, path, tmp_path))
    results.append(assemble.stage_merged(catalog["RVU26C"], "RVU25A", frozenset(), tmp_path, content, fingerprint))
    assert json.loads(json.dumps(results))[-1]["rows"].keys() == set(build.MERGED)


def test_worker_that_dies_is_a_problem_of_the_machine() -> None:
    with crew.Crew(2) as two, pytest.raises(MachineError, match="fewer workers: --workers 1, or RVU_WORKERS=1"):
        list(two.results("reading", os._exit, {"RVU25A": (9,), "RVU26C": (9,)}))  # type: ignore[arg-type]


def test_problem_of_a_worker_arrives_whole() -> None:
    jobs = {"RVU25A": ("zero",), "RVU26C": ("1",)}
    with crew.Crew(2) as two:
        results = dict(two.results("reading", crew.workers_wanted, jobs))  # type: ignore[arg-type]
    assert results["RVU25A"]["problem"] == "UsageError"
    assert "expected 1 or more" in results["RVU25A"]["message"]
    assert results["RVU26C"] == 1


def test_bug_names_the_release_it_happened_in() -> None:
    with pytest.raises(TypeError) as bug:
        crew.attempted("RVU25A", assemble.stage_source)
    assert bug.value.__notes__ == ["This happened while building RVU25A."]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_number_of_workers_is_checked(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_WORKERS", text)
    with pytest.raises(UsageError, match="expected 1 or more in --workers or RVU_WORKERS"):
        crew.workers_wanted(None)
    assert crew.workers_wanted(3) == 3


def test_content_that_changes_during_a_run_is_noticed() -> None:
    with pytest.raises(DataError, match="was edited while a run was reading it"):
        assemble.content_of(PROJECT / "raw" / "content", "another state")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("count", "stream", "shown"), [(3, Terminal(), True), (1, Terminal(), False), (3, io.StringIO(), False)]
)
def test_progress_is_shown_on_a_terminal_when_there_is_more_than_one_release(
    count: int, stream: io.StringIO, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    jobs = {f"RVU25{letter}": ({},) for letter in "ABC"[:count]}
    assert dict(crew.Crew(1).results("reading", dict, jobs)) == {label: {} for label in jobs}
    assert ("reading RVU25A" in stream.getvalue()) is shown
    assert bool(stream.getvalue()) is shown
