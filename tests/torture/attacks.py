"""Archives that attack whoever opens them, each made anew with other numbers; every one must be refused."""

import io
import random
import stat
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pipeline.archive import read_member
from pipeline.errors import DataError
from tests.torture.damage import CSV, build, damaged_member, damaged_zip, small, zipped
from tests.torture.ground import FORKED, SAMPLE, Figures, Ground

CENTRAL = b"PK\x01\x02"
Round = Callable[[int, int], str]  # from the seed and its number, which make it the same again, to what came of it


def hostile_zip(seed: int, number: int) -> str:
    """Make an archive that attacks: it is refused as wrong data, whatever it tries."""
    chance = random.Random(f"attack {seed} {number}")  # noqa: S311
    attack = ATTACKS[number % len(ATTACKS)]
    told = f"seed {seed}, round {number}: {attack.__name__}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rvu25a.zip"
        with warnings.catch_warnings(action="ignore"):  # zipfile's, on names that come twice
            attack(chance, path)
        try:
            build(path)
        except DataError as problem:
            assert str(problem).replace("\n", "").isprintable(), told
            return "attacks refused"
    raise AssertionError(f"{told} was not refused")


def with_entry(path: Path, entry: str | zipfile.ZipInfo, content: bytes = b"x") -> None:
    zipped(path, small())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def patched(path: Path, at: int, new: bytes) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:at] + new + content[at + len(new) :])


def entry_at(chance: random.Random, path: Path) -> int:
    """Return where some entry of the directory of a zip begins."""
    content = path.read_bytes()
    return chance.choice([at for at in range(len(content)) if content.startswith(CENTRAL, at)])


def points_outside(chance: random.Random, path: Path) -> None:
    climb = chance.choice(["../", "..\\", "/", "\\", "C:", "a/../../", "\\\\server\\", "./../"])
    with_entry(path, climb * chance.randrange(1, 4) + "evil.csv")


def plays_with_the_terminal(chance: random.Random, path: Path) -> None:
    with_entry(path, chance.choice(["\x1b[2J", "\r\nrvu: ", "\x07", "\u202e", "\x9b", "\u2028"]) + "PPRRVU.csv")


def hides_behind_a_nul(_: random.Random, path: Path) -> None:
    with_entry(path, "evil.csv~../../evil")
    path.write_bytes(path.read_bytes().replace(b"csv~", b"csv\0"))


def is_a_device(chance: random.Random, path: Path) -> None:
    entry = zipfile.ZipInfo("GPCI.csv")
    entry.external_attr = (chance.choice([stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO]) | 0o777) << 16
    with_entry(path, entry, b"/etc/passwd")


def expands_enormously(chance: random.Random, path: Path) -> None:
    with_entry(path, "zeros.csv", bytes(chance.randrange(2 << 20, 32 << 20)))


def holds_too_many(chance: random.Random, path: Path) -> None:
    zipped(path, small() | {f"{number}.csv": b"" for number in range(chance.randrange(500, 3000))})


def comes_twice(chance: random.Random, path: Path) -> None:
    with_entry(path, chance.choice(CSV), b"another")


def comes_in_two_folders(chance: random.Random, path: Path) -> None:
    with_entry(path, f"other/{chance.choice(CSV[:4])}", b"another")


def overlaps(_: random.Random, path: Path) -> None:
    zipped(path, small())
    content = path.read_bytes()
    second = content.index(CENTRAL, content.index(CENTRAL) + 1)
    patched(path, second + 42, bytes(4))


def lies_about_its_size(chance: random.Random, path: Path) -> None:
    zipped(path, small())
    size = chance.choice([0, 1, 100, 1 << 24, (1 << 32) - 1, chance.randrange(1 << 32)])
    patched(path, entry_at(chance, path) + chance.choice([20, 24]), size.to_bytes(4, "little"))


def is_encrypted(chance: random.Random, path: Path) -> None:
    zipped(path, small())
    patched(path, entry_at(chance, path) + 8, b"\x01")


def is_compressed_oddly(chance: random.Random, path: Path) -> None:
    zipped(path, small())
    patched(path, entry_at(chance, path) + 10, bytes([chance.choice([1, 6, 9, 12, 14, 95, 99])]))


def has_a_giant_line(chance: random.Random, path: Path) -> None:
    letters = [bytes([letter]) for letter in chance.choices(b'x,"1 ', k=1000)]
    zipped(path, small() | {CSV[0]: small()[CSV[0]] + b"".join(letters) * chance.randrange(30, 200)})


def has_a_giant_workbook(chance: random.Random, path: Path) -> None:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    corner = f"X{chance.choice('AEF')}{chance.choice('AD')}{chance.randrange(900_000, 1 << 20)}"
    cells = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="{corner}"><v>1</v></c></row>'
    others = {name: content for name, content in small().items() if name != CSV[0]}
    sheet = f'<?xml version="1.0"?><worksheet {main}><sheetData>{cells}</sheetData></worksheet>'
    printed = io.BytesIO(read_member(SAMPLE["RVU25A"], "GPCI2025.xlsx"))
    with zipfile.ZipFile(printed) as workbook, zipfile.ZipFile(path, "w") as copy:
        for name in workbook.namelist():
            is_sheet = name.startswith("xl/worksheets/sheet")
            copy.writestr(name, sheet if is_sheet else workbook.read(name), zipfile.ZIP_DEFLATED)
    zipped(path, others | {"PPRRVU25_JAN.xlsx": path.read_bytes()})


ATTACKS: list[Callable[[random.Random, Path], None]] = [
    points_outside, plays_with_the_terminal, hides_behind_a_nul, is_a_device, expands_enormously, holds_too_many,
    comes_twice, comes_in_two_folders, overlaps, lies_about_its_size, is_encrypted, is_compressed_oddly,
    has_a_giant_line, has_a_giant_workbook,
]  # fmt: skip


def damaged_archives(ground: Ground, members: int = 160, zips: int = 60, attacks: int = 140) -> Figures:
    """Damage so many archives, in two processes: each ends in a clear error or in the truth, none otherwise."""
    seed = ground.chance.randrange(10**6)
    rounds: tuple[tuple[Round, int], ...] = ((damaged_member, members), (damaged_zip, zips), (hostile_zip, attacks))
    with ProcessPoolExecutor(2, FORKED) as pool:
        outcomes = [pool.map(step, [seed] * count, range(count), chunksize=4) for step, count in rounds]
        tally = Counter(outcome for each in outcomes for outcome in each)
    return {"archives": members + zips + attacks} | dict(tally) | {"other outcomes": 0}
