"""Builds releases as Prefect tasks of their own, on threads of this process or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline.build import code_fingerprint
from pipeline.crew import Crew, Jobs, Results, Work, attempted, workers_wanted
from pipeline.errors import MachineError, UsageError

PROCESSES, THREADS = "processes", "threads"
DASK = ("tcp://", "tls://")


@contextmanager
def crew_at(place: str, workers: int | None) -> Iterator[Crew]:
    """Lend a crew that builds in processes or threads of this machine, or on the Dask scheduler of that address.

    UsageError for any other place; MachineError when the scheduler cannot be reached.
    """
    wanted = workers_wanted(workers)
    if place == PROCESSES:
        with Crew(wanted) as crew:
            yield crew
    else:
        runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=wanted) if place == THREADS else _dask(place)
        with runner:
            yield TaskCrew(runner)


class TaskCrew(Crew):
    """A crew whose workers are those of a Prefect task runner; each release is a task run of its own."""

    def __init__(self, runner: TaskRunner[Any]) -> None:
        super().__init__(workers=2)  # or more: the runner knows
        self._runner = runner

    def _at_once(self, work: Work, jobs: Jobs) -> Results:
        code = code_fingerprint()
        futures = {
            self._runner.submit(build_release, {"label": label, "work": work, "job": job, "code": code}): label
            for label, job in jobs.items()
        }
        for future in as_completed(list(futures)):
            try:
                yield futures[future], future.result()
            except Exception as problem:
                if not type(problem).__module__.startswith("distributed."):
                    raise  # a bug of ours, no loss of a worker
                raise MachineError(
                    f"{futures[future]} could not be built, since a worker was lost again and again: {problem!r}. "
                    "Nothing was published. Look at the workers' memory and logs, and run again."
                ) from problem


@task(name="build-release", task_run_name="build-{label}", cache_policy=NO_CACHE, persist_result=False)
def build_release(label: str, work: Work, job: tuple[Any, ...], code: str) -> dict[str, Any]:
    """Build the tables of one release; a problem of ours comes back as plain text."""
    return attempted(label, _with_same_code, code, work, job)


def _with_same_code(code: str, work: Work, job: tuple[Any, ...]) -> dict[str, Any]:
    """Do the work, if this worker has the very code of the one who asks: files of two codes must not mix."""
    if code_fingerprint() != code:
        raise MachineError("A worker has another state of the pipeline's code. Install the same one everywhere.")
    return work(*job)


def _dask(address: str) -> TaskRunner[Any]:
    """Return a task runner on a Dask cluster that answers."""
    if not address.startswith(DASK):
        raise UsageError(
            f"{address!r} is no place to build at: expected {PROCESSES}, {THREADS}, or the address of a Dask "
            "scheduler, such as tcp://10.0.0.5:8786."
        )
    try:
        from distributed import Client
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise MachineError("Building on a Dask cluster needs more packages: pip install 'rvu[distributed]'") from None
    try:
        with Client(address, timeout=5, set_as_default=False):  # type: ignore[no-untyped-call]
            pass
    except (OSError, ValueError) as problem:
        raise MachineError(
            f"The Dask scheduler at {address} cannot be reached ({problem}). Start it: dask scheduler"
        ) from problem
    runner: TaskRunner[Any] = DaskTaskRunner(address=address)
    return runner
