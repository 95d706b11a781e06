"""fixed_width: records cut by declared positions; what does not fit its place is caught."""

from functools import cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.conform import conform
from pipeline.errors import DataError
from pipeline.layouts import Layout, PrintedColumn, load_layouts
from pipeline.read import read_member
from schemas.tables import PRINTED
from tests.shaped import RVU_ROWS, YEAR, Row, declared_columns, printed, row

FIXED = [layout for table in PRINTED for layout in load_layouts(table) if layout.is_fixed_width]
IDS = [f"{layout.table}-{layout.since.year}" for layout in FIXED]
NAME = {"rvu": "PPRRVU25_JAN.txt", "gpci": "GPCI2025.txt", "locality_county": "25LOCCO.txt"}
HEADINGS = {
    "rvu": ["HDR INVENTED HEADING"],
    "gpci": ["ADDENDUM E. FINAL CY 2025", "", "Medicare Admi State  Locality"],
    "locality_county": ["COUNTIES INCLUDED IN 2025 LOCALITIES.", "", "Medicare AdmiLocality"],
}
each_layout = pytest.mark.parametrize("layout", FIXED, ids=IDS)


def cell(value: Any, column: PrintedColumn, layout: Layout) -> str:
    """Print a value into its positions: numbers to the right, text to the left."""
    width = column.last - column.first + 1
    if column.name == "-":
        return " " * width
    text = printed(value, declared_columns(layout.table)[column.name])
    if column.implied_decimals and text:
        text = f"{float(text):.{column.implied_decimals}f}".replace(".", "")
    elif column.name.endswith("_share"):
        text = text.removeprefix("0")
    return text.rjust(width)[-width:] if isinstance(value, float) else text.ljust(width)[:width]


def record(each: Row, layout: Layout) -> str:
    width = layout.record_length or max(column.last for column in layout.columns)
    letters = [" "] * width
    for column in layout.columns:
        letters[column.first - 1 : column.last] = cell(each.get(column.name), column, layout)
    return "".join(letters)


def render(layout: Layout, rows: list[Row]) -> bytes:
    lines = [*HEADINGS.get(layout.table, []), *(record(each, layout) for each in rows), "\x1a"]
    return "\r\n".join(lines).encode()


def conformed(layout: Layout, content: bytes) -> pd.DataFrame:
    text = read_member(content, layout, NAME.get(layout.table, "MEMBER.txt"), YEAR)
    return conform(text, layout, declared_columns(layout.table))[0]


@cache
def valid_rows(position: int) -> list[Row]:
    layout = FIXED[position]
    return RVU_ROWS[:4] if layout.table == "rvu" else [row(layout.table), row(layout.table, locality="01")]


@each_layout
def test_what_is_printed_comes_back(layout: Layout) -> None:
    rows = valid_rows(FIXED.index(layout))
    made = conformed(layout, render(layout, rows))
    declared = declared_columns(layout.table)
    expected = pd.DataFrame(rows).reindex(columns=layout.kept)
    expected = expected.astype({name: declared[name].frame_dtype for name in layout.kept})
    pd.testing.assert_frame_equal(made.reset_index(drop=True), expected)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@each_layout
def test_a_single_changed_letter_is_caught_or_changes_one_cell_only(layout: Layout, data: st.DataObject) -> None:
    rows = valid_rows(FIXED.index(layout))
    before = conformed(layout, render(layout, rows))
    lines = render(layout, rows).decode().split("\r\n")
    at = len(HEADINGS.get(layout.table, [])) + data.draw(st.integers(0, len(rows) - 1))
    position = data.draw(st.integers(0, len(lines[at]) - 1))
    letter = data.draw(st.sampled_from("0123456789 ABZ.-+*é\x1a"))
    lines[at] = lines[at][:position] + letter + lines[at][position + 1 :]
    try:
        after = conformed(layout, "\r\n".join(lines).encode())
    except DataError:
        return
    assert after.shape == before.shape
    differs = (before != after) & ~(before.isna() & after.isna())
    assert differs.sum().sum() <= 1


@each_layout
def test_a_letter_between_columns_is_caught_with_its_position(layout: Layout) -> None:
    rows = valid_rows(FIXED.index(layout))
    covered = {place for column in layout.columns for place in range(column.first, column.last + 1)}
    gaps = sorted(set(range(1, max(covered))) - covered)
    if not gaps:
        pytest.fail("every layout at hand has fillers")
    line = record(rows[0], layout)
    line = line[: gaps[-1] - 1] + "7" + line[gaps[-1] :]
    with pytest.raises(DataError, match=rf"position {gaps[-1]}: expected a blank between columns, found '7'"):
        conformed(layout, line.encode())


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_record_that_is_cut_short_is_caught_with_its_line(cut: int) -> None:
    layout = next(layout for layout in FIXED if layout.table == "rvu")
    content = render(layout, valid_rows(FIXED.index(layout))).split(b"\r\n")
    content[2] = content[2][:-cut]
    with pytest.raises(DataError, match=rf"line 3: expected a record of 171 characters, found {171 - cut}"):
        conformed(layout, b"\r\n".join(content))


def test_headings_inside_the_data_of_joined_files_are_left_out_like_those_above() -> None:
    layout = next(layout for layout in FIXED if layout.table == "rvu")
    content = render(layout, valid_rows(FIXED.index(layout))).removesuffix(b"\x1a")
    assert len(conformed(layout, content + content)) == 8


def test_implied_decimals_get_their_point() -> None:
    layout = next(layout for layout in FIXED if layout.table == "anesthesia")
    content = render(layout, [row("anesthesia", anesthesia_conversion_factor=19.31)])
    assert b"1931" in content
    assert conformed(layout, content)["anesthesia_conversion_factor"].tolist() == [19.31]
