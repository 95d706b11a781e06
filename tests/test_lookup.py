"""lookup: a code is found wherever its rows lie in a file, and without reading the rest of it."""

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lookup import Row, all_rows, rows_of_code

# In row groups of three: G0001 G0003 G0003 | G0003 G0003 G0005 | G0007 G0007 G0009 | G0011
CODES = ["G0001", *["G0003"] * 4, "G0005", "G0007", "G0007", "G0009", "G0011"]
Write = Callable[[list[str], int], Path]


def written(codes: list[str], group_rows: int, target: Path | io.BytesIO) -> None:
    table = arrow.table({"number": arrow.array(range(len(codes)), arrow.int64()), "hcpcs": arrow.array(codes, "str")})
    pq.write_table(table, target, row_group_size=group_rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written(CODES, 3, tmp_path / "codes.parquet")
    return tmp_path / "codes.parquet"


def scanned(codes: list[str], hcpcs: str) -> list[Row]:
    return [{"number": number, "hcpcs": code} for number, code in enumerate(codes) if code == hcpcs]


@pytest.mark.parametrize(
    ("hcpcs", "numbers"),
    [
        pytest.param("G0001", [0], id="first row of the file"),
        pytest.param("G0003", [1, 2, 3, 4], id="over a boundary of row groups"),
        pytest.param("G0005", [5], id="last row of a row group"),
        pytest.param("G0007", [6, 7], id="first rows of a row group"),
        pytest.param("G0011", [9], id="last row of the file, alone in its row group"),
    ],
)
def test_all_rows_of_a_code_are_found_in_their_order(hcpcs: str, numbers: list[int], path: Path) -> None:
    assert rows_of_code(path, hcpcs) == [{"number": number, "hcpcs": hcpcs} for number in numbers]


@pytest.mark.parametrize(
    "hcpcs",
    [
        pytest.param("A0000", id="before all"),
        pytest.param("G0002", id="within a row group"),
        pytest.param("G0006", id="between row groups"),
        pytest.param("Z9999", id="after all"),
        pytest.param("g0001", id="other letter case"),
        pytest.param("", id="empty"),
    ],
)
def test_absent_code_has_no_rows(hcpcs: str, path: Path) -> None:
    assert rows_of_code(path, hcpcs) == []


def test_empty_file_has_no_rows(tmp_path: Path) -> None:
    written([], 3, tmp_path / "empty.parquet")
    assert rows_of_code(tmp_path / "empty.parquet", "G0001") == []
    assert all_rows(tmp_path / "empty.parquet") == []


def test_row_groups_that_cannot_hold_the_code_are_not_read(path: Path) -> None:
    """The first row group is damaged: who reads it fails."""
    column = pq.read_metadata(path).row_group(0).column(1)
    start = column.dictionary_page_offset
    damaged = bytearray(path.read_bytes())
    damaged[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(damaged)
    assert rows_of_code(path, "G0009") == [{"number": 8, "hcpcs": "G0009"}]
    with pytest.raises(OSError):
        rows_of_code(path, "G0001")


def test_published_code_is_found_with_every_modifier(sample_home: Path) -> None:
    file = sample_home / "curated" / "latest" / "rvu" / "RVU25A.parquet"
    assert [row["modifier"] for row in rows_of_code(file, "G0130")] == ["", "26", "TC"]


def test_published_payments_of_a_code_are_found_over_row_groups(sample_home: Path, tmp_path: Path) -> None:
    """A code has 109 payments, one a locality: row groups of 50 cut each code."""
    table = pq.read_table(sample_home / "curated" / "latest" / "payment" / "RVU25A.parquet")
    pq.write_table(table, tmp_path / "payment.parquet", row_group_size=50)
    scan = table.to_pandas()
    for hcpcs in (scan["hcpcs"].iloc[0], "G0438", scan["hcpcs"].iloc[-1]):
        found = pd.DataFrame(rows_of_code(tmp_path / "payment.parquet", hcpcs))
        assert found["nonfacility_fee"].tolist() == scan.loc[scan["hcpcs"] == hcpcs, "nonfacility_fee"].tolist()


def test_all_rows_can_be_limited_to_some_columns(path: Path) -> None:
    assert all_rows(path) == [{"number": number, "hcpcs": code} for number, code in enumerate(CODES)]
    assert all_rows(path, ["hcpcs"]) == [{"hcpcs": code} for code in CODES]


some_codes = st.text("AG19", min_size=1, max_size=2)


@given(st.lists(some_codes, min_size=1, max_size=30).map(sorted), st.integers(1, 7), some_codes)
def test_lookup_equals_a_full_scan(codes: list[str], group_rows: int, hcpcs: str) -> None:
    target = io.BytesIO()
    written(codes, group_rows, target)
    assert rows_of_code(target, hcpcs) == scanned(codes, hcpcs)  # type: ignore[arg-type] # a file in memory
