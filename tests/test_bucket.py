"""bucket: a version in an object store appears whole or not at all, and of two publishers one wins."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import bucket, mirror
from pipeline.bucket import CLAIM, LATEST, PUBLISHED
from pipeline.errors import DataError, MachineError, OutrunError, UsageError, kind_of
from pipeline.remote import Objects, Seen
from pipeline.store import MANIFEST, PROJECT, Store
from tests.object_store import DAY, publish, stage

FIRST, SECOND, THIRD = (f"{DAY}.{counter}" for counter in (1, 2, 3))
OLD, NEW = {"rvu/RVU25A.parquet": "rows of 2025"}, {"rvu/RVU26A.parquet": "rows of 2026"}
HANG_AT_THE_MANIFEST = """
import sys
from pathlib import Path
from pipeline.remote import Objects
from pipeline.store import Store
from tests.object_store import publish

really_put = Objects.put

def put(self, name, content):
    if name.endswith("manifest.json"):
        print("nearly", flush=True)
        sys.stdin.read()
    really_put(self, name, content)

Objects.put = put
publish(Store(Path(sys.argv[1]), curated_place=sys.argv[2]), {"rvu/RVU26A.parquet": "rows of 2026"})
"""


@pytest.fixture
def store(place: str, tmp_path: Path) -> Store:
    return Store(tmp_path / "home", curated_place=place)


@pytest.fixture
def other(place: str, tmp_path: Path) -> Store:
    """Return the store of another machine."""
    return Store(tmp_path / "other", curated_place=place)


def text_of(objects: Objects, name: str) -> str:
    seen = objects.seen(name)
    assert seen, name
    return seen.text


def test_first_version_is_claimed_sent_and_named_by_latest(store: Store, objects: Objects) -> None:
    assert publish(store, OLD) == FIRST
    assert set(objects.listing(FIRST)) == {
        f"{FIRST}/{name}" for name in (CLAIM, PUBLISHED, MANIFEST, "CHANGES.md", "rvu/RVU25A.parquet")
    }
    assert text_of(objects, LATEST) == f"{FIRST}\n"
    assert text_of(objects, f"{FIRST}/rvu/RVU25A.parquet") == "rows of 2025"
    assert bucket.versions(store) == [FIRST]
    assert bucket.leftovers(store, timedelta(0)) == []


def test_second_version_copies_what_it_shares_where_it_lies(store: Store, objects: Objects) -> None:
    publish(store, OLD)
    with store.staging() as staging:
        claim = bucket.claim_version(store, DAY)
        manifest = stage(staging, claim.version, FIRST, OLD | NEW)
        (staging / "rvu" / "RVU25A.parquet").unlink()  # so it cannot be sent
        bucket.send_version(store, staging, claim, manifest, store.manifest(FIRST))
    assert text_of(objects, f"{SECOND}/rvu/RVU25A.parquet") == "rows of 2025"
    assert text_of(objects, f"{SECOND}/rvu/RVU26A.parquet") == "rows of 2026"
    assert text_of(objects, LATEST) == f"{SECOND}\n"


def test_shared_file_that_the_parent_has_lost_is_sent(store: Store, objects: Objects) -> None:
    publish(store, OLD)
    objects.remove([f"{FIRST}/rvu/RVU25A.parquet"])
    assert text_of(objects, f"{publish(store, NEW)}/rvu/RVU25A.parquet") == "rows of 2025"


def test_name_that_is_claimed_already_is_left_to_its_publisher(store: Store, other: Store) -> None:
    assert bucket.claim_version(other, DAY).version == FIRST
    assert bucket.claim_version(store, DAY).version == SECOND
    assert publish(store, OLD) == THIRD
    assert bucket.versions(store) == [THIRD]


def test_two_publishers_that_look_at_the_same_moment_get_two_names(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objects, "folders", lambda _: [])  # as both saw it
    assert [bucket.claim_version(each, DAY).version for each in (store, other, store)] == [FIRST, SECOND, THIRD]


@pytest.fixture
def overtaken(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the other machine publish at the very moment in which this one is about to move LATEST."""
    publish(store, OLD)
    really_swap = Objects.swap

    def swap(self: Objects, name: str, text: str, expected: Seen | None) -> Seen | None:
        if name == LATEST:
            monkeypatch.setattr(Objects, "swap", really_swap)
            publish(other, {"rvu/RVU26B.parquet": "of the other"})
        return really_swap(self, name, text, expected)

    monkeypatch.setattr(Objects, "swap", swap)
    return


@pytest.mark.usefixtures("overtaken")
def test_publisher_that_was_overtaken_leaves_nothing_and_begins_again(
    store: Store, other: Store, objects: Objects
) -> None:
    with pytest.raises(OutrunError, match=r"Another publisher was faster.*Run again") as problem:
        publish(store, NEW)
    assert kind_of(problem.value) == "OutrunError"
    assert problem.value.exit_code == 3
    assert text_of(objects, LATEST) == f"{THIRD}\n"
    assert objects.folders() == [FIRST, THIRD]
    assert store.versions() == [FIRST]
    last = publish(store, NEW)
    assert set(store.manifest(last)["files"]) == OLD.keys() | NEW.keys() | {"rvu/RVU26B.parquet"}
    assert bucket.versions(other) == [FIRST, THIRD, last]


def test_publisher_that_is_overtaken_early_sends_nothing(store: Store, other: Store, objects: Objects) -> None:
    publish(store, OLD)
    mirror.bring_latest(other)
    publish(store, NEW)
    with other.staging() as staging:
        claim = bucket.claim_version(other, DAY)
        manifest = stage(staging, claim.version, FIRST, OLD)
        with pytest.raises(OutrunError):
            bucket.send_version(other, staging, claim, manifest, other.manifest(FIRST))
    assert objects.folders() == [FIRST, SECOND]


def test_publisher_that_is_killed_harms_nobody_and_is_cleared_away(
    store: Store, other: Store, objects: Objects, place: str
) -> None:
    publish(store, OLD)
    command = [sys.executable, "-c", HANG_AT_THE_MANIFEST, str(store.home), place]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "nearly\n"
        assert f"{SECOND}/rvu/RVU26A.parquet" in objects.listing()
        assert text_of(objects, LATEST) == f"{FIRST}\n"
        process.kill()
    mirror.bring_latest(other)
    assert other.require_version() == FIRST
    assert bucket.versions(store) == [FIRST]
    assert bucket.leftovers(store) == []  # it might still be at work
    assert bucket.leftovers(store, timedelta(0)) == [SECOND]
    assert publish(store, NEW) == THIRD
    bucket.remove_version(store, SECOND)
    assert list(objects.listing(SECOND)) == [f"{SECOND}/{CLAIM}"]
    assert bucket.leftovers(store, timedelta(0)) == []


def test_publisher_that_died_after_latest_moved_has_published(
    store: Store, other: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, OLD)
    with monkeypatch.context() as crash, pytest.raises(KeyboardInterrupt):
        crash.setattr(Store, "commit", interrupt)
        publish(store, NEW)
    objects.remove([f"{SECOND}/{PUBLISHED}"])  # as if it had died before that too
    assert store.latest_version() == FIRST
    assert bucket.versions(store) == [FIRST, SECOND]
    assert bucket.leftovers(store, timedelta(0)) == []
    assert publish(other, {"rvu/RVU26B.parquet": "of the other"}) == THIRD
    assert bucket.versions(store) == [FIRST, SECOND, THIRD]
    mirror.bring_latest(store)
    assert store.require_version() == THIRD


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_publisher_that_was_thought_dead_harms_nobody_and_begins_again(
    store: Store, other: Store, objects: Objects
) -> None:
    publish(store, OLD)
    with store.staging() as staging:
        claim = bucket.claim_version(store, DAY)
        manifest = stage(staging, claim.version, FIRST, NEW)
        bucket.remove_version(other, claim.version)
        assert bucket.claim_version(other, DAY).version == THIRD  # the name is not given twice
        with pytest.raises(OutrunError):
            bucket.send_version(store, staging, claim, manifest, store.manifest(FIRST))
    assert text_of(objects, LATEST) == f"{FIRST}\n"
    assert bucket.versions(store) == [FIRST]
    assert bucket.leftovers(store, timedelta(0)) == [SECOND]


def test_server_that_ignores_conditions_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    really_swap = Objects.swap

    def swap(self: Objects, name: str, text: str, expected: Seen | None) -> Seen | None:
        self.put(name, text)
        return self.seen(name)

    for ignored in (lambda expected: expected is None, lambda expected: expected is not None, lambda _: True):

        def some(self: Objects, *args: Any, ignored: Any = ignored) -> Seen | None:
            return (swap if ignored(args[-1]) else really_swap)(self, *args)

        monkeypatch.setattr(Objects, "swap", some)
        with pytest.raises(MachineError, match=r"ignores conditions on writing.*honours If-None-Match and If-Match"):
            bucket.claim_version(store, DAY)


# Looking after versions


def test_latest_goes_back_and_the_next_version_goes_on_from_there(store: Store, objects: Objects) -> None:
    publish(store, OLD)
    publish(store, NEW)
    bucket.move_latest(store, FIRST, SECOND)
    assert text_of(objects, LATEST) == f"{FIRST}\n"
    assert bucket.versions(store) == [FIRST, SECOND]
    assert publish(store, {"rvu/RVU26B.parquet": "later"}) == THIRD
    assert set(store.manifest(THIRD)["files"]) == {"rvu/RVU25A.parquet", "rvu/RVU26B.parquet"}


def test_latest_is_moved_only_from_where_it_was_seen_and_to_what_was_published(store: Store, other: Store) -> None:
    publish(store, OLD)
    publish(other, NEW)
    with pytest.raises(OutrunError, match=rf"is no longer {FIRST}\. See: rvu versions"):
        bucket.move_latest(store, FIRST, FIRST)
    claimed = bucket.claim_version(other, DAY).version
    for version in (claimed, "2020-01-01.1"):
        with pytest.raises(UsageError, match=rf"There is no version {version} in s3://.*rvu versions"):
            bucket.move_latest(store, version, SECOND)


def test_old_version_is_removed_and_the_latest_stays(store: Store, objects: Objects) -> None:
    publish(store, OLD)
    publish(store, NEW)
    bucket.remove_version(store, FIRST)
    assert list(objects.listing(FIRST)) == [f"{FIRST}/{CLAIM}"]
    assert bucket.versions(store) == [SECOND]
    with pytest.raises(UsageError, match=f"{SECOND} is the latest version of s3://.* and stays"):
        bucket.remove_version(store, SECOND)
    assert bucket.versions(store) == [SECOND]


def test_version_that_becomes_the_latest_while_it_is_removed_stays_whole(
    store: Store, other: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, OLD)
    publish(store, NEW)
    really_remove = Objects.remove

    def remove(self: Objects, names: Any) -> None:
        monkeypatch.setattr(Objects, "remove", really_remove)
        bucket.move_latest(other, FIRST, SECOND)
        self.remove(names)

    monkeypatch.setattr(Objects, "remove", remove)
    with pytest.raises(UsageError, match="is the latest version"):
        bucket.remove_version(store, FIRST)
    mirror.bring_latest(other)
    assert other.require_version() == FIRST


def test_latest_that_names_no_version_is_told(store: Store, objects: Objects) -> None:
    for text in ("", "../../etc", "2026-11-23"):
        objects.put(LATEST, text)
        with pytest.raises(DataError, match=r"LATEST names .*expected a version such as 2026-11-23\.1"):
            bucket.versions(store)


def test_home_without_an_object_store_has_nothing_to_send(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert publish(store, OLD) == FIRST
    assert bucket.versions(store) == [FIRST]
    assert bucket.leftovers(store) == []
    bucket.move_latest(store, FIRST, None)
    bucket.remove_version(store, FIRST)
    assert store.require_version() == FIRST
