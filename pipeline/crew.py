"""Does work for many releases at once, each in a process of its own, and shows how far it is."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.errors import MachineError, RvuError, UsageError, kind_of

PROBLEM = "problem"  # in the result of work that failed: the kind of its problem
Work = Callable[..., dict[str, Any]]
Jobs = dict[str, tuple[Any, ...]]  # release to the arguments of the work
Results = Iterator[tuple[str, dict[str, Any]]]  # release and what the work came to


class Crew:
    """Does work for many releases at once, in processes of their own, or here for one release or one worker.

    Processes start afresh instead of as copies of this one, whose locks and threads they must not inherit.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def results(self, doing: str, work: Work, jobs: Jobs) -> Results:
        """Yield what the work came to for each release, as it arrives, and show how far it is."""
        few = self._workers == 1 or len(jobs) < 2
        arriving = _one_by_one(work, jobs) if few else self._at_once(work, jobs)
        return _with_progress(doing, list(jobs), arriving)

    def _at_once(self, work: Work, jobs: Jobs) -> Results:
        self._pool = self._pool or ProcessPoolExecutor(
            self._workers, multiprocessing.get_context("spawn"), initializer=_start_worker
        )
        try:
            futures = {self._pool.submit(attempted, label, work, *args): label for label, args in jobs.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as problem:
            raise MachineError(
                "A worker process ended before its work did, most often because memory ran out. Nothing was "
                "published. Run again with fewer workers: --workers 1, or RVU_WORKERS=1."
            ) from problem


def workers_wanted(stated: int | None) -> int:
    """Return how many processes may build at once: as stated, else RVU_WORKERS, else one per CPU."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = str(os.environ.get("RVU_WORKERS") or usable) if stated is None else str(stated)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{text!r} is no number of workers: expected 1 or more in --workers or RVU_WORKERS.")
    return int(text)


def attempted(label: str, work: Work, *args: Any) -> dict[str, Any]:
    """Do the work; a problem of ours becomes plain text, which gets out of any process unchanged."""
    try:
        return work(*args)
    except RvuError as problem:
        return {PROBLEM: kind_of(problem), "message": str(problem)}
    except Exception as bug:
        bug.add_note(f"This happened while building {label}.")
        raise


def _one_by_one(work: Work, jobs: Jobs) -> Results:
    for label, args in jobs.items():
        yield label, attempted(label, work, *args)


def _with_progress(doing: str, waiting: list[str], arriving: Results) -> Results:
    """Pass on what arrives; show a bar meanwhile if someone looks on and there is more than one to wait for."""
    if len(waiting) < 2 or not sys.stderr.isatty():
        yield from arriving
        return
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"{doing} {waiting[0]}", total=len(waiting))
        for label, result in arriving:
            waiting.remove(label)
            progress.update(bar, advance=1, description=f"{doing} {waiting[0] if waiting else ''}")
            progress.stop()  # lest a line of the log lands in the bar
            yield label, result
            progress.start()


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, however it died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
