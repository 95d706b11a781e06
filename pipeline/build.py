"""Builds one release: the one place where the order of the steps can be read. Runs without Prefect."""

import hashlib
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pandas as pd

from pipeline import aggregate, change, merge, originality, price, prose, prove, tasks, validate
from pipeline.catalog import Release
from pipeline.content import Content
from pipeline.source import Source, read_source
from pipeline.store import Receipt
from pipeline.validate import Finding
from schemas.release import ReleaseTable
from schemas.table import columns
from schemas.tables import PRINTED, TABLES

# The tables of build_derived; all others are of build_source.
MERGED = ("code", "synonym", "category", "change", "content_task")
LIBRARIES = ("pandas", "pyarrow", "pandera")  # what may change the bytes of a file
Tables = dict[str, pd.DataFrame]
Key = change.Key


@dataclass(frozen=True)
class Previous:
    """The release before: its label, its `rvu`, and the category of every code.

    `revived` names rows by code and modifier: this release has them, the one before lacks them, an older one had.
    """

    release: str
    rvu: pd.DataFrame
    codes: pd.DataFrame
    revived: frozenset[Key] = frozenset()


@dataclass
class Built:
    """Tables of one release, and what was noticed while making them."""

    release: str
    tables: Tables = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    accounting: merge.Accounting | None = None


def build_source(archive: Path, receipt: Receipt, release: Release) -> Built:
    """Turn an archive into the tables that CMS prints, their prices and proofs, `conversion_factor` and `release`.

    Needs nothing but the archive, so that many releases can be built at once. DataError when the archive lacks
    PPRRVU, differs from its layout, or breaks a rule of severity error.
    """
    source = read_source(archive, release)
    tables = _priced(source.tables)
    tables["proof"] = prove.proofs(release, tables, source.agreements)
    tables["release"] = release_row(release, receipt, source)
    judged = _judged(tables)
    if release.effective_from < validate.PROVEN_SINCE:
        judged = validate.softened(judged)
    findings = source.findings + judged + _locality_checks(tables) + prove.unproven(tables["proof"])
    validate.stop_on_errors(release.label, findings)
    return Built(release.label, tables, findings)


def build_derived(release: Release, source: Tables, content: Content, previous: Previous | None) -> Built:
    """Turn a release's source tables and our content into the tables of MERGED.

    DataError when a rule of severity error is broken, also against the release before.
    """
    rvu, factors = source["rvu"], source["conversion_factor"]
    findings = validate.row_count(len(rvu), previous.release, len(previous.rvu)) if previous else []
    validate.stop_on_errors(release.label, findings)
    codes = merge.one_row_per_code(rvu.sort_values(["hcpcs", "modifier"]))
    codes = _with_factor(codes, factors).assign(
        coding_system=merge.coding_system(codes["hcpcs"]),
        category=merge.assign_categories(codes["hcpcs"], content.categories),
    )
    codes, accounting = merge.merge_content(codes, content)
    categories = aggregate.category_aggregates(
        codes, previous.release if previous else None, previous.codes if previous else None
    )
    codes = prose.write_sections(aggregate.compare_with_category(codes, categories), content.categories)
    tables = {
        "code": codes[list(columns(TABLES["code"]))],
        "synonym": merge.synonym_rows(codes),
        "category": merge.with_category_texts(categories, content)[list(columns(TABLES["category"]))],
    }
    if previous:
        tables["change"] = change.changes(previous.release, previous.rvu, release.label, rvu, previous.revived)
        tables["content_task"] = tasks.content_tasks(release, codes, previous.release, previous.rvu, content)
    findings += originality.copied(codes, content.abbreviations) + _judged(tables)
    validate.stop_on_errors(release.label, findings)
    return Built(release.label, tables, findings, accounting)


def release_row(release: Release, receipt: Receipt, source: Source) -> pd.DataFrame:
    """Return the one row of `release`."""
    row = {
        "release": release.label,
        "effective_from": release.effective_from,
        "effective_to": release.effective_to,
        "superseded_by": release.superseded_by,
        "released_on": source.released_on,
        "archive": receipt.archive,
        "archive_sha256": receipt.sha256,
        "archive_bytes": receipt.bytes,
        "is_sample": receipt.is_sample,
        "rvu_rows": len(source.tables["rvu"]),
        "missing_tables": ", ".join(table for table in PRINTED if table not in source.tables),
    }
    types = {name: column.frame_dtype for name, column in columns(ReleaseTable).items()}
    return pd.DataFrame([row]).astype(types)


def previous_release(
    label: str, rvu: pd.DataFrame, content: Content, revived: frozenset[Key] = frozenset()
) -> Previous:
    """Return what the next release is compared with, from `rvu` of the one before it."""
    codes = rvu[["hcpcs"]].drop_duplicates(ignore_index=True)
    categories = merge.assign_categories(codes["hcpcs"], content.categories)
    return Previous(label, rvu, codes.assign(category=categories), revived)


def source_fingerprint(receipt: Receipt, release: Release) -> str:
    """Return a hash of all that the source tables of a release depend on; equal hashes mean equal files."""
    inputs = (receipt.sha256, receipt.is_sample, release)
    return hashlib.sha256(repr((inputs, code_fingerprint())).encode()).hexdigest()


def derived_fingerprint(source: str, content: str, earlier: tuple[str, ...]) -> str:
    """Return a hash of all that the tables of a release depend on, from the hashes of what they are made of.

    `source` and `earlier` are of the source tables of the release and of all before it, oldest first: a code that is
    back may have been gone for years.
    """
    return hashlib.sha256(repr((source, content, earlier)).encode()).hexdigest()


def code_fingerprint() -> str:
    """Return a hash of our code, layouts and the libraries that write the files."""
    digest = hashlib.sha256()
    for package in ("pipeline", "schemas"):
        root = Path(str(files(package)))
        for path in sorted([*root.rglob("*.py"), *root.rglob("*.toml")]):
            digest.update(f"{package}/{path.relative_to(root)}".encode() + b"\0" + path.read_bytes())
    digest.update(repr([(library, version(library)) for library in LIBRARIES]).encode())
    return digest.hexdigest()


def _judged(tables: Tables) -> list[Finding]:
    return [finding for table, frame in tables.items() for finding in validate.judge(frame, TABLES[table])]


def _locality_checks(source: Tables) -> list[Finding]:
    """Check localities against GPCI, where the archive has it: each has indices, and is in the same state."""
    if "gpci" not in source:
        return []
    gpci = source["gpci"]
    placed = [table for table in ("anesthesia", "opps_cap", "locality_county") if table in source]
    findings = [finding for table in placed for finding in validate.known_localities(table, source[table], gpci)]
    if "locality_county" in source:
        findings += validate.same_states(source["locality_county"], gpci)
    return findings


def _priced(source: Tables) -> Tables:
    """Add national payments to `rvu`, and `payment` where the archive has GPCIs."""
    factors = source["conversion_factor"]
    priced = source | {"rvu": price.with_national_payments(source["rvu"], factors)}
    if "gpci" in source:
        priced["payment"] = price.payments(priced["rvu"], source["gpci"], factors)
    return priced


def _with_factor(codes: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Add the basis that applies to most, and its factor."""
    basis = price.default_basis(factors)
    factor = factors.loc[factors["basis"] == basis, "conversion_factor"].item()
    return codes.assign(basis=basis, conversion_factor=factor)
