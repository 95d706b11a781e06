import pandas as pd
import pytest

from pipeline.conform import Repair
from pipeline.errors import DataError
from pipeline.validate import (
    Agreement,
    Finding,
    agreement,
    describe,
    judge,
    known_localities,
    repaired,
    repeated,
    row_count,
    stop_on_errors,
)
from schemas.opps_cap import OppsCapTable
from schemas.rvu import RvuTable
from tests.shaped import RVU_ROWS, frame, row

ERROR = Finding("rvu", "pctc", "is in the code list", "error", 5, ("line 12: 'x'", "line 14: 'y'"))
ROW_ERROR = Finding("rvu", "", "total = work + PE + MP", "error", 1, ("line 20: G0002",))
WARNING = Finding("rvu", "", "descriptor is not empty", "warning", 1, ("line 3614: G0002",), "known: one code")

# judge


def test_a_finding_names_table_column_rule_count_and_the_first_lines() -> None:
    rows = [row("rvu", hcpcs=f"G000{number}", pctc="?") for number in range(5)]

    assert judge(frame("rvu", *rows), RvuTable) == [
        Finding(
            "rvu", "pctc", "is in the code list", "error", 5, ("line 11: '?'", "line 12: '?'", "line 13: '?'"), ""
        )
    ]


def test_a_finding_about_rows_names_their_keys() -> None:
    rows = [row("rvu", hcpcs="G0002", facility_total_rvu=9.0), row("rvu", hcpcs="G0003", nonfacility_total_rvu=9.0)]

    assert [finding.examples for finding in judge(frame("rvu", *rows), RvuTable)] == [
        ("line 11: G0002", "line 12: G0003")
    ]


def test_the_key_of_a_row_with_a_modifier_shows_it() -> None:
    without_whole = [each for each in RVU_ROWS if (each["hcpcs"], each["modifier"]) != ("G0003", "")]

    assert [finding.examples for finding in judge(frame("rvu", *without_whole), RvuTable)] == [("line 15: G0003-53",)]


def test_a_row_counts_once_however_many_of_its_cells_are_wrong() -> None:
    wrong = row("rvu", facility_total_rvu=9.0, nonfacility_total_rvu=9.0)

    assert [finding.count for finding in judge(frame("rvu", wrong), RvuTable)] == [1]


def test_all_broken_rules_are_reported_at_once() -> None:
    rows = [row("rvu", pctc="?", status="?", descriptor="", facility_total_rvu=9.0)]

    assert {(finding.column, finding.rule) for finding in judge(frame("rvu", *rows), RvuTable)} == {
        ("pctc", "is in the code list"),
        ("status", "is in the code list"),
        ("", "descriptor is not empty"),
        ("", "total = work + PE + MP"),
        ("", "+ marks RVUs that are not used"),
    }


def test_a_warning_says_what_is_known_about_it() -> None:
    (finding,) = judge(frame("rvu", row("rvu", descriptor="")), RvuTable)

    assert (finding.severity, finding.reason) == ("warning", "known: M1389 in RVU25A, J1246 in RVU24A and RVU24AR")


def test_judging_changes_neither_the_rows_nor_the_rules() -> None:
    wrong = frame("rvu", row("rvu", descriptor="", pctc="?"))
    before = wrong.copy(deep=True)

    first, second = judge(wrong, RvuTable), judge(wrong, RvuTable)

    pd.testing.assert_frame_equal(wrong, before)
    assert first == second
    assert {finding.severity for finding in first} == {"error", "warning"}


def test_a_table_without_rows_breaks_no_rule() -> None:
    assert judge(frame("opps_cap").head(0), OppsCapTable) == []


# repaired, repeated


def test_repairs_are_warnings_with_their_examples() -> None:
    examples = tuple(f"line {line}: 2102 -> 02102" for line in range(4, 9))

    assert repaired("gpci", [Repair("mac", "leading zeros restored", 79, examples)]) == [
        Finding("gpci", "mac", "leading zeros restored", "warning", 79, examples[:3])
    ]
    assert repaired("gpci", []) == []


def test_rows_printed_twice_are_a_warning_with_their_lines() -> None:
    (finding,) = repeated("gpci", pd.Index([97, 99, 101, 103]))

    assert (finding.rule, finding.severity, finding.count) == ("row is not printed twice", "warning", 4)
    assert finding.examples == ("line 97", "line 99", "line 101")
    assert repeated("gpci", pd.Index([])) == []


def test_a_county_printed_twice_is_known() -> None:
    assert "Missouri" in repeated("locality_county", pd.Index([97]))[0].reason


# known_localities

GPCI = frame("gpci", row("gpci"), row("gpci", mac="01182", locality="18"))


def test_a_locality_without_a_gpci_is_an_error() -> None:
    rows = [row("anesthesia"), row("anesthesia", locality="01"), row("anesthesia", mac="01182")]

    (finding,) = known_localities("anesthesia", frame("anesthesia", *rows), GPCI)

    assert (finding.table, finding.column, finding.rule) == ("anesthesia", "locality", "is in gpci")
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.examples == ("line 12: 10112-01", "line 13: 01182-00")


def test_mac_and_locality_must_belong_together() -> None:
    """Both numbers exist, but locality 18 is not one of MAC 10112's."""
    crossed = frame("anesthesia", row("anesthesia", mac="10112", locality="18"))

    assert known_localities("anesthesia", crossed, GPCI)
    assert known_localities("anesthesia", frame("anesthesia"), GPCI) == []


def test_unknown_localities_of_the_opps_cap_are_a_warning_that_counts_rows_and_shows_places() -> None:
    rows = [row("opps_cap", hcpcs=hcpcs, mac="01112", locality="18") for hcpcs in ("G0001", "G0002")]

    (finding,) = known_localities("opps_cap", frame("opps_cap", *rows), GPCI)

    assert (finding.severity, finding.count, finding.examples) == ("warning", 2, ("line 11: 01112-18",))
    assert "01112" in finding.reason


def test_an_empty_table_has_no_unknown_localities() -> None:
    assert known_localities("opps_cap", frame("opps_cap").head(0), GPCI) == []


# agreement


def test_a_qpp_member_that_differs_in_its_pricing_indicator_only_agrees() -> None:
    nonqpp = frame("rvu", *(each | {"pricing_indicator": "9"} for each in RVU_ROWS))
    qpp = frame("rvu", *(each | {"pricing_indicator": "1"} for each in RVU_ROWS[3:]))

    assert agreement(nonqpp, qpp) == ([], Agreement("bases", len(qpp), len(qpp)))
    assert agreement(frame("rvu"), qpp) == ([], Agreement("bases", len(qpp), len(qpp)))


@pytest.mark.parametrize(
    "changes",
    [
        {"work_rvu": 0.98},
        {"status": "R"},
        {"facility_na": True},
        {"endoscopic_base": "G0004"},
        {"hcpcs": "G0009"},
        {"modifier": "26"},
    ],
)
def test_a_qpp_row_that_differs_or_is_new_is_an_error(changes: dict[str, object]) -> None:
    (finding,), compared = agreement(frame("rvu"), frame("rvu", row("rvu"), row("rvu", **changes)))
    assert (compared.rows, compared.equal) == (2, 1)

    assert (finding.rule, finding.severity, finding.count) == ("QPP and nonQPP members agree", "error", 1)
    assert finding.examples == (changes.get("hcpcs", "G0002"),)


# row_count


@pytest.mark.parametrize("rows", [800, 1000, 1250])
def test_a_usual_number_of_rows_passes(rows: int) -> None:
    assert row_count(rows, "RVU24D", 1000) == []


@pytest.mark.parametrize("rows", [0, 799, 1251])
def test_an_unusual_number_of_rows_is_an_error_that_names_the_neighbor(rows: int) -> None:
    (finding,) = row_count(rows, "RVU24D", 1000)

    assert (finding.rule, finding.severity) == ("between 80% and 125% of the rows of RVU24D", "error")
    assert finding.examples == (f"{rows} rows, RVU24D has 1000",)


# stop_on_errors, describe


def test_an_error_stops_and_the_text_says_where_what_how_often_and_what_to_do() -> None:
    with pytest.raises(DataError) as error:
        stop_on_errors("RVU25A", [WARNING, ERROR, ROW_ERROR])

    assert str(error.value) == (
        "RVU25A: 2 rules are broken, so it is not published:\n"
        "  rvu.pctc: is in the code list: 5 rows, such as line 12: 'x'; line 14: 'y'\n"
        "  rvu: total = work + PE + MP: 1 rows, such as line 20: G0002\n"
        "If the archive is damaged, pull it again; if CMS changed its practice, change the rule in schemas/; "
        "our own texts lie in raw/content/."
    )


def test_warnings_do_not_stop() -> None:
    stop_on_errors("RVU25A", [WARNING])
    stop_on_errors("RVU25A", [])


def test_a_finding_is_described_in_one_line() -> None:
    assert describe(WARNING) == "rvu: descriptor is not empty: 1 rows, such as line 3614: G0002"


def test_a_finding_as_json_keeps_everything() -> None:
    assert ERROR.as_dict() == {
        "table": "rvu",
        "column": "pctc",
        "rule": "is in the code list",
        "severity": "error",
        "count": 5,
        "examples": ["line 12: 'x'", "line 14: 'y'"],
        "reason": "",
    }
