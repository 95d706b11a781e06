"""Damaged archives: each ends in a clear error or in rows of the undamaged one; no traceback, no shifted column."""

import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from pipeline.archive import check_archive, read_member
from pipeline.build import build_source
from pipeline.catalog import Release
from pipeline.errors import RvuError
from pipeline.store import PROJECT, Receipt
from schemas.table import primary_key
from schemas.tables import PRINTED

SAMPLE = PROJECT / "raw" / "sample" / "rvu25a-updated-01_10_2025.zip"
RELEASE = Release("RVU25A", date(2025, 1, 1))
ROUNDS = 150
CSV = ["PPRRVU25_JAN.csv", "GPCI2025.csv", "25LOCCO.csv", "ANES2025.csv", "OPPSCAP_JAN.csv"]
Damage = Callable[[random.Random, bytes], bytes]


def lines_of(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def truncated(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def bit_flipped(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]


def line_repeated(chance: random.Random, content: bytes) -> bytes:
    lines = lines_of(content)
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def lines_reordered(chance: random.Random, content: bytes) -> bytes:
    lines = lines_of(content)
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def line_dropped(chance: random.Random, content: bytes) -> bytes:
    lines = lines_of(content)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def comma_added(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + b"," + content[at:]


def comma_removed(chance: random.Random, content: bytes) -> bytes:
    places = [at for at, letter in enumerate(content) if letter == ord(",")]
    at = chance.choice(places)
    return content[:at] + content[at + 1 :]


def column_swapped(chance: random.Random, content: bytes) -> bytes:
    rows = [line.split(b",") for line in content.splitlines()]
    left = chance.randrange(len(rows[-1]) - 1)
    for row in rows:
        if len(row) > left + 1:
            row[left], row[left + 1] = row[left + 1], row[left]
    return b"\r\n".join(b",".join(row) for row in rows)


def utf16(_: random.Random, content: bytes) -> bytes:
    return content.decode("latin-1").encode("utf-16")


def utf16_without_mark(_: random.Random, content: bytes) -> bytes:
    return content.decode("latin-1").encode("utf-16-le")


def with_mark(_: random.Random, content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def line_feeds(_: random.Random, content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def carriage_returns(_: random.Random, content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\r")


def accented(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + b"\xe9\x81" + content[at:]


def nul_added(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + b"\x00" + content[at:]


def emptied(_: random.Random, __: bytes) -> bytes:
    return b""


DAMAGES: list[Damage] = [
    truncated, bit_flipped, line_repeated, lines_reordered, line_dropped, comma_added, comma_removed, column_swapped,
    utf16, utf16_without_mark, with_mark, line_feeds, carriage_returns, accented, nul_added, emptied,
]  # fmt: skip
HARMLESS = {utf16, with_mark, line_feeds, carriage_returns, line_repeated}
# What changes the text of a cell may change that cell; everything else may at most lose rows.
CELL_CHANGING = {bit_flipped, accented, nul_added, truncated, comma_added, comma_removed}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the sample's CSV members, PPRRVU cut to its first 60 rows for speed."""
    members = {name: read_member(SAMPLE, name) for name in CSV}
    members[CSV[0]] = b"".join(lines_of(members[CSV[0]])[:70])
    return members


def written(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "rvu25a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def build(path: Path) -> dict[str, pd.DataFrame]:
    check_archive(path, path.name)
    return build_source(path, Receipt("RVU25A", path.name, "a" * 64, path.stat().st_size, "now"), RELEASE).tables


def changed_cells(before: pd.DataFrame, after: pd.DataFrame, table: str) -> int:
    """Count cells of `after` that differ from the row of the same key; a row of another key counts as one."""
    key = primary_key(PRINTED[table])
    old, new = before.set_index(key), after.set_index(key)
    common = new.index.intersection(old.index)
    differs = (old.loc[common] != new.loc[common]) & ~(old.loc[common].isna() & new.loc[common].isna())
    filled_down = 0
    if table == "locality_county":  # one printed cell stands for all rows of a state
        filled_down = int(new.loc[common, "state"][differs.pop("state")].nunique())
    return int(differs.sum().sum()) + filled_down + len(new.index.difference(old.index))


def test_damaged_members_end_in_a_clear_error_or_in_correct_rows(small: dict[str, bytes], tmp_path: Path) -> None:
    chance = random.Random(20261123)  # noqa: S311
    before = build(written(tmp_path, small))
    outcomes: Counter[str] = Counter()
    for round_number in range(ROUNDS):
        damage = DAMAGES[round_number % len(DAMAGES)]
        name = CSV[(round_number // len(DAMAGES)) % len(CSV)]
        told = f"round {round_number}: {damage.__name__} of {name}"
        path = written(tmp_path, small | {name: damage(chance, small[name])})
        try:
            after = build(path)
        except RvuError as problem:
            assert str(problem).strip(), told
            assert damage not in HARMLESS or damage is line_repeated, f"{told}: {problem}"
            outcomes["clear errors"] += 1
            continue
        for table in set(after) & set(PRINTED):
            allowed = 1 if damage in CELL_CHANGING else 0
            assert changed_cells(before[table], after[table], table) <= allowed, told
        outcomes["correct tables"] += 1
    assert outcomes["clear errors"] > ROUNDS // 4
    assert outcomes["correct tables"] > ROUNDS // 4


def test_damaged_zips_end_in_a_clear_error_or_in_the_same_rows(small: dict[str, bytes], tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    whole = written(tmp_path, small)
    before, content = build(whole), whole.read_bytes()
    for damage in (truncated, bit_flipped, nul_added, accented) * 10:
        whole.write_bytes(damage(chance, content))
        try:
            after = build(whole)
        except RvuError:
            continue
        for table in set(after) & set(PRINTED):
            pd.testing.assert_frame_equal(after[table], before[table])


def test_workbook_with_extra_sheets_and_a_merged_header_is_told_or_right(
    small: dict[str, bytes], tmp_path: Path
) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(read_member(SAMPLE, "GPCI2025.xlsx")))
    workbook.create_sheet("Readme", 0).append(["Notes"])
    content = io.BytesIO()
    workbook.save(content)
    others = {name: text for name, text in small.items() if not name.startswith("GPCI")}
    tables = build(written(tmp_path, others | {"GPCI2025.xlsx": content.getvalue()}))
    pd.testing.assert_frame_equal(tables["gpci"], build(written(tmp_path, small))["gpci"])
    workbook["Addendum E. GPCIs"].merge_cells("B3:D3")
    content = io.BytesIO()
    workbook.save(content)
    with pytest.raises(RvuError, match="column 3"):
        build(written(tmp_path, others | {"GPCI2025.xlsx": content.getvalue()}))
