"""What analysts do: every table of every release, read by their own tools without our code."""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from schemas.table import columns
from schemas.tables import TABLES


@pytest.fixture(scope="module")
def latest(sample_home: Path) -> Path:
    return sample_home / "curated" / "latest"


def test_pandas_reads_all_releases_of_a_folder(latest: Path) -> None:
    rvu = pd.read_parquet(latest / "rvu")
    assert rvu["release"].value_counts().to_dict() == {"RVU26C": 5_275, "RVU25A": 5_021}
    assert not [column for column in rvu if rvu[column].dtype == object]
    assert rvu.loc[rvu["hcpcs"] == "G0411", "status"].tolist() == ["X", "X"]


def test_duckdb_reads_all_releases_by_glob(latest: Path) -> None:
    found = duckdb.sql(
        f"select release, count(*), count(distinct hcpcs) from read_parquet('{latest}/rvu/*.parquet') "
        "group by release order by release"
    ).fetchall()
    assert found == [("RVU25A", 5_021, 4_989), ("RVU26C", 5_275, 5_245)]


def test_polars_reads_all_releases_by_glob(latest: Path) -> None:
    rvu = pl.scan_parquet(latest / "rvu" / "*.parquet").collect()
    assert rvu.height == 10_296
    assert rvu.schema["work_rvu"] == pl.Float64


@pytest.mark.parametrize("table", TABLES)
def test_every_table_opens_in_every_tool(table: str, latest: Path) -> None:
    rows = pq.read_table(latest / table).num_rows
    assert len(pd.read_parquet(latest / table)) == rows
    assert pl.read_parquet(latest / table / "*.parquet").height == rows
    count = duckdb.sql(f"select count(*) from read_parquet('{latest}/{table}/*.parquet')").fetchall()
    assert count == [(rows,)]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_carries_its_meaning(table: str, latest: Path) -> None:
    path = next((latest / table).glob("*.parquet"))
    schema = pq.read_schema(path)
    assert schema.metadata[b"table"] == table.encode()
    assert schema.metadata[b"primary_key"]
    assert schema.names == list(columns(TABLES[table]))
    assert all(field.metadata[b"description"] for field in schema)


def test_lists_and_questions_come_out_as_lists(latest: Path) -> None:
    rows = duckdb.sql(
        f"select synonyms[1], faq[1].question from read_parquet('{latest}/code/*.parquet') "
        "where hcpcs = 'G0411' and release = 'RVU26C'"
    ).fetchall()
    assert rows == [("interactive group psych", "What is HCPCS Level II code G0411?")]


def test_dates_compare_in_pandas(latest: Path) -> None:
    releases = pd.read_parquet(latest / "release")
    in_force = releases[releases["effective_from"] <= "2025-02-01"]
    assert in_force["release"].tolist() == ["RVU25A"]
