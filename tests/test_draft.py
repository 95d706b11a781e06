"""draft and survey: a new layout of CMS costs an operator minutes."""

import re
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline import layouts, source
from pipeline.catalog import Catalog
from pipeline.draft import draft_layout
from pipeline.errors import DataError
from pipeline.layouts import Layout, PrintedColumn, load_layouts
from pipeline.read import HeaderError
from pipeline.store import PROJECT
from pipeline.survey import drafts, survey

LAYOUTS = PROJECT / "schemas" / "layouts"


@pytest.fixture
def layout_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the pipeline its own copy of the layouts, to edit as an operator would."""
    for path in LAYOUTS.glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(layouts, "files", lambda _: tmp_path)
    load_layouts.cache_clear()
    yield tmp_path
    load_layouts.cache_clear()


def without_2026(folder: Path) -> None:
    """Take the layouts of 2026 out of the copy, as if CMS had just added its column."""
    text = (folder / "rvu.toml").read_text("utf-8")
    kept = [block for block in text.split("[[layout]]") if "since = 2026" not in block]
    (folder / "rvu.toml").write_text("[[layout]]".join(kept), "utf-8")
    load_layouts.cache_clear()


def test_new_column_of_rvu26c_is_drafted_pasted_and_read(
    layout_files: Path, sample_archives: dict[str, Path], catalog: Catalog
) -> None:
    without_2026(layout_files)
    with zipfile.ZipFile(sample_archives["RVU26C"]) as archive:
        content = archive.read(archive.namelist()[0])
    archive_path = layout_files / "rvu26c.zip"
    with zipfile.ZipFile(archive_path, "w") as target:
        target.writestr("PPRRVU2026_Jul.csv", content)
    with pytest.raises(HeaderError) as problem:
        source.read_source(archive_path, catalog["RVU26C"])
    told = str(problem.value)
    assert "column 24 (endoscopic_base): expected 'ENDO BASE', found 'PRIC IND'" in told
    draft = told[told.rindex("[[layout]]") :]
    assert '["?", "PRIC IND"], # new:' in draft
    with (layout_files / "rvu.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + draft.replace('["?", "PRIC IND"]', '["pricing_indicator", "PRIC IND"]') + "\n")
    load_layouts.cache_clear()
    rows = source.read_source(archive_path, catalog["RVU26C"]).tables["rvu"]
    assert len(rows) == 5_275
    assert set(rows["pricing_indicator"]) == {"9"}


def test_column_left_unplaced_is_refused_with_its_text(layout_files: Path) -> None:
    with (layout_files / "gpci.toml").open("a", encoding="utf-8") as file:
        file.write('[[layout]]\nsince = 2027-01-01\nverified = true\nmember = "^GPCI"\ncolumns = [["?", "New"]]\n')
    load_layouts.cache_clear()
    with pytest.raises(DataError, match=r"gpci\.toml: the column printed as 'New' is still marked"):
        load_layouts("gpci")


def test_misspelt_header_is_placed_for_a_person_to_check(catalog: Catalog) -> None:
    header = "HCPCS,MOD,PROCSTAT,CARRIER,LOCALITY,FACILITY PRICE,NON-FACILITY PRICES"
    content = f"{header}\r\nG0001,TC,A,10112,00,1.00,1.00\r\n".encode()
    draft = draft_layout(content, "OPPSCAP_JAN.csv", "opps_cap", catalog["RVU25A"])
    assert '["nonfacility_price", "NON-FACILITY PRICES"], # check: so far' in draft
    assert '["hcpcs", "HCPCS"],' in draft


@pytest.mark.parametrize("table", ["rvu", "gpci", "locality_county", "anesthesia", "opps_cap"])
def test_draft_of_a_known_member_is_its_layout(
    table: str, sample_archives: dict[str, Path], catalog: Catalog
) -> None:
    text = drafts(sample_archives["RVU25A"], catalog["RVU25A"])
    blocks = re.split(r"\n?A layout to start from, for schemas/layouts/(\w+)\.toml:\n", text)
    drafted = next(block for name, block in zip(blocks[1::2], blocks[2::2], strict=True) if name == table)
    made = tomllib.loads(drafted.split("\n\n25")[0].split("is fixed width")[0].rsplit("\n\n", 1)[0])["layout"][0]
    known: Layout = layouts.layouts_in_force(table, date(2025, 1, 1))[0]
    assert [name for name, _ in made["columns"]] == [column.name for column in known.columns]
    assert all(
        isinstance(column, PrintedColumn) and text in column.headers
        for (_, text), column in zip(made["columns"], known.columns, strict=True)
    )


def test_survey_says_which_layout_each_member_would_use(sample_archives: dict[str, Path], catalog: Catalog) -> None:
    rows = {row["member"]: row for row in survey(sample_archives["RVU25A"], catalog["RVU25A"])}
    assert len(rows) == 16
    assert rows["RVU25A.pdf"]["problem"] == "not a table that is read"
    fitting = [row for name, row in rows.items() if name != "RVU25A.pdf"]
    assert {(row["since"], row["verified"], row["problem"]) for row in fitting} == {("2020-01-01", True, None)}
    assert rows["PPRRVU25_JAN.txt"]["rows"] == 5_021


def test_survey_says_what_differs(sample_archives: dict[str, Path], catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "rvu25a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("GPCI2025.csv", "Medicare Administrative Contractor (MAC),Region\r\n10112,AL\r\n")
    (row,) = survey(path, catalog["RVU25A"])
    assert "column 2 (state): expected 'State', found 'Region'" in row["problem"]
    assert row["verified"] is None
