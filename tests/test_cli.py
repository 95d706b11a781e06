"""cli: what people type, what they read, and the exit codes that schedulers rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.store import PROJECT, Store

READING = [["releases"], ["versions"], ["show", "G0411"], ["verify"], ["content", "coverage"]]


def rvu(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_every_reading_command_prints_a_table_and_json(command: list[str], home: Path) -> None:
    code, text = rvu(*command)
    assert code == 0
    assert text.strip()
    code, text = rvu(*command, "--json")
    assert code == 0
    assert json.loads(text)


def test_show_prints_the_sections_of_the_reference_page_in_order(home: Path) -> None:
    _, page = rvu("show", "g0411")
    headings = [line for line in page.splitlines() if line and not line.startswith(" ")]
    assert headings == [
        "G0411 Interactive group psychotherapy (partial hospital or intensive outpatient)",
        "Also known as",
        "Description",
        "In plain language",
        "Clinical context",
        "RVU information",
        "Billing and documentation",
        "How this code compares",
        "Specialties",
        "Frequently asked questions",
        "Sources",
    ]


def test_show_json_is_the_row_of_the_code_table(home: Path) -> None:
    _, text = rvu("show", "G0411", "--release", "RVU25A", "--json")
    row = json.loads(text)
    assert (row["release"], row["hcpcs"], row["category"]) == ("RVU25A", "G0411", "G Codes")
    assert round(row["category_zero_work_share"], 3) == 0.845


def test_code_without_content_falls_back_on_cms_descriptor(home: Path) -> None:
    _, page = rvu("show", "A0021")
    assert page.startswith("A0021 Outside state ambulance serv\n")
    assert "In plain language" not in page
    assert "None" not in page


def test_code_of_another_release_is_pointed_to(home: Path) -> None:
    code, text = rvu("show", "G0511")
    store = Store(home)
    assert "RVU25A" in store.manifest(store.require_version())["releases"]
    if code:
        assert "It is in RVU25A: add --release RVU25A" in text


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["show", "X9999"], 2, "X9999 is not in RVU26C"),
        (["show", "G0411", "--release", "RVU19A"], 2, "RVU19A is not in version"),
        (["verify", "2020-01-01.1"], 2, "There is no version 2020-01-01.1"),
        (["releases", "--on", "yesterday"], 2, "expected YYYY-MM-DD"),
        (["run", "--sample", "--from", "x.zip"], 2, "exclude each other"),
        (["run", "--from", "no-such.zip"], 2, "no-such.zip does not exist"),
        (["run", "RVU99Z", "--from", "raw/sample"], 2, "RVU99Z is not in raw/catalog.toml"),
        (["content", "coverage", "--release", "RVU19A"], 2, "RVU19A is not in version"),
    ],
)
def test_wrong_commands_say_what_to_do(arguments: list[str], exit_code: int, message: str, home: Path) -> None:
    code, text = rvu(*arguments)
    assert (code, message in text) == (exit_code, True), text


def test_before_the_first_version_the_way_to_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_HOME", str(tmp_path))
    code, text = rvu("show", "G0411")
    assert code == 2
    assert "Publish one first: rvu run --sample" in text


def test_release_of_a_day(home: Path) -> None:
    _, text = rvu("releases", "--on", "2024-03-10", "--json")
    assert [row["release"] for row in json.loads(text)] == ["RVU24AR"]


def test_verify_fails_when_a_file_is_missing(home: Path) -> None:
    (home / "curated" / "latest" / "gpci" / "RVU25A.parquet").unlink()
    code, text = rvu("verify")
    assert code == 1
    assert "gpci/RVU25A.parquet is missing" in text


def test_sample_is_not_mixed_with_real_releases(home: Path) -> None:
    store = Store(home)
    path = store.version_path(store.require_version()) / "manifest.json"
    text = path.read_text("utf-8")
    path.unlink()
    path.write_text(text.replace('"is_sample": true,\n "releases"', '"is_sample": false,\n "releases"'), "utf-8")
    code, said = rvu("run", "--sample")
    assert code == 0
    assert "the sample is not mixed with them: nothing to do" in said.replace("\n", " ")


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_do_not_load_prefect(command: list[str], sample_home: Path) -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from pipeline.cli import app; "
        f"result = CliRunner().invoke(app, {command}); assert result.exit_code == 0, result.output; "
        "print('prefect' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env=os.environ | {"RVU_HOME": str(sample_home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("command", [[], ["run"], *[each[:1] for each in READING], ["content", "coverage"]])
def test_help_teaches(command: list[str]) -> None:
    code, text = rvu(*command, "--help")
    assert code == 0
    assert "Usage: " in text
