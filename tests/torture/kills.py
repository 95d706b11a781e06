"""kill -9 at any moment of a run: nothing that was kept or published is lost, and the next run heals."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

from pipeline.store import MANIFEST, Store
from tests.torture.ground import Figures, Ground, Run
from tests.torture.judge import Seen, incoming, require_healed, require_nothing_lost, require_sound, seen

# What the folder shows after a kill: how far the run had come.
PHASES = (
    "before any write",
    "archive being kept",
    "archive kept",
    "tables being staged",
    "version staged, being flushed",
    "version in place, LATEST not yet",
    "after LATEST",
)
WITH_WORKERS = 15  # every so many runs builds two releases in worker processes
AIMED = 4  # every so many is killed at a short moment that chance alone would rarely find
SECONDS = 330  # after which no further run is killed, on a machine that is slow or busy
HEALED = 10  # every so many kills a run is left to end


def kills(ground: Ground, count: int = 210, homes: int = 2) -> Figures:
    """Kill runs in several homes at once until there were so many kills, or time is up."""
    shares = [count // homes + (number < count % homes) for number in range(homes)]
    parts = [ground.part(f"kills-{number}") for number in range(homes)]
    with ThreadPoolExecutor(homes) as pool:
        total = sum(pool.map(kills_in_one_home, parts, shares), Counter[str]())
    told = (*PHASES, "with worker processes", "of the run alone, not its workers", "healing runs", "runs unharmed")
    published = sum(len(part.store.versions()) for part in parts)
    return {name: total[name] for name in ("kills", *told)} | {"versions published": published, "lost": 0}


def kills_in_one_home(ground: Ground, count: int, known: dict[int, float] | None = None) -> Counter[str]:
    """Kill run after run, look at what is left each time, and now and then let one heal.

    `known` is how many seconds a run lasts by the number of its workers; what it lacks is measured. A run that ends
    before its kill counts as unharmed.
    """
    lasts, begun = dict(known or {}), monotonic()
    tally: Counter[str] = Counter()
    while tally["kills"] < count and monotonic() - begun < SECONDS:
        tally["runs"] += 1
        workers = 2 if tally["runs"] % WITH_WORKERS == 0 else 1
        alone = workers == 2 and tally["runs"] % (2 * WITH_WORKERS) == 0
        lasts[workers] = lasts.get(workers) or seconds_of_a_run(ground, workers)
        before, run_begun = seen(ground.store), monotonic()
        run = begin(ground, workers)
        await_moment(ground, run, before, lasts[workers], aimed=tally["runs"] % AIMED == 0)
        run.kill(alone=alone)
        if run.end().code >= 0:
            tally["runs unharmed"] += 1
            lasts[workers] = monotonic() - run_begun
            continue
        tally.update(["kills", phase(ground.store, before)])
        tally["with worker processes"] += workers == 2
        tally["of the run alone, not its workers"] += alone
        require_nothing_lost(ground.store, before)
        if tally["kills"] % HEALED == 0:
            heal(ground)
            tally["healing runs"] += 1
    heal(ground)
    tally["healing runs"] += 1
    for version in ground.store.versions():
        require_sound(ground.store, version)
    return tally


def begin(ground: Ground, workers: int) -> Run:
    labels = ("RVU25A", "RVU26C") if workers > 1 else (ground.chance.choice(("RVU25A", "RVU26C")),)
    return ground.begin("run", "--from", ground.fresh(*labels), workers=workers)


def seconds_of_a_run(ground: Ground, workers: int) -> float:
    """Return how long a run lasts that nobody disturbs."""
    begun = monotonic()
    ended = begin(ground, workers).end()
    assert ended.code == 0, ended.said
    return monotonic() - begun


def await_moment(ground: Ground, run: Run, before: Seen, lasts: float, *, aimed: bool) -> None:
    """Wait for the moment of the kill: any of the run, or a short one about the keeping or the commit."""
    if not aimed:
        run.over(ground.chance.uniform(0, lasts))
        return
    store = ground.store
    moments = (
        lambda: incoming(store) != before.incoming,
        lambda: any(store.curated.glob(f".staging-*/{MANIFEST}")),
        lambda: store.versions() != list(before.versions),
        lambda: store.latest_version() != before.latest,
    )
    moment, delay = ground.chance.choice(moments), ground.chance.choice((0, 0, 0.002, 0.02))
    while not moment() and not run.over(0):
        sleep(0.001)
    sleep(delay)


def phase(store: Store, before: Seen) -> str:
    """Return how far a killed run had come."""
    now = seen(store)
    staged = list(store.curated.glob(".staging-*"))
    facts = (
        True,
        now.incoming != before.incoming,
        now.kept != before.kept,
        any(any(folder.iterdir()) for folder in staged),
        any((folder / "CHANGES.md").exists() for folder in staged),
        now.versions != before.versions,
        now.latest != before.latest,
    )
    return [name for name, holds in zip(PHASES, facts, strict=True) if holds][-1]


def heal(ground: Ground) -> None:
    """Let a run end: it publishes what it was given, and leaves nothing of those that were killed."""
    before = seen(ground.store)
    folder = ground.fresh("RVU26C")
    ended = ground.begin("run", "--from", folder).end()
    assert ended.code == 0, f"the run after a kill ended with {ended.code}: {ended.said}"
    require_nothing_lost(ground.store, before)
    require_healed(ground.store, before, folder / "rvu26c.zip")
