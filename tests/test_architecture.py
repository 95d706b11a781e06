"""The import law: data flows one way, and each third-party package belongs to the modules that need it."""

import ast
import re
import sys
from pathlib import Path

import pytest

from pipeline.document import data_dictionary
from pipeline.store import PROJECT

# module: (ours that it may import, third-party packages that it may import)
LAW: dict[str, tuple[str, str]] = {
    "errors": ("", ""),
    "catalog": ("errors", ""),
    "store": ("errors", "filelock"),
    "remote": ("errors", "obstore rich"),
    "bucket": ("errors remote store", ""),
    "mirror": ("bucket errors remote store", ""),
    "deposit": ("errors remote store", ""),
    "archive": ("errors", ""),
    "web": ("errors", "httpx tenacity"),
    "pull": ("archive catalog errors store web", "httpx rich"),
    "discover": ("catalog errors", "bs4"),
    "propose": ("catalog discover", ""),
    "watch": ("catalog discover errors propose store web", ""),
    "local": ("catalog errors", ""),
    "layouts": ("errors", ""),
    "sheets": ("", "python_calamine"),
    "workbook": ("errors sheets", ""),
    "fixed_width": ("errors layouts", "numpy pandas"),
    "read": ("errors fixed_width layouts workbook", "pandas pyarrow"),
    "draft": ("catalog layouts read workbook", ""),
    "conform": ("errors layouts read", "pandas"),
    "validate": ("compare conform errors", "pandas pandera"),
    "correct": ("errors validate", "pandas"),
    "locality": ("", "pandas"),
    "patterns": ("errors rows", "pandas"),
    "content": ("errors patterns validate", "pandas"),
    "originality": ("rows validate", "pandas"),
    "editorial": ("content errors originality validate", "pyphen spellchecker"),
    "merge": ("content errors", "pandas"),
    "tasks": ("catalog content merge originality", "pandas"),
    "money": ("", "numpy"),
    "price": ("money", "numpy pandas"),
    "cap": ("catalog money price", "numpy pandas"),
    "prove": ("cap catalog validate", "pandas"),
    "change": ("", "numpy pandas"),
    "aggregate": ("", "pandas"),
    "keys": ("", "numpy pandas"),
    "compare": ("keys", "pandas"),
    "rows": ("", "pandas pyarrow"),
    "prose": ("rows", "pandas"),
    "parquet": ("keys", "numpy pandas pyarrow"),
    "source": ("archive catalog conform correct draft errors layouts locality read validate", "pandas"),
    "survey": ("archive catalog draft errors layouts source", ""),
    "build": (
        "aggregate catalog change content merge originality price prose prove source store tasks validate",
        "pandas",
    ),
    "crew": ("errors", "rich"),
    "assemble": ("build catalog content crew deposit editorial errors parquet store validate", ""),
    "changelog": ("compare errors lookup parquet store", ""),
    "publish": ("assemble bucket build changelog errors merge store", "pyarrow"),
    "verify": ("assemble parquet publish store validate", "pyarrow"),
    "rederive": ("assemble build catalog content crew errors store verify", ""),
    "history": ("bucket errors mirror store verify", ""),
    "document": ("", ""),
    "page": ("", ""),
    "console": ("errors", "rich typer"),
    "lookup": ("", "pyarrow"),
    "published": ("catalog errors lookup store", ""),
    "quote": ("money", ""),
    "fees": ("errors lookup money published quote", ""),
    "movement": ("change errors parquet published rows", "pandas"),
    "official": (
        "conform errors layouts money parquet price published read store validate",
        "pandas",
    ),
    "coverage": ("errors lookup published", ""),
    "search_index": ("lookup published store", "platformdirs"),
    "search": ("errors published search_index", ""),
    "skeleton": ("errors lookup published store", ""),
    "proofread": ("content editorial lookup merge originality published store validate", "pandas"),
    "cli_content": ("console coverage errors lookup mirror proofread published search skeleton", "typer"),
    "cli_fees": ("console errors fees mirror movement official published", "typer"),
    "doctor": ("errors store", ""),
    "doctor_machine": ("bucket doctor errors store", "httpx packaging"),
    "doctor_data": ("catalog coverage doctor errors published store", ""),
    "cli_care": (
        "bucket console doctor doctor_data doctor_machine errors history mirror rederive store verify",
        "typer",
    ),
    "runners": ("build crew errors", "distributed prefect prefect_dask"),
    "announce": ("changelog publish store watch", "prefect"),
    "flows": (
        "announce assemble catalog content crew deposit errors mirror publish pull runners store watch",
        "prefect tenacity",
    ),
    "cli": (
        "archive catalog cli_care cli_content cli_fees console errors flows layouts local lookup mirror page publish "
        "published store survey",
        "rich typer",
    ),
}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, at any level, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in ("pipeline", "schemas"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def third_party(names: set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"pipeline", "schemas"}


def test_every_module_has_a_place_in_the_law() -> None:
    modules = {path.stem for path in (PROJECT / "pipeline").glob("*.py")} - {"__init__"}
    assert modules == set(LAW)


@pytest.mark.parametrize("module", LAW)
def test_module_keeps_the_law(module: str) -> None:
    ours, packages = LAW[module]
    found = imports(PROJECT / "pipeline" / f"{module}.py")
    used = {name.split(".")[1] for name in found if name.startswith("pipeline.")}
    assert used <= set(ours.split())
    assert third_party(found) <= set(packages.split())


def test_schemas_declare_and_import_nothing_of_the_pipeline() -> None:
    for path in (PROJECT / "schemas").rglob("*.py"):
        found = imports(path)
        assert not [name for name in found if name.startswith("pipeline")]
        assert third_party(found) <= {"pandas", "pandera", "pyarrow"}


def test_data_dictionary_is_fresh() -> None:
    assert (PROJECT / "schemas" / "README.md").read_text("utf-8") == data_dictionary(), "run: make dictionary"


def test_top_level_holds_what_the_architecture_names() -> None:
    allowed = {"pipeline", "schemas", "raw", "curated", "tests"}
    folders = {path.name for path in PROJECT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders - {"build", "dist"} <= allowed


def test_no_committed_text_holds_a_row_of_cms_with_an_owned_descriptor() -> None:
    row = re.compile(r'^"?(?:[0-9]{4}[0-9A-Z]|D[0-9]{4})"?,[^,]{0,2},"?[A-Z][a-z]+ [a-z].{3,28}"?,"?[A-Z]"?,', re.M)
    for suffix in ("csv", "txt", "toml", "md", "py"):
        for path in PROJECT.rglob(f"*.{suffix}"):
            if not any(part.startswith(".") or part in ("curated", "releases") for part in path.parts):
                assert not row.search(path.read_text("utf-8", "replace")), path
