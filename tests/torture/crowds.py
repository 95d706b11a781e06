"""Many at once: publishers that each bring another release, clocks that go backwards, readers of old versions."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event

import pandas as pd

from pipeline.catalog import label_in_name, load_catalog
from pipeline.history import prune
from pipeline.store import PROJECT, Store, sha256_of, version_order
from tests.torture.ground import Figures, Ground
from tests.torture.judge import require_sound

EIGHT = ("RVU25A", "RVU25B", "RVU25C", "RVU25D", "RVU26A", "RVU26B", "RVU26C", "RVU26D")
DAYS = ("2031-05-02", "2031-05-01", "2031-05-02", "2030-12-31", "2031-05-03")


def two_publishers(ground: Ground) -> Figures:
    """Publish two releases at once: CMS's own archives where they are at hand, else the sample's."""
    own = real_archives("RVU22A", "RVU26C")
    labels = ("RVU25A", "RVU26C")
    archives = own or {label: ground.fresh(label, whole=True) / f"{label.lower()}.zip" for label in labels}
    return publishers(ground, archives) | {"archives of CMS": len(own)}


def eight_publishers(ground: Ground, labels: tuple[str, ...] = EIGHT) -> Figures:
    """Publish as many releases at once."""
    return publishers(ground, {label: ground.fresh(label) / f"{label.lower()}.zip" for label in labels})


def publishers(ground: Ground, archives: dict[str, Path]) -> Figures:
    """Publish all at once, the first one twice; every release of every one of them must be in the last version."""
    store = ground.store
    runs = [ground.begin("run", "--from", path) for path in (*archives.values(), next(iter(archives.values())))]
    for ended in [run.end() for run in runs]:
        assert ended.code == 0, ended.said
    entries = store.manifest(store.require_version())["releases"]
    assert set(entries) == set(archives), f"expected {sorted(archives)}, found {sorted(entries)}"
    for label, path in archives.items():
        assert entries[label]["receipt"]["sha256"] == sha256_of(path), f"{label} is another archive"
    for version in store.versions():
        require_sound(store, version)
    return {"publishers": len(runs), "releases in the last version": len(entries), "lost": 0}


def clock_backwards(ground: Ground, days: tuple[str, ...] = DAYS) -> Figures:
    """Publish while the clock jumps: each version sorts after all before it, and LATEST is the newest run's."""
    store, published = ground.store, ground.store.versions()
    for day in days:
        ended = ground.publish("RVU26C", today=day)
        assert ended.code == 0, ended.said
        published.append(store.require_version())
    assert all(version_order(one) < version_order(next_one) for one, next_one in pairwise(published)), published
    assert store.versions() == published
    jumps = sum(date.fromisoformat(later) < date.fromisoformat(earlier) for earlier, later in pairwise(days))
    return {"versions": len(days), "jumps backwards": jumps, "out of order": 0}


def readers(ground: Ground, versions: int = 6, count: int = 3) -> Figures:
    """Read what LATEST names, over and over, while versions appear and old ones are removed."""
    ground.furnish()
    stop = Event()
    with ThreadPoolExecutor(count + 1) as pool:
        held = pool.submit(read_held_open, ground.store, stop)
        tallies = [pool.submit(read_on, ground.store, stop) for _ in range(count)]
        removed = 0
        try:
            for _ in range(versions):
                ended = ground.publish("RVU26C")
                assert ended.code == 0, ended.said
                fates = prune(ground.store, keep=1, grace=timedelta(0), now=datetime.now(UTC))
                removed += sum(fate.is_removed for fate in fates)
        finally:
            stop.set()
        total = sum((tally.result() for tally in tallies), Counter())
        assert total["versions read whole"], "no reader had a version to read"
        tables = held.result()
    figures = ("versions read whole", "versions removed while they were read")
    return (
        {"readers": count, "versions published": versions, "versions removed": removed}
        | {name: total[name] for name in figures}
        | {"tables of a removed version read to their end": tables, "half versions read": 0}
    )


def read_on(store: Store, stop: Event) -> Counter[str]:
    """Read the latest version until told to stop: each table is whole, or all are gone at once."""
    tally: Counter[str] = Counter()
    while not stop.is_set():
        version = store.require_version()
        folder = store.version_path(version)
        try:
            manifest = store.manifest(version)
            for path, facts in manifest["files"].items():
                rows = len(pd.read_parquet(folder / path))
                assert rows == facts["rows"], f"{version}/{path}: expected {facts['rows']} rows, found {rows}"
            tally["versions read whole"] += 1
        except Exception:
            if folder.exists():
                raise
            tally["versions removed while they were read"] += 1
    return tally


def read_held_open(store: Store, stop: Event) -> int:
    """Hold the files of a version open, and read them to their end once it has been removed."""
    version = store.require_version()
    files = store.manifest(version)["files"]
    streams = {path: (store.version_path(version) / path).open("rb") for path in files}
    stop.wait()
    assert not store.version_path(version).exists(), f"{version} was not removed"
    for path, stream in streams.items():
        with stream:
            assert len(pd.read_parquet(stream)) == files[path]["rows"], f"{version}/{path} was cut short"
    return len(streams)


def real_archives(*labels: str) -> dict[str, Path]:
    """Return CMS's own archives of these releases from the folder that RVU_RELEASES names, if all are there."""
    catalog = load_catalog(PROJECT / "raw" / "catalog.toml")
    folder = Path(os.environ.get("RVU_RELEASES") or "nowhere")
    found = {label_in_name(catalog, path.name): path for path in folder.rglob("*.zip")}
    return {label: found[label] for label in labels} if set(labels) <= set(found) else {}
