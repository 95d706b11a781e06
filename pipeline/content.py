"""Loads our editorial content from raw/content/ and checks it, before it meets any release."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError
from pipeline.validate import Finding, describe, judge
from schemas.content import CategoriesContent, CodesContent, SpecialtiesContent, SynonymsContent
from schemas.table import Table, columns, name

FIRST_LINE = 2  # line 1 is the header


@dataclass(frozen=True)
class Content:
    """Our texts, one frame per file, in file order; `fingerprint` changes with any byte of them."""

    codes: pd.DataFrame
    synonyms: pd.DataFrame
    specialties: pd.DataFrame
    categories: pd.DataFrame
    fingerprint: str


def content_fingerprint(folder: Path) -> str:
    """Return a hash over all content files."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def load_content(folder: Path) -> Content:
    """Read and check all content; DataError names file, line and rule of everything that is wrong."""
    frames = {
        name(model): _load(folder, model)
        for model in (CodesContent, SynonymsContent, SpecialtiesContent, CategoriesContent)
    }
    findings = [
        finding
        for model in (CodesContent, SynonymsContent, SpecialtiesContent, CategoriesContent)
        for finding in judge(frames[name(model)], model)
    ]
    findings += _orphans("synonyms", frames["synonyms"], frames["codes"])
    findings += _orphans("specialties", frames["specialties"], frames["codes"])
    if findings:
        listed = "\n".join(f"  {describe(finding)}" for finding in findings)
        raise DataError(f"The content in {folder} breaks {len(findings)} rules:\n{listed}\nCorrect these lines.")
    return Content(**frames, fingerprint=content_fingerprint(folder))


def _load(folder: Path, model: type[Table]) -> pd.DataFrame:
    path = folder / f"{name(model)}.csv"
    expected = list(columns(model))
    try:
        frame = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from problem
    if list(frame.columns) != expected:
        raise DataError(f"{path}, line 1: expected the columns {expected}, found {list(frame.columns)}.")
    frame.index = pd.RangeIndex(FIRST_LINE, FIRST_LINE + len(frame), name="line")
    optional = [column.name for column in columns(model).values() if column.nullable]
    return frame.assign(**{column: frame[column].mask(frame[column] == "") for column in optional})


def _orphans(table: str, frame: pd.DataFrame, codes: pd.DataFrame) -> list[Finding]:
    """Report rows that name a code without a row in codes.csv."""
    orphans = frame[~frame["hcpcs"].isin(codes["hcpcs"])]
    if orphans.empty:
        return []
    examples = tuple(f"line {line}: {hcpcs}" for line, hcpcs in orphans["hcpcs"].head(3).items())
    return [Finding(table, "hcpcs", "has a row in codes.csv", "error", len(orphans), examples)]
