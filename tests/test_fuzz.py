"""Damaged archives: each ends in a clear error or in rows of the undamaged one; no traceback, no shifted column.

`make torture` goes through many times as many.
"""

import io
from collections import Counter
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from pipeline.archive import read_member
from pipeline.errors import RvuError
from tests.torture.attacks import ATTACKS, hostile_zip
from tests.torture.damage import DAMAGES, build, damaged_member, small, undamaged, zipped
from tests.torture.ground import SAMPLE

ROUNDS = 2 * len(DAMAGES)  # `make torture` goes through every damage of every member


def test_damaged_members_end_in_a_clear_error_or_in_correct_rows() -> None:
    outcomes = Counter(damaged_member(20261123, number) for number in range(ROUNDS))
    assert outcomes["clear errors"] > ROUNDS // 4
    assert outcomes["correct tables"] > ROUNDS // 4


@pytest.mark.parametrize("number", range(len(ATTACKS)), ids=[attack.__name__ for attack in ATTACKS])
def test_archives_that_attack_are_refused(number: int) -> None:
    assert hostile_zip(20261123, number) == "attacks refused"


def test_workbook_with_extra_sheets_and_a_merged_header_is_told_or_right(tmp_path: Path) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(read_member(SAMPLE["RVU25A"], "GPCI2025.xlsx")))
    workbook.create_sheet("Readme", 0).append(["Notes"])
    others = {name: text for name, text in small().items() if not name.startswith("GPCI")}
    path = tmp_path / "rvu25a.zip"

    def rebuilt() -> dict[str, pd.DataFrame]:
        content = io.BytesIO()
        workbook.save(content)
        zipped(path, others | {"GPCI2025.xlsx": content.getvalue()})
        return build(path)

    pd.testing.assert_frame_equal(rebuilt()["gpci"], undamaged()["gpci"])
    workbook["Addendum E. GPCIs"].merge_cells("B3:D3")
    with pytest.raises(RvuError, match="column 3"):
        rebuilt()
