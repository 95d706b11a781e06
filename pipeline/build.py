"""Builds one release: the one place where the order of the steps can be read. Runs without Prefect."""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pandas as pd

from pipeline import aggregate, conform, merge, price, prose, read, validate
from pipeline.archive import find_member, read_member
from pipeline.catalog import Release
from pipeline.content import Content
from pipeline.errors import DataError
from pipeline.layouts import Layout, layouts_in_force
from pipeline.store import Receipt
from pipeline.validate import Finding
from schemas.conversion_factor import ConversionFactorTable
from schemas.release import ReleaseTable
from schemas.rvu import RvuTable
from schemas.table import Table, columns
from schemas.tables import PRINTED, TABLES

DEFAULT_BASIS = ("standard", "nonqualifying_apm", "qualifying_apm")  # the first that a release has
LIBRARIES = ("pandas", "pyarrow", "pandera")  # what may change the bytes of a file


@dataclass(frozen=True)
class Previous:
    """The release before: its label, the number of rows of `rvu`, and the category of every code."""

    release: str
    rvu_rows: int
    codes: pd.DataFrame


@dataclass
class Built:
    """All tables of one release, and what was noticed while making them."""

    release: str
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    accounting: merge.Accounting | None = None


@dataclass(frozen=True)
class Printed:
    """One printed table of a release: typed rows, and what stood beside them."""

    rows: pd.DataFrame
    banner: str
    in_header: dict[str, str]


def build_release(
    archive: Path, receipt: Receipt, release: Release, content: Content, previous: Previous | None
) -> Built:
    """Turn an archive and our content into all tables of one release.

    DataError when the archive lacks PPRRVU, differs from its layout, or breaks a rule of severity error.
    """
    built = Built(release.label)
    rvu_by_basis = _read_rvu(archive, release, built)
    printed = _read_printed(archive, release, built)
    rvu = _agreed_rvu(rvu_by_basis, built)
    source = {"rvu": rvu} | {table: _typed(each.rows, PRINTED[table]) for table, each in printed.items()}
    factors = conversion_factors(release.label, rvu_by_basis, printed)
    _judge_all(source | {"conversion_factor": factors}, built)
    built.findings += _cross_checks(source, previous)
    validate.stop_on_errors(release.label, built.findings)

    codes, built.accounting = merge.merge_content(
        _with_payment(merge.one_row_per_code(rvu.sort_values(["hcpcs", "modifier"])), factors), content
    )
    codes = codes.assign(
        coding_system=merge.coding_system(codes["hcpcs"]),
        category=merge.assign_categories(codes["hcpcs"], content.categories),
    )
    categories = aggregate.category_aggregates(
        codes, previous.release if previous else None, previous.codes if previous else None
    )
    codes = prose.write_sections(aggregate.compare_with_category(codes, categories), content.categories)
    built.findings += merge.copied_descriptors(codes)

    banner = next(iter(rvu_by_basis.values())).banner
    derived = {
        "conversion_factor": factors,
        "code": codes[list(columns(TABLES["code"]))],
        "synonym": merge.synonym_rows(codes),
        "category": categories[list(columns(TABLES["category"]))],
        "release": release_row(release, receipt, rvu, read.released_on(banner), source),
    }
    _judge_all({table: frame for table, frame in derived.items() if table != "conversion_factor"}, built)
    validate.stop_on_errors(release.label, built.findings)
    built.tables = source | derived
    return built


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


def release_row(
    release: Release,
    receipt: Receipt,
    rvu: pd.DataFrame,
    released: date | None,
    source: dict[str, pd.DataFrame],
) -> pd.DataFrame:
    """Return the one row of `release`."""
    row = {
        "release": release.label,
        "effective_from": release.effective_from,
        "effective_to": release.effective_to,
        "superseded_by": release.superseded_by,
        "released_on": released,
        "archive": receipt.archive,
        "archive_sha256": receipt.sha256,
        "archive_bytes": receipt.bytes,
        "is_sample": receipt.is_sample,
        "rvu_rows": len(rvu),
        "missing_tables": ", ".join(table for table in PRINTED if table not in source),
    }
    return _typed(pd.DataFrame([row]), ReleaseTable)


def build_fingerprint(receipt: Receipt, release: Release, content_fingerprint: str, previous: Receipt | None) -> str:
    """Return a hash of all that the tables of a release depend on; equal hashes mean equal files."""
    inputs = (receipt.sha256, receipt.is_sample, release, content_fingerprint, previous and previous.sha256)
    return hashlib.sha256(repr((inputs, code_fingerprint())).encode()).hexdigest()


def code_fingerprint() -> str:
    """Return a hash of our code, layouts and the libraries that write the files."""
    digest = hashlib.sha256()
    for package in ("pipeline", "schemas"):
        root = Path(str(files(package)))
        for path in sorted([*root.rglob("*.py"), *root.rglob("*.toml")]):
            digest.update(f"{package}/{path.relative_to(root)}".encode() + b"\0" + path.read_bytes())
    digest.update(repr([(library, version(library)) for library in LIBRARIES]).encode())
    return digest.hexdigest()


def _read_member(
    archive: Path, release: Release, layouts: tuple[Layout, ...], part: str, built: Built
) -> Printed | None:
    """Read and conform one member, or return None when the archive lacks it."""
    member = find_member(archive, layouts[0].members[part])
    if member is None:
        return None
    layout, text = _read_text(read_member(archive, member), layouts, member, release.effective_from.year)
    declared = columns(ConversionFactorTable) | columns(PRINTED[layout.table])
    rows, repairs = conform.conform(text, layout, declared)
    built.findings += validate.repaired(layout.table, repairs)
    rows.insert(0, "release", release.label)
    distinct = rows.drop_duplicates()
    built.findings += validate.repeated(layout.table, rows.index.difference(distinct.index))
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


def _read_rvu(archive: Path, release: Release, built: Built) -> dict[str, Printed]:
    """Read PPRRVU: one member per basis."""
    layouts = layouts_in_force("rvu", release.effective_from)
    members = {basis: _read_member(archive, release, layouts, basis, built) for basis in layouts[0].members}
    found = {basis: member for basis, member in members.items() if member}
    if not found:
        raise DataError(
            f"{archive.name} of {release.label} holds no PPRRVU member: expected a name that matches "
            f"{' or '.join(layouts[0].members.values())}. Pull the archive again, or correct the pattern in "
            "schemas/layouts/rvu.toml."
        )
    absent = tuple(basis for basis in members if basis not in found)
    if absent:
        built.findings.append(Finding("rvu", "", "has a member for each basis", "warning", len(absent), absent))
    return found


def _read_printed(archive: Path, release: Release, built: Built) -> dict[str, Printed]:
    """Read the other printed tables; one that is missing is a warning."""
    printed = {}
    for table in [table for table in PRINTED if table != "rvu"]:
        layouts = layouts_in_force(table, release.effective_from)
        found = _read_member(archive, release, layouts, "", built)
        if found is None:
            expected = (layouts[0].members[""],)
            built.findings.append(Finding(table, "", "archive has a member of it", "warning", 0, expected))
        else:
            printed[table] = found
    return printed


def _agreed_rvu(rvu_by_basis: dict[str, Printed], built: Built) -> pd.DataFrame:
    """Return `rvu` from the member that holds every code, once the other one was seen to agree with it."""
    frames = {basis: _typed(member.rows, RvuTable) for basis, member in rvu_by_basis.items()}
    default = next(basis for basis in DEFAULT_BASIS if basis in frames)
    for basis, frame in frames.items():
        if basis != default:
            built.findings += validate.agreement(frames[default], frame)
    return frames[default]


def _typed(rows: pd.DataFrame, model: type[Table]) -> pd.DataFrame:
    """Return the model's columns in order; those that this era does not print are empty."""
    declared = columns(model)
    missing = [name for name, column in declared.items() if column.nullable and name not in rows]
    complete = rows.reindex(columns=[*rows.columns, *missing])
    return complete[list(declared)].astype({name: column.frame_dtype for name, column in declared.items()})


def _judge_all(tables: dict[str, pd.DataFrame], built: Built) -> None:
    for table, frame in tables.items():
        built.findings += validate.judge(frame, TABLES[table])


def _cross_checks(source: dict[str, pd.DataFrame], previous: Previous | None) -> list[Finding]:
    findings = []
    for table in ("anesthesia", "opps_cap", "locality_county"):
        if table in source and "gpci" in source:
            findings += validate.known_localities(table, source[table], source["gpci"])
    if previous:
        findings += validate.row_count(len(source["rvu"]), previous.release, previous.rvu_rows)
    return findings


def _with_payment(codes: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Add the national payment of both settings, for the basis that applies to most."""
    by_basis = factors.set_index("basis")["conversion_factor"]
    basis = next(basis for basis in DEFAULT_BASIS if basis in by_basis.index)
    payments = {
        f"{setting}_national_payment": price.national_payment(codes, f"{setting}_total_rvu", by_basis[basis])
        for setting in ("nonfacility", "facility")
    }
    return codes.assign(basis=basis, conversion_factor=by_basis[basis], **payments)
