"""Proves that nothing is lost: kills, full disks, crowds, clocks and damaged archives; `python -m tests.torture`."""

import argparse
import json
import os
import random
import sys
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.table import Table

os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
os.environ.pop("RVU_HOME", None)

from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from tests.torture.attacks import damaged_archives
from tests.torture.crowds import clock_backwards, eight_publishers, readers, two_publishers
from tests.torture.disks import full_disk, read_only
from tests.torture.ground import Figures, Ground, Skipped
from tests.torture.kills import kills

LANES = 2  # drills at once
ALONE = ("kills",)  # it keeps all CPUs busy by itself
Drill = Callable[[Ground], Figures]


def drills(options: argparse.Namespace) -> dict[str, Drill]:
    return {
        "kills": lambda ground: kills(ground, options.kills),
        "damaged-archives": damaged_archives,
        "full-disk": full_disk,
        "read-only": read_only,
        "two-publishers": two_publishers,
        "eight-publishers": eight_publishers,
        "clock": clock_backwards,
        "readers": readers,
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.torture", description=__doc__)
    parser.add_argument("--only", action="append", metavar="DRILL", help="This drill; repeatable. Default: all.")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="Repeats the choices of a run.")  # noqa: S311
    parser.add_argument("--kills", type=int, default=210, help="How many runs to kill.")
    parser.add_argument("--json", action="store_true", help="Print figures for programs.")
    return parser.parse_args()


def carried_out(drill: Drill, ground: Ground) -> Figures:
    """Return the figures of one drill, with its outcome and seconds."""
    begun = monotonic()
    try:
        figures: Figures = {"outcome": "passed"} | drill(ground)
    except Skipped as reason:
        figures = {"outcome": f"skipped: {reason}"}
    except Exception as problem:
        traceback.print_exc()
        figures = {"outcome": f"FAILED: {problem}"[:300]}
    return figures | {"seconds": round(monotonic() - begun)}


def main() -> int:
    wanted = options()
    known = drills(wanted)
    if unknown := set(wanted.only or ()) - set(known):
        sys.exit(f"no drill named {', '.join(unknown)}: there are {', '.join(known)}")
    console = Console(stderr=True)
    console.print(f"seed {wanted.seed}")
    results: dict[str, Figures] = {}
    with prefect_test_harness(server_startup_timeout=180), tempfile.TemporaryDirectory(prefix="torture-") as folder:
        server = str(PREFECT_API_URL.value())

        def take(name: str) -> None:
            console.print(f"{name} ...")
            chance = random.Random(f"{wanted.seed} {name}")  # noqa: S311
            results[name] = carried_out(known[name], Ground(Path(folder) / name, server, chance))
            console.print(f"{name}: {results[name]['outcome']}, {results[name]['seconds']} s")

        names = [name for name in known if name in (wanted.only or known)]
        for together in ([name for name in names if name in ALONE], [name for name in names if name not in ALONE]):
            with ThreadPoolExecutor(LANES) as lanes:
                list(lanes.map(take, together))
        results = {name: results[name] for name in names}
    show(results, wanted)
    return int(any(str(figures["outcome"]).startswith("FAILED") for figures in results.values()))


def show(results: dict[str, Figures], wanted: argparse.Namespace) -> None:
    if wanted.json:
        print(json.dumps({"seed": wanted.seed, "drills": results}, indent=1))  # noqa: T201
        return
    table = Table("drill", "figure", "value", title=f"Torture, seed {wanted.seed}")
    for name, figures in results.items():
        for figure, value in figures.items():
            table.add_row(name, figure, str(value))
            name = ""  # noqa: PLW2901 - once per drill
        table.add_section()
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
