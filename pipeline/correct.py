"""Applies schemas/corrections.toml: known errors at the source, each with the wrong value that it expects."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import pandas as pd

from pipeline.errors import DataError
from pipeline.validate import Finding


@dataclass(frozen=True)
class Correction:
    """One wrong cell: where it is, what CMS prints, what is right, and how that is known."""

    releases: tuple[str, ...]
    table: str
    row: dict[str, str]
    column: str
    printed: str
    correct: str
    reason: str


@lru_cache
def load_corrections() -> tuple[Correction, ...]:
    """Read all corrections."""
    text = files("schemas").joinpath("corrections.toml").read_text("utf-8")
    return tuple(Correction(**block) for block in tomllib.loads(text)["correction"])


def corrected(
    label: str, tables: dict[str, pd.DataFrame], corrections: tuple[Correction, ...]
) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
    """Return the tables with the release's corrections made, and a finding for each.

    DataError when CMS no longer prints the wrong value, so that no correction outlives its error.
    """
    result, findings = dict(tables), []
    for correction in corrections:
        if label in correction.releases and correction.table in result:
            result[correction.table] = _correct(label, result[correction.table], correction)
            examples = (f"{correction.printed!r} to {correction.correct!r}",)
            findings.append(
                Finding(correction.table, correction.column, "corrected", "warning", 1, examples, correction.reason)
            )
    return result, findings


def _correct(label: str, rows: pd.DataFrame, correction: Correction) -> pd.DataFrame:
    wanted = pd.Series(True, index=rows.index)
    for column, value in correction.row.items():
        wanted &= rows[column] == value
    found = rows.loc[wanted, correction.column].tolist()
    if found != [correction.printed]:
        raise DataError(
            f"{label}, {correction.table} {correction.row}, column {correction.column}: expected CMS to print "
            f"{correction.printed!r}, found {found}. CMS has fixed it: take {label} out of this correction in "
            "schemas/corrections.toml."
        )
    return rows.assign(**{correction.column: rows[correction.column].mask(wanted, correction.correct)})
