"""Runs `rvu` in a copy of a process that has imported all it needs: it starts within milliseconds.

Importing this module imports Prefect and judges our own texts, as the first second of every run would.
"""

import importlib
import os
from datetime import UTC, datetime, tzinfo

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from pipeline import assemble, flows
from pipeline.cli import app
from pipeline.content import content_fingerprint
from pipeline.store import PROJECT

# What Prefect imports late, and every run needs.
for module in ("anyio._backends._asyncio", "fastapi", "graphviz", "prefect.flow_engine", "prefect.task_engine"):
    importlib.import_module(module)
CONTENT = PROJECT / "raw" / "content"
assemble._doubts(CONTENT, content_fingerprint(CONTENT))


def rvu(arguments: list[str], facts: dict[str, str], log: str, today: str | None) -> None:
    """Carry out a command in a process group of its own, all that it says into a file; exits with its code."""
    os.setsid()
    os.environ |= facts
    stream = os.open(log, os.O_WRONLY)
    for said in (1, 2):
        os.dup2(stream, said)
    if today:
        flows.datetime = clock_at(today)
    # Without a heartbeat, which only ends on full seconds, and without a second copy of the log.
    settings = {
        PREFECT_API_URL: facts["PREFECT_API_URL"],
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(settings):
        app(arguments, prog_name="rvu")


def clock_at(today: str) -> type[datetime]:
    """Make a clock that stands still."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromisoformat(today).replace(tzinfo=tz or UTC)

    return Clock
