import re
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Factor, Release
from pipeline.conform import conform
from pipeline.errors import DataError
from pipeline.layouts import Layout
from pipeline.merge import coding_system
from pipeline.source import Printed, conversion_factors
from pipeline.validate import judge
from schemas.table import Column
from schemas.tables import PRINTED
from tests.shaped import (
    GOLDEN,
    GOLDEN_TABLES,
    LAYOUT_IDS,
    LAYOUTS,
    RVU_ROWS,
    Row,
    conformed,
    data_lines,
    declared_columns,
    frame,
    golden_text,
    layout_of,
    member,
    read,
    render,
    row,
    sample,
)

RVU = layout_of("rvu")
GPCI = layout_of("gpci")
ANESTHESIA = layout_of("anesthesia")
COUNTIES = layout_of("locality_county")
OPPS = layout_of("opps_cap")

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_IDS)

DIGITS = "0123456789"
PRINTABLE = "".join(map(chr, range(32, 127))) + "éñ½"
FREE_TEXT = (
    st.text(PRINTABLE, min_size=1, max_size=20).map(str.strip).filter(lambda text: text.rstrip("* ") == text != "")
)
IDENTIFIERS: dict[str, st.SearchStrategy[str | None]] = {
    "hcpcs": st.text("ADGJ" + DIGITS, min_size=5, max_size=5),
    "endoscopic_base": st.none() | st.text(DIGITS, min_size=5, max_size=5),
    "mac": st.text(DIGITS, min_size=5, max_size=5),
    "locality": st.text(DIGITS, min_size=2, max_size=2),
    "descriptor": st.just("") | FREE_TEXT,
}


def values(column: Column) -> st.SearchStrategy[Any]:
    """Generate what a column may hold, as typed."""
    if "printed" in column.metadata:
        return st.booleans()
    if places := column.metadata.get("decimals"):
        return st.integers(0, 10 ** (places + 3) - 1).map(lambda number: number / 10**places)
    if codes := column.metadata.get("codes"):
        return st.sampled_from([*codes, None] if column.nullable else list(codes))
    if column.name in IDENTIFIERS:
        return IDENTIFIERS[column.name]
    return st.none() | FREE_TEXT if column.nullable else FREE_TEXT


def rows_of(layout: Layout) -> st.SearchStrategy[list[Row]]:
    declared = declared_columns(layout.table)
    cells = {name: values(declared[name]) for name in layout.kept} | dict.fromkeys(layout.fill_down, FREE_TEXT)
    return st.lists(st.fixed_dictionaries(cells), max_size=3)


def typed(layout: Layout, rows: list[Row]) -> pd.DataFrame:
    declared = declared_columns(layout.table)
    made = pd.DataFrame(rows, columns=layout.kept)
    return made.astype({name: declared[name].frame_dtype for name in layout.kept})


# What is printed comes back


@settings(max_examples=4, deadline=None)
@given(data=st.data())
@each_layout
def test_what_is_printed_comes_back_cell_by_cell(layout: Layout, data: st.DataObject) -> None:
    rows = data.draw(rows_of(layout))

    made, repairs = conformed(layout, render(layout, rows))

    pd.testing.assert_frame_equal(made.reset_index(drop=True), typed(layout, rows))
    assert repairs == []


VALID = {table: [row(table)] * 3 for table in PRINTED} | {"rvu": RVU_ROWS[:3]}
CHANGED_CELLS = st.sampled_from(
    [
        "",
        " ",
        "\x1a",
        "0\x1a",
        "*",
        "* note",
        "\n",
        "a\r\nb",
        '"',
        '",',
        ",",
        "NA",
        "+",
        "-1",
        "1e3",
        "\u0663",
        "\x00",
    ]
) | st.text(PRINTABLE, max_size=8)


@cache
def valid_rows(position: int) -> pd.DataFrame:
    """Return three conformed rows of the layout at that position, for the next test to compare with."""
    layout = LAYOUTS[position]
    return conformed(layout, render(layout, VALID[layout.table]))[0]


@settings(max_examples=6, deadline=None)
@given(data=st.data())
@each_layout
def test_a_single_changed_cell_is_caught_or_changes_that_cell_only(layout: Layout, data: st.DataObject) -> None:
    before = valid_rows(LAYOUTS.index(layout))
    lines = data_lines(layout, VALID[layout.table])
    at = data.draw(st.integers(0, len(lines) - 1))
    position = data.draw(st.integers(0, len(layout.columns) - 1))
    lines[at][position] = data.draw(CHANGED_CELLS)

    try:
        after, _ = conformed(layout, member(layout, lines))
    except DataError:
        return

    assert after.shape == before.shape
    differs = (before != after) & ~(before.isna() & after.isna())
    if layout.columns[position].name in differs:
        differs.loc[differs.index[at], layout.columns[position].name] = False
    assert not differs.any(axis=None)


@each_layout
def test_no_cell_can_hide_its_row(layout: Layout) -> None:
    for changed in ("*", "*x", "\x1a", "0\x1a", "x\x1a"):
        for position in (0, len(layout.columns) - 1):
            lines = data_lines(layout, [row(layout.table)] * 2)
            lines[-1][position] = changed
            try:
                made, _ = conformed(layout, member(layout, lines))
            except DataError:
                continue
            assert len(made) == 2, f"{changed!r} in column {position + 1}"


# Numbers


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99_999_999), st.integers(0, 6))
def test_every_printed_decimal_becomes_the_nearest_double(number: int, zeros: int) -> None:
    printed = "0" * zeros + f"{number // 10**6}.{number % 10**6:06d}"

    made, _ = conformed(ANESTHESIA, render(ANESTHESIA, [row("anesthesia", anesthesia_conversion_factor=printed)]))

    assert made["anesthesia_conversion_factor"].tolist() == [float(printed)]


def test_every_rvu_below_1000_becomes_the_nearest_double() -> None:
    printed = [f"{hundredths / 100:.2f}" for hundredths in range(100_000)]
    text = read(OPPS, render(OPPS, []))
    rows = pd.DataFrame(dict.fromkeys(OPPS.kept, ""), index=range(len(printed)), dtype="str").assign(
        facility_price=printed, nonfacility_price=printed
    )

    made, _ = conform(type(text)(text.member, rows, "", {}), OPPS, declared_columns("opps_cap"))

    assert made["facility_price"].tolist() == [float(each) for each in printed]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("1", 1.0), ("1.", 1.0), ("1.5", 1.5), (".575", 0.575), ("00.869", 0.869), ("1.000", 1.0), (" 1.017 ", 1.017)],
)
def test_a_decimal_is_read_however_it_is_padded(printed: str, expected: float) -> None:
    made, _ = conformed(GPCI, render(GPCI, [row("gpci", pe_gpci=printed)]))

    assert made["pe_gpci"].tolist() == [expected]


@pytest.mark.parametrize(
    "printed",
    [
        "1.2345",
        "1,5",
        "-0.869",
        "+0.869",
        "1e0",
        "0.86O",
        "n/a",
        "",
        ".",
        "$1.00",
        "1 000",
        "nan",
        "inf",
        "\u0660.\u0668\u0666\u0669",
        "\N{FULLWIDTH DIGIT ONE}",
    ],
)
def test_what_is_no_plain_decimal_is_an_error_with_member_line_column_and_text(printed: str) -> None:
    with pytest.raises(DataError) as error:
        conformed(GPCI, render(GPCI, [row("gpci"), row("gpci", pe_gpci=printed)]))

    text = str(error.value)
    assert "GPCI2025.csv, column pe_gpci" in text
    assert f"expected a number with at most 3 decimals, found line 5: {printed!r} (1 cells in all)" in text


def test_many_wrong_cells_are_counted_and_the_first_shown() -> None:
    with pytest.raises(DataError, match=r"line 4: 'x', .*line 8: 'x' \(9 cells in all\)"):
        conformed(GPCI, render(GPCI, [row("gpci", mp_gpci="x")] * 9))


def test_a_shifted_column_is_caught_by_its_decimals() -> None:
    with pytest.raises(DataError, match=re.escape("column work_rvu: expected a number with at most 2 decimals")):
        conformed(RVU, render(RVU, [row("rvu", work_rvu="32.3465")]))


@pytest.mark.parametrize(("column", "printed"), [("facility_na", "N"), ("not_used_for_medicare", "x")])
def test_an_unknown_flag_is_an_error_that_lists_the_known_ones(column: str, printed: str) -> None:
    with pytest.raises(
        DataError, match=rf"PPRRVU25_JAN.csv, column {column}: expected one of .*line 11: '{printed}'"
    ):
        conformed(RVU, render(RVU, [row("rvu", **{column: printed})]))


# Identifiers


@pytest.mark.parametrize(
    ("table", "column", "printed", "expected"),
    [
        ("gpci", "mac", "2102", "02102"),
        ("gpci", "locality", "0", "00"),
        ("rvu", "hcpcs", "100", "00100"),
        ("rvu", "global_days", "0", "000"),
        ("rvu", "global_days", "10", "010"),
        ("rvu", "diagnostic_supervision", "9", "09"),
        ("rvu", "imaging_family", "1", "01"),
        ("rvu", "endoscopic_base", "4000", "04000"),
    ],
)
def test_lost_leading_zeros_are_restored_and_counted(table: str, column: str, printed: str, expected: str) -> None:
    layout = layout_of(table)
    rows = [row(table, **{column: text}) for text in (printed, expected, printed)]

    made, repairs = conformed(layout, render(layout, rows))

    assert made[column].tolist() == [expected] * 3
    first, _, last = made.index
    assert [(repair.column, repair.what, repair.count) for repair in repairs] == [
        (column, "leading zeros restored", 2)
    ]
    assert repairs[0].examples == (f"line {first}: {printed} -> {expected}", f"line {last}: {printed} -> {expected}")


@pytest.mark.parametrize(
    ("column", "printed"), [("hcpcs", "G002"), ("hcpcs", ""), ("global_days", "XX"), ("diagnostic_supervision", "A")]
)
def test_what_is_not_only_digits_is_not_padded(column: str, printed: str) -> None:
    made, repairs = conformed(RVU, render(RVU, [row("rvu", **{column: printed})]))

    assert made[column].tolist() == [printed]
    assert repairs == []


def test_an_identifier_that_is_too_long_is_left_for_the_rules_to_catch() -> None:
    made, _ = conformed(GPCI, render(GPCI, [row("gpci", mac="102102")]))

    assert made["mac"].tolist() == ["102102"]


def test_non_ascii_digits_in_an_identifier_are_refused() -> None:
    made, repairs = conformed(
        GPCI, render(GPCI, [row("gpci", mac="\u0661\u0660\u0661\u0661\u0662", locality="\u0660")])
    )

    assert repairs == []
    findings = judge(frame("gpci", *made.assign(release="RVU25A").to_dict("records")), PRINTED["gpci"])
    assert [(finding.column, finding.severity) for finding in findings] == [("mac", "error"), ("locality", "error")]


# Text


def test_trailing_blanks_are_no_part_of_a_cell() -> None:
    printed = row("anesthesia", mac="10112 ", locality=" 00 ", anesthesia_conversion_factor="19.31 ")

    made, repairs = conformed(ANESTHESIA, render(ANESTHESIA, [printed]))

    assert made.to_dict("records") == [{name: row("anesthesia")[name] for name in ANESTHESIA.kept}]
    assert repairs == []


@pytest.mark.parametrize("printed", ["ALASKA*", "WYOMING**", "ALASKA *", "ALASKA* *"])
def test_asterisks_are_no_part_of_a_locality_name(printed: str) -> None:
    made, _ = conformed(ANESTHESIA, render(ANESTHESIA, [row("anesthesia", locality_name=printed)]))

    assert made["locality_name"].tolist() == [printed.rstrip("* ")]


def test_an_asterisk_inside_a_locality_name_stays() -> None:
    made, _ = conformed(ANESTHESIA, render(ANESTHESIA, [row("anesthesia", locality_name="A*B")]))

    assert made["locality_name"].tolist() == ["A*B"]


def test_counties_without_a_state_belong_to_the_state_above() -> None:
    states = ["ALABAMA ", "", "", "ALASKA ", ""]

    made, _ = conformed(COUNTIES, render(COUNTIES, [row("locality_county", state=state) for state in states]))

    assert made["state"].tolist() == ["ALABAMA"] * 3 + ["ALASKA"] * 2


def test_counties_after_a_blank_line_belong_to_no_state_above() -> None:
    texas, *more = data_lines(COUNTIES, [row("locality_county", state=state) for state in ("TEXAS", "", "")])

    with pytest.raises(DataError, match=r"25LOCCO\.csv, line 6: expected state in the first row after a blank line"):
        conformed(COUNTIES, member(COUNTIES, [texas, [], *more]))


def test_a_first_row_without_a_state_has_none() -> None:
    made, _ = conformed(COUNTIES, render(COUNTIES, [row("locality_county", state=state) for state in ("", "ALASKA")]))

    assert made["state"].isna().tolist() == [True, False]


def test_an_empty_cell_is_null_only_where_the_column_may_be_empty() -> None:
    made, _ = conformed(RVU, render(RVU, [row("rvu", modifier="", endoscopic_base=None)]))

    assert made["modifier"].tolist() == [""]
    assert made["endoscopic_base"].isna().all()


def test_a_table_without_rows_has_its_types() -> None:
    made, _ = conformed(OPPS, render(OPPS, []))

    assert made.empty
    assert made.dtypes.astype(str).to_dict() == dict.fromkeys(OPPS.kept, "str") | {
        "facility_price": "float64",
        "nonfacility_price": "float64",
    }


# Conversion factors

RVU25A = Release("RVU25A", date(2025, 1, 1))
OF_2025 = Factor("standard", date(2025, 1, 1), date(2025, 12, 31), 32.3465)


def printed_rvu(*factors: float) -> dict[str, Printed]:
    rows, _ = conformed(RVU, render(RVU, [row("rvu", conversion_factor=factor) for factor in factors]))
    return {"standard": Printed(rows, "", {})}


def test_one_factor_on_every_row_is_the_factor_of_the_release() -> None:
    factors = conversion_factors(RVU25A, printed_rvu(32.3465, 32.3465), {})

    assert factors.drop(columns="national_anesthesia_factor").to_dict("records") == [
        {
            "release": "RVU25A",
            "basis": "standard",
            "conversion_factor": 32.3465,
            "work_adjustor": 1.0,
            "is_printed": True,
        }
    ]
    assert np.isnan(factors["national_anesthesia_factor"].item())


def test_the_anesthesia_factor_of_the_header_stands_beside_it() -> None:
    text = read(ANESTHESIA, render(ANESTHESIA, [row("anesthesia")]))
    anesthesia = {"anesthesia": Printed(text.rows, text.banner, text.in_header)}

    factors = conversion_factors(RVU25A, printed_rvu(32.3465), anesthesia)

    assert factors["national_anesthesia_factor"].tolist() == [20.3178]


def test_a_factor_that_varies_within_a_file_is_an_error_that_lists_them() -> None:
    with pytest.raises(DataError) as error:
        conversion_factors(RVU25A, printed_rvu(33.4009, 32.3465, 32.3465), {})

    assert "RVU25A: expected one conversion factor for basis standard, found [32.3465, 33.4009]" in str(error.value)


def test_a_factor_that_the_catalog_does_not_declare_for_that_day_is_an_error_that_names_both() -> None:
    with pytest.raises(DataError) as error:
        conversion_factors(replace(RVU25A, factors=(OF_2025,)), printed_rvu(33.4009), {})

    assert "RVU25A: PPRRVU prints the conversion factor 33.4009 for basis standard" in str(error.value)
    assert "raw/catalog.toml declares 32.3465 from 2025-01-01 to 2025-12-31" in str(error.value)


def test_a_release_that_was_replaced_keeps_the_factor_that_it_prints() -> None:
    replaced = replace(RVU25A, factors=(OF_2025,), superseded_by="RVU25AR")
    assert conversion_factors(replaced, printed_rvu(25.0), {})["conversion_factor"].tolist() == [25.0]


def test_a_factor_of_a_member_that_is_missing_is_the_declared_one() -> None:
    declared = tuple(
        Factor(basis, date(2026, 1, 1), date(2026, 12, 31), factor)
        for basis, factor in (("nonqualifying_apm", 33.4009), ("qualifying_apm", 33.5675))
    )
    rows = {"nonqualifying_apm": printed_rvu(33.4009)["standard"]}
    factors = conversion_factors(Release("RVU26A", date(2026, 1, 1), factors=declared), rows, {})
    assert factors[["basis", "conversion_factor", "is_printed"]].values.tolist() == [
        ["nonqualifying_apm", 33.4009, True],
        ["qualifying_apm", 33.5675, False],
    ]


def test_the_adjustor_of_the_year_stands_beside_the_factor() -> None:
    of_2007 = Factor("standard", date(2007, 1, 1), date(2007, 12, 31), 37.8975, work_adjustor=0.8994)
    release = Release("RVU07B", date(2007, 4, 1), factors=(of_2007,))
    assert conversion_factors(release, printed_rvu(37.8975), {})["work_adjustor"].tolist() == [0.8994]


def test_a_file_without_rows_has_no_factor() -> None:
    with pytest.raises(DataError, match="expected one conversion factor"):
        conversion_factors(RVU25A, printed_rvu(), {})


# CMS's own bytes


@pytest.mark.parametrize(("table", "release"), GOLDEN_TABLES)
def test_the_sample_conforms_to_its_golden_rows(table: str, release: str) -> None:
    """After a change that is meant: python -m tests.shaped, and read the difference."""
    assert golden_text(table, release) == (GOLDEN / f"{table}-{release}.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "release", "rows"),
    [
        ("rvu", "RVU25A", 5021),
        ("rvu", "RVU26C", 5275),
        ("gpci", "RVU25A", 109),
        ("locality_county", "RVU25A", 110),
        ("anesthesia", "RVU25A", 109),
        ("opps_cap", "RVU25A", 0),
    ],
)
def test_no_row_of_the_sample_is_lost(table: str, release: str, rows: int) -> None:
    assert len(sample(table, release)) == rows


@pytest.mark.parametrize("release", ["RVU25A", "RVU26C"])
def test_the_sample_holds_no_code_that_others_own(release: str) -> None:
    assert set(coding_system(sample("rvu", release)["hcpcs"])) == {"HCPCS Level II"}
