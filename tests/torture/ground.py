"""Where a drill takes place: a home of its own, archives that nobody had before, runs of `rvu` to disturb."""

import io
import multiprocessing
import os
import random
import re
import signal
import zipfile
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from uuid import uuid4

from pipeline.store import PROJECT, Store

Figures = dict[str, int | float | str]
SAMPLE = {path.name[:6].upper(): path for path in sorted((PROJECT / "raw" / "sample").glob("*.zip"))}
OTHER_CODE = re.compile(rb"(?!HCPCS)[A-Z][0-9A-Z]{4},")
KEPT_CODES = (b"G04", b"G05")
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["__main__", "tests.torture.child"])
COUNTER = count(1)


class Skipped(Exception):  # noqa: N818 - nothing went wrong
    """This machine does not let the drill take place."""


@dataclass(frozen=True)
class Ended:
    """What became of a run: its exit code, negative for a signal, and all that it said."""

    code: int
    said: str


@dataclass(frozen=True)
class Run:
    """A run of `rvu` in a process group of its own."""

    process: ForkServerProcess
    log: Path

    def over(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most so long; tell whether it came."""
        self.process.join(seconds)
        return self.process.exitcode is not None

    def kill(self, *, alone: bool = False) -> None:
        """Kill -9 the run with all its workers, or the run alone."""
        try:
            (os.kill if alone else os.killpg)(self.process.pid or 0, signal.SIGKILL)
        except ProcessLookupError:  # over already, or not yet a group of its own
            self.process.kill()

    def end(self) -> Ended:
        """Wait for the end and return what became of it."""
        self.process.join()
        return Ended(self.process.exitcode or 0, self.log.read_text("utf-8", "replace"))


@dataclass(frozen=True)
class Ground:
    """A home for one drill, Prefect's server, and chance, which the seed repeats."""

    folder: Path
    server: str
    chance: random.Random
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        object.__setattr__(self, "store", Store(self.folder / "home"))

    def part(self, name: str) -> "Ground":
        """Return another home, with chance of its own, for a drill that goes on beside this one."""
        return Ground(self.folder / name, self.server, random.Random(self.chance.random()))  # noqa: S311

    def begin(self, *arguments: str | Path, today: str | None = None, workers: int = 1) -> Run:
        """Begin a run of `rvu` with these arguments."""
        self.folder.mkdir(exist_ok=True)
        log = self.folder / f"{uuid4().hex}.log"
        log.touch()
        facts = {"RVU_HOME": str(self.store.home), "RVU_WORKERS": str(workers), "PREFECT_API_URL": self.server}
        process = FORKED.Process(target=in_child, args=([*map(str, arguments)], facts, str(log), today))
        process.start()
        return Run(process, log)

    def publish(self, *labels: str, today: str | None = None, workers: int = 1) -> Ended:
        """Publish fresh archives of these releases, undisturbed."""
        return self.begin("run", "--from", self.fresh(*labels), today=today, workers=workers).end()

    def furnish(self, *labels: str) -> None:
        """Publish a first version of these releases, or of two, unless the home has one."""
        if self.store.latest_version() is None:
            ended = self.publish(*(labels or ("RVU25A", "RVU26C")))
            assert ended.code == 0, ended.said

    def fresh(self, *labels: str, whole: bool = False) -> Path:
        """Make a folder of archives with hashes that nobody had before; `whole` ones are the sample's own."""
        folder = self.folder / "archives" / str(next(COUNTER))
        folder.mkdir(parents=True)
        for label in labels:
            source = SAMPLE["RVU25A" if label < "RVU26" else "RVU26C"]
            target = folder / f"{label.lower()}.zip"
            target.write_bytes(source.read_bytes() if whole else cut(source))
            with zipfile.ZipFile(target, "a") as archive:
                archive.comment = folder.name.encode()
        return folder


def in_child(arguments: list[str], facts: dict[str, str], log: str, today: str | None) -> None:
    """Carry out a command; what it needs is imported in the server that forks, and not here."""
    from tests.torture.child import rvu

    rvu(arguments, facts, log, today)


@cache
def cut(source: Path) -> bytes:
    """Return an archive with its CSV members alone, and few rows in PPRRVU, so that a run takes a second or two."""
    target = io.BytesIO()
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            if name.endswith(".csv"):
                lines = whole.read(name).splitlines(keepends=True)
                small.writestr(name, b"".join(line for line in lines if is_kept(line)))
    return target.getvalue()


def is_kept(line: bytes) -> bool:
    """Tell which lines of PPRRVU a cut archive keeps: those above the rows, and a few hundred payable rows."""
    return line.startswith(KEPT_CODES) or not OTHER_CODE.match(line)
