"""runners: the same version comes out wherever its releases are built, also when a worker is lost."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from distributed import LocalCluster

from pipeline.errors import MachineError, UsageError
from pipeline.flows import run_refresh
from pipeline.store import Store


@pytest.fixture(scope="module")
def cluster(prefect_server: str) -> Iterator[LocalCluster]:
    """Return a Dask cluster of two worker processes, which report to the tests' Prefect server."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFECT_API_URL", prefect_server)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster:
            yield cluster


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    return Store(tmp_path)


def publish(sample_archives: dict[str, Path], build_at: str) -> dict[str, str]:
    """Publish the sample; returns the sha256 of each file."""
    sources = {label: str(path) for label, path in sample_archives.items()}
    published = run_refresh([], sources, is_sample=True, accept_license=False, workers=2, build_at=build_at)
    return {path: facts["sha256"] for path, facts in published.manifest["files"].items()}


def hashes(home: Path) -> dict[str, str]:
    store = Store(home)
    return {path: facts["sha256"] for path, facts in store.manifest(store.require_version())["files"].items()}


def kill_when_building(cluster: LocalCluster, curated: Path, killed: list[int]) -> None:
    """Kill a worker as soon as some table of a release is being written."""
    while not list(curated.glob(".staging-*/*/*")):
        time.sleep(0.005)
    busy = next(iter(cluster.workers.values()))
    os.kill(busy.pid, signal.SIGKILL)
    killed.append(busy.pid)


def test_dask_cluster_that_loses_a_worker_gives_the_same_bytes(
    cluster: LocalCluster, elsewhere: Store, sample_home: Path, sample_archives: dict[str, Path]
) -> None:
    killed: list[int] = []
    killer = Thread(target=kill_when_building, args=(cluster, elsewhere.curated, killed))
    killer.start()
    built = publish(sample_archives, cluster.scheduler_address)
    killer.join()
    assert len(killed) == 1
    assert built == hashes(sample_home)
    version = elsewhere.version_path(elsewhere.require_version())
    assert not [path for path in version.rglob("*") if path.name.startswith(".")]


@pytest.mark.skipif("RVU_TEST_DRILLS" not in os.environ, reason="Dask takes the same way; RVU_TEST_DRILLS=1")
def test_threads_give_the_same_bytes(
    prefect_server: str, elsewhere: Store, sample_home: Path, sample_archives: dict[str, Path]
) -> None:
    assert publish(sample_archives, "threads") == hashes(sample_home)


@pytest.mark.parametrize(
    ("place", "problem", "told"),
    [
        ("the moon", UsageError, "'the moon' is no place to build at: expected processes, threads, or the address"),
        ("tcp://127.0.0.1:9", MachineError, "The Dask scheduler at tcp://127.0.0.1:9 cannot be reached"),
    ],
)
def test_place_that_is_none_is_told(  # noqa: PLR0917
    prefect_server: str,
    elsewhere: Store,
    sample_archives: dict[str, Path],
    place: str,
    problem: type[Exception],
    told: str,
) -> None:
    with pytest.raises(problem, match=told):
        publish(sample_archives, place)
    assert elsewhere.latest_version() is None
