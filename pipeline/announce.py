"""Tells people what a run came to: artifacts in Prefect's UI, and messages through one of its notification blocks."""

import os
from typing import Any

from prefect import Flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger
from prefect.states import Completed

from pipeline.changelog import quoted
from pipeline.publish import Published
from pipeline.store import Store
from pipeline.watch import OVERDUE_DAYS, Sighting, describe

# The names of final states, for people and for automations; a failed run bears the kind of its problem.
PUBLISHED, INCOMPLETE, OVERDUE = "Published", "Incomplete", "Overdue"
NEWS = (PUBLISHED, INCOMPLETE, OVERDUE)


def notify(flow: Flow[..., object], run: FlowRun, state: State[object]) -> None:
    """Send what a run came to through the notification block that RVU_NOTIFY names, if there is news.

    A hook of flows: a run within another run is silent, and a message that cannot be sent fails nothing.
    """
    slug = os.environ.get("RVU_NOTIFY")
    is_news = state.name in NEWS or not state.is_completed()
    if not slug or not is_news or run.parent_task_run_id:
        return
    try:
        block: Any = Block.load(slug)
        block.notify(state.message or "", subject=f"rvu {flow.name}: {state.name}")
    except Exception as problem:  # the service may answer with anything
        get_logger("rvu").error("%s could not be notified of %s: %s", slug, run.name, problem)


def final_state(published: Published) -> object:
    """Let schedulers see at a glance whether there is a new version, and whether some releases failed."""
    if published.failures:
        message = f"failed: {', '.join(published.failures)}; all else is in version {published.version}"
        return Completed(name=INCOMPLETE, message=message, data=published)
    if published.is_new:
        labels = ", ".join(published.manifest["releases"])
        return Completed(name=PUBLISHED, message=f"version {published.version}: {labels}", data=published)
    return published


def attach_version(published: Published, store: Store) -> None:
    """Show in Prefect's UI which version is current, what changed, what validation found, and what failed."""
    create_table_artifact(table=_findings(published), key="validation", description=f"In {published.version}")
    if published.failures:
        lines = "\n".join(published.failures.values()).splitlines()
        failures = "\n".join(f"- {quoted(line)}" for line in lines if line.strip())
        create_markdown_artifact(markdown=failures, key="failures", description=f"Not in {published.version}")
    changes = store.version_path(published.version) / "CHANGES.md"
    create_markdown_artifact(markdown=changes.read_text("utf-8"), key="version", description=str(changes))


def attach_sighting(sighting: Sighting) -> None:
    """Show in Prefect's UI, and in the log, what a look at CMS's pages came to."""
    lines = describe(sighting)
    for line in lines:
        get_run_logger().info(line)
    entered = f"\n\n```toml\n{sighting.proposals}\n```" if sighting.proposals else ""
    create_markdown_artifact(
        markdown="\n".join(f"- {quoted(line)}" for line in lines) + entered,
        key="watch",
        description=f"Newest: {sighting.newest}. Nothing newer for {OVERDUE_DAYS} days is told as {OVERDUE}",
    )


def _findings(published: Published) -> list[dict[str, object]]:
    return [
        {"release": label, **{key: finding[key] for key in ("severity", "table", "column", "rule", "count")}}
        | {"examples": "; ".join(finding["examples"]), "reason": finding["reason"]}
        for label, entry in published.manifest["releases"].items()
        for finding in entry["findings"]
    ]
