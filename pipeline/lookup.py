"""Finds single rows in published files without pandas, whose import alone takes longer than the search."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def rows_of_code(path: Path, hcpcs: str) -> list[Row]:
    """Return the rows of a code from a file that is sorted by `hcpcs`: only row groups that may hold it are read."""
    import pyarrow.parquet as pq

    # ParquetFile and plain lists, unlike read_table and compute, do not load pandas.
    with pq.ParquetFile(path) as file:
        position = file.schema_arrow.names.index("hcpcs")
        ranges = [file.metadata.row_group(group).column(position).statistics for group in range(file.num_row_groups)]
        groups = [group for group, found in enumerate(ranges) if found and found.min <= hcpcs <= found.max]
        table = file.read_row_groups(groups)
    codes = table.column("hcpcs").to_pylist()
    if hcpcs not in codes:
        return []
    rows: list[Row] = table.slice(codes.index(hcpcs), codes.count(hcpcs)).to_pylist()
    return rows


def all_rows(path: Path, columns: Collection[str] | None = None) -> list[Row]:
    """Return all rows of a small file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows: list[Row] = file.read(columns=list(columns) if columns else None).to_pylist()
    return rows
