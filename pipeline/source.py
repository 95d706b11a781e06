"""Reads all tables that an archive prints: finds members, picks layouts, reads, conforms, reconciles."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd

from pipeline import conform, read, validate
from pipeline.archive import find_member, read_member
from pipeline.catalog import Release
from pipeline.errors import DataError
from pipeline.layouts import Layout, layouts_in_force
from pipeline.validate import Finding
from schemas.conversion_factor import ConversionFactorTable
from schemas.rvu import RvuTable
from schemas.table import Table, columns
from schemas.tables import PRINTED

DEFAULT_BASIS = ("standard", "nonqualifying_apm", "qualifying_apm")  # the first that a release has


@dataclass(frozen=True)
class Printed:
    """One member: typed rows, and what stood beside them."""

    rows: pd.DataFrame
    banner: str
    in_header: dict[str, str]


@dataclass
class Source:
    """What an archive prints: tables by name, the date above PPRRVU, and what was noticed while reading."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    released_on: date | None = None
    findings: list[Finding] = field(default_factory=list)


def read_source(archive: Path, release: Release) -> Source:
    """Read every printed table and the conversion factors; nothing is judged yet but what reading itself needs.

    DataError when the archive lacks PPRRVU, or a member differs from its layout.
    """
    source = Source()
    rvu_by_basis = _read_rvu(archive, release, source)
    printed = _read_printed(archive, release, source)
    source.tables["rvu"] = _agreed_rvu(rvu_by_basis, source)
    source.tables |= {table: _typed(each.rows, PRINTED[table]) for table, each in printed.items()}
    source.tables["conversion_factor"] = conversion_factors(release.label, rvu_by_basis, printed)
    source.released_on = read.released_on(next(iter(rvu_by_basis.values())).banner)
    return source


def conversion_factors(label: str, rvu_by_basis: dict[str, Printed], printed: dict[str, Printed]) -> pd.DataFrame:
    """Return one row per basis from the factor that PPRRVU prints on every row; DataError when it varies."""
    rows = []
    for basis, member in rvu_by_basis.items():
        factors = member.rows["conversion_factor"].unique()
        if len(factors) != 1:
            raise DataError(
                f"{label}: expected one conversion factor for basis {basis}, found {sorted(factors.tolist())[:5]}. "
                "The file mixes two releases or a column moved: pull it again, or add a layout."
            )
        rows.append({"release": label, "basis": basis, "conversion_factor": factors[0]})
    in_header = printed["anesthesia"].in_header if "anesthesia" in printed else {}
    national = in_header.get("national_anesthesia_factor")
    return pd.DataFrame(rows).assign(national_anesthesia_factor=float(national) if national else float("nan"))


def _read_member(
    archive: Path, release: Release, layouts: tuple[Layout, ...], part: str, source: Source
) -> Printed | None:
    """Read and conform one member, or return None when the archive lacks it."""
    member = find_member(archive, layouts[0].members[part])
    if member is None:
        return None
    layout, text = _read_text(read_member(archive, member), layouts, member, release.effective_from.year)
    declared = columns(ConversionFactorTable) | columns(PRINTED[layout.table])
    rows, repairs = conform.conform(text, layout, declared)
    source.findings += validate.repaired(layout.table, repairs)
    rows.insert(0, "release", release.label)
    distinct = rows.drop_duplicates()
    source.findings += validate.repeated(layout.table, rows.index.difference(distinct.index))
    return Printed(distinct, text.banner, text.in_header)


def _read_text(content: bytes, layouts: tuple[Layout, ...], member: str, year: int) -> tuple[Layout, read.TextTable]:
    """Read with the first layout whose header fits; HeaderError of the usual one when none does."""
    errors = []
    for layout in layouts:
        try:
            return layout, read.read_csv(content, layout, member, year)
        except read.HeaderError as problem:
            errors.append(problem)
    raise errors[0]


def _read_rvu(archive: Path, release: Release, source: Source) -> dict[str, Printed]:
    """Read PPRRVU: one member per basis."""
    layouts = layouts_in_force("rvu", release.effective_from)
    members = {basis: _read_member(archive, release, layouts, basis, source) for basis in layouts[0].members}
    found = {basis: member for basis, member in members.items() if member}
    if not found:
        raise DataError(
            f"{archive.name} of {release.label} holds no PPRRVU member: expected a name that matches "
            f"{' or '.join(layouts[0].members.values())}. Pull the archive again, or correct the pattern in "
            "schemas/layouts/rvu.toml."
        )
    absent = tuple(basis for basis in members if basis not in found)
    if absent:
        source.findings.append(Finding("rvu", "", "has a member for each basis", "warning", len(absent), absent))
    return found


def _read_printed(archive: Path, release: Release, source: Source) -> dict[str, Printed]:
    """Read the other printed tables; one that is missing is a warning."""
    printed = {}
    for table in [table for table in PRINTED if table != "rvu"]:
        layouts = layouts_in_force(table, release.effective_from)
        found = _read_member(archive, release, layouts, "", source)
        if found is None:
            expected = (layouts[0].members[""],)
            source.findings.append(Finding(table, "", "archive has a member of it", "warning", 0, expected))
        else:
            printed[table] = found
    return printed


def _agreed_rvu(rvu_by_basis: dict[str, Printed], source: Source) -> pd.DataFrame:
    """Return `rvu` from the member that holds every code, once the other one was seen to agree with it."""
    frames = {basis: _typed(member.rows, RvuTable) for basis, member in rvu_by_basis.items()}
    default = next(basis for basis in DEFAULT_BASIS if basis in frames)
    for basis, frame in frames.items():
        if basis != default:
            source.findings += validate.agreement(frames[default], frame)
    return frames[default]


def _typed(rows: pd.DataFrame, model: type[Table]) -> pd.DataFrame:
    """Return the model's columns in order; those that this era does not print are empty."""
    declared = columns(model)
    missing = [name for name, column in declared.items() if column.nullable and name not in rows]
    complete = rows.reindex(columns=[*rows.columns, *missing])
    return complete[list(declared)].astype({name: column.frame_dtype for name, column in declared.items()})
