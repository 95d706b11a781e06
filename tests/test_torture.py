"""The drills of `make torture`, each in small: nothing is lost, whatever happens."""

import os
import random
from collections import Counter

import pytest

from tests.torture.crowds import clock_backwards, eight_publishers, readers
from tests.torture.damage import damaged_zip
from tests.torture.disks import full_disk, read_only
from tests.torture.ground import Ground, Skipped
from tests.torture.kills import kills_in_one_home

pytestmark = pytest.mark.skipif(
    "RVU_TEST_DRILLS" not in os.environ, reason="make torture does the same at length; RVU_TEST_DRILLS=1 runs it here"
)


@pytest.fixture(scope="module")
def ground(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Return a home that the drills use one after the other."""
    return Ground(tmp_path_factory.mktemp("torture"), prefect_server, random.Random(20261123))  # noqa: S311


def test_publishers_at_once_all_end_up_in_the_last_version(ground: Ground) -> None:
    assert eight_publishers(ground, ("RVU26B", "RVU26C"))["releases in the last version"] == 2


def test_killed_runs_lose_nothing_and_the_next_one_heals_though_the_clock_went_backwards(ground: Ground) -> None:
    clock_backwards(ground, ("2031-05-02",))
    tally = kills_in_one_home(ground, 2, known={1: 2.0})
    assert (tally["kills"], tally["healing runs"]) == (2, 1)
    assert ground.store.require_version().startswith("2031-05-02.")


def test_a_folder_without_writing_is_told_and_stays_as_it_is(ground: Ground) -> None:
    assert ran(read_only, ground, ("curated",))["while preparing"] == 1


def test_readers_never_see_half_a_version(ground: Ground) -> None:
    assert readers(ground, versions=1, count=2)["versions removed"] >= 1


def test_a_full_disk_is_told_and_the_next_run_heals(ground: Ground) -> None:
    assert ran(full_disk, ground.part("small-disk"), (0.3,), ("RVU26C",))["filled up"] == 1


def test_damaged_zips_end_in_a_clear_error_or_in_the_same_rows() -> None:
    assert set(Counter(damaged_zip(7, number) for number in range(8))) <= {"clear errors", "correct tables"}


def ran(drill, *arguments):  # type: ignore[no-untyped-def]
    try:
        return drill(*arguments)
    except Skipped as reason:
        pytest.skip(str(reason))
