"""The base of every table's model, and what is derived from a model: keys, fields, Arrow schema."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow


class Table(pa.DataFrameModel):
    """A table: `Config.name`, its key in `Config.unique`, its columns in order, its rules as checks.

    A check with `raise_warning=True` is a warning: it goes into the report; any other stops the release.
    """

    class Config:
        """Shared by all tables: exactly these columns in this order, and nothing is converted silently."""

        strict = True
        ordered = True
        coerce = False


@dataclass(frozen=True)
class Column:
    """One declared column: what documents, conversions and Parquet fields say about it."""

    name: str
    dtype: Any
    description: str
    nullable: bool
    metadata: dict[str, Any]

    @property
    def frame_dtype(self) -> Any:
        """Type that the column has in a frame."""
        if isinstance(self.dtype, pd.ArrowDtype):
            return self.dtype
        return {"f": "float64", "b": "bool", "i": "int64"}.get(self.dtype.kind, "str")

    @property
    def arrow_type(self) -> arrow.DataType:
        """Arrow type that the column has in Parquet."""
        if isinstance(self.dtype, pd.ArrowDtype):
            return self.dtype.pyarrow_dtype
        kinds = {"f": arrow.float64(), "b": arrow.bool_(), "i": arrow.int64()}
        return kinds.get(self.dtype.kind, arrow.string())

    @property
    def arrow_field(self) -> arrow.Field:
        """Parquet field with description and unit in its metadata."""
        facts = {"description": self.description, "unit": self.metadata.get("unit")}
        return arrow.field(
            self.name,
            self.arrow_type,
            nullable=self.nullable,
            metadata={key: text for key, text in facts.items() if text},
        )


def compiled(model: type[Table]) -> pa.DataFrameSchema:
    """Return the pandera schema of a model; pandera keeps it."""
    return model.to_schema()


def name(model: type[Table]) -> str:
    """Return the table's name, as analysts type it."""
    return str(compiled(model).name)


def about(model: type[Table]) -> str:
    """Return what one row of the table is."""
    return " ".join((model.__doc__ or "").split())


def primary_key(model: type[Table]) -> list[str]:
    """Return the columns that identify a row and order the file."""
    return list(compiled(model).unique or [])


def columns(model: type[Table]) -> dict[str, Column]:
    """Return the declared columns by name, in the order of the file."""
    return {
        field: Column(field, schema.dtype.type, schema.description or "", schema.nullable, schema.metadata or {})
        for field, schema in compiled(model).columns.items()
    }


def arrow_schema(model: type[Table]) -> arrow.Schema:
    """Return the Parquet schema: typed fields with descriptions and units, table facts in the file metadata."""
    facts = {
        "table": name(model),
        "description": about(model),
        "primary_key": ", ".join(primary_key(model)),
    }
    return arrow.schema([column.arrow_field for column in columns(model).values()], metadata=facts)
