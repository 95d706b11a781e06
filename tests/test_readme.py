"""The README's recipes run as they are printed, on the published sample."""

import re
from pathlib import Path

import duckdb
import pytest

from pipeline.store import PROJECT

README = (PROJECT / "README.md").read_text("utf-8")


def recipes(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("recipe", recipes("sql"))
def test_sql_recipe_finds_rows(recipe: str, sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample_home)
    assert duckdb.sql(recipe).fetchall()


@pytest.mark.parametrize("recipe", recipes("python"))
def test_python_recipe_finds_rows(recipe: str, sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample_home)
    *statements, last = re.split(r"\n(?=\S)(?!\))", recipe.strip())
    names: dict[str, object] = {}
    exec("\n".join(statements), names)  # noqa: S102
    assert len(eval(last, names))  # noqa: S307


def test_every_command_that_the_readme_names_exists() -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    named = set(re.findall(r"(?:^|`|bin/)rvu ((?:layout |content )?[a-z]+)", README, re.MULTILINE))
    assert {"run", "show", "verify", "layout check"} <= named
    for command in named:
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command
