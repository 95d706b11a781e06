"""Frames to Parquet and back: types, field metadata and key order come from the table's model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq

from pipeline.keys import positions
from schemas.table import Column, Table, arrow_schema, columns, primary_key

ROW_GROUP_ROWS = (
    50_000  # of `payment`: one code in all localities takes 10 ms, a whole file no longer than in one group
)
ROWS_AT_ONCE = 10 * ROW_GROUP_ROWS  # as Arrow's texts, ten times the memory of categories
COMPACT_ROWS = 200_000  # tables longer than this are read with their texts as categories


def write_table(frame: pd.DataFrame, model: type[Table], path: Path) -> None:
    """Write a validated frame sorted by its key; the same rows always give the same bytes.

    Texts may come as categories. Dollars hardly repeat, so a dictionary of them costs more than it saves.
    """
    schema, declared = arrow_schema(model), columns(model)
    ordered = in_order(frame, primary_key(model))
    repeating = [name for name, column in declared.items() if column.metadata.get("unit") != "US dollars"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,  # as small as the default for these tables, in less time
        use_dictionary=repeating,
    ) as writer:
        for start in range(0, max(len(ordered), 1), ROWS_AT_ONCE):
            part = ordered.iloc[start : start + ROWS_AT_ONCE]
            arrays = [_array(part[name], declared[name]) for name in schema.names]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema), row_group_size=ROW_GROUP_ROWS)


def read_table(path: Path, model: type[Table], names: list[str] | None = None) -> pd.DataFrame:
    """Read a table, or some of its columns, back into the types of its model.

    A table of hundreds of thousands of rows comes with its texts as categories: a tenth of the memory.
    """
    declared = columns(model)
    is_long = pq.read_metadata(path).num_rows > COMPACT_ROWS
    texts = [name for name, column in declared.items() if column.frame_dtype == "str"] if is_long else None
    table = pq.read_table(path, columns=names, read_dictionary=texts)
    kept_as_arrow = [name for name in table.column_names if isinstance(declared[name].dtype, pd.ArrowDtype)]
    frame: pd.DataFrame = table.drop_columns(kept_as_arrow).to_pandas()
    as_arrow = {name: pd.arrays.ArrowExtensionArray(table[name]) for name in kept_as_arrow}
    return frame.assign(**as_arrow).reindex(columns=table.column_names)


def read_pairs(path: Path, first: str, second: str) -> set[tuple[str, str]]:
    """Return the distinct pairs of two text columns."""
    table = pq.read_table(path, columns=[first, second])
    return set(zip(table[first].to_pylist(), table[second].to_pylist(), strict=True))


def in_order(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the rows sorted by their key; as they are where they are sorted already, which is quick to see."""
    (position,) = positions([frame], key)
    if (np.diff(position) >= 0).all():
        return frame
    return frame.iloc[np.argsort(position, kind="stable")]


def _array(cells: pd.Series, column: Column) -> arrow.Array:
    if isinstance(cells.dtype, pd.CategoricalDtype):
        texts = arrow.array(cells.cat.categories, type=column.arrow_type)
        return arrow.DictionaryArray.from_arrays(cells.cat.codes.to_numpy(), texts).dictionary_decode()
    return arrow.array(cells, type=column.arrow_type, from_pandas=True)
