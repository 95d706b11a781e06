"""Prefect's view of a run: thin flows and tasks that pass labels and paths. The only module that imports Prefect."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# The embedded server needs 10 s on a fast machine and more on its very first start.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from pipeline import publish, pull
from pipeline.catalog import find_release, load_catalog, newest_release
from pipeline.content import Content, content_fingerprint, load_content
from pipeline.errors import DataError, MachineError, RvuError, UsageError
from pipeline.store import Receipt, Store

PROBLEMS = {problem.__name__: problem for problem in (DataError, UsageError, MachineError)}
Step = Callable[..., Any]


def told(step: Step) -> Step:
    """Make a problem that a user can act on a failed state with its message, not a traceback in the log."""

    @wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return step(*args, **kwargs)
        except RvuError as problem:
            kind = next(name for name, known in PROBLEMS.items() if isinstance(problem, known))
            return Failed(name=kind, message=str(problem))

    return run


def carry_out(step: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a task or flow and return what it came to; raise its problem again if it failed with one of ours."""
    state: State[Any] = step(*args, **kwargs, return_state=True)
    if state.is_failed() and state.name in PROBLEMS:
        raise PROBLEMS[state.name](state.message or "")
    return state.result()


@lru_cache(maxsize=1)
def content_of(folder: Path, fingerprint: str) -> Content:
    """Load content once per state of its files, so that tasks need to be given no frames."""
    return load_content(folder)


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


@task(name="build", task_run_name="build-{step.release.label}", cache_policy=NO_CACHE)
@told
def build_release(step: publish.Step, staging: Path, fingerprint: str) -> Any:
    """Build all tables of one release into the staging folder; return its entry of the manifest."""
    store = Store.open()
    content = content_of(store.declared("content"), fingerprint)
    entry = publish.stage_release(store, staging, step, content, publish.parent_manifest(store))
    warnings = sum(finding["severity"] == "warning" for finding in entry["findings"])
    done = "unchanged" if step.unchanged else f"built, {entry['rows']['rvu']:,} rows of rvu, {warnings} warnings"
    get_run_logger().info("%s: %s", step.release.label, done)
    return entry


@task(name="publish", cache_policy=NO_CACHE)
@told
def publish_version(staging: Path, entries: dict[str, publish.Manifest], fingerprint: str) -> publish.Published:
    """Turn the staging folder into the next version."""
    published = publish.publish_version(Store.open(), staging, entries, fingerprint, datetime.now(UTC).date())
    outcome = "is published" if published.is_new else "is current, nothing new"
    get_run_logger().info("version %s %s", published.version, outcome)
    return published


@flow(name="refresh", validate_parameters=False)
@told
def refresh(
    releases: list[str] | None = None,
    sources: dict[str, str] | None = None,
    is_sample: bool = False,
    accept_license: bool = False,
) -> Any:
    """Pull, build and publish releases: those given, or the one in force today.

    `sources` maps labels to paths on this machine; all other releases come from CMS.
    """
    store = Store.open()
    catalog = load_catalog(store.declared("catalog.toml"))
    fingerprint = content_fingerprint(store.declared("content"))
    content_of(store.declared("content"), fingerprint)
    sources = sources or {}
    labels = [find_release(catalog, label).label for label in releases or list(sources)]
    labels = labels or [newest_release(catalog, datetime.now(UTC).date()).label]
    if any(label not in sources for label in labels):
        pull.require_license(store, accept=accept_license)
    received = [carry_out(pull_archive, label, sources.get(label), is_sample) for label in labels]
    with store.staging() as staging:
        parent = publish.parent_manifest(store)
        steps = publish.plan_version(catalog, parent, received, fingerprint)
        if parent and all(step.unchanged for step in steps) and len(steps) == len(parent["releases"]):
            get_run_logger().info("version %s is current, nothing new", parent["version"])
            return publish.Published(parent["version"], is_new=False, manifest=parent)
        entries = {step.release.label: carry_out(build_release, step, staging, fingerprint) for step in steps}
        published = carry_out(publish_version, staging, entries, fingerprint)
    _attach_artifacts(published, store)
    return published


def run_refresh(
    releases: list[str], sources: dict[str, str], *, is_sample: bool, accept_license: bool
) -> publish.Published:
    """Run the refresh flow to its end; raises the problem that stopped it."""
    published: publish.Published = carry_out(
        refresh,
        releases=releases or None,
        sources=sources,
        is_sample=is_sample,
        accept_license=accept_license,
    )
    return published


def _attach_artifacts(published: publish.Published, store: Store) -> None:
    """Show in Prefect's UI what was published and what validation found."""
    findings = [
        {"release": label, **{key: finding[key] for key in ("severity", "table", "column", "rule", "count")}}
        | {"examples": "; ".join(finding["examples"]), "reason": finding["reason"]}
        for label, entry in published.manifest["releases"].items()
        for finding in entry["findings"]
    ]
    create_table_artifact(table=findings, key="validation", description=f"Findings in {published.version}")
    changes = store.version_path(published.version) / "CHANGES.md"
    create_markdown_artifact(markdown=changes.read_text("utf-8"), key="version", description=str(changes))
