"""Ways to damage an archive, and what may come of each: a clear error, or the rows that are in it."""

import random
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd

from pipeline.archive import check_archive, read_member
from pipeline.build import build_source
from pipeline.catalog import Release
from pipeline.errors import RvuError
from pipeline.store import Receipt
from schemas.table import primary_key
from schemas.tables import PRINTED
from tests.torture.ground import SAMPLE

RELEASE = Release("RVU25A", date(2025, 1, 1))
CSV = ["PPRRVU25_JAN.csv", "GPCI2025.csv", "25LOCCO.csv", "ANES2025.csv", "OPPSCAP_JAN.csv"]
Members = dict[str, bytes]
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


@cache
def small() -> Members:
    """Return the sample's CSV members, PPRRVU cut to its first 60 rows for speed."""
    members = {name: read_member(SAMPLE["RVU25A"], name) for name in CSV}
    return members | {CSV[0]: b"".join(lines_of(members[CSV[0]])[:70])}


def zipped(path: Path, members: Members) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


def build(path: Path) -> dict[str, pd.DataFrame]:
    check_archive(path, path.name)
    return build_source(path, Receipt("RVU25A", path.name, "a" * 64, path.stat().st_size, "now"), RELEASE).tables


@cache
def undamaged() -> dict[str, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rvu25a.zip"
        zipped(path, small())
        return build(path)


def damaged_member(seed: int, number: int) -> str:
    """Damage one member of an archive: the rows that come out are those of the undamaged one, but for the damage."""
    chance = random.Random(f"member {seed} {number}")  # noqa: S311
    damage, name = DAMAGES[number % len(DAMAGES)], CSV[number % len(CSV)]
    told = f"seed {seed}, round {number}: {damage.__name__} of {name}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rvu25a.zip"
        zipped(path, small() | {name: damage(chance, small()[name])})
        try:
            after = build(path)
        except RvuError as problem:
            assert str(problem).strip(), told
            assert damage not in HARMLESS or damage is line_repeated, f"{told}: {problem}"
            return "clear errors"
    allowed = 1 if damage in CELL_CHANGING else 0
    for table in set(after) & set(PRINTED):
        assert changed_cells(undamaged()[table], after[table], table) <= allowed, told
    return "correct tables"


def damaged_zip(seed: int, number: int) -> str:
    """Damage the bytes of a whole zip: its tables come out the very same, or not at all."""
    chance = random.Random(f"zip {seed} {number}")  # noqa: S311
    damage = (truncated, bit_flipped, nul_added, accented)[number % 4]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rvu25a.zip"
        path.write_bytes(damage(chance, zipped(path, small())))
        try:
            after = build(path)
        except RvuError:
            return "clear errors"
    for table in set(after) & set(PRINTED):
        pd.testing.assert_frame_equal(after[table], undamaged()[table])
    return "correct tables"
