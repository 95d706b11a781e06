"""Shared by the tests: one Prefect server, one published sample, and where real CMS releases lie."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.catalog import Catalog, label_in_name, load_catalog
from pipeline.content import Content, load_content
from pipeline.remote import Objects, open_objects
from pipeline.store import PROJECT, Store
from tests.loopback import Site, serve

# A failure of CI must be the change's, not the day's; elsewhere hypothesis goes on looking for new examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
os.environ["RVU_CACHE"] = tempfile.mkdtemp(prefix="rvu-cache-")
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
for name in ("HOME", "ACCEPT_LICENSE", "CURATED", "RAW", "NOTIFY", "WORKERS"):
    os.environ.pop(f"RVU_{name}", None)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """Start Prefect's server once; child processes reach it by PREFECT_API_URL."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Start a server of the S3 protocol once; returns its address."""
    from tests.object_store import serve

    with serve() as address:
        yield address


@pytest.fixture
def place(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a place in a new bucket, for whose server the environment has credentials."""
    from tests.object_store import use

    return use(s3_server, monkeypatch)


@pytest.fixture
def objects(place: str) -> Objects:
    return open_objects(place)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a web server on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # spares reading the world's certificates each time
    with serve() as site:
        yield site


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog(PROJECT / "raw" / "catalog.toml")


@pytest.fixture(scope="session")
def content() -> Content:
    return load_content(PROJECT / "raw" / "content")


@pytest.fixture(scope="session")
def sample_archives(catalog: Catalog) -> dict[str, Path]:
    """Return the bundled sample: label to zip."""
    zips = sorted((PROJECT / "raw" / "sample").glob("*.zip"))
    return {str(label_in_name(catalog, path.name)): path for path in zips}


@pytest.fixture(scope="session")
def real_archives(catalog: Catalog) -> dict[str, Path]:
    """Return the real and rebuilt releases under RVU_RELEASES: label to zip, in time order."""
    folder = os.environ.get("RVU_RELEASES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("RVU_RELEASES names no folder of CMS releases; CI sets it")
    found = {str(label_in_name(catalog, path.name)): path for path in Path(folder).rglob("*.zip")}
    return {label: found[label] for label in catalog if label in found}


@pytest.fixture(scope="session")
def sample_home(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose curated/ holds the sample, published once by the real flow. Do not write into it."""
    home = tmp_path_factory.mktemp("sample-home")
    run_sample(home)
    return home


@pytest.fixture
def home(sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a private copy of the sample home that this process's commands use."""
    copy = tmp_path / "home"
    shutil.copytree(sample_home, copy, symlinks=True, copy_function=os.link)
    monkeypatch.setenv("RVU_HOME", str(copy))
    return copy


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


def run_sample(home: Path) -> None:
    """Publish the bundled sample into a home."""
    from pipeline.flows import run_refresh

    sample = {path.name[:6].upper(): str(path) for path in (PROJECT / "raw" / "sample").glob("*.zip")}
    before = os.environ.get("RVU_HOME")
    os.environ["RVU_HOME"] = str(home)
    try:
        run_refresh([], dict(sorted(sample.items())), is_sample=True, accept_license=False)
    finally:
        os.environ.pop("RVU_HOME")
        if before:
            os.environ["RVU_HOME"] = before
