"""Writes the data dictionary, schemas/README.md, from the models: python -m pipeline.document."""

import sys
from typing import Any

from schemas.table import Column, Table, about, columns, compiled, name, primary_key
from schemas.tables import DERIVED, PRINTED


def data_dictionary() -> str:
    """Return the dictionary of all published tables as Markdown."""
    parts = [
        "# Data dictionary",
        "Generated from the models in this folder by `make dictionary`; do not edit. Every Parquet field carries its "
        "description and unit in its metadata. Money and RVUs are `double`: each value is the double nearest to "
        "the decimal that CMS prints.",
        "## Tables that CMS prints",
        *[_table(model) for model in PRINTED.values()],
        "## Tables derived from them",
        *[_table(model) for model in DERIVED.values()],
        "## Code lists",
        *_code_lists(),
    ]
    return "\n\n".join(parts) + "\n"


def _table(model: type[Table]) -> str:
    rows = "\n".join(_row(column) for column in columns(model).values())
    rules = "\n".join(_rule(check) for check in compiled(model).checks)
    key = ", ".join(f"`{column}`" for column in primary_key(model))
    return (
        f"### `{name(model)}`\n\n{about(model)}\n\nKey: {key}\n\n"
        f"| column | type | unit | meaning |\n|---|---|---|---|\n{rows}" + (f"\n\nRules:\n\n{rules}" if rules else "")
    )


def _row(column: Column) -> str:
    kind = f"{column.arrow_type}{', may be empty' if column.nullable else ''}"
    linked = f" ([codes](#{column.name}))" if "codes" in column.metadata else ""
    return f"| `{column.name}` | {kind} | {column.metadata.get('unit', '')} | {column.description}{linked} |"


def _rule(check: Any) -> str:
    severity = "warning" if check.raise_warning else "error"
    reason = f" ({check.description})" if check.description else ""
    return f"- {severity}: {check.name}{reason}"


def _code_lists() -> list[str]:
    found = {
        column.name: column.metadata["codes"]
        for model in (*PRINTED.values(), *DERIVED.values())
        for column in columns(model).values()
        if "codes" in column.metadata
    }
    return [
        f"### {column}\n\n| code | meaning |\n|---|---|\n"
        + "\n".join(f"| {code or 'empty'} | {meaning} |" for code, meaning in codes.items())
        for column, codes in found.items()
    ]


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
