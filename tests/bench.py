"""Measures what the README claims about speed, size and memory: make bench.

Everything is compared within one run on one machine: seconds alone say little. With RVU_RELEASES it takes RVU25A and
a backfill of all that the folder holds, without it the bundled sample.
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from pipeline import assemble, publish, pull
from pipeline.catalog import label_in_name, load_catalog
from pipeline.console import print_rows
from pipeline.content import content_fingerprint, load_content
from pipeline.crew import Crew
from pipeline.parquet import read_table, write_table
from pipeline.price import payments
from pipeline.store import PROJECT, Store, table_file
from pipeline.validate import judge
from schemas.tables import TABLES

Row = dict[str, Any]
FULL = "RVU25A"
SQL = (PROJECT / "tests" / "bench.sql").read_text("utf-8")
TIMES = 5  # each time is the best of as many, so that what else the machine does falls out


def main() -> None:
    """Print every measurement as a table."""
    archives = _archives()
    sys.stdout.write(f"{_machine()}\nReleases: {', '.join(archives)}\n")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        members = _csv_members(archives[FULL], work / "members")
        print_rows(_against_duckdb(archives[FULL], members, work), as_json=False, title="One release, against DuckDB")
        print_rows(_backfills(archives, work), as_json=False, title="Backfill, each in a process of its own")
        home = work / "home-2"
        print_rows(_nothing_new(archives, home), as_json=False, title="Second run, nothing new, after imports")
        print_rows(_queries(home), as_json=False, title="An analyst's queries, ms")
        print_rows(_sizes(home, work), as_json=False, title=f"payment of {FULL}: size and speed by row group, ms")
        print_rows(_commands(home), as_json=False, title="Commands from start to end")


def build(archives: dict[str, Path], home: Path, workers: int) -> publish.Published:
    """Run what the flow runs, from the archives to the published version, without Prefect."""
    store = Store(home)
    catalog = load_catalog(*store.catalogs)
    is_sample = not os.environ.get("RVU_RELEASES")
    received = [pull.take_local(store, catalog[label], path, is_sample=is_sample) for label, path in archives.items()]
    fingerprint = content_fingerprint(store.declared("content"))
    assemble.content_of(store.declared("content"), fingerprint)
    with store.staging() as staging, Crew(workers) as crew:
        assembly = assemble.assemble(store, staging, catalog, assemble.Pulled(received), fingerprint)
        if current := publish.current_version(assembly):
            return current
        for phase in (assemble.build_sources, assemble.build_merged):
            list(phase(assembly, crew))
        return publish.publish_version(assembly, datetime.now(UTC).date())


def _archives() -> dict[str, Path]:
    """Return label to archive in time order: those under RVU_RELEASES, or the sample."""
    folder = Path(os.environ.get("RVU_RELEASES") or PROJECT / "raw" / "sample")
    catalog = load_catalog(PROJECT / "raw" / "catalog.toml")
    found = {label_in_name(catalog, path.name): path for path in folder.rglob("*.zip")}
    return {label: found[label] for label in catalog if label in found}


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("pandas", "pyarrow", "pandera", "duckdb"))
    return f"{os.cpu_count()} CPUs, {memory:.0f} GB, Python {platform.python_version()}, {packages}, {date.today()}"


def _csv_members(archive: Path, folder: Path) -> Path:
    """Return an archive of the CSV members alone, and unzip them beside it."""
    folder.mkdir(parents=True)
    only_csv = folder / archive.name
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(only_csv, "w", zipfile.ZIP_DEFLATED) as cut:
        for name in (name for name in full.namelist() if name.lower().endswith(".csv")):
            cut.writestr(name, full.read(name))
            (folder / name).write_bytes(full.read(name))
    return only_csv


def _best(work: Callable[[], Any], times: int = TIMES) -> float:
    """Return the seconds of the quickest of several runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


# One release, against DuckDB


def _against_duckdb(archive: Path, only_csv: Path, work: Path) -> list[Row]:
    """Build RVU25A with us and with the script; the payments of both must be the same."""
    out = work / "duckdb"
    out.mkdir()
    script = SQL.replace("{members}", str(only_csv.parent)).replace("{out}", str(out))
    before, payment = script.split("-- payment")
    connection = duckdb.connect()
    theirs_all = _best(lambda: connection.execute(script))
    connection.execute(before)
    theirs_payment = _best(lambda: connection.execute(payment))
    build({FULL: archive}, work / "warm", 1)
    tables = {name: read_table(_published(work / "warm", name), TABLES[name]) for name in _PRICED_FROM}
    ours_payment = _best(lambda: _write_payment(tables, work / "payment.parquet", validated=False))
    ours_validated = _best(lambda: _write_payment(tables, work / "payment.parquet", validated=True))
    _require_same(out / "payment.parquet", work / "payment.parquet")
    homes = iter(range(1000))
    ours = {
        name: _best(lambda path=path: build({FULL: path}, work / f"home{next(homes)}", 1), 3)
        for name, path in (("CSV members", only_csv), ("whole archive, all formats compared", archive))
    }
    return [
        _compared("payment: priced and written", ours_payment, theirs_payment, "<= 0.7"),
        _compared("payment: priced, validated and written", ours_validated, theirs_payment, ""),
        *(_compared(f"whole build, {name}", seconds, theirs_all, "<= 2") for name, seconds in ours.items()),
    ]


_PRICED_FROM = ("rvu", "gpci", "conversion_factor")


def _write_payment(tables: dict[str, pd.DataFrame], path: Path, *, validated: bool) -> None:
    made = payments(*(tables[name] for name in _PRICED_FROM))
    assert not validated or judge(made, TABLES["payment"]) == []
    write_table(made, TABLES["payment"], path)


def _require_same(theirs: Path, ours: Path) -> None:
    """Refuse to compare times of different work: every row and amount must be equal."""
    columns = "hcpcs, modifier, mac, locality, nonfacility_fee, facility_fee, nonfacility_payment, facility_payment"
    both = duckdb.sql(f"select {columns} from '{theirs}' except select {columns} from '{ours}'").fetchall()
    assert not both, both[:3]


def _compared(what: str, ours: float, theirs: float, target: str) -> Row:
    return {"what": what, "ours, s": ours, "DuckDB, s": theirs, "ratio": ours / theirs, "target": target}


def _published(home: Path, table: str, release: str = FULL) -> Path:
    store = Store(home)
    return table_file(store.version_path(store.require_version()), table, release)


# Backfill


def _backfills(archives: dict[str, Path], work: Path) -> list[Row]:
    """Build one release, the newer half of them and all, by one process, and all by two."""
    labels = list(archives)
    plans = [(1, [FULL]), (1, labels[len(labels) // 2 :]), (1, labels), (2, labels)]
    rows = []
    for number, (workers, chosen) in enumerate(plans):
        home = work / ("home-2" if workers == 2 else f"backfill{number}")
        found = _in_process({label: archives[label] for label in chosen}, home, workers)
        rows.append(
            {
                "workers": workers,
                "releases": len(chosen),
                "seconds": found["seconds"],
                "per release, s": found["seconds"] / len(chosen),
                "largest process, MB": found["megabytes"],
            }
        )
    speedup = rows[-2]["seconds"] / rows[-1]["seconds"]
    return [row | {"faster than one": speedup if row["workers"] == 2 else 1.0} for row in rows]


def _in_process(archives: dict[str, Path], home: Path, workers: int) -> Row:
    command = [sys.executable, "-m", "tests.bench", str(home), str(workers)]
    told = json.dumps({label: str(path) for label, path in archives.items()})
    done = subprocess.run([*command, told], cwd=PROJECT, check=True, capture_output=True, text=True)  # noqa: S603
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def build_and_report(home: str, workers: str, told: str) -> None:
    """Build in this process; print seconds after imports, and the memory of the largest process."""
    archives = {label: Path(path) for label, path in json.loads(told).items()}
    start = time.perf_counter()
    build(archives, Path(home), int(workers))
    seconds = time.perf_counter() - start
    # Not ru_maxrss of this process: it begins with what the process that started it used.
    ours = int(re.findall(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text("utf-8"))[0])
    workers_used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": max(ours, workers_used) // 1024}) + "\n")


def _nothing_new(archives: dict[str, Path], home: Path) -> list[Row]:
    load_content(PROJECT / "raw" / "content")
    seconds = _best(lambda: build(archives, home, 1))
    return [{"what": f"{len(archives)} releases, none of them new", "seconds": seconds, "target": "< 0.3"}]


# What analysts do


def _queries(home: Path) -> list[Row]:
    """Ask what analysts ask, in DuckDB and in pandas."""
    store = Store(home)
    root = store.version_path(store.require_version())
    code = "G0438"
    one, rvu, category = _published(home, "payment"), f"{root}/rvu/*.parquet", f"{root}/category/*.parquet"
    asked: list[tuple[str, str, Callable[[], pd.DataFrame]]] = [
        (
            "one code in all localities of a release",
            f"select * from '{one}' where hcpcs = '{code}'",
            lambda: pd.read_parquet(one, filters=[("hcpcs", "=", code)]),
        ),
        (
            "one code in all releases",
            f"select * from '{rvu}' where hcpcs = '{code}'",
            lambda: pd.read_parquet(root / "rvu", filters=[("hcpcs", "=", code)]),
        ),
        (
            "a category's aggregates in all releases",
            f"select * from '{category}' where category = 'G Codes'",
            lambda: pd.read_parquet(root / "category", filters=[("category", "=", "G Codes")]),
        ),
    ]
    return [
        {
            "query": what,
            "rows": len(in_pandas()),
            "DuckDB": _best(lambda sql=sql: duckdb.sql(sql).fetchall()) * 1000,
            "pandas": _best(in_pandas) * 1000,
        }
        for what, sql, in_pandas in asked
    ]


def _sizes(home: Path, work: Path) -> list[Row]:
    """Write payment as we do, with other row groups, and with the defaults of Parquet's writer."""
    ours = _published(home, "payment")
    table = pq.read_table(ours)
    dollars = {name for name in table.column_names if name.endswith(("_fee", "_payment"))}
    repeating = [name for name in table.column_names if name not in dollars]
    kinds: dict[str, Row] = {
        f"row groups of {rows:,}": {"compression": "zstd", "compression_level": 1, "row_group_size": rows}
        | {"use_dictionary": repeating}
        for rows in (10_000, 50_000, 1_000_000)
    }
    kinds |= {"dollars in dictionaries too": kinds["row groups of 50,000"] | {"use_dictionary": True}}
    kinds |= {"defaults: snappy, one group, all dictionaries": {}}
    rows = []
    for name, options in kinds.items():
        path = work / "payment.parquet"
        pq.write_table(table, path, **options)
        rows.append({"written": name} | _measured(path))
    return [{"written": "as published"} | _measured(ours), *rows]


def _measured(path: Path) -> Row:
    one_code = f"select * from '{path}' where hcpcs = 'G0438'"
    return {
        "MB": path.stat().st_size / 1e6,
        "one code, DuckDB": _best(lambda: duckdb.sql(one_code).fetchall()) * 1000,
        "one code, pandas": _best(lambda: pd.read_parquet(path, filters=[("hcpcs", "=", "G0438")])) * 1000,
        "all, pandas": _best(lambda: pd.read_parquet(path), 2) * 1000,
    }


def _commands(home: Path) -> list[Row]:
    """Start the commands that people wait for."""
    environment = os.environ | {"RVU_HOME": str(home)}
    commands = (["show", "G0438"], ["price", "G0438", "--release", FULL, "--state", "NC"], ["releases", "--json"])
    return [
        {
            "command": f"rvu {' '.join(command)}",
            "seconds": _best(lambda command=command: _started(command, environment)),
        }
        for command in commands
    ]


def _started(command: list[str], environment: dict[str, str]) -> None:
    rvu = [sys.executable, "-m", "pipeline.cli", *command]
    subprocess.run(rvu, cwd=PROJECT, env=environment, check=True, capture_output=True)  # noqa: S603


if __name__ == "__main__":
    if len(sys.argv) == 4:
        build_and_report(*sys.argv[1:])
    else:
        main()
