"""build: real archives to all tables of a release."""

import zipfile
from pathlib import Path

import pytest

from pipeline.build import (
    Built,
    Previous,
    build_derived,
    build_source,
    derived_fingerprint,
    previous_release,
    source_fingerprint,
)
from pipeline.catalog import Catalog
from pipeline.content import Content
from pipeline.errors import DataError
from pipeline.store import Receipt, sha256_of
from schemas.tables import TABLES

COMPARED = {"change", "content_task"}  # a release before is needed
# What the releases hold, counted by hand in CMS's own files: rows of PPRRVU less a Ctrl-Z row.
REAL_ROWS = {"RVU22A": 17_600, "RVU25A": 18_865, "RVU26C": 19_356}


def receipt_of(label: str, path: Path) -> Receipt:
    return Receipt(label, path.name, sha256_of(path), path.stat().st_size, "2026-11-23T00:00:00+00:00")


def build(path: Path, label: str, catalog: Catalog, content: Content, previous: Previous | None = None) -> Built:
    """Build both halves of a release."""
    source = build_source(path, receipt_of(label, path), catalog[label])
    derived = build_derived(catalog[label], source.tables, content, previous)
    return Built(label, source.tables | derived.tables, source.findings + derived.findings, derived.accounting)


def rezipped(source: Path, target: Path, **replaced: bytes | None) -> Path:
    """Copy a zip with members replaced, or left out when None; names are given by their prefix."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            prefix = next((prefix for prefix in replaced if name.startswith(prefix)), None)
            content = old.read(name) if prefix is None else replaced[prefix]
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.fixture(scope="module")
def sample(sample_archives: dict[str, Path], catalog: Catalog, content: Content) -> dict[str, Built]:
    return {label: build(path, label, catalog, content) for label, path in sample_archives.items()}


def test_sample_release_gets_every_table(sample: dict[str, Built]) -> None:
    assert set(sample["RVU25A"].tables) == set(TABLES) - COMPARED
    assert len(sample["RVU25A"].tables["rvu"]) == 5_021
    assert len(sample["RVU25A"].tables["gpci"]) == 109


def test_missing_members_leave_tables_out_and_are_told(sample: dict[str, Built]) -> None:
    built = sample["RVU26C"]
    assert "gpci" not in built.tables
    assert built.tables["release"]["missing_tables"].item() == "gpci, locality_county, anesthesia, opps_cap"
    assert {finding.table for finding in built.findings if finding.rule == "archive has a member of it"} == {
        "gpci",
        "locality_county",
        "anesthesia",
        "opps_cap",
    }


def test_one_basis_of_two_works_and_is_told(sample: dict[str, Built]) -> None:
    factors = sample["RVU26C"].tables["conversion_factor"]
    assert factors[["basis", "conversion_factor", "is_printed"]].values.tolist() == [
        ["nonqualifying_apm", 33.4009, True],
        ["qualifying_apm", 33.5675, False],
    ]
    assert ("qualifying_apm",) in [finding.examples for finding in sample["RVU26C"].findings]


def test_release_row_says_where_it_came_from(sample: dict[str, Built], sample_archives: dict[str, Path]) -> None:
    row = sample["RVU25A"].tables["release"].iloc[0]
    assert str(row["effective_from"].date()) == "2025-01-01"
    assert str(row["effective_to"].date()) == "2025-03-31"
    assert str(row["released_on"].date()) == "2024-12-23"
    assert row["archive_sha256"] == sha256_of(sample_archives["RVU25A"])


def test_placeholder_code_of_2026_is_kept_and_told(sample: dict[str, Built]) -> None:
    assert "GXXX1" in set(sample["RVU26C"].tables["rvu"]["hcpcs"])
    assert any("GXXX1" in finding.reason for finding in sample["RVU26C"].findings)


def test_archive_without_pprrvu_is_an_error(
    sample_archives: dict[str, Path], tmp_path: Path, catalog: Catalog, content: Content
) -> None:
    path = rezipped(sample_archives["RVU25A"], tmp_path / "rvu25a.zip", PPRRVU=None)
    with pytest.raises(DataError, match=r"rvu25a\.zip of RVU25A holds no PPRRVU member"):
        build(path, "RVU25A", catalog, content)


def test_members_in_subfolders_and_other_case_are_found(
    sample_archives: dict[str, Path], tmp_path: Path, catalog: Catalog, content: Content
) -> None:
    path = tmp_path / "rvu25a.zip"
    with zipfile.ZipFile(sample_archives["RVU25A"]) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(f"RVU25A/data/{name.upper()}", old.read(name))
    assert set(build(path, "RVU25A", catalog, content).tables) == set(TABLES) - COMPARED


def test_truncated_release_is_stopped_by_its_neighbor(
    sample_archives: dict[str, Path], sample: dict[str, Built], tmp_path: Path, catalog: Catalog, content: Content
) -> None:
    with zipfile.ZipFile(sample_archives["RVU26C"]) as archive:
        name = archive.namelist()[0]
        lines = archive.read(name).splitlines(keepends=True)
    path = rezipped(sample_archives["RVU26C"], tmp_path / "rvu26c.zip", PPRRVU=b"".join(lines[:2000]))
    before = sample["RVU25A"].tables
    previous = Previous("RVU25A", before["rvu"], before["code"][["hcpcs", "category"]])
    with pytest.raises(DataError, match="between 80% and 125% of the rows of RVU25A"):
        build(path, "RVU26C", catalog, content, previous)


def test_two_bases_that_disagree_are_an_error(
    sample_archives: dict[str, Path], tmp_path: Path, catalog: Catalog, content: Content
) -> None:
    with zipfile.ZipFile(sample_archives["RVU26C"]) as archive:
        text = archive.read(archive.namelist()[0])
    other = text.replace(b"33.4009", b"33.5675").replace(b'G0011,,"', b'G0011,,"X', 1)
    path = tmp_path / "rvu26c.zip"
    with zipfile.ZipFile(path, "w") as both:
        both.writestr("PPRRVU2026_Jul_nonQPP.csv", text)
        both.writestr("PPRRVU2026_Jul_QPP.csv", other)
    with pytest.raises(DataError, match="QPP and nonQPP members agree: 1 rows, such as G0011"):
        build(path, "RVU26C", catalog, content)


def test_two_bases_that_agree_give_two_factors(
    sample_archives: dict[str, Path], tmp_path: Path, catalog: Catalog, content: Content
) -> None:
    with zipfile.ZipFile(sample_archives["RVU26C"]) as archive:
        text = archive.read(archive.namelist()[0])
    path = tmp_path / "rvu26c.zip"
    with zipfile.ZipFile(path, "w") as both:
        both.writestr("PPRRVU2026_Jul_nonQPP.csv", text)
        both.writestr("PPRRVU2026_Jul_QPP.csv", text.replace(b"33.4009", b"33.5675"))
    factors = build(path, "RVU26C", catalog, content).tables["conversion_factor"]
    assert dict(zip(factors["basis"], factors["conversion_factor"], strict=True)) == {
        "nonqualifying_apm": 33.4009,
        "qualifying_apm": 33.5675,
    }


def test_what_the_next_release_is_compared_with_comes_from_rvu_alone(
    sample: dict[str, Built], content: Content
) -> None:
    tables = sample["RVU25A"].tables
    previous = previous_release("RVU25A", tables["rvu"], content)
    assert (previous.release, len(previous.rvu)) == ("RVU25A", len(tables["rvu"]))
    both = previous.codes.merge(tables["code"], on=["hcpcs", "category"])
    assert len(previous.codes) == len(both) == len(tables["code"])


def test_fingerprints_follow_every_input(catalog: Catalog) -> None:
    receipt = Receipt("RVU25A", "a.zip", "a" * 64, 1, "now")
    other = Receipt("RVU25A", "a.zip", "b" * 64, 1, "now")
    source = source_fingerprint(receipt, catalog["RVU25A"])
    assert source == source_fingerprint(Receipt("RVU25A", "a.zip", "a" * 64, 1, "later"), catalog["RVU25A"])
    sources = {source_fingerprint(other, catalog["RVU25A"]), source_fingerprint(receipt, catalog["RVU25B"])}
    assert len(sources | {source}) == 3
    derived = {
        derived_fingerprint(source, "content", ()),
        derived_fingerprint(source, "other content", ()),
        derived_fingerprint(source, "content", (source,)),
        derived_fingerprint(source, "content", (source, source)),  # a release further back brings codes back
        *(derived_fingerprint(each, "content", ()) for each in sources),
    }
    assert len(derived) == 6


@pytest.mark.parametrize("label", REAL_ROWS)
def test_full_release_has_the_rows_of_its_source(
    label: str, real_archives: dict[str, Path], catalog: Catalog, content: Content
) -> None:
    built = build(real_archives[label], label, catalog, content)
    assert len(built.tables["rvu"]) == REAL_ROWS[label]
    assert not [finding for finding in built.findings if finding.severity == "error"]


def test_every_release_at_hand_builds_in_time_order_and_one_of_them_has_each_code_that_we_describe(
    real_archives: dict[str, Path], catalog: Catalog, content: Content
) -> None:
    previous = None
    homeless = set(content.codes["hcpcs"])
    for label, path in real_archives.items():
        built = build(path, label, catalog, content, previous)
        codes = built.tables["code"]
        assert codes["category"].notna().all()
        homeless -= set(codes["hcpcs"])
        previous = Previous(label, built.tables["rvu"], codes[["hcpcs", "category"]])
    assert homeless == set()


def test_lost_zeros_of_rvu20d_are_restored_and_counted(
    real_archives: dict[str, Path], catalog: Catalog, content: Content
) -> None:
    built = build(real_archives["RVU20D"], "RVU20D", catalog, content)
    repaired = {
        finding.column: finding.count
        for finding in built.findings
        if finding.table == "rvu" and finding.rule == "leading zeros restored"
    }
    assert repaired["hcpcs"] == 272
    assert repaired["global_days"] == 5_521
    anesthesia = built.tables["code"].query("category == 'Anesthesia'")
    assert anesthesia["hcpcs"].min() == "00100"


def test_page_of_g0411_has_every_fact_of_the_reference_page(
    real_archives: dict[str, Path], catalog: Catalog, content: Content
) -> None:
    codes = build(real_archives["RVU26A"], "RVU26A", catalog, content).tables["code"]
    row = codes[codes["hcpcs"] == "G0411"].to_dict("records")[0]
    assert row["descriptor"] == "Interactive grp psyc php/iop"
    assert row["category"] == "G Codes"
    assert list(row["synonyms"]) == ["interactive group psych", "participatory group therapy"]
    for fact in (
        "group",
        "psychiatric or psychological",
        "involvement",
        "partial hospitalization",
        "intensive outpatient",
    ):
        assert fact in row["description"]
    assert row["plain_language"]
    assert row["clinical_context"]
    assert "no physician work RVU" in row["rvu_information"]
    assert "payer's own fee schedule" in row["rvu_information"]
    for fact in ("CMS", "CPT", "national", "local coverage determination", "standard"):
        assert fact in row["billing_documentation"]
    assert "work RVU of 0.00" in row["comparison"]
    assert "85% of the" in row["comparison"]
    assert "G Codes" in row["comparison"]
    assert list(row["specialties"]) == ["Psychiatry", "Behavioral Health"]
    assert [each["question"] for each in row["faq"]] == [
        "What is HCPCS Level II code G0411?",
        "Who uses HCPCS Level II code G0411?",
        "When is HCPCS Level II code G0411 used?",
    ]
    assert "RVU26A" in row["attribution"]
    assert "American Medical Association" in row["attribution"]
