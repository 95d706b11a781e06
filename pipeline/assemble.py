"""Puts a version together in the staging folder: every release built, in two phases, or as in the parent version."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import deposit
from pipeline.build import (
    MERGED,
    Built,
    Key,
    build_derived,
    build_source,
    derived_fingerprint,
    previous_release,
    source_fingerprint,
)
from pipeline.catalog import Catalog, Release, find_release
from pipeline.content import Content, load_content
from pipeline.crew import PROBLEM, Crew, Jobs
from pipeline.editorial import require_sound
from pipeline.errors import PROBLEMS, DataError, RvuError
from pipeline.parquet import read_pairs, read_table, write_table
from pipeline.store import Receipt, Store, explained, link_or_copy, replaced_whole, table_file
from pipeline.validate import describe
from schemas.tables import TABLES

Manifest = dict[str, Any]


@dataclass
class Pulled:
    """What was received, and what went wrong with the other pulls, by release."""

    receipts: list[Receipt] = field(default_factory=list)
    problems: dict[str, RvuError] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One release of the version to come: from which archive, and the fingerprint of its source tables."""

    release: Release
    receipt: Receipt
    fingerprint: str


@dataclass(frozen=True)
class Derivation:
    """After which release one is derived, and the fingerprint of all its tables."""

    previous: str | None
    fingerprint: str


@dataclass
class Assembly:
    """A version in the making: small facts about each release, never its rows.

    `steps` are in time order and without the releases that failed, but for those in `kept`, which stay as they are
    in the parent version. `sources` says what building source tables came to; `entries` are for the manifest.
    """

    store: Store
    staging: Path
    parent: Manifest | None
    content_fingerprint: str
    steps: dict[str, Step]
    problems: dict[str, RvuError]
    sources: dict[str, Manifest] = field(default_factory=dict)
    entries: dict[str, Manifest] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def in_parent(self, label: str) -> Manifest:
        """Return a release's entry in the parent version; empty where it has none, or a sample's for a real one."""
        entry: Manifest = self.parent["releases"].get(label, {}) if self.parent else {}
        return entry if entry and entry["receipt"]["is_sample"] == self.steps[label].receipt.is_sample else {}

    def plan(self) -> dict[str, Derivation]:
        """Return how each release is derived, in time order."""
        sources = {label: step.fingerprint for label, step in self.steps.items()}
        return plan_derived(sources, self.content_fingerprint)


def parent_manifest(store: Store) -> Manifest | None:
    """Return the manifest of the current version, or None before the first."""
    latest = store.latest_version()
    return store.manifest(latest) if latest else None


def plan_version(catalog: Catalog, parent: Manifest | None, received: list[Receipt]) -> dict[str, Step]:
    """List the releases of the version to come in time order: those of the parent and those received.

    A version holds samples or real releases, never both: real ones take the place of all samples.
    """
    entries = parent["releases"] if parent else {}
    receipts = {label: Receipt(**entry["receipt"]) for label, entry in entries.items()}
    receipts |= {receipt.release: receipt for receipt in received}
    if any(not receipt.is_sample for receipt in receipts.values()):
        receipts = {label: receipt for label, receipt in receipts.items() if not receipt.is_sample}
    order = {label: position for position, label in enumerate(catalog)}
    labels = sorted(receipts, key=lambda label: order.get(find_release(catalog, label).label, 0))
    return {
        label: Step(catalog[label], receipts[label], source_fingerprint(receipts[label], catalog[label]))
        for label in labels
    }


def plan_derived(sources: dict[str, str], content_fingerprint: str) -> dict[str, Derivation]:
    """Say after which release each one is derived, from the fingerprints of their source tables in time order."""
    plan: dict[str, Derivation] = {}
    earlier: tuple[str, ...] = ()
    previous: str | None = None
    for label, source in sources.items():
        plan[label] = Derivation(previous, derived_fingerprint(source, content_fingerprint, earlier))
        earlier, previous = (*earlier, source), label
    return plan


def assemble(store: Store, staging: Path, catalog: Catalog, pulled: Pulled, content_fingerprint: str) -> Assembly:
    """Begin the version to come, of what was pulled and what the parent version holds."""
    parent = parent_manifest(store)
    steps = plan_version(catalog, parent, pulled.receipts)
    assembly = Assembly(store, staging, parent, content_fingerprint, steps, dict(pulled.problems))
    for label in pulled.problems.keys() & steps.keys():
        _say_it_stays(assembly, label, "with its archive")
    return assembly


def check_content(assembly: Assembly) -> tuple[str, ...]:
    """Return what is doubtful about our texts, for the log; DataError when something is wrong."""
    return _doubts(assembly.store.declared("content"), assembly.content_fingerprint)


def build_sources(assembly: Assembly, crew: Crew) -> Iterator[str]:
    """Put the source tables of every release into the staging folder; yield a line for the log as each is done."""
    jobs: Jobs = {}
    for label, step in assembly.steps.items():
        entry = assembly.in_parent(label)
        if entry.get("source_fingerprint") == step.fingerprint:
            assembly.sources[label] = _source_part(entry)
            _link(assembly, label, assembly.sources[label]["rows"])
        else:
            _bring_archive(assembly.store, step)
            jobs[label] = (step, assembly.store.archive_path(step.receipt), assembly.staging)
    for label, result in crew.results("reading", stage_source, jobs):
        if PROBLEM in result:
            yield _fail(assembly, label, result)
        else:
            assembly.sources[label] = result
            yield f"{label}: read, {result['rows']['rvu']:,} rows of rvu"


def build_merged(assembly: Assembly, crew: Crew) -> Iterator[str]:
    """Put the derived tables of every release into the staging folder; yield a line for the log as each is done.

    All are derived at once, as if none failed. The first that does is then no longer the release before the next,
    which is derived again, and so on until all that remain are good.
    """
    results: dict[str, Manifest] = {}  # by fingerprint
    while True:
        plan = {label: each for label, each in assembly.plan().items() if not _is_done(assembly, label, each)}
        todo = {label: each for label, each in plan.items() if each.fingerprint not in results}
        revived = _revived(assembly) if todo else {}
        jobs = {label: _merge_job(assembly, label, each, revived[label]) for label, each in todo.items()}
        for label, result in crew.results("merging", stage_merged, jobs):
            results[todo[label].fingerprint] = result
            if PROBLEM not in result:
                yield _built_line(assembly, label, result)
        failed = next((label for label, each in plan.items() if PROBLEM in results[each.fingerprint]), None)
        if failed is None:
            break
        yield _fail(assembly, failed, results[plan[failed].fingerprint])
    yield from _complete(assembly, results)


def stage_source(step: Step, archive: Path, staging: Path) -> Manifest:
    """Build the source tables of one release into the staging folder; return their rows and findings."""
    if not archive.exists():
        label = step.release.label
        raise DataError(
            f"{label} must be built again, but its archive {archive} is gone. Pull it again: rvu run {label}"
        )
    return _staged(build_source(archive, step.receipt, step.release), staging)


def stage_merged(  # noqa: PLR0913, PLR0917 - what crosses a process is labels, paths and small facts
    release: Release,
    previous: str | None,
    revived: frozenset[Key],
    staging: Path,
    content: Path,
    fingerprint: str,
) -> Manifest:
    """Build the derived tables of one release into the staging folder; return their rows, findings and accounting.

    Reads what the first phase staged: tables of this release, and `rvu` of the `previous` one. `revived` are the rows
    of this release that the previous one lacks and an older one had.
    """
    texts = content_of(content, fingerprint)
    before = None
    if previous:
        rvu = read_table(table_file(staging, "rvu", previous), TABLES["rvu"])
        before = previous_release(previous, rvu, texts, revived)
    needed = ("rvu", "conversion_factor")
    source = {table: read_table(table_file(staging, table, release.label), TABLES[table]) for table in needed}
    built = build_derived(release, source, texts, before)
    return _staged(built, staging) | {"merge": asdict(built.accounting) if built.accounting else {}}


@lru_cache(maxsize=1)
def content_of(folder: Path, fingerprint: str) -> Content:
    """Load content once per process and state of its files, so that work need not be given frames."""
    content = load_content(folder)
    if content.fingerprint != fingerprint:
        raise DataError(f"The content in {folder} was edited while a run was reading it. Run again.")
    return content


@lru_cache(maxsize=1)
def _doubts(folder: Path, fingerprint: str) -> tuple[str, ...]:
    """Judge content once per process and state of its files."""
    return tuple(map(describe, require_sound(content_of(folder, fingerprint))))


def _merge_job(assembly: Assembly, label: str, derivation: Derivation, revived: frozenset[Key]) -> tuple[Any, ...]:
    content = assembly.store.declared("content")
    release = assembly.steps[label].release
    return (release, derivation.previous, revived, assembly.staging, content, assembly.content_fingerprint)


def _revived(assembly: Assembly) -> dict[str, frozenset[Key]]:
    """Return for each release the rows that the one before lacks and an older one had; reads every key once."""
    seen: set[Key] = set()
    before: set[Key] = set()
    revived = {}
    for label in assembly.steps:
        rows = read_pairs(table_file(assembly.staging, "rvu", label), "hcpcs", "modifier")
        revived[label] = frozenset((rows - before) & seen)
        seen |= rows
        before = rows
    return revived


def _staged(built: Built, staging: Path) -> Manifest:
    with explained(f"writing {built.release}"):
        for table, frame in built.tables.items():
            # A worker of a cluster that is thought lost may be writing still, beside the one who took over.
            with replaced_whole(table_file(staging, table, built.release)) as path:
                write_table(frame, TABLES[table], path)
    return {
        "rows": {table: len(frame) for table, frame in built.tables.items()},
        "findings": [finding.as_dict() for finding in built.findings],
    }


def _is_done(assembly: Assembly, label: str, derivation: Derivation) -> bool:
    """Tell whether the files of the parent version are those of the version to come."""
    return label in assembly.kept or assembly.in_parent(label).get("fingerprint") == derivation.fingerprint


def _complete(assembly: Assembly, results: dict[str, Manifest]) -> Iterator[str]:
    """Add what is as in the parent version, and write down the entry of every release."""
    for label, each in assembly.plan().items():
        if not _is_done(assembly, label, each):
            assembly.entries[label] = _entry(assembly, label, each, results[each.fingerprint])
            continue
        assembly.entries[label] = assembly.in_parent(label)
        if label not in assembly.kept:
            _link(assembly, label, [table for table in MERGED if table in assembly.entries[label]["rows"]])
            yield f"{label}: unchanged"


def _fail(assembly: Assembly, label: str, result: Manifest) -> str:
    """Leave a release out, or leave it as it is in the parent version: what was published is never lost."""
    message = result["message"]
    assembly.problems.setdefault(label, PROBLEMS[result[PROBLEM]](message))
    for table in TABLES:
        table_file(assembly.staging, table, label).unlink(missing_ok=True)
    if entry := assembly.in_parent(label):
        receipt, fingerprint = Receipt(**entry["receipt"]), entry.get("source_fingerprint", "")
        assembly.steps[label] = Step(assembly.steps[label].release, receipt, fingerprint)
        assembly.kept.add(label)
        _link(assembly, label, entry["rows"])
        _say_it_stays(assembly, label, "as it is")
    else:
        del assembly.steps[label]
    return f"{label}: failed: {message.splitlines()[0]}"


def _say_it_stays(assembly: Assembly, label: str, how: str) -> None:
    problem, version = assembly.problems[label], assembly.parent and assembly.parent["version"]
    assembly.problems[label] = type(problem)(f"{problem}\n{label} stays {how} in version {version}.")


def _bring_archive(store: Store, step: Step) -> None:
    """Bring the archive of an earlier run on another machine; that it cannot be had is told where it is read."""
    with suppress(DataError):
        deposit.bring_archive(store, step.receipt)


def _link(assembly: Assembly, label: str, tables: Iterable[str]) -> None:
    """Take tables of a release over from the parent version."""
    version = assembly.parent["version"] if assembly.parent else ""
    folder = assembly.store.version_path(version)
    with explained(f"taking {label} over from version {version}"):
        for table in tables:
            link_or_copy(table_file(folder, table, label), table_file(assembly.staging, table, label))


def _source_part(entry: Manifest) -> Manifest:
    """Return what building the source tables came to, from the entry of a release."""
    return {
        "rows": {table: rows for table, rows in entry["rows"].items() if table not in MERGED},
        "findings": [finding for finding in entry["findings"] if finding["table"] not in MERGED],
    }


def _built_line(assembly: Assembly, label: str, result: Manifest) -> str:
    source = assembly.sources[label]
    warnings = sum(finding["severity"] == "warning" for finding in source["findings"] + result["findings"])
    return f"{label}: built, {source['rows']['rvu']:,} rows of rvu, {warnings} warnings"


def _entry(assembly: Assembly, label: str, derivation: Derivation, result: Manifest) -> Manifest:
    step, source = assembly.steps[label], assembly.sources[label]
    merge = result["merge"]
    return {
        "receipt": asdict(step.receipt),
        "previous": derivation.previous,
        "source_fingerprint": step.fingerprint,
        "fingerprint": derivation.fingerprint,
        "rows": source["rows"] | result["rows"],
        "merge": merge | {"content_without_code": list(merge.get("content_without_code", ()))},
        "findings": source["findings"] + result["findings"],
    }
