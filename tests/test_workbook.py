"""workbook: an XLSX is read as the CSV that it would be saved as."""

import csv
import io
import zipfile
from itertools import pairwise

import openpyxl
import pandas as pd
import pytest
import xlwt

from pipeline.conform import conform
from pipeline.errors import DataError
from pipeline.layouts import Layout
from pipeline.read import HeaderError, read_member
from pipeline.workbook import sheets_as_csv
from tests.shaped import LAYOUT_IDS, LAYOUTS, RVU_ROWS, YEAR, conformed, declared_columns, layout_of, render, row

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_IDS)


def as_workbook(content: bytes, *, numbers: bool = False) -> openpyxl.Workbook:
    """Return a workbook with the cells of a CSV; numeric text as numbers, as CMS's own are, where asked."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet
    for line in csv.reader(io.StringIO(content.decode().replace("\x1a", ""))):
        sheet.append([float(cell) if numbers and is_number(cell) else cell or None for cell in line])
    return workbook


def is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def saved(workbook: openpyxl.Workbook) -> bytes:
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def read(layout: Layout, content: bytes) -> pd.DataFrame:
    text = read_member(content, layout, "MEMBER.xlsx", YEAR)
    return conform(text, layout, declared_columns(layout.table))[0]


def rows_of(layout: Layout) -> list[dict[str, object]]:
    return RVU_ROWS if layout.table == "rvu" else [row(layout.table), row(layout.table, locality="01")]


@each_layout
@pytest.mark.parametrize("numbers", [False, True])
def test_a_workbook_holds_what_the_csv_holds(layout: Layout, numbers: bool) -> None:
    content = render(layout, rows_of(layout))
    expected, _ = conformed(layout, content)
    pd.testing.assert_frame_equal(read(layout, saved(as_workbook(content, numbers=numbers))), expected)


def test_a_legacy_workbook_holds_what_the_csv_holds() -> None:
    layout = layout_of("gpci")
    content = render(layout, rows_of(layout))
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("GPCI")
    for at, line in enumerate(csv.reader(io.StringIO(content.decode()))):
        for position, cell in enumerate(line):
            sheet.write(at, position, float(cell) if is_number(cell) else cell)
    saved_as = io.BytesIO()
    workbook.save(saved_as)
    text = read_member(saved_as.getvalue(), layout, "GPCI2025.xls", YEAR)
    made = conform(text, layout, declared_columns("gpci"))[0]
    pd.testing.assert_frame_equal(made, conformed(layout, content)[0])


def test_extra_sheets_do_no_harm() -> None:
    layout = layout_of("gpci")
    workbook = as_workbook(render(layout, rows_of(layout)))
    workbook.create_sheet("Notes", 0).append(["About this file"])
    assert len(read(layout, saved(workbook))) == 2


def test_merged_header_cells_are_caught() -> None:
    layout = layout_of("gpci")
    workbook = as_workbook(render(layout, rows_of(layout)))
    sheet = workbook.active
    assert sheet
    sheet.merge_cells("E3:G3")
    with pytest.raises(HeaderError, match=r"column 6 \(pe_gpci\): expected '2025 PE GPCI', found ''"):
        read(layout, saved(workbook))


def test_an_empty_workbook_is_told() -> None:
    with pytest.raises(HeaderError, match="holds no sheet with anything in it"):
        read(layout_of("gpci"), saved(openpyxl.Workbook()))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"<html></html>"])
def test_what_is_no_workbook_is_told(content: bytes) -> None:
    with pytest.raises(DataError, match=r"MEMBER\.xlsx is no workbook that can be read"):
        read(layout_of("gpci"), content)


def test_line_breaks_in_cells_become_blanks() -> None:
    layout = layout_of("gpci")
    workbook = as_workbook(render(layout, rows_of(layout)))
    sheet = workbook.active
    assert sheet
    sheet["E3"] = "2025 PW GPCI\n(with 1.0 Floor)"
    assert len(read(layout, saved(workbook))) == 2


# Workbooks that attack


def with_part(content: bytes, name: str, part: str) -> bytes:
    """Return a workbook with one of its parts replaced."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for each in source.namelist():
            copy.writestr(each, part if each == name else source.read(each))
    return target.getvalue()


def hostile_sheet(cells: str, declared: str = "", size: str = "A1") -> bytes:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = f'{declared}<worksheet {main}><dimension ref="{size}"/><sheetData>{cells}</sheetData></worksheet>'
    return with_part(saved(openpyxl.Workbook()), "xl/worksheets/sheet1.xml", f'<?xml version="1.0"?>{sheet}')


def test_two_cells_in_far_corners_of_a_sheet_end_a_process_that_has_little_to_lose() -> None:
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(
        DataError, match=r"MEMBER\.xlsx is no workbook that can be read: opening it takes more than 2,048"
    ):
        read(layout_of("gpci"), hostile_sheet(cells))


def test_a_sheet_that_says_it_is_giant_is_as_small_as_it_is() -> None:
    content = hostile_sheet('<row r="1"><c r="A1"><v>1</v></c></row>', size="A1:XFD1048576")
    assert sheets_as_csv(content, "MEMBER.xlsx") == [b"1\r\n"]


def test_entities_that_multiply_are_not_followed() -> None:
    letters = "abcdefgh"
    grown = "".join(f'<!ENTITY {after} "{f"&{each};" * 10}">' for each, after in pairwise(letters))
    cells = '<row r="1"><c r="A1" t="str"><v>&h;</v></c></row>'
    with pytest.raises(DataError, match=r"MEMBER\.xlsx is no workbook that can be read \(.*entity"):
        read(layout_of("gpci"), hostile_sheet(cells, f'<!DOCTYPE x [<!ENTITY a "lol">{grown}]>'))


def test_a_sheet_of_zeros_that_was_packed_small_is_told() -> None:
    with pytest.raises(DataError, match=r"MEMBER\.xlsx"):
        read(layout_of("gpci"), hostile_sheet(" " * 50_000_000))
