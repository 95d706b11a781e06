"""Frames to Parquet and back: types, field metadata and key order come from the table's model."""

from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq

from schemas.table import Table, arrow_schema, columns, primary_key

ROW_GROUP_ROWS = 20_000


def write_table(frame: pd.DataFrame, model: type[Table], path: Path) -> None:
    """Write a validated frame sorted by its key; the same rows always give the same bytes."""
    schema = arrow_schema(model)
    ordered = frame.sort_values(primary_key(model), kind="stable")[schema.names]
    table = arrow.Table.from_pandas(ordered, schema=schema, preserve_index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata(schema.metadata),
        path,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
    )


def read_table(path: Path, model: type[Table], names: list[str] | None = None) -> pd.DataFrame:
    """Read a table, or some of its columns, back into the types of its model."""
    table = pq.read_table(path, columns=names)
    declared = columns(model)
    kept_as_arrow = [name for name in table.column_names if isinstance(declared[name].dtype, pd.ArrowDtype)]
    frame: pd.DataFrame = table.drop_columns(kept_as_arrow).to_pandas()
    as_arrow = {name: pd.arrays.ArrowExtensionArray(table[name]) for name in kept_as_arrow}
    return frame.assign(**as_arrow).reindex(columns=table.column_names)
