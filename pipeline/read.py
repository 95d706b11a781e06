"""Turns the bytes of one member, in any format, into text cells as CMS printed them, with their line numbers."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
import pyarrow as arrow
import pyarrow.csv as arrow_csv

from pipeline.errors import DataError
from pipeline.fixed_width import cut_columns
from pipeline.layouts import Layout
from pipeline.workbook import sheets_as_csv

HEADER_SEARCH_LINES = 40
LONGEST_LINE = 20_000  # bytes; the longest line known has 1,500
MOST_COLUMNS = 200  # to draft a layout for; the widest known has 34
PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n\x0c\r\x1a"  # what nearly every member is made of
# Nothing that drives a terminal or turns text around: control characters but for tab, form feed, the ends of lines
# and of files; in UTF-8 also those of the second set, line separators, and marks for the direction of text.
NO_TEXT = re.compile(
    rb"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
END_OF_FILE = b"\x1a"  # Ctrl-Z: what CMS's mainframe exports end with
# The mark stands alone in the last row, or a program that took it for data padded it with zeros.
END_ROW = re.compile(rb'^"?0*\x1a+\s*"?[,"0. ]*$')


class HeaderError(DataError):
    """The header is not the one that the layout declares."""


@dataclass(frozen=True)
class TextTable:
    """One member as text: `rows` has a string column per declared column; its index is the line in the file."""

    member: str
    rows: pd.DataFrame
    banner: str
    in_header: dict[str, str]


def read_member(content: bytes, layout: Layout, member: str, year: int) -> TextTable:
    """Read a member of any format by one layout: CSV, a workbook, or fixed width."""
    if layout.is_fixed_width:
        return read_fixed_width(content, layout, member)
    if not member.lower().endswith((".xls", ".xlsx")):
        return read_csv(content, layout, member, year)
    errors = [HeaderError(f"{member} holds no sheet with anything in it. Pull the archive again.")]
    for sheet in sheets_as_csv(content, member):
        try:
            return read_csv(sheet, layout, member, year)
        except HeaderError as problem:
            errors.append(problem)
    raise errors[-1]


def read_fixed_width(content: bytes, layout: Layout, member: str) -> TextTable:
    """Read a fixed-width member: declared headings, blank lines and footnotes are left out."""
    lines = text_lines(content, member)
    headings = re.compile("|".join((*layout.headings, *layout.footnotes)) or "(?!)")

    def is_remark(line: bytes) -> bool:
        return len(line) != layout.record_length and bool(headings.search(line.decode()))

    first = next((at for at, line in enumerate(lines) if line.strip() and not is_remark(line)), len(lines))
    banner = b"\n".join(lines[:first]).decode()
    numbered = _data_lines(lines, first, is_remark, member)
    return TextTable(member, cut_columns(numbered, layout, member), banner, {})


def read_csv(content: bytes, layout: Layout, member: str, year: int) -> TextTable:
    """Read a CSV member laid out as declared.

    Blank lines, footnotes and what follows a Ctrl-Z are left out. DataError, naming member, line, column,
    expected and found, when the header or the number of cells differs.
    """
    lines = text_lines(content, member)
    header_at = _find_header(lines, layout, member)
    in_header = _check_header(lines[: header_at + 1], layout, member, year)
    footnotes = [re.compile(footnote) for footnote in layout.footnotes]
    numbered = _data_lines(lines, header_at + 1, lambda line: _is_footnote(line, footnotes), member)
    rows = _parse(numbered, layout, member)
    banner = b"\n".join(lines[:header_at]).decode()
    return TextTable(member, rows, banner, in_header)


def text_lines(content: bytes, member: str) -> list[bytes]:
    """Return the lines of a member in UTF-8; DataError when one is no line of text that CMS would print."""
    text = _utf8(content)
    lines, is_plain = text.splitlines(), not text.translate(None, PLAIN)
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise DataError(
                f"{member}, line {number}: expected at most {LONGEST_LINE:,} characters, found {len(line):,}: "
                f"{line[:60]!r}. The file is damaged or no table of CMS: pull it again."
            )
        if not is_plain and (found := NO_TEXT.search(line)):
            raise DataError(
                f"{member}, line {number}: expected text, found the control character {found[0].decode()!r} in "
                f"{line[max(0, found.start() - 20) : found.end() + 20]!r}. The file is damaged: pull it again."
            )
    return lines


def stacked_header(lines: list[bytes], header_lines: int) -> list[str]:
    """Return the header texts of a table that fits no layout, from its lines: those above the first row of data.

    That row is the first that is filled as far as any of the first lines and has a digit in it.
    """
    rows = [_cells(line) for line in lines[:HEADER_SEARCH_LINES]]
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in rows]
    widest = max(filled, default=0)
    data = [index for index, cells in enumerate(rows) if filled[index] > widest / 2 and _has_number(cells)]
    above = [cells for cells in rows[: data[0] if data else 1] if any(cell.strip() for cell in cells)]
    return _stacked(above[-header_lines:])[:MOST_COLUMNS]


def _has_number(cells: list[str]) -> bool:
    return any(re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell.strip()) for cell in cells)


def _stacked(rows: list[list[str]]) -> list[str]:
    """Join stacked header lines column by column."""
    width = max(map(len, rows), default=0)
    return [_squeezed(" ".join(cells[i] for cells in rows if i < len(cells))) for i in range(width)]


def released_on(banner: str) -> date | None:
    """Return the date that CMS prints above the header of PPRRVU, as in RELEASED 12/23/2024."""
    found = re.search(r"RELEASED ([0-9]{1,2}/[0-9]{1,2}/[0-9]{4})", banner)
    if not found:
        return None
    try:
        return datetime.strptime(found[1], "%m/%d/%Y").date()
    except ValueError:
        raise DataError(f"{found[0]!r} above the header is no date: expected RELEASED MM/DD/YYYY.") from None


def _utf8(content: bytes) -> bytes:
    """Return the bytes as UTF-8; CMS writes ASCII, with stray Windows-1252 characters in old files."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", errors="replace").encode()
    try:
        content.decode("utf-8-sig")
        return content.removeprefix(b"\xef\xbb\xbf")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").encode()


def _cells(line: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(line.decode())), [])


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _find_header(lines: list[bytes], layout: Layout, member: str) -> int:
    """Return the index of the header's last line: the first whose first cell is the first column's text."""
    first = layout.columns[0]
    for index, line in enumerate(lines[:HEADER_SEARCH_LINES]):
        cells = _cells(line)
        if cells and _squeezed(cells[0]) in first.headers and index >= layout.header_lines - 1:
            return index
    seen = [cell for line in lines[:HEADER_SEARCH_LINES] if (cell := _squeezed(" ".join(_cells(line)[:1])))]
    raise HeaderError(
        f"{member}, header, column 1: expected a line that begins with {' or '.join(map(repr, first.headers))} "
        f"within the first {HEADER_SEARCH_LINES} lines, found lines beginning {seen[:5]}. " + _layout_advice(layout)
    )


def _check_header(lines: list[bytes], layout: Layout, member: str, year: int) -> dict[str, str]:
    """Compare the stacked header with the layout, cell by cell; return the numbers that stand in it."""
    printed = _stacked([_cells(line) for line in lines[-layout.header_lines :]])
    width = len(printed)
    in_header: dict[str, str] = {}
    problems = []
    for position, column in enumerate(layout.columns):
        text = printed[position] if position < width else "nothing"
        found = column.match(text, year)
        if found:
            in_header |= found.groupdict()
        else:
            expected = " or ".join(repr(header.replace("{year}", str(year))) for header in column.headers)
            problems.append(f"  column {position + 1} ({column.name}): expected {expected}, found {text!r}")
    for position in range(len(layout.columns), width):
        problems.append(f"  column {position + 1}: expected no further column, found {printed[position]!r}")
    if problems:
        shown = problems[:6] + ([f"  and {len(problems) - 6} more"] if len(problems) > 6 else [])
        raise HeaderError(
            f"{member}: the header differs from the layout of {layout.table} in force since {layout.since}:\n"
            + "\n".join(shown)
            + f"\n{_layout_advice(layout)}"
        )
    return in_header


def _layout_advice(layout: Layout) -> str:
    return (
        f"If CMS changed the layout, append a [[layout]] block to schemas/layouts/{layout.table}.toml "
        "(README, Add a layout); if the file is damaged, pull it again."
    )


def _data_lines(
    lines: list[bytes], start: int, is_remark: Callable[[bytes], bool], member: str
) -> list[tuple[int, bytes]]:
    """Return the rows of data, each with its line number, counted from 1; blank lines and remarks are none."""
    kept: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines[start:], start + 1):
        if END_OF_FILE in line:
            _check_end(line, lines[number:], member, number)
            break
        if line.strip(b'", \t') and not is_remark(line):
            kept.append((number, line))
    return kept


def _is_footnote(line: bytes, footnotes: list[re.Pattern[str]]) -> bool:
    """Tell a declared footnote, which fills the first cell and no other, from a row."""
    if not footnotes:
        return False
    first, *others = _cells(line)
    return any(footnote.search(first) for footnote in footnotes) and not any(cell.strip() for cell in others)


def _check_end(line: bytes, rest: list[bytes], member: str, number: int) -> None:
    if not END_ROW.match(line):
        raise DataError(
            f"{member}, line {number}: expected the end-of-file mark (Ctrl-Z) in a row of its own, found it in "
            f"{line[:60]!r}. The file is damaged: pull it again."
        )
    if any(line.strip(b'", \t\x1a') for line in rest):
        raise DataError(
            f"{member}, line {number}: expected nothing after the end-of-file mark (Ctrl-Z), found further rows. "
            "The file is damaged or two files were joined: pull it again."
        )


def _check_quotes(numbered: list[tuple[int, bytes]], member: str) -> None:
    for number, line in numbered:
        if line.count(b'"') % 2:
            raise DataError(
                f"{member}, line {number}: expected every quote to be closed on its line, found {line[:60]!r}. "
                "The file is damaged, or a cell holds a line break: pull it again."
            )


def _parse(numbered: list[tuple[int, bytes]], layout: Layout, member: str) -> pd.DataFrame:
    """Parse lines of data; the C++ parser is strict about the number of cells, which pandas' is not."""
    names = [str(position) for position in range(len(layout.columns))]
    wrong: list[arrow_csv.InvalidRow] = []

    def remember(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    _check_quotes(numbered, member)
    table = arrow_csv.read_csv(
        arrow.BufferReader(b"\n".join(line for _, line in numbered) + b"\n"),
        arrow_csv.ReadOptions(column_names=names, use_threads=False),
        arrow_csv.ParseOptions(invalid_row_handler=remember, newlines_in_values=False),
        arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, arrow.string()), strings_can_be_null=False),
    )
    if wrong:
        number = numbered[wrong[0].number - 1][0] if wrong[0].number else "unknown"
        raise DataError(
            f"{member}, line {number}: expected {wrong[0].expected_columns} cells, found "
            f"{wrong[0].actual_columns}: {wrong[0].text[:80]!r} ({len(wrong)} such lines). "
            "A cell holds an unquoted comma, or the file was cut short: pull it again."
        )
    frame: pd.DataFrame = table.to_pandas()
    frame.index = pd.Index([number for number, _ in numbered], name="line")
    frame.columns = pd.Index([column.name for column in layout.columns])
    return frame
