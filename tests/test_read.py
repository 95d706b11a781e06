import re
from datetime import date

import pytest

from pipeline.errors import DataError
from pipeline.layouts import Layout
from pipeline.read import HeaderError, released_on
from tests.shaped import (
    FIRST_LINE,
    FOOTERS,
    LAYOUT_IDS,
    LAYOUTS,
    MEMBERS,
    RVU_ROWS,
    data_lines,
    header_lines,
    header_text,
    layout_of,
    member,
    read,
    render,
    row,
)

# The header of RVU25A, byte for byte.
STACKED = b"""\
,, , ,,,,,,,,,,,,,,,,,,,,,,,,,NON-FACILITY,FACILITY,
,,,,NOT USED,,,,,,,,,,,,,,,,,,,,,PHYSICIAN,,DIAGNOSTIC,PE USED,PE USED,MP USED
,,,,FOR,,,NON-FAC,,FACILITY ,,,,,,,,,,,,,,,,SUPERVISION OF,,IMAGING,FOR OPPS,FOR OPPS,FOR OPPS
,,,STATUS,MEDICARE ,WORK,NON-FAC,NA,FACILITY,NA,MP,NON-FACILITY,FACILITY,PCTC,GLOB,PRE,INTRA,POST,MULT,BILAT,ASST,\
CO-,TEAM,ENDO,CONV,DIAGNOSTIC,CALCULATION,FAMILY,PAYMENT,PAYMENT,PAYMENT
HCPCS,MOD,DESCRIPTION,CODE,PAYMENT,RVU,PE RVU,INDICATOR,PE RVU,INDICATOR,RVU,TOTAL,TOTAL,IND,DAYS,OP,OP,OP,PROC,SURG,\
SURG,SURG,SURG,BASE,FACTOR,PROCEDURES,FLAG,INDICATOR,AMOUNT,AMOUNT,AMOUNT
""".replace(b"\n", b"\r\n")

RVU = layout_of("rvu")
GPCI = layout_of("gpci")
ANESTHESIA = layout_of("anesthesia")
COUNTIES = layout_of("locality_county")

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_IDS)


def two_rows(layout: Layout) -> list[list[str]]:
    return data_lines(layout, [row(layout.table), row(layout.table)])


def changed_texts(text: str) -> list[str]:
    """Return what could stand in a header cell instead: nothing, a slip, one word more."""
    slip = text[1:] or "X"
    return [changed for changed in ("", slip, f"{text} NEW".strip()) if changed != text]


# The header


def test_five_stacked_header_lines_are_read_as_one_header() -> None:
    content = member(RVU, []).split(b"\r\n")[:5]

    text = read(RVU, b"\r\n".join(content) + b"\r\n" + STACKED + b"G0002" + b"," * 30 + b"\r\n")

    assert list(text.rows.columns) == [column.name for column in RVU.columns]
    assert text.rows["hcpcs"].tolist() == ["G0002"]


def test_the_banner_tells_when_cms_released_the_file() -> None:
    assert released_on(read(RVU, render(RVU, RVU_ROWS)).banner) == date(2024, 12, 23)


@pytest.mark.parametrize(
    ("banner", "expected"), [("RELEASED 9/1/2025", date(2025, 9, 1)), ("RELEASED soon", None), ("", None)]
)
def test_a_release_date_is_optional(banner: str, expected: date | None) -> None:
    assert released_on(banner) == expected


def test_a_release_date_that_is_no_day_is_an_error_that_shows_it() -> None:
    with pytest.raises(DataError, match="13/45/2024"):
        released_on("RELEASED 13/45/2024")


def test_the_anesthesia_factor_in_the_header_is_kept() -> None:
    text = read(ANESTHESIA, render(ANESTHESIA, [row("anesthesia")]))

    assert list(text.in_header.values()) == ["20.3178"]


@each_layout
def test_any_changed_header_cell_is_caught_by_member_column_expected_and_found(layout: Layout) -> None:
    header = header_lines(layout)
    for position, column in enumerate(layout.columns, 1):
        accepted = {header_text(declared) for declared in column.headers}
        for line in header:
            original = line[position - 1]
            for changed in changed_texts(original):
                line[position - 1] = changed
                found = " ".join(" ".join(each[position - 1] for each in header).split())
                if found in accepted:
                    continue
                with pytest.raises(HeaderError) as error:
                    read(layout, member(layout, two_rows(layout), header))
                text = str(error.value)
                assert MEMBERS[layout.table] in text
                assert f"column {position}" in text
                assert repr(column.headers[0].replace("{year}", "2025")) in text
                assert repr(found) in text or position == 1
                assert f"schemas/layouts/{layout.table}.toml" in text
            line[position - 1] = original


@each_layout
def test_two_header_cells_that_changed_places_are_caught(layout: Layout) -> None:
    for position, (left, right) in enumerate(zip(layout.columns, layout.columns[1:], strict=False)):
        if {*left.headers} & {*right.headers}:
            continue
        header = header_lines(layout)
        for line in header:
            line[position], line[position + 1] = line[position + 1], line[position]
        with pytest.raises(HeaderError):
            read(layout, member(layout, two_rows(layout), header))


@each_layout
def test_a_further_header_column_is_caught(layout: Layout) -> None:
    header = header_lines(layout)
    header[-1].append("NEW")

    with pytest.raises(HeaderError) as error:
        read(layout, member(layout, two_rows(layout), header))

    assert f"column {len(layout.columns) + 1}: expected no further column, found 'NEW'" in str(error.value)


@each_layout
def test_a_missing_header_column_is_caught(layout: Layout) -> None:
    for position in range(len(layout.columns)):
        lines = [line[:position] + line[position + 1 :] for line in header_lines(layout)]
        with pytest.raises(HeaderError, match=r"column [0-9]+.*: expected .*, found"):
            read(layout, "\r\n".join(",".join(line) for line in lines).encode())


def test_the_header_of_another_year_is_caught() -> None:
    header = [[text.replace("2025", "2024") for text in line] for line in header_lines(GPCI)]

    with pytest.raises(
        HeaderError,
        match=re.escape("column 6 (pe_gpci): expected '2025 PE GPCI', found '2024 PE GPCI'"),
    ):
        read(GPCI, member(GPCI, two_rows(GPCI), header))


def test_a_file_without_any_header_says_what_it_begins_with() -> None:
    with pytest.raises(HeaderError) as error:
        read(RVU, b"<html>\r\n<title>License</title>\r\n")

    assert "PPRRVU25_JAN.csv" in str(error.value)
    assert "expected a line that begins with 'HCPCS'" in str(error.value)
    assert "found lines beginning ['<html>', '<title>License</title>']" in str(error.value)


def test_an_empty_file_has_no_header() -> None:
    with pytest.raises(HeaderError):
        read(GPCI, b"")


def test_a_header_that_differs_everywhere_is_reported_in_short() -> None:
    header = [[text and f"X{text}" for text in line] for line in header_lines(RVU)]
    header[-1][0] = "HCPCS"

    with pytest.raises(HeaderError, match="  and 24 more\n"):
        read(RVU, member(RVU, [], header))


# The number of cells


@each_layout
def test_a_missing_cell_is_caught_with_its_line(layout: Layout) -> None:
    width = len(layout.columns)
    whole = two_rows(layout)[0]
    printed = render(layout, [row(layout.table)])
    line = ",".join(whole).encode()
    number = printed[: printed.index(line)].count(b"\n") + 1
    for position in range(width):
        short = ",".join(whole[:position] + whole[position + 1 :]).encode()
        with pytest.raises(DataError, match=f"line {number}: expected {width} cells, found {width - 1}"):
            read(layout, printed.replace(line, short))


@each_layout
def test_a_further_cell_is_caught_with_its_line(layout: Layout) -> None:
    width = len(layout.columns)
    whole = two_rows(layout)[0]
    long = [*whole, "7"]

    with pytest.raises(DataError, match=rf"line [0-9]+: expected {width} cells, found {width + 1}.*\(1 such lines\)"):
        read(layout, member(layout, [whole, long]))


def test_a_quote_that_is_never_closed_is_caught_with_its_line() -> None:
    lines = b'10112,AL,00,"INVENTED,1,0.869,0.575\r\n02102,AK,01,"OTHER",1,0.869,0.575\r\n'
    header = b"\r\n".join(render(GPCI, []).split(b"\r\n")[:3])

    with pytest.raises(DataError, match=re.escape("GPCI2025.csv, line 4")):
        read(GPCI, header + b"\r\n" + lines)


def test_a_cell_that_holds_a_line_break_is_caught_with_its_line() -> None:
    with pytest.raises(DataError, match=re.escape("GPCI2025.csv, line 4")):
        read(GPCI, render(GPCI, [row("gpci", locality_name="INVENTED\r\nSTATE")]))


# Ends of files, footers and blank lines


def test_rows_keep_their_line_in_the_file() -> None:
    text = read(RVU, render(RVU, RVU_ROWS))

    assert text.rows.index.tolist() == list(range(FIRST_LINE, FIRST_LINE + len(RVU_ROWS)))


def test_blank_rows_between_counties_do_not_move_line_numbers() -> None:
    lines = data_lines(COUNTIES, [row("locality_county")])

    assert read(COUNTIES, member(COUNTIES, [[], *lines, [], *lines])).rows.index.tolist() == [5, 7]


def test_an_all_empty_last_row_is_left_out() -> None:
    text = read(ANESTHESIA, render(ANESTHESIA, [row("anesthesia")]))

    assert render(ANESTHESIA, []).endswith(b"\r\n,,,\r\n")
    assert len(text.rows) == 1


def test_a_row_of_ctrl_z_is_left_out() -> None:
    assert render(RVU, []).endswith(b"\r\n\x1a" + b"," * 30 + b"\r\n")
    assert len(read(RVU, render(RVU, RVU_ROWS)).rows) == len(RVU_ROWS)


@pytest.mark.parametrize(
    "end", [b"\x1a", b"\x1a\r\n", b"\x1a\r\n,,,\r\n", b"\x1a\x1a\x1a", b"0000\x1a ,00 ,,0.00\r\n"]
)
def test_ctrl_z_ends_a_file_however_it_is_padded(end: bytes) -> None:
    assert len(read(ANESTHESIA, render(ANESTHESIA, [row("anesthesia")]) + end).rows) == 1


def test_rows_after_ctrl_z_are_an_error_with_its_line() -> None:
    twice = render(ANESTHESIA, [row("anesthesia")]) + b"\x1a\r\n10112 ,00 ,INVENTED,19.31 \r\n"

    with pytest.raises(DataError, match=r"ANES2025.csv, line 4: expected nothing after the end-of-file mark"):
        read(ANESTHESIA, twice)


def test_a_row_that_ends_in_ctrl_z_is_not_lost_silently() -> None:
    content = render(ANESTHESIA, [row("anesthesia"), row("anesthesia", mac="02102")])
    cut = content.removesuffix(b"\r\n,,,\r\n") + b"\x1a"

    with pytest.raises(DataError, match=r"ANES2025.csv, line 3"):
        read(ANESTHESIA, cut)


@pytest.mark.parametrize("table", ["gpci", "locality_county"])
def test_footnotes_are_left_out(table: str) -> None:
    layout = layout_of(table)

    assert b"\r\n*" in render(layout, [])
    assert len(read(layout, render(layout, [row(table)])).rows) == 1


def test_an_undeclared_footnote_stays_a_row_for_the_rules_to_catch() -> None:
    assert len(read(COUNTIES, render(COUNTIES, []) + b"*  Another note.,,,,\r\n").rows) == 1


def test_a_row_that_begins_with_an_asterisk_is_not_taken_for_a_footnote() -> None:
    rows = read(GPCI, render(GPCI, [row("gpci"), row("gpci", mac="*02102")])).rows

    assert rows["mac"].tolist() == ["10112", "*02102"]


def test_a_member_without_rows_is_an_empty_table() -> None:
    layout = layout_of("opps_cap")

    assert read(layout, render(layout, [])).rows.empty


# Text as printed


def test_doubled_quotes_are_one_quote() -> None:
    content = render(RVU, [row("rvu", descriptor='Invented dressing <=4sq"')])

    assert b'"Invented dressing <=4sq"""' in content
    assert read(RVU, content).rows["descriptor"].tolist() == ['Invented dressing <=4sq"']


def test_commas_in_quoted_descriptors_do_not_split_cells() -> None:
    content = render(RVU, [row("rvu", descriptor="Invented, made up, 1 mg")])

    assert b'"Invented, made up, 1 mg"' in content
    assert read(RVU, content).rows["descriptor"].tolist() == ["Invented, made up, 1 mg"]


def test_a_byte_order_mark_is_no_part_of_the_first_header() -> None:
    content = b"\xef\xbb\xbf" + render(ANESTHESIA, [row("anesthesia")])

    assert read(ANESTHESIA, content).rows.equals(read(ANESTHESIA, content[3:]).rows)


def test_a_windows_1252_byte_is_read_as_its_character() -> None:
    content = render(RVU, [row("rvu", descriptor="Invented Ménière test")]).decode().encode("cp1252")

    assert b"\xe9" in content
    assert read(RVU, content).rows["descriptor"].tolist() == ["Invented Ménière test"]


def test_a_byte_that_no_encoding_knows_does_not_stop_the_reading() -> None:
    content = render(RVU, [row("rvu", descriptor="Invented ? test")]).replace(b"?", b"\x81")

    assert read(RVU, content).rows["descriptor"].tolist() == ["Invented \N{REPLACEMENT CHARACTER} test"]


@pytest.mark.parametrize("line_end", [b"\r", b"\n"], ids=["CR", "LF"])
@each_layout
def test_bare_line_ends_are_read_like_crlf(layout: Layout, line_end: bytes) -> None:
    content = member(layout, two_rows(layout))

    assert read(layout, content.replace(b"\r\n", line_end)).rows.equals(read(layout, content).rows)


# Members that attack


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"x" * 30_000_000, "30,000,000"),
        (b"," * 1_000_000, "1,000,000"),
        (b'"' + b"x" * 200_000 + b'"', "200,002"),
    ],
    ids=["one long line", "a million columns", "one long cell"],
)
@pytest.mark.parametrize("above", [True, False], ids=["above the header", "among the rows"])
def test_a_line_longer_than_any_of_cms_is_refused_whatever_it_holds(line: bytes, found: str, above: bool) -> None:
    content = render(GPCI, [row("gpci")])
    hostile = line + b"\r\n" + content if above else content + line

    with pytest.raises(DataError, match=rf"GPCI2025\.csv, line [0-9]+: expected at most 20,000 .*, found {found}: "):
        read(GPCI, hostile)


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\x1b[2J", r"'\\x1b'"),
        ("\x00", r"'\\x00'"),
        ("\x08", r"'\\x08'"),
        ("\x7f", r"'\\x7f'"),
        ("\x9b2J", r"'\\x9b'"),
        ("\u2028", r"'\\u2028'"),
        ("\u202e", r"'\\u202e'"),
        ("\u2066", r"'\\u2066'"),
    ],
)
def test_a_control_character_is_refused_with_its_line_and_shown_harmless(character: str, shown: str) -> None:
    content = render(RVU, [row("rvu", descriptor=f"Invented {character} Ménière")])

    with pytest.raises(
        DataError, match=rf"PPRRVU25_JAN\.csv, line {FIRST_LINE}: expected text, found .* {shown} in b"
    ):
        read(RVU, content)


def test_a_tab_in_a_descriptor_does_no_harm() -> None:
    content = render(RVU, [row("rvu", descriptor="Invented\tservice")])

    assert read(RVU, content).rows["descriptor"].tolist() == ["Invented\tservice"]


@each_layout
def test_the_last_line_needs_no_line_end(layout: Layout) -> None:
    content = member(layout, two_rows(layout))
    without_footers = content.split(b"\r\n")[: -1 - len(FOOTERS[layout.table])]

    assert len(read(layout, b"\r\n".join(without_footers)).rows) == 2
