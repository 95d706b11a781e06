"""Loads our editorial content from raw/content/ and checks it, before it meets any release."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError
from pipeline.validate import Finding, describe, judge
from schemas.content import CategoriesContent, CodesContent, SpecialtiesContent, SynonymsContent
from schemas.table import Table, columns, name


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
    """Read one file as text, index = its line; empty cells of optional columns become null."""
    path = folder / f"{name(model)}.csv"
    expected = list(columns(model))
    try:
        lines = _numbered(path.read_text("utf-8-sig"))
    except (OSError, ValueError, csv.Error) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from problem
    header = lines[0][1] if lines else []
    if header != expected:
        raise DataError(f"{path}, line 1: expected the columns {expected}, found {header}.")
    for number, cells in lines[1:]:
        if len(cells) != len(expected):
            raise DataError(
                f"{path}, line {number}: expected {len(expected)} cells, found {len(cells)}: {cells[:4]}."
            )
    index = pd.Index([number for number, _ in lines[1:]], name="line")
    frame = pd.DataFrame([cells for _, cells in lines[1:]], columns=expected, index=index, dtype="str")
    optional = [column.name for column in columns(model).values() if column.nullable]
    return frame.assign(**{column: frame[column].mask(frame[column] == "") for column in optional})


def _numbered(text: str) -> list[tuple[int, list[str]]]:
    """Return the records of a CSV with the line that each begins on; blank lines are left out."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    records, begins = [], 1
    for cells in reader:
        if cells:
            records.append((begins, cells))
        begins = reader.line_num + 1
    return records


def _orphans(table: str, frame: pd.DataFrame, codes: pd.DataFrame) -> list[Finding]:
    """Report rows that name a code without a row in codes.csv."""
    orphans = frame[~frame["hcpcs"].isin(codes["hcpcs"])]
    if orphans.empty:
        return []
    examples = tuple(f"line {line}: {hcpcs}" for line, hcpcs in orphans["hcpcs"].head(3).items())
    return [Finding(table, "hcpcs", "has a row in codes.csv", "error", len(orphans), examples)]
