"""Loads our editorial content from raw/content/ and checks it, before it meets any release."""

import csv
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pipeline.errors import DataError
from pipeline.patterns import filled_in
from pipeline.validate import SHOWN, Finding, describe, judge
from schemas.content import (
    AbbreviationsContent,
    CategoriesContent,
    CategorySpecialtiesContent,
    CodesContent,
    PatternCodesContent,
    PatternsContent,
    SpecialtiesContent,
    SpecialtyNamesContent,
    SynonymsContent,
)
from schemas.table import Table, columns, name

MODELS: tuple[type[Table], ...] = (
    CodesContent,
    PatternsContent,
    PatternCodesContent,
    SynonymsContent,
    SpecialtiesContent,
    SpecialtyNamesContent,
    CategoriesContent,
    CategorySpecialtiesContent,
    AbbreviationsContent,
)
WORDS = "words.txt"
# Values of the first column must be among those of the second: file.column.
REFERENCES = (
    ("synonyms.hcpcs", "codes.hcpcs"),
    ("specialties.hcpcs", "codes.hcpcs"),
    ("specialties.specialty", "specialty_names.specialty"),
    ("pattern_codes.pattern", "patterns.pattern"),
    ("category_specialties.category", "categories.category"),
    ("category_specialties.specialty", "specialty_names.specialty"),
)
Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Content:
    """Our texts, one frame per file, in file order; `fingerprint` changes with any byte of them.

    `codes` also holds the texts that patterns make, told by `authored_by`. `abbreviations` spells out CMS's; `words`
    are right though no dictionary has them.
    """

    codes: pd.DataFrame
    synonyms: pd.DataFrame
    specialties: pd.DataFrame
    categories: pd.DataFrame
    category_specialties: pd.DataFrame
    abbreviations: dict[str, str]
    words: frozenset[str]
    fingerprint: str


def content_fingerprint(folder: Path) -> str:
    """Return a hash over all content files."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.csv"), *folder.glob(WORDS)]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def load_content(folder: Path) -> Content:
    """Read and check all content; DataError names file, line and rule of everything that is wrong."""
    frames = {name(model): _load(folder, model) for model in MODELS}
    findings = [finding for model in MODELS for finding in judge(frames[name(model)], model)]
    if not findings:  # what follows relies on the columns
        made = filled_in(frames["patterns"], frames["pattern_codes"])
        findings = [replace(finding, table="pattern_codes") for finding in judge(made, CodesContent)]
        findings += _written_twice(frames["codes"], made)
        frames["codes"] = _together(frames["codes"], made)
        findings += [finding for reference in REFERENCES for finding in _unresolved(frames, *reference)]
    if findings:
        listed = "\n".join(f"  {describe(finding)}" for finding in findings)
        raise DataError(f"The content in {folder} breaks {len(findings)} rules:\n{listed}\nCorrect these lines.")
    return Content(
        **{name(model): frames[name(model)] for model in (CodesContent, SynonymsContent, SpecialtiesContent)},
        categories=frames["categories"],
        category_specialties=frames["category_specialties"],
        abbreviations=dict(frames["abbreviations"].itertuples(index=False)),
        words=_words(folder / WORDS),
        fingerprint=content_fingerprint(folder),
    )


def _load(folder: Path, model: type[Table]) -> pd.DataFrame:
    """Read one file as text, index = its line; empty cells of optional columns become null."""
    path = folder / f"{name(model)}.csv"
    expected = list(columns(model))
    try:
        lines = _numbered(_text(path))
    except csv.Error as problem:
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


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from problem


def _words(path: Path) -> frozenset[str]:
    return frozenset(_text(path).split())


def _numbered(text: str) -> list[tuple[int, list[str]]]:
    """Return the records of a CSV with the line that each begins on; blank lines are left out."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    records, begins = [], 1
    for cells in reader:
        if cells:
            records.append((begins, cells))
        begins = reader.line_num + 1
    return records


def _together(written: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
    """Return all texts, with who wrote them (schemas/codes.py, AUTHORED_BY)."""
    parts = [written.assign(authored_by="editor"), made.assign(authored_by="pattern")]
    return pd.concat([part.astype({"authored_by": "str"}) for part in parts if len(part)])


def _written_twice(written: pd.DataFrame, made: pd.DataFrame) -> list[Finding]:
    """Report codes that both codes.csv and a pattern describe."""
    twice = made[made["hcpcs"].isin(written["hcpcs"])]
    return _finding("pattern_codes", "hcpcs", "has no row in codes.csv", twice["hcpcs"])


def _unresolved(frames: Frames, name_of: str, among: str) -> list[Finding]:
    """Report values of one column that another one lacks."""
    (table, column), (other, key) = name_of.split("."), among.split(".")
    values = frames[table][column]
    rule = f"has a row in {other}.csv"
    return _finding(table, column, rule, values[~values.isin(frames[other][key])])


def _finding(table: str, column: str, rule: str, wrong: pd.Series) -> list[Finding]:
    if wrong.empty:
        return []
    examples = tuple(f"line {line}: {text}" for line, text in wrong.head(SHOWN).items())
    return [Finding(table, column, rule, "error", len(wrong), examples)]
