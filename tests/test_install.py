"""A plain pip install with the ranges of pyproject.toml, without our constraints file, gives a working tool."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pipeline.store import PROJECT


@pytest.mark.skipif("RVU_TEST_INSTALL" not in os.environ, reason="RVU_TEST_INSTALL is not set: it takes minutes")
def test_plain_pip_install_runs_the_sample(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    environment = {key: text for key, text in os.environ.items() if key != "PREFECT_API_URL"}
    environment |= {"RVU_HOME": str(tmp_path / "home"), "PREFECT_HOME": str(tmp_path / "prefect")}

    def run(*command: object) -> str:
        done = subprocess.run(  # noqa: S603
            [str(part) for part in command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    run(programs / "pip", "install", "--quiet", "--disable-pip-version-check", PROJECT)
    assert "Published" in run(programs / "rvu", "run", "--sample")
    assert run(programs / "rvu", "show", "G0411").startswith("G0411 Interactive group therapy")
    assert "0 problems" in run(programs / "rvu", "verify")
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in run(programs / "python", "--version")
