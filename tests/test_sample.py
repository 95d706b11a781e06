"""The bundled sample: CMS's own bytes, without a row of the AMA's or ADA's."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.make_sample import OWNED, make_sample


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_sample_holds_no_row_of_an_owned_code(sample_archives: dict[str, Path]) -> None:
    for path in sample_archives.values():
        for name, content in members(path).items():
            if re.match(r"(PPRRVU|OPPSCAP).*\.(csv|txt)$", name):
                assert not re.search(rf'^"?{OWNED}[", 0-9A-Z]'.encode(), content, re.MULTILINE), name


def test_workbooks_of_the_sample_hold_as_many_rows_as_the_csv(sample_archives: dict[str, Path]) -> None:
    found = members(sample_archives["RVU25A"])
    with zipfile.ZipFile(BytesIO(found["PPRRVU25_JAN.xlsx"])) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
        strings = workbook.read("xl/sharedStrings.xml").decode()
    assert len(re.findall("<row ", sheet)) == len(found["PPRRVU25_JAN.csv"].splitlines())
    assert not re.findall(rf"<t>{OWNED}</t>", strings)


def test_sample_can_be_made_again_from_the_full_archives(
    real_archives: dict[str, Path], sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    for label, path in sample_archives.items():
        make_sample(real_archives[label], tmp_path / path.name)
        assert members(tmp_path / path.name) == members(path)


@pytest.mark.parametrize("label", ["RVU25A", "RVU26C"])
def test_kept_lines_are_the_lines_of_cms_in_their_order(
    label: str, real_archives: dict[str, Path], sample_archives: dict[str, Path]
) -> None:
    full = members(real_archives[label])
    for name, content in members(sample_archives[label]).items():
        if name.endswith((".csv", ".txt")):
            remaining = iter(full[name].splitlines(keepends=True))
            assert all(line in remaining for line in content.splitlines(keepends=True)), name
