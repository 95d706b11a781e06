"""Reads all tables that an archive prints: finds members, picks layouts, reads, conforms, reconciles."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pandas as pd

from pipeline import conform, read, validate
from pipeline.archive import find_member, read_member
from pipeline.catalog import Release
from pipeline.correct import corrected, load_corrections
from pipeline.draft import draft_layout
from pipeline.errors import DataError
from pipeline.layouts import Layout, layouts_in_force
from pipeline.locality import localities
from pipeline.validate import Agreement, Finding
from schemas.codes import BASIS, usual_basis
from schemas.conversion_factor import ConversionFactorTable
from schemas.rvu import RvuTable
from schemas.table import Table, columns
from schemas.tables import PRINTED

# Of several formats the first is read. A workbook types codes as numbers; fixed width has no header to check.
FORMATS = (".csv", ".xlsx", ".xls", ".txt", ".prn")
FIXED_WIDTH = (".txt", ".prn")


@dataclass(frozen=True)
class Printed:
    """One member: typed rows, and what stood beside them."""

    rows: pd.DataFrame
    banner: str
    in_header: dict[str, str]


@dataclass
class Source:
    """What an archive prints: tables by name, the date above PPRRVU, and what was noticed while reading.

    `agreements` say how members that print the same rows compare.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    released_on: date | None = None
    findings: list[Finding] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)


def read_source(archive: Path, release: Release) -> Source:
    """Read every printed table and the conversion factors; nothing is judged yet but what reading itself needs.

    DataError when the archive lacks PPRRVU, or a member differs from its layout.
    """
    source = Source()
    rvu_by_basis = _read_rvu(archive, release, source)
    printed = _read_printed(archive, release, source)
    source.tables["rvu"] = _agreed_rvu(rvu_by_basis, source)
    source.tables |= {table: _typed(each.rows, PRINTED[table]) for table, each in printed.items()}
    source.tables, corrections = corrected(release.label, source.tables, load_corrections())
    source.findings += corrections
    source.tables["conversion_factor"] = conversion_factors(release, rvu_by_basis, printed)
    if "gpci" in source.tables:
        source.tables["locality"] = localities(source.tables["gpci"], source.tables.get("locality_county"))
    source.released_on = read.released_on(next(iter(rvu_by_basis.values())).banner)
    return source


def conversion_factors(
    release: Release, rvu_by_basis: dict[str, Printed], printed: dict[str, Printed]
) -> pd.DataFrame:
    """Return one row per basis: the factor that PPRRVU prints, or that of the catalog for a member that is missing.

    DataError when a file prints several factors, or another one than the catalog declares for that day.
    """
    in_file = {basis: _printed_factor(release.label, basis, member) for basis, member in rvu_by_basis.items()}
    declared = release.factors_in_force()
    _require_declared(release, in_file)
    national = printed["anesthesia"].in_header if "anesthesia" in printed else {}
    rows = [
        {
            "release": release.label,
            "basis": basis,
            "conversion_factor": in_file[basis] if basis in in_file else declared[basis].conversion_factor,
            "work_adjustor": declared[basis].work_adjustor if basis in declared else 1.0,
            "is_printed": basis in in_file,
            "national_anesthesia_factor": float(national.get(basis, "nan")),
        }
        for basis in BASIS
        if basis in in_file or basis in declared
    ]
    return pd.DataFrame(rows)


def members_of(archive: Path, release: Release, table: str, part: str) -> list[tuple[str, tuple[Layout, ...]]]:
    """Return the members that print a table, in the preferred order of formats, each with the layouts it may have."""
    layouts = layouts_in_force(table, release.effective_from)
    found = []
    for extension in FORMATS:
        fitting = tuple(layout for layout in layouts if layout.is_fixed_width is (extension in FIXED_WIDTH))
        if not fitting or part not in fitting[0].members:
            continue
        member = find_member(archive, rf"^(?=.*\{extension}$){fitting[0].members[part]}")
        if member:
            found.append((member, fitting))
    return found


def read_text(
    archive: Path, member: str, layouts: tuple[Layout, ...], release: Release
) -> tuple[Layout, read.TextTable]:
    """Read a member with the first layout whose header fits; HeaderError with a drafted layout when none does."""
    content = read_member(archive, member)
    errors = []
    for layout in layouts:
        try:
            return layout, read.read_member(content, layout, member, release.effective_from.year)
        except read.HeaderError as problem:
            errors.append(problem)
    raise read.HeaderError(f"{errors[0]}\n\n{draft_layout(content, member, layouts[0].table, release)}")


def _printed_factor(label: str, basis: str, member: Printed) -> float:
    """Return the factor that stands on every row."""
    factors = member.rows["conversion_factor"].unique()
    if len(factors) != 1:
        raise DataError(
            f"{label}: expected one conversion factor for basis {basis}, found {sorted(factors.tolist())[:5]}. "
            "The file mixes two releases or a column moved: pull it again, or add a layout."
        )
    return float(factors[0])


def _require_declared(release: Release, in_file: dict[str, float]) -> None:
    """Refuse a factor that was not in force; CMS replaced releases because Congress undid their factor."""
    if release.superseded_by:
        return
    for basis, factor in release.factors_in_force().items():
        found = in_file.get(basis, factor.conversion_factor)
        if found != factor.conversion_factor:
            raise DataError(
                f"{release.label}: PPRRVU prints the conversion factor {found:.4f} for basis {basis}, and "
                f"raw/catalog.toml declares {factor.conversion_factor:.4f} {factor.period}. Find out which one was "
                "paid: pull the archive again if it is an older one, or correct the [[factor]] block."
            )


def _read_part(archive: Path, release: Release, table: str, part: str, source: Source) -> Printed | None:
    """Read a table from its preferred member and compare the others with it; None when the archive lacks it."""
    members = members_of(archive, release, table, part)
    if not members:
        return None
    (member, layouts), *siblings = members
    printed, repairs = _read_member(archive, member, layouts, release)
    source.findings += validate.repaired(table, repairs)
    for sibling, fitting in siblings:
        _compare_sibling(archive, sibling, fitting, release, printed, source)
    distinct = printed.rows.drop_duplicates()
    source.findings += validate.repeated(table, printed.rows.index.difference(distinct.index))
    return replace(printed, rows=distinct)


def _read_member(
    archive: Path, member: str, layouts: tuple[Layout, ...], release: Release
) -> tuple[Printed, list[conform.Repair]]:
    """Read and conform one member."""
    layout, text = read_text(archive, member, layouts, release)
    declared = columns(ConversionFactorTable) | columns(PRINTED[layout.table])
    rows, repairs = conform.conform(text, layout, declared)
    rows.insert(0, "release", release.label)
    return Printed(rows, text.banner, text.in_header), repairs


def _compare_sibling(  # noqa: PLR0913, PLR0917 - all that reading a member needs, and what it is compared with
    archive: Path, member: str, layouts: tuple[Layout, ...], release: Release, printed: Printed, source: Source
) -> None:
    """Report where another format of the same table differs: CMS ships stale siblings, and they are never used."""
    table = layouts[0].table
    try:
        other, _ = _read_member(archive, member, layouts, release)
    except DataError as problem:
        reason = str(problem).split("\n")[0]
        source.findings.append(Finding(table, "", "other formats can be read", "warning", 1, (reason,)))
        return
    findings, compared = validate.siblings(PRINTED[table], printed.rows, other.rows, member)
    source.findings += findings
    source.agreements.append(compared)


def _read_rvu(archive: Path, release: Release, source: Source) -> dict[str, Printed]:
    """Read PPRRVU: one member per basis."""
    expected = layouts_in_force("rvu", release.effective_from)[0].members
    members = {basis: _read_part(archive, release, "rvu", basis, source) for basis in expected}
    found = {basis: member for basis, member in members.items() if member}
    if not found:
        raise DataError(
            f"{archive.name} of {release.label} holds no PPRRVU member: expected a name that matches "
            f"{' or '.join(expected.values())}. Pull the archive again, or correct the pattern in "
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
        found = _read_part(archive, release, table, "", source)
        if found is None:
            expected = (layouts_in_force(table, release.effective_from)[0].members[""],)
            source.findings.append(Finding(table, "", "archive has a member of it", "warning", 0, expected))
        else:
            printed[table] = found
    return printed


def _agreed_rvu(rvu_by_basis: dict[str, Printed], source: Source) -> pd.DataFrame:
    """Return `rvu` from the member that holds every code, once the other one was seen to agree with it."""
    frames = {basis: _typed(member.rows, RvuTable) for basis, member in rvu_by_basis.items()}
    default = usual_basis(frames)
    for basis, frame in frames.items():
        if basis != default:
            findings, compared = validate.agreement(frames[default], frame)
            source.findings += findings
            source.agreements.append(compared)
            source.findings += validate.payable_in_both(frames[default], frame)
    return frames[default]


def _typed(rows: pd.DataFrame, model: type[Table]) -> pd.DataFrame:
    """Return the model's columns in order; those that this era does not print are empty."""
    declared = columns(model)
    missing = [name for name, column in declared.items() if column.nullable and name not in rows]
    complete = rows.reindex(columns=[*rows.columns, *missing])
    return complete[list(declared)].astype({name: column.frame_dtype for name, column in declared.items()})
