"""cli: what people type, what they read, and the exit codes that schedulers rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.catalog import Catalog, select_releases
from pipeline.cli import app
from pipeline.errors import UsageError
from pipeline.store import PROJECT, Store
from tests.test_build import rezipped

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
        "G0411 Interactive group therapy in a day program",
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
    store = Store(home)
    folder = store.version_path(store.require_version()) / "code"
    before, after = (set(pd.read_parquet(folder / f"{label}.parquet")["hcpcs"]) for label in ("RVU25A", "RVU26C"))
    code, text = rvu("show", min(before - after))
    assert code == 2
    assert "It is in RVU25A: add --release RVU25A" in text


def test_damaged_version_is_published_anew_as_verify_says(home: Path, prefect_server: str) -> None:
    store = Store(home)
    (store.version_path(store.require_version()) / "gpci" / "RVU25A.parquet").unlink()
    code, text = rvu("verify")
    assert code == 1
    assert f"remove {store.curated / 'LATEST'} and publish its releases anew" in text
    (store.curated / "LATEST").unlink()
    assert rvu("run", "--sample")[0] == 0
    assert rvu("verify")[0] == 0


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
        (["run", "RVU26D..RVU20A"], 2, "RVU26D..RVU20A runs backwards"),
        (["run", "RVU20A..RVU20D", "--from", "raw/sample"], 2, "covers no release that can be run"),
        (["run", "RVU25A..RVU26D", "RVU20A", "--from", "raw/sample"], 2, "RVU20A is not among the 2 archives"),
        (["run", "RVU26C", "--workers", "0"], 2, "greater than or equal to 1"),
        (["layout", "check", "README.md"], 1, "README.md is not a zip"),
        (["layout", "draft", "raw"], 2, "expected one zip of CMS"),
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


# Ranges


@pytest.mark.parametrize(
    ("wanted", "held", "labels"),
    [
        (["RVU24A..RVU24C"], [], "RVU24A RVU24AR RVU24B RVU24C"),
        (["rvu24b..Rvu24c"], [], "RVU24B RVU24C"),
        (["RVU25A..RVU25A"], [], "RVU25A"),
        (["RVU26C", "RVU24A..RVU24AR", "RVU24A", "RVU23D"], [], "RVU23D RVU24A RVU24AR RVU26C"),
        (["RVU18A..RVU18B"], [], "RVU18AR1 RVU18B"),
        (["RVU18A..RVU18B", "rvu18a"], [], "RVU18A RVU18AR1 RVU18B"),
        (["RVU03A..RVU03D"], [], "RVU03A RVU03D"),
        (["RVU03A..RVU03D"], ["RVU03C"], "RVU03C"),
        (["RVU18A..RVU26D"], ["RVU18A", "RVU22A", "RVU26A"], "RVU22A RVU26A"),
        (["RVU18A..RVU26D", "RVU20A"], ["RVU22A"], "RVU20A RVU22A"),
        ([], ["RVU22A"], ""),
    ],
)
def test_labels_and_ranges_select_releases_in_time_order(
    wanted: list[str], held: list[str], labels: str, catalog: Catalog
) -> None:
    assert list(select_releases(catalog, wanted, held).labels) == labels.split()


def test_range_says_what_it_leaves_out_and_why(catalog: Catalog) -> None:
    assert select_releases(catalog, ["RVU18A..RVU18D"], ["RVU18B"]).left_out == {
        "superseded": ("RVU18A", "RVU18AR"),
        "not among the archives given": ("RVU18AR1", "RVU18C1", "RVU18D"),
    }
    assert select_releases(catalog, ["RVU03A..RVU03D"]).left_out == {
        "without an archive URL in raw/catalog.toml": ("RVU03C",)
    }
    assert select_releases(catalog, ["RVU18A..RVU18AR1", "RVU18A", "RVU18AR"]).left_out == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RVU26D..RVU20A", "RVU26D..RVU20A runs backwards: RVU26D comes after RVU20A. Write RVU20A..RVU26D."),
        ("RVU20A..", "RVU20A.. is not a range: expected FIRST..LAST, such as RVU20A..RVU26D."),
        ("..RVU20A", "..RVU20A is not a range"),
        ("RVU20A..RVU99Z", "RVU99Z is not in raw/catalog.toml"),
        ("RVU20A...RVU26D", ".RVU26D is not in raw/catalog.toml"),
        ("RVU18A..RVU18AR", "RVU18A..RVU18AR covers no release that can be run: RVU18A, RVU18AR superseded."),
    ],
)
def test_wrong_range_is_explained(text: str, message: str, catalog: Catalog) -> None:
    with pytest.raises(UsageError) as error:
        select_releases(catalog, [text])
    assert message in str(error.value)


# Several releases, of which some fail


def test_run_publishes_the_good_releases_and_tells_the_others(
    home: Path, sample_archives: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_WORKERS", "1")
    folder = tmp_path / "zips"
    folder.mkdir()
    (folder / "rvu26b.zip").write_bytes(sample_archives["RVU26C"].read_bytes())
    (folder / "rvu26c.zip").write_bytes(b"<html><title>Page not found</title></html>")
    rezipped(sample_archives["RVU26C"], folder / "rvu26d.zip", PPRRVU=b"HCPCS,MOD\r\nG0008,\r\n")
    done = CliRunner().invoke(app, ["run", "rvu20a..RVU26D", "--from", str(folder)])
    assert done.exit_code == 1
    assert "Published " in done.stdout
    told = done.stderr[done.stderr.index("rvu: 2 failed; all else is in version") :]
    assert "RVU26C: rvu26c.zip is a web page (Page not found), expected a zip" in told
    assert "RVU26D: " in told
    again = CliRunner().invoke(app, ["run", "RVU26B", "RVU26C", "--json", "--from", str(folder)])
    assert again.exit_code == 1
    result = json.loads(again.stdout)
    assert (list(result["releases"]), result["is_new"]) == (["RVU26B"], False)
    assert list(result["failures"]) == ["RVU26C"]


def loaded_by(command: list[str], home: Path) -> set[str]:
    """Run a command in a process of its own; return which of the slow libraries it loaded."""
    program = (
        "import sys; from typer.testing import CliRunner; from pipeline.cli import app; "
        f"result = CliRunner().invoke(app, {command}); assert result.exit_code == 0, result.output; "
        "print(*{'prefect', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env=os.environ | {"RVU_HOME": str(home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_do_not_load_prefect(command: list[str], sample_home: Path) -> None:
    loaded = loaded_by(command, sample_home)
    assert loaded == ({"pandas"} if command == ["verify"] else set())


@pytest.mark.parametrize("command", [[], ["run"], *[each[:1] for each in READING], ["content", "coverage"]])
def test_help_teaches(command: list[str]) -> None:
    code, text = rvu(*command, "--help")
    assert code == 0
    assert "Usage: " in text


def test_layout_commands_speak_of_a_whole_archive(sample_archives: dict[str, Path]) -> None:
    code, text = rvu("layout", "check", str(sample_archives["RVU26C"]), "--json")
    assert code == 0
    assert [(row["table"], row["verified"]) for row in json.loads(text)] == [("rvu", True)]
    code, text = rvu("layout", "draft", str(sample_archives["RVU26C"]))
    assert code == 0
    assert '["pricing_indicator", "PRIC IND"],' in text


def test_releases_say_whose_layout_is_verified() -> None:
    _, text = rvu("releases", "--json")
    verified = {row["release"]: row["layout_verified"] for row in json.loads(text)}
    assert (verified["RVU25D"], verified["RVU07A2"]) == (True, False)
