"""Turns the declared patterns of regular families of codes into texts on each code."""

from string import Formatter

import pandas as pd

from pipeline.errors import DataError
from pipeline.rows import records
from schemas.codes import TEXTS
from schemas.content import CodesContent
from schemas.table import columns

GAPS = ("name", "topic", "finding", "plain", "goal")


def filled_in(patterns: pd.DataFrame, codes: pd.DataFrame) -> pd.DataFrame:
    """Return rows as in codes.csv, one per row of pattern_codes.csv and with its line as index.

    DataError when a pattern has a gap that it does not name, or that a code leaves empty.
    """
    templates = {row["pattern"]: row for row in records(patterns)}
    rows = [
        {"hcpcs": row["hcpcs"], "since": ""} | {text: _filled(templates[row["pattern"]][text], row) for text in TEXTS}
        for row in records(codes.fillna(""))
        if row["pattern"] in templates
    ]
    index = codes.index[codes["pattern"].isin(patterns["pattern"])]
    return pd.DataFrame(rows, columns=list(columns(CodesContent)), index=index, dtype="str")


def _filled(template: str, row: dict[str, str]) -> str:
    """Return a text with its gaps filled in."""
    gaps = {gap for _, gap, _, _ in Formatter().parse(template) if gap is not None}
    if unknown := gaps - set(GAPS):
        raise DataError(
            f"patterns.csv: {row['pattern']!r} has a gap {unknown.pop()!r}, not one of {', '.join(GAPS)}."
        )
    if empty := [gap for gap in GAPS if gap in gaps and not row[gap]]:
        raise DataError(
            f"pattern_codes.csv: {row['hcpcs']} lacks {empty[0]}, which its pattern {row['pattern']} needs."
        )
    return template.format_map(row)
