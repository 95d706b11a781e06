"""Disks that fill up or take no writes: a clear message, nothing changed, and the next run heals."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.store import Store, sha256_of
from tests.torture.ground import Ended, Figures, Ground, Skipped
from tests.torture.judge import require_healed, require_nothing_lost, seen

LARGE = 256 << 20  # bytes of the disk while it has room
PAGE = 4096
# How much of what a run writes fits on the disk, so that it fills up at different steps.
SHARES = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.5)


def full_disk(
    ground: Ground, shares: tuple[float, ...] = SHARES, labels: tuple[str, ...] = ("RVU25A", "RVU26C")
) -> Figures:
    """Run on disks that have room for a part of what a run writes."""
    steps: Counter[str] = Counter()
    others = 0
    with small_disk(ground.store.home):
        ground.furnish(*labels)
        written = bytes_used(ground.store.home)
        for share in shares:
            resize(ground.store.home, bytes_used(ground.store.home) + int(share * written))
            before, archives = seen(ground.store), ground.fresh(*labels)
            ended = ground.begin("run", "--from", archives).end()
            if ended.code:
                require_told(ended, "the disk is full")
                steps[step_of(ended)] += 1
                others += seen(ground.store).latest != before.latest
            require_nothing_lost(ground.store, before)
            resize(ground.store.home, LARGE)
            heal(ground)
    return (
        {"disks": len(shares), "filled up": steps.total()}
        | dict(steps)
        | {"published without the release that found no room": others, "lost": 0}
    )


def read_only(ground: Ground, places: tuple[str, ...] = (".", "curated", "raw/releases/RVU26C")) -> Figures:
    """Run where the home, or a folder of it, takes no writes."""
    ground.furnish()
    store, steps = ground.store, Counter[str]()
    for folder in [store.home / place for place in places]:
        before, files = seen(store), tree(store)
        with without_writing(folder):
            ended = ground.begin("run", "--from", ground.fresh("RVU26C")).end()
            require_told(ended, "read-only|no permission")
            require_nothing_lost(store, before)
            steps[step_of(ended)] += 1
        after = {path: sha256 for path, sha256 in tree(store).items() if path in files}
        assert after == files, f"{folder} took no writes, and yet {files.items() ^ after.items()}"
        heal(ground)
    return {"folders without writing": steps.total()} | dict(steps) | {"lost": 0}


def heal(ground: Ground) -> None:
    before, archives = seen(ground.store), ground.fresh("RVU26C")
    ended = ground.begin("run", "--from", archives).end()
    assert ended.code == 0, ended.said
    require_nothing_lost(ground.store, before)
    require_healed(ground.store, before, archives / "rvu26c.zip")


def require_told(ended: Ended, reason: str) -> None:
    """Fail unless a run ended as a problem of the machine, with a message that says what to do."""
    last = ended.said[ended.said.rfind("rvu: ") :]
    assert ended.code == 3, f"expected exit code 3, found {ended.code}: {last}"
    assert re.search(rf"While .*: .*({reason})", last), f"expected {reason!r}, found {last}"
    assert "Traceback" not in ended.said, ended.said


def step_of(ended: Ended) -> str:
    """Return at which step a run ended, without names of releases and folders."""
    found = re.search(r"While (\w+)", ended.said[ended.said.rfind("rvu: ") :])
    return f"while {found[1]}" if found else "at no step"


def tree(store: Store) -> dict[Path, str]:
    """Return every file of a home with its hash."""
    return {path: sha256_of(path) for path in store.home.rglob("*") if path.is_file() and path.name != ".lock"}


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk in memory, which only root may."""
    if os.geteuid():
        raise Skipped("only root may mount a small disk")
    folder.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", folder)
    try:
        yield
    finally:
        mount_command("umount", folder)


def resize(folder: Path, size: int) -> None:
    mount("-o", f"remount,size={max(size, PAGE)}", folder)


def bytes_used(folder: Path) -> int:
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


@contextmanager
def without_writing(folder: Path) -> Iterator[None]:
    """Make a folder take no writes: by a mount for root, whom permissions do not bind, else by permissions."""
    if os.geteuid():
        mode = folder.stat().st_mode
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(mode)
        return
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        mount_command("umount", folder)


def mount(*arguments: str | Path) -> None:
    mount_command("mount", *arguments)


def mount_command(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Skipped(f"this machine does not let us {command[0]}: {done.stderr.strip()[:80]}")
