"""Prefect's view of a run: thin flows and tasks that pass labels and paths."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# The embedded server needs 10 s on a fast machine and more on its very first start.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from pipeline import assemble, deposit, mirror, publish, pull, watch
from pipeline.announce import OVERDUE, attach_sighting, attach_version, final_state, notify
from pipeline.catalog import RANGE, Catalog, find_release, load_catalog, newest_release, select_releases
from pipeline.content import content_fingerprint
from pipeline.crew import Crew
from pipeline.errors import PROBLEMS, DataError, MachineError, OutrunError, RvuError, kind_of
from pipeline.runners import PROCESSES, crew_at
from pipeline.store import Receipt, Store

HOUR = 3600
# A scheduled run has time: what the network refuses now it may give later. A person at a terminal is told at once.
RETRY_AFTER = [60, 600, HOUR]
HOOKS: dict[str, Any] = {"on_completion": [notify], "on_failure": [notify], "on_crashed": [notify]}

Step = Callable[..., Any]


def told(step: Step) -> Step:
    """Make a problem that a user can act on a failed state with its message, not a traceback in the log."""

    @wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return step(*args, **kwargs)
        except RvuError as problem:
            return Failed(name=kind_of(problem), message=str(problem))

    return run


def carry_out(step: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a task or flow and return what it came to; raise its problem again if it failed with one of ours."""
    state: State[Any] = step(*args, **kwargs, return_state=True)
    if state.is_failed() and state.name in PROBLEMS:
        raise PROBLEMS[state.name](state.message or "")
    return state.result()


@task(name="pull", task_run_name="pull-{label}", cache_policy=NO_CACHE)
@told
def pull_archive(label: str, source: str | None, is_sample: bool) -> Receipt:
    """Bring the archive of a release into raw/releases/: from CMS, or from a path."""
    store = Store.open()
    release = find_release(load_catalog(*store.catalogs), label)
    deposit.bring_archives(store, release.label)
    if source:
        receipt = pull.take_local(store, release, Path(source), is_sample=is_sample)
    else:
        receipt = pull.pull_release(store, release)
    deposit.send_archive(store, receipt)
    get_run_logger().info(
        "%s: %s, %s bytes, sha256 %s", label, receipt.archive, f"{receipt.bytes:,}", receipt.sha256[:16]
    )
    return receipt


@task(name="check-content", cache_policy=NO_CACHE)
@told
def check_content(assembly: assemble.Assembly) -> None:
    """Judge our own texts, before they are merged with anything."""
    for line in assemble.check_content(assembly):
        get_run_logger().warning(line)


@task(name="publish", cache_policy=NO_CACHE)
@told
def publish_version(assembly: assemble.Assembly) -> publish.Published:
    """Turn the staging folder into the next version."""
    published = publish.publish_version(assembly, datetime.now(UTC).date())
    outcome = "is published" if published.is_new else "is current, nothing new"
    get_run_logger().info("version %s %s", published.version, outcome)
    if unmet := publish.codes_without_release(assembly):
        told = "%s codes that raw/content/ describes are in no release of this version, such as %s"
        get_run_logger().warning(told, len(unmet), ", ".join(unmet[:10]))
    return published


@task(name="look", cache_policy=NO_CACHE)
@told
def look_at_cms() -> watch.Sighting:
    """Look at CMS's pages, and enter what is new into raw/found.toml."""
    return watch.look(Store.open(), datetime.now(UTC).date())


@flow(name="refresh", validate_parameters=False, timeout_seconds=6 * HOUR, **HOOKS)
@told
def refresh(  # noqa: PLR0913, PLR0917 - a parameter is a field of Prefect's form
    releases: list[str] | None = None,
    sources: dict[str, str] | None = None,
    is_sample: bool = False,
    accept_license: bool = False,
    workers: int | None = None,
    build_at: str = PROCESSES,
) -> Any:
    """Pull, build and publish releases as one new version; ends as Published, Incomplete, or with nothing new.

    Args:
        releases: Labels such as RVU26A, or ranges such as RVU20A..RVU26D. Empty: the release in force today.
        sources: Label to path, for archives that lie on the worker's machine. All others come from CMS.
        is_sample: Whether these are the bundled samples, which never mix with real releases.
        accept_license: Accept the licences of AMA and ADA that CMS shows before a download; recorded once.
        workers: How many releases to build at once. Empty: RVU_WORKERS, else one per CPU.
        build_at: processes, threads, or the address of a Dask scheduler such as tcp://10.0.0.5:8786.
    """
    store = Store.open()
    labels = _selected(load_catalog(*store.catalogs), releases or [], sources or {})
    fingerprint = content_fingerprint(store.declared("content"))
    assemble.content_of(store.declared("content"), fingerprint)
    if any(label not in (sources or {}) for label in labels):
        pull.require_license(store, accept=accept_license)
    pulled = _pull(labels, sources or {}, is_sample)
    with crew_at(build_at, workers) as crew:
        # Who is outrun by a publisher on another machine begins again, from the version that one made.
        again = Retrying(
            retry=retry_if_exception_type(OutrunError),
            stop=stop_after_attempt(10),
            wait=wait_random(0, 5),
            reraise=True,
        )
        published = again(_publish, store, labels, pulled, fingerprint, crew)
    attach_version(published, store)
    return final_state(published)


@flow(name="backfill", validate_parameters=False, timeout_seconds=24 * HOUR, **HOOKS)
@told
def backfill(
    first: str,
    last: str,
    accept_license: bool = False,
    workers: int | None = None,
    build_at: str = PROCESSES,
) -> Any:
    """Pull, build and publish every release of a range, as one new version.

    Args:
        first: The oldest release, such as RVU20A.
        last: The newest release, such as RVU26D.
        accept_license: Accept the licences of AMA and ADA that CMS shows before a download; recorded once.
        workers: How many releases to build at once. Empty: RVU_WORKERS, else one per CPU.
        build_at: processes, threads, or the address of a Dask scheduler such as tcp://10.0.0.5:8786.
    """
    options = {"accept_license": accept_license, "workers": workers, "build_at": build_at}
    return final_state(carry_out(refresh, releases=[f"{first}{RANGE}{last}"], **options))


@flow(name="watch", validate_parameters=False, timeout_seconds=8 * HOUR, **HOOKS)
@told
def watch_cms(accept_license: bool = False, workers: int | None = None) -> Any:
    """Look at CMS's pages for what is new or was issued again, and refresh what may have changed.

    Ends as Published, Incomplete or Overdue, with nothing new, or failed when a person has to look.

    Args:
        accept_license: Accept the licences of AMA and ADA that CMS shows before a download; recorded once.
        workers: How many releases to build at once. Empty: RVU_WORKERS, else one per CPU.
    """
    sighting: watch.Sighting = carry_out(_patient(look_at_cms))
    attach_sighting(sighting)
    published = carry_out(refresh, releases=list(sighting.due), accept_license=accept_license, workers=workers)
    if trouble := [*sighting.needs_person, *map(str, sighting.problems.values())]:
        raise DataError("\n".join([*trouble, f"All else is in version {published.version}."]))
    if sighting.overdue and not published.is_new and not published.failures:
        return Completed(name=OVERDUE, message="\n".join(watch.describe(sighting)), data=published)
    return final_state(published)


def run_refresh(releases: list[str], sources: dict[str, str], **options: Any) -> publish.Published:
    """Run the refresh flow to its end, its `options` as its parameters; raises the problem that stopped it."""
    published: publish.Published = carry_out(refresh, releases=releases or None, sources=sources, **options)
    return published


def run_watch(**options: Any) -> publish.Published:
    """Run the watch flow to its end; raises the problem that stopped it."""
    published: publish.Published = carry_out(watch_cms, **options)
    return published


def _selected(catalog: Catalog, releases: list[str], sources: dict[str, str]) -> tuple[str, ...]:
    """Return the releases to run, and log what a range leaves out."""
    wanted = releases or list(sources) or [newest_release(catalog, datetime.now(UTC).date()).label]
    selection = select_releases(catalog, wanted, sources)
    for reason, labels in selection.left_out.items():
        get_run_logger().info("left out, %s: %s", reason, ", ".join(labels))
    return selection.labels


def _patient(step: Any) -> Any:
    """Let a task of a scheduled run try again later when the network or the machine was in its way."""
    if not runtime.deployment.id:
        return step
    return step.with_options(
        retries=len(RETRY_AFTER),
        retry_delay_seconds=RETRY_AFTER,
        retry_condition_fn=lambda _task, _run, state: state.name == MachineError.__name__,
    )


def _pull(labels: tuple[str, ...], sources: dict[str, str], is_sample: bool) -> assemble.Pulled:
    """Pull one after the other, out of politeness to CMS."""
    pulled, pull_one = assemble.Pulled(), _patient(pull_archive)
    for label in labels:
        try:
            pulled.receipts.append(carry_out(pull_one, label, sources.get(label), is_sample))
        except RvuError as problem:
            pulled.problems[label] = problem
    publish.require_some_good(labels, pulled.problems)
    return pulled


def _publish(
    store: Store, labels: tuple[str, ...], pulled: assemble.Pulled, fingerprint: str, crew: Crew
) -> publish.Published:
    """Publish what was pulled beside what the latest version holds, or say that it is current."""
    mirror.bring_latest(store)
    with store.staging() as staging:
        assembly = assemble.assemble(store, staging, load_catalog(*store.catalogs), pulled, fingerprint)
        return publish.current_version(assembly) or _build_and_publish(labels, assembly, crew)


def _build_and_publish(labels: tuple[str, ...], assembly: assemble.Assembly, crew: Crew) -> publish.Published:
    """Build both phases and publish, unless every release that was asked for fails, or our own texts do."""
    carry_out(check_content, assembly)
    for build in (assemble.build_sources, assemble.build_merged):  # no tasks: a crew may submit tasks of its own
        for line in build(assembly, crew):
            get_run_logger().info(line)
        publish.require_some_good(labels, assembly.problems)
    published: publish.Published = carry_out(publish_version, assembly)
    return published
