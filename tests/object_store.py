"""A real server of the S3 protocol on this machine, whose buckets live as long as it does."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer

from pipeline import bucket, mirror
from pipeline.store import MANIFEST, Store, sha256_of, write_atomically

KEY, SECRET = "AKIANOBODYSKEY", "nobody-may-read-this"
NUMBERS = count(1)
DAY = date(2026, 11, 23)


@contextmanager
def serve() -> Iterator[str]:
    """Run a server on a free port of 127.0.0.1; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def use(server: str, environment: pytest.MonkeyPatch) -> str:
    """Let the environment name the server and its credentials; return a place in a new bucket."""
    values = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1", "ENDPOINT_URL": server}
    for name, value in values.items():
        environment.setenv(f"AWS_{name}", value)
    name = f"bucket-{next(NUMBERS)}-{uuid4().hex[:6]}"
    httpx.put(f"{server}/{name}").raise_for_status()
    return f"s3://{name}/prices"


@contextmanager
def checked_credentials(server: str) -> Iterator[None]:
    """Let the server ask who somebody is; it knows nobody."""
    httpx.post(f"{server}/moto-api/reset-auth", content="0").raise_for_status()
    try:
        yield
    finally:
        httpx.post(f"{server}/moto-api/reset-auth", content="inf").raise_for_status()


def stage(staging: Path, version: str, parent: str | None, files: dict[str, str]) -> dict[str, Any]:
    """Fill a staging folder with a version of a few bytes; returns its manifest."""
    for path, text in files.items():
        write_atomically(staging / path, text)
    facts = {path: {"sha256": sha256_of(staging / path)} for path in files}
    manifest = {"version": version, "parent": parent, "files": facts}
    (staging / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    (staging / "CHANGES.md").write_text(f"# {version}\n", "utf-8")
    return manifest


def publish(store: Store, files: dict[str, str]) -> str:
    """Publish a version of a few bytes as a run does: what the parent holds, and these files; returns its name."""
    mirror.bring_latest(store)
    with store.staging() as staging:
        latest = store.latest_version()
        parent = store.manifest(latest) if latest else None
        folder = store.version_path(str(latest))
        kept = {path: (folder / path).read_text("utf-8") for path in (parent["files"] if parent else ())}
        claim = bucket.claim_version(store, DAY)
        manifest = stage(staging, claim.version, latest, kept | files)
        bucket.send_version(store, staging, claim, manifest, parent)
        store.commit(staging, claim.version)
    return claim.version
