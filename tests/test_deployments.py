"""prefect.yaml: `prefect deploy --all` as an operator runs it, and a scheduled run carried out by a real worker."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.store import PROJECT, Store

DEPLOYMENTS = ("watch/watch", "refresh/refresh", "backfill/backfill")


@pytest.fixture(scope="module")
def operator(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of an operator whose server knows our deployments."""
    home = tmp_path_factory.mktemp("operator")
    places = {"PREFECT_API_URL": prefect_server, "PREFECT_HOME": str(home / "prefect"), "RVU_HOME": str(home)}
    environment = os.environ | places
    prefect(environment, "work-pool", "create", "rvu", "--type", "process")
    prefect(environment, "--no-prompt", "deploy", "--all")
    return environment


def prefect(environment: dict[str, str], *arguments: str, cwd: Path = PROJECT) -> str:
    program = Path(sys.executable).with_name("prefect")
    done = subprocess.run(  # noqa: S603
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def deployment(server: str, name: str) -> dict[str, Any]:
    return dict(httpx.get(f"{server}/deployments/name/{name}").json())


def test_every_deployment_queues_its_runs_and_explains_its_fields(operator: dict[str, str]) -> None:
    for name in DEPLOYMENTS:
        found = deployment(operator["PREFECT_API_URL"], name)
        assert found["global_concurrency_limit"]["limit"] == 1
        assert found["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert found["work_pool_name"] == "rvu"
        assert "rvu" in found["tags"]
        fields = found["parameter_openapi_schema"]["properties"]
        assert fields
        assert [field for field, told in fields.items() if not told.get("description")] == []


def test_only_the_watch_is_on_a_schedule(operator: dict[str, str]) -> None:
    server = operator["PREFECT_API_URL"]
    schedules = {name: deployment(server, name)["schedules"] for name in DEPLOYMENTS}
    assert [each["schedule"]["cron"] for each in schedules.pop("watch/watch")] == ["30 13 * * *"]
    assert not any(schedules.values())


def test_worker_carries_out_a_scheduled_run(operator: dict[str, str], sample_archives: dict[str, Path]) -> None:
    server, archive = operator["PREFECT_API_URL"], sample_archives["RVU26C"]
    due = {"type": "SCHEDULED", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
    parameters = {"sources": {"RVU26C": str(archive)}, "is_sample": True, "workers": 1}
    refresh = deployment(server, "refresh/refresh")["id"]
    wanted = {"state": due, "parameters": parameters}
    asked = httpx.post(f"{server}/deployments/{refresh}/create_flow_run", json=wanted)
    prefect(operator, "worker", "start", "--pool", "rvu", "--run-once", cwd=Path(operator["RVU_HOME"]))
    run = httpx.get(f"{server}/flow_runs/{asked.json()['id']}").json()
    store = Store(Path(operator["RVU_HOME"]))
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Published")
    assert list(store.manifest(store.require_version())["releases"]) == ["RVU26C"]
