from pathlib import Path

import pytest

from pipeline.coverage import coverage, extent, lacking, missing
from pipeline.errors import UsageError
from pipeline.parquet import write_table
from pipeline.published import Published
from pipeline.store import Store, table_file
from schemas.tables import TABLES
from tests.shaped import Row, frame, row

COMPLETE = row("code", synonyms=["made-up visit", "invented visit"])
EMPTY = row(
    "code",
    title=None,
    description=None,
    plain_language=None,
    clinical_context=None,
    synonyms=[],
    specialties_are_default=True,
    authored_by=None,
)


def published(folder: Path, codes: list[Row], changes: list[Row] | None = None) -> Published:
    """Return a version with one release that holds these codes."""
    write_table(frame("code", *codes), TABLES["code"], table_file(folder / "curated/1", "code", "RVU25A"))
    if changes is not None:
        write_table(frame("change", *changes), TABLES["change"], table_file(folder / "curated/1", "change", "RVU25A"))
    return Published(Store(folder), "1", "RVU25A", ("RVU25A",))


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, []),
        ({"title": None}, ["title"]),
        ({"synonyms": ["made-up visit"]}, ["synonyms"]),
        ({"specialties_are_default": True}, ["specialties"]),
    ],
)
def test_a_complete_text_has_all_of_its_parts(changes: Row, lacks: list[str]) -> None:
    assert lacking(COMPLETE | changes) == lacks
    assert extent(COMPLETE | changes) == ("partial" if lacks else "complete")


def test_a_code_without_description_has_no_text() -> None:
    assert extent(EMPTY) == "none"


def test_coverage_counts_codes_and_payable_codes_by_category(tmp_path: Path) -> None:
    codes = [
        COMPLETE | {"hcpcs": "G0001"},
        COMPLETE | {"hcpcs": "G0002", "status": "I"},
        COMPLETE | {"hcpcs": "G0003", "title": None},
        EMPTY | {"hcpcs": "G0004"},
        EMPTY | {"hcpcs": "J0001", "category": "J Codes", "status": "E"},
    ]

    g_codes, j_codes, total = coverage(published(tmp_path, codes))

    assert g_codes == {
        "category": "G Codes",
        "codes": 4,
        "complete": 2,
        "partial": 1,
        "none": 1,
        "payable_codes": 3,
        "payable_complete": 1,
        "payable_complete_percent": 33.3,
    }
    assert (j_codes["codes"], j_codes["none"], j_codes["payable_complete_percent"]) == (1, 1, None)
    assert (total["category"], total["codes"], total["complete"]) == ("all", 5, 2)


def test_what_is_missing_comes_by_use_payable_then_work_then_new(tmp_path: Path) -> None:
    codes = [
        EMPTY | {"hcpcs": "G0001", "status": "I", "work_rvu": 9.0},
        EMPTY | {"hcpcs": "G0002", "work_rvu": 1.0},
        EMPTY | {"hcpcs": "G0003", "work_rvu": 2.0},
        EMPTY | {"hcpcs": "G0004", "work_rvu": 1.0},
        COMPLETE | {"hcpcs": "G0005", "work_rvu": 5.0},
        COMPLETE | {"hcpcs": "G0006", "work_rvu": 0.5, "synonyms": []},
    ]
    new = row("change", hcpcs="G0004", field="row", kind="added", number_before=None, number_after=None)

    wanted = missing(published(tmp_path, codes, [new]), None, 10)

    assert [each["hcpcs"] for each in wanted] == ["G0003", "G0004", "G0002", "G0006", "G0001"]
    assert [each["is_new"] for each in wanted] == [False, True, False, False, False]
    assert [each["lacks"] for each in wanted][-2:] == ["synonyms", "everything"]


def test_what_is_missing_can_be_of_one_category_and_cut_short(tmp_path: Path) -> None:
    codes = [EMPTY | {"hcpcs": "G0001"}, EMPTY | {"hcpcs": "J0001", "category": "J Codes"}]
    chosen = published(tmp_path, codes)

    assert [each["hcpcs"] for each in missing(chosen, "j codes", 10)] == ["J0001"]
    assert len(missing(chosen, None, 1)) == 1
    with pytest.raises(UsageError, match=r"'K Codes' is no category. There are: G Codes, J Codes"):
        missing(chosen, "K Codes", 10)
