"""Prefect's view of a run: thin flows and tasks that pass labels and paths. The only module that imports Prefect."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# The embedded server needs 10 s on a fast machine and more on its very first start.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from pipeline import assemble, publish, pull
from pipeline.catalog import Catalog, find_release, load_catalog, newest_release, select_releases
from pipeline.content import content_fingerprint
from pipeline.crew import Crew, workers_wanted
from pipeline.errors import PROBLEMS, RvuError, kind_of
from pipeline.store import Receipt, Store

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
    release = find_release(load_catalog(store.declared("catalog.toml")), label)
    if source:
        receipt = pull.take_local(store, release, Path(source), is_sample=is_sample)
    else:
        receipt = pull.pull_release(store, release)
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


@task(name="build-sources", cache_policy=NO_CACHE)
@told
def build_sources(assembly: assemble.Assembly, crew: Crew) -> None:
    """Build what the archives print, many releases at once."""
    for line in assemble.build_sources(assembly, crew):
        get_run_logger().info(line)


@task(name="build-merged", cache_policy=NO_CACHE)
@told
def build_merged(assembly: assemble.Assembly, crew: Crew) -> None:
    """Merge it with our content, many releases at once."""
    for line in assemble.build_merged(assembly, crew):
        get_run_logger().info(line)


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


@flow(name="refresh", validate_parameters=False)
@told
def refresh(
    releases: list[str] | None = None,
    sources: dict[str, str] | None = None,
    is_sample: bool = False,
    accept_license: bool = False,
    workers: int | None = None,
) -> Any:
    """Pull, build and publish releases: those given, by label or range, or the one in force today.

    `sources` maps labels to paths on this machine; all other releases come from CMS. Ends as Incomplete when some
    releases failed and the others are published.
    """
    store = Store.open()
    crew = Crew(workers_wanted(workers))
    catalog = load_catalog(store.declared("catalog.toml"))
    fingerprint = content_fingerprint(store.declared("content"))
    assemble.content_of(store.declared("content"), fingerprint)
    labels = _selected(catalog, releases or [], sources or {})
    if any(label not in (sources or {}) for label in labels):
        pull.require_license(store, accept=accept_license)
    pulled = _pull(labels, sources or {}, is_sample)
    with store.staging() as staging, crew:
        assembly = assemble.assemble(store, staging, catalog, pulled, fingerprint)
        published = publish.current_version(assembly) or _build_and_publish(labels, assembly, crew)
    if published.is_new or published.failures:
        _attach_artifacts(published, store)
    return _final_state(published)


def run_refresh(
    releases: list[str],
    sources: dict[str, str],
    *,
    is_sample: bool,
    accept_license: bool,
    workers: int | None = None,
) -> publish.Published:
    """Run the refresh flow to its end; raises the problem that stopped it."""
    published: publish.Published = carry_out(
        refresh,
        releases=releases or None,
        sources=sources,
        is_sample=is_sample,
        accept_license=accept_license,
        workers=workers,
    )
    return published


def _selected(catalog: Catalog, releases: list[str], sources: dict[str, str]) -> tuple[str, ...]:
    """Return the releases to run, and log what a range leaves out."""
    wanted = releases or list(sources) or [newest_release(catalog, datetime.now(UTC).date()).label]
    selection = select_releases(catalog, wanted, sources)
    for reason, labels in selection.left_out.items():
        get_run_logger().info("left out, %s: %s", reason, ", ".join(labels))
    return selection.labels


def _pull(labels: tuple[str, ...], sources: dict[str, str], is_sample: bool) -> assemble.Pulled:
    """Pull one after the other, out of politeness to CMS."""
    pulled = assemble.Pulled()
    for label in labels:
        try:
            pulled.receipts.append(carry_out(pull_archive, label, sources.get(label), is_sample))
        except RvuError as problem:
            pulled.problems[label] = problem
    publish.require_some_good(labels, pulled.problems)
    return pulled


def _build_and_publish(labels: tuple[str, ...], assembly: assemble.Assembly, crew: Crew) -> publish.Published:
    """Build both phases and publish, unless every release that was asked for fails, or our own texts do."""
    carry_out(check_content, assembly)
    for build in (build_sources, build_merged):
        carry_out(build, assembly, crew)
        publish.require_some_good(labels, assembly.problems)
    published: publish.Published = carry_out(publish_version, assembly)
    return published


def _final_state(published: publish.Published) -> Any:
    """Let schedulers see at a glance that some releases failed."""
    if not published.failures:
        return published
    return Completed(name="Incomplete", message=f"failed: {', '.join(published.failures)}", data=published)


def _attach_artifacts(published: publish.Published, store: Store) -> None:
    """Show in Prefect's UI what was published and what validation found."""
    findings = [
        {"release": label, **{key: finding[key] for key in ("severity", "table", "column", "rule", "count")}}
        | {"examples": "; ".join(finding["examples"]), "reason": finding["reason"]}
        for label, entry in published.manifest["releases"].items()
        for finding in entry["findings"]
    ]
    create_table_artifact(table=findings, key="validation", description=f"Findings in {published.version}")
    if published.failures:
        failures = "\n\n".join(published.failures.values())
        create_markdown_artifact(markdown=failures, key="failures", description=f"Not in {published.version}")
    changes = store.version_path(published.version) / "CHANGES.md"
    create_markdown_artifact(markdown=changes.read_text("utf-8"), key="version", description=str(changes))
