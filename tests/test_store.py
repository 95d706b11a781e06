import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError, MachineError, UsageError
from pipeline.store import (
    MANIFEST,
    PROJECT,
    Receipt,
    Store,
    explained,
    link_or_copy,
    sha256_of,
    version_order,
    write_atomically,
)

MONDAY = date(2026, 11, 23)
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from pipeline.store import Store
with Store(Path(sys.argv[1])).staging() as folder:
    (folder / "half.parquet").write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_LOCK_TIMEOUT", "0.2")


def add_version(store: Store, version: str) -> None:
    folder = store.version_path(version)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}", "utf-8")


def publish(store: Store, version: str) -> None:
    with store.staging() as staging:
        (staging / MANIFEST).write_text("{}", "utf-8")
        (staging / "rvu").mkdir()
        (staging / "rvu" / "RVU24A.parquet").write_text("rows", "utf-8")
        store.commit(staging, version)


def raise_os_error(code: int) -> None:
    raise OSError(code, os.strerror(code), "somewhere")


# Where the home is.


def test_the_home_is_the_folder_that_the_user_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    assert Store.open().home == tmp_path.resolve()


@pytest.mark.parametrize("unset", [True, False], ids=["unset", "empty"])
def test_without_a_name_the_home_is_the_checkout(monkeypatch: pytest.MonkeyPatch, unset: bool) -> None:
    monkeypatch.setenv("RVU_HOME", "")
    if unset:
        monkeypatch.delenv("RVU_HOME")
    assert Store.open().home == PROJECT


def test_a_home_may_have_declarations_of_its_own(store: Store) -> None:
    assert store.declared("catalog.toml") == PROJECT / "raw" / "catalog.toml"
    (store.home / "raw").mkdir()
    (store.home / "raw" / "catalog.toml").touch()
    assert store.declared("catalog.toml") == store.home / "raw" / "catalog.toml"


# Where raw/ and curated/ lie.


def test_what_comes_in_and_what_goes_out_may_lie_in_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RVU_HOME", "RVU_RAW", "RVU_CURATED"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    store = Store.open()
    assert store.archives_folder("RVU24A") == tmp_path / "RVU_RAW" / "releases" / "RVU24A"
    assert store.license_record == tmp_path / "RVU_RAW" / "license.json"
    publish(store, "2026-11-23.1")
    assert (tmp_path / "RVU_CURATED" / "LATEST").exists()
    assert not (tmp_path / "RVU_HOME").exists()


def test_object_stores_have_their_copies_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    monkeypatch.setenv("RVU_RAW", "s3://bucket/raw")
    copies = set()
    for place in ("s3://bucket/a-b", "s3://bucket/a/b/", "gs://bucket/a/b", "s3://bucket"):
        monkeypatch.setenv("RVU_CURATED", place)
        copies.add(Store.open().curated)
    assert len(copies) == 4
    assert all(copy.parent == tmp_path / "curated" / ".mirror" for copy in copies)
    assert Store.open().raw == tmp_path / "raw"


@pytest.mark.parametrize(
    "text",
    ["s3://", "s4://bucket", "file:///tmp", "s3://me:hidden@bucket", "s3://bucket/a?key=hidden", "s3://bucket/../a"],
)
def test_place_that_is_none_is_told_without_a_password(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RVU_CURATED", text)
    with pytest.raises(UsageError, match=r"RVU_CURATED names neither a folder nor.*s3://bucket/prefix") as problem:
        Store.open()
    assert "hidden" not in str(problem.value)


# Names of versions.


def test_the_tenth_version_of_a_day_comes_after_the_ninth(store: Store) -> None:
    for version in ("2026-11-23.10", "2026-11-23.9", "2026-11-24.1", "2026-11-23.1"):
        add_version(store, version)
    assert store.versions() == ["2026-11-23.1", "2026-11-23.9", "2026-11-23.10", "2026-11-24.1"]


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ([], "2026-11-23.1"),
        (["2026-11-23.1"], "2026-11-23.2"),
        (["2026-11-23.9", "2026-11-23.10"], "2026-11-23.11"),
        (["2026-11-22.7"], "2026-11-23.1"),
        (["2026-11-30.3"], "2026-11-30.4"),
    ],
    ids=["first", "same day", "after the tenth", "next day", "clock went backwards"],
)
def test_the_next_version_sorts_last(store: Store, existing: list[str], expected: str) -> None:
    for version in existing:
        add_version(store, version)
    assert store.next_version(MONDAY) == expected


@given(st.lists(st.dates(date(2020, 1, 1), date(2020, 1, 3)), max_size=15))
@settings(deadline=None, max_examples=50)
def test_versions_sort_as_they_were_published_whatever_the_clock_says(days: list[date]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        published = []
        for day in days:
            published.append(store.next_version(day))
            add_version(store, published[-1])
        assert store.versions() == published
        assert all(version_order(earlier) < version_order(later) for earlier, later in pairwise(published))


def test_a_folder_without_a_manifest_is_no_version(store: Store) -> None:
    add_version(store, "2026-11-23.1")
    store.version_path("2026-11-23.2").mkdir()
    assert store.versions() == ["2026-11-23.1"]


def test_a_copy_that_a_user_made_of_a_version_is_no_version(store: Store) -> None:
    add_version(store, "2026-11-23.1")
    add_version(store, "2026-11-23.1.old")
    assert store.versions() == ["2026-11-23.1"]
    assert store.next_version(MONDAY) == "2026-11-23.2"


def test_before_the_first_version_users_are_told_how_to_publish_one(store: Store) -> None:
    assert store.latest_version() is None
    with pytest.raises(UsageError, match=r"holds no version yet.*rvu run --sample"):
        store.require_version()


def test_a_version_that_does_not_exist_is_named(store: Store) -> None:
    publish(store, "2026-11-23.1")
    with pytest.raises(UsageError, match=r"There is no version 2026-11-23\.7 .*rvu versions"):
        store.require_version("2026-11-23.7")


@pytest.mark.parametrize("content", [None, "{", "\xff", "{}"], ids=["absent", "cut", "not text", "other"])
def test_a_manifest_that_cannot_be_read_is_named(store: Store, content: str | None) -> None:
    add_version(store, "2026-11-23.1")
    path = store.version_path("2026-11-23.1") / MANIFEST
    path.unlink()
    if content is not None:
        path.write_text(content, "latin-1")
    with pytest.raises(DataError, match=rf"{path} cannot be read .*publish again"):
        store.manifest("2026-11-23.1")


# Publishing.


def test_a_finished_version_is_the_latest(store: Store) -> None:
    publish(store, "2026-11-23.1")
    publish(store, "2026-11-23.2")
    assert (store.curated / "LATEST").read_text("utf-8") == "2026-11-23.2\n"
    assert (store.curated / "latest").readlink() == Path("2026-11-23.2")
    assert (store.curated / "latest" / "rvu" / "RVU24A.parquet").read_text("utf-8") == "rows"
    assert store.require_version() == "2026-11-23.2"
    assert store.table_files("2026-11-23.1", "rvu") == [
        store.curated / "2026-11-23.1" / "rvu" / "RVU24A.parquet",
    ]


def test_publishing_leaves_nothing_behind_but_versions_and_pointers(store: Store) -> None:
    publish(store, "2026-11-23.1")
    assert sorted(path.name for path in store.curated.iterdir()) in (
        [".lock", "2026-11-23.1", "LATEST", "latest"],
        ["2026-11-23.1", "LATEST", "latest"],
    )


def test_colleagues_may_read_what_is_published(store: Store) -> None:
    umask = os.umask(0o022)
    try:
        publish(store, "2026-11-23.1")
    finally:
        os.umask(umask)
    assert oct(store.version_path("2026-11-23.1").stat().st_mode)[-3:] == "755"
    assert oct((store.curated / "LATEST").stat().st_mode)[-3:] == "644"


def test_a_disk_without_symbolic_links_still_names_the_latest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "symlink_to", lambda *_: raise_os_error(errno.EPERM))
    publish(store, "2026-11-23.1")
    assert store.latest_version() == "2026-11-23.1"
    assert not (store.curated / "latest").exists()


def test_a_crash_before_latest_is_moved_leaves_the_older_version_current(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, "2026-11-23.1")
    with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
        crash.setattr("pipeline.store.write_atomically", interrupt)
        publish(store, "2026-11-23.2")
    assert store.require_version() == "2026-11-23.1"
    assert store.next_version(MONDAY) == "2026-11-23.3"


def test_a_disk_that_fills_up_at_the_last_moment_publishes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, "2026-11-23.1")
    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left"):
        full.setattr("pipeline.store.write_atomically", lambda *_: raise_os_error(errno.ENOSPC))
        publish(store, "2026-11-23.2")
    assert store.versions() == ["2026-11-23.1"]
    assert store.require_version() == "2026-11-23.1"


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# Staging.


def test_what_is_staged_but_not_committed_disappears(store: Store) -> None:
    with store.staging() as staging:
        (staging / "rvu.parquet").touch()
    assert not staging.exists()
    assert store.versions() == []


def test_a_run_that_fails_gives_the_lock_back(store: Store, impatient: None) -> None:
    with pytest.raises(ValueError, match="bad row"), store.staging() as staging:
        raise ValueError("bad row")
    assert not staging.exists()
    with store.staging() as staging:
        assert staging.exists()


def test_leftovers_of_a_killed_run_are_thrown_away(store: Store) -> None:
    leftover = store.curated / ".staging-killed" / "rvu"
    leftover.mkdir(parents=True)
    (leftover / "RVU24A.parquet").touch()
    (store.curated / ".LATEST-killed").touch()
    (store.curated / ".latest-1").symlink_to("2026-11-23.1")
    with store.staging() as staging:
        assert set(store.curated.glob(".*")) == {staging, store.curated / ".lock"}
        assert list(staging.iterdir()) == []


def test_leftovers_that_cannot_be_removed_are_told_and_the_lock_is_free_again(
    store: Store, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.curated / ".staging-of-root").mkdir(parents=True)
    with monkeypatch.context() as other_owner:
        other_owner.setattr(shutil, "rmtree", lambda *_, **__: raise_os_error(errno.EACCES))
        with pytest.raises(MachineError, match="no permission") as problem, store.staging():
            pass
    with store.staging() as staging:
        assert staging.exists()
    assert problem.value.exit_code == 3


@contextmanager
def another_process(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Run a publisher that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(store.home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_run_waits_no_longer_than_it_is_told(store: Store, impatient: None) -> None:
    with another_process(store):
        with pytest.raises(MachineError, match=r"Another run has been publishing.*RVU_LOCK_TIMEOUT"), store.staging():
            pass
        assert list(store.curated.glob(".staging-*/half.parquet"))


def test_a_run_that_ends_lets_the_next_one_in(store: Store, impatient: None) -> None:
    with another_process(store) as holder:
        holder.communicate()
        with store.staging() as staging:
            assert list(store.curated.glob(".staging-*")) == [staging]


def test_a_run_that_is_killed_lets_the_next_one_in(store: Store, impatient: None) -> None:
    with another_process(store) as holder:
        holder.kill()
        holder.wait()
        assert list(store.curated.glob(".staging-*/half.parquet"))
        with store.staging() as staging:
            assert list(store.curated.glob(".staging-*")) == [staging]


# Replacing files.


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "license.json"
    write_atomically(path, "old")
    write_atomically(path, "new: é")
    assert path.read_text("utf-8") == "new: é"
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture(params=["os.fsync", "pathlib.Path.replace"])
def interrupted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file whose replacement was interrupted."""
    path = tmp_path / "LATEST"
    path.write_text("2026-11-23.1", "utf-8")
    with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
        crash.setattr(request.param, interrupt)
        write_atomically(path, "2026-11-23.2")
    return path


def test_an_interrupted_replacement_leaves_the_old_text(interrupted: Path) -> None:
    assert interrupted.read_text("utf-8") == "2026-11-23.1"


def test_an_interrupted_replacement_leaves_no_litter(interrupted: Path) -> None:
    assert list(interrupted.parent.iterdir()) == [interrupted]


# What the operating system refuses.


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "the disk is full: free some space and run again"),
        (errno.EACCES, "no permission: run as the owner of the folder, or set RVU_HOME"),
        (errno.EROFS, "the file system is read-only: set RVU_HOME"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
    ids=["full", "no permission", "read-only", "any other"],
)
def test_what_the_system_refuses_is_told_with_what_to_do(code: int, advice: str) -> None:
    with pytest.raises(MachineError, match=rf"While writing RVU24A: {advice}.*\(somewhere\)") as problem:  # noqa: SIM117
        with explained("writing RVU24A"):
            raise_os_error(code)
    assert isinstance(problem.value.__cause__, OSError)


def test_our_own_problems_pass_through_as_they_are() -> None:
    with pytest.raises(DataError, match=r"^bad row$"), explained("writing RVU24A"):
        raise DataError("bad row")


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(MachineError, match=r"While preparing .*curated: "), Store(tmp_path / "home").staging():
        pass


# Sharing files between versions.


def test_an_unchanged_file_is_stored_once(tmp_path: Path) -> None:
    source, target = tmp_path / "old" / "rvu.parquet", tmp_path / "new" / "rvu.parquet"
    write_atomically(source, "rows")
    link_or_copy(source, target)
    assert target.samefile(source)


def test_where_the_disk_cannot_link_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "rvu.parquet", tmp_path / "new" / "rvu.parquet"
    source.write_text("rows", "utf-8")
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: raise_os_error(errno.EXDEV))
    link_or_copy(source, target)
    assert target.read_text("utf-8") == "rows"
    assert not target.samefile(source)


def test_a_link_takes_the_place_of_what_was_built_before(tmp_path: Path) -> None:
    source, target, shared = tmp_path / "source", tmp_path / "target", tmp_path / "shared"
    source.write_text("rows", "utf-8")
    shared.write_text("older rows", "utf-8")
    target.hardlink_to(shared)
    link_or_copy(source, target)
    assert target.samefile(source)
    assert shared.read_text("utf-8") == "older rows"


# Archives.


def keep(store: Store, content: str, received_at: str) -> Receipt:
    store.archives_folder("RVU24A").mkdir(parents=True, exist_ok=True)
    incoming = store.archives_folder("RVU24A") / ".incoming"
    incoming.write_text(content, "utf-8")
    receipt = Receipt("RVU24A", "rvu24a.zip", sha256_of(incoming), len(content), received_at)
    return store.keep(incoming, receipt)


def test_archives_of_one_name_lie_side_by_side_oldest_first(store: Store) -> None:
    later = keep(store, "second", "2026-02-01T00:00:00+00:00")
    earlier = keep(store, "first", "2026-01-01T00:00:00+00:00")
    assert store.receipts("RVU24A") == [earlier, later]
    assert store.archive_path(earlier).read_text("utf-8") == "first"
    assert store.archive_path(later).read_text("utf-8") == "second"


def test_an_archive_that_is_kept_already_stays_as_it_is(store: Store) -> None:
    first = keep(store, "same", "2026-01-01T00:00:00+00:00")
    assert keep(store, "same", "2026-02-01T00:00:00+00:00") == first
    assert [path.name for path in store.archives_folder("RVU24A").iterdir()] == [first.sha256[:16]]


def test_a_release_without_archives_has_no_receipts(store: Store) -> None:
    assert store.receipts("RVU24A") == []
    assert store.kept("RVU24A", "0" * 64) is None


def test_two_runs_that_keep_the_same_archive_at_once_both_find_it_kept(store: Store) -> None:
    receipts = Barrier(8)

    def keep_at_once(number: int) -> Receipt:
        incoming = store.archives_folder("RVU24A") / f".incoming-{number}"
        incoming.write_text("same", "utf-8")
        receipt = Receipt("RVU24A", "rvu24a.zip", sha256_of(incoming), 4, f"2026-01-01T00:00:0{number}+00:00")
        receipts.wait()
        return store.keep(incoming, receipt)

    store.archives_folder("RVU24A").mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        kept = set(map(repr, pool.map(keep_at_once, range(8))))
    assert kept == set(map(repr, store.receipts("RVU24A")))
    assert len(list(store.archives_folder("RVU24A").iterdir())) == 1


def test_an_archive_whose_bytes_are_gone_is_kept_anew(store: Store) -> None:
    first = keep(store, "same", "2026-01-01T00:00:00+00:00")
    store.archive_path(first).unlink()
    again = keep(store, "same", "2026-02-01T00:00:00+00:00")
    assert store.receipts("RVU24A") == [again]
    assert store.archive_path(again).read_text("utf-8") == "same"


def test_an_archive_that_cannot_be_kept_leaves_nothing_on_a_full_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left"):
        full.setattr("pipeline.store.flush_tree", lambda _: raise_os_error(errno.ENOSPC))
        keep(store, "same", "2026-01-01T00:00:00+00:00")
    assert list(store.archives_folder("RVU24A").iterdir()) == []
