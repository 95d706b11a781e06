"""prove: how many of CMS's own figures come out in a release, and what is told of those that do not."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.build import build_source
from pipeline.catalog import Catalog, Factor, Release
from pipeline.price import payments
from pipeline.prove import COMPONENT_CODES, RULE, proofs, unproven
from pipeline.store import Receipt, sha256_of
from pipeline.validate import Agreement, Finding, agreement, judge, siblings
from schemas.gpci import GpciTable
from schemas.proof import PROOF, ProofTable
from tests.shaped import FIRST_LINE, NO_RVUS, RVU_ROWS, SHARES, Row, frame, row, with_rvus

OF_2025 = Factor("standard", date(2025, 1, 1), date(2025, 12, 31), 32.3465)
RELEASE = Release("RVU25A", date(2025, 1, 1), factors=(OF_2025,))
OPPS = ("opps_nonfacility_pe_rvu", "opps_facility_pe_rvu", "opps_mp_rvu")
TEST, TRACING, REPORT = "G0403", "G0404", "G0405"


def opps(pe: float, mp: float) -> Row:
    return dict(zip(OPPS, (pe, pe, mp), strict=True))


SPLIT = [  # a service with its halves, and the cap on TC that the whole takes part in
    row("rvu", hcpcs="G0001", **with_rvus(1.0, 2.0, 2.0, 0.1), **opps(1.6, 0.09)),
    row("rvu", hcpcs="G0001", modifier="26", **with_rvus(1.0, 0.4, 0.4, 0.06)),
    row("rvu", hcpcs="G0001", modifier="TC", **with_rvus(0.0, 1.6, 1.6, 0.04), **opps(1.2, 0.03)),
]
COMPONENTS = [  # a test that its component codes split
    row("rvu", hcpcs=TEST, pctc="4", **with_rvus(0.17, 0.25, 0.25, 0.02)),
    row("rvu", hcpcs=TRACING, pctc="3", **with_rvus(0.0, 0.18, 0.18, 0.01)),
    row("rvu", hcpcs=REPORT, pctc="2", **with_rvus(0.17, 0.07, 0.07, 0.01)),
]
SURGERY = row("rvu", hcpcs="G0004", global_days="090", **SHARES)


def replaced(rows: list[Row], number: int, **changes: Any) -> list[Row]:
    """Return the rows with one changed."""
    return [each | changes if place == number else each for place, each in enumerate(rows)]


def source(rvu: list[Row], *factors: Row) -> dict[str, pd.DataFrame]:
    """Make the tables that every release has."""
    factor_rows = (row("conversion_factor", **each) for each in factors or [{}])
    return {"rvu": frame("rvu", *rvu), "conversion_factor": frame("conversion_factor", *factor_rows)}


def proved(
    tables: dict[str, pd.DataFrame], release: Release = RELEASE, agreements: Iterable[Agreement] = ()
) -> dict[str, Row]:
    """Return the rows of `proof` by name; the table always keeps its own rules."""
    made = proofs(release, tables, agreements)
    assert judge(made, ProofTable) == []
    assert set(made["release"]) == {release.label}
    return {str(each["proof"]): each for each in made.to_dict("records")}


def counts(proof: Row) -> tuple[int, int, int]:
    return proof["compared"], proof["equal"], proof["not_compared"]


def one(proof: str, rows: list[Row]) -> Row:
    return proved(source(rows))[proof]


# Sums within PPRRVU


@pytest.mark.parametrize(
    ("proof", "rows", "figures"),
    [
        ("totals", RVU_ROWS, 22),  # two of each row
        ("split", RVU_ROWS, 6),  # components and totals of one code
        ("component_codes", COMPONENTS, 4),
        ("opps_split", SPLIT, 1),
        ("surgical_shares", RVU_ROWS, 1),
    ],
)
def test_parts_that_add_up_are_all_equal(proof: str, rows: list[Row], figures: int) -> None:
    found = one(proof, rows)
    assert counts(found) == (figures, figures, 0)
    assert found["largest_difference"] == 0
    assert pd.isna(found["explanation"])


@pytest.mark.parametrize(
    ("proof", "rows", "expected", "difference", "code"),
    [
        ("totals", [row("rvu", nonfacility_total_rvu=2.75), row("rvu", hcpcs="G0009")], (4, 3, 0), 0.02, "G0002"),
        ("split", replaced(SPLIT, 2, work_rvu=0.25), (6, 5, 0), 0.25, "G0001"),
        ("split", replaced(SPLIT, 2, **with_rvus(0.0, 1.5, 1.6, 0.04)), (6, 4, 0), 0.1, "G0001"),
        ("component_codes", replaced(COMPONENTS, 1, mp_rvu=0.02), (4, 3, 0), 0.01, TEST),
        ("component_codes", replaced(COMPONENTS, 0, **with_rvus(0.2, 0.3, 0.25, 0.02)), (4, 2, 0), 0.05, TEST),
        ("opps_split", replaced(SPLIT, 0, **opps(1.61, 0.09)), (1, 0, 0), 0.01, "G0001"),
        (
            "surgical_shares",
            [SURGERY, SURGERY | {"hcpcs": "G0009", "preoperative_share": 0.15}],
            (2, 1, 0),
            0.05,
            "G0009",
        ),
    ],
)
def test_parts_that_do_not_add_up_are_counted_and_the_code_is_named(
    proof: str, rows: list[Row], expected: tuple[int, int, int], difference: float, code: str
) -> None:
    found = one(proof, rows)
    assert counts(found) == expected
    assert found["largest_difference"] == pytest.approx(difference, abs=1e-9)
    assert found["explanation"] == f"CMS prints parts that do not add up: 1 rows, such as {code}."


def test_rows_that_do_not_add_up_are_counted_and_the_first_few_are_named() -> None:
    wrong = [row("rvu", hcpcs=f"G000{number}", facility_total_rvu=9.0) for number in range(6)]
    found = one("totals", wrong)
    assert counts(found) == (12, 6, 0)
    assert found["explanation"] == (
        "CMS prints parts that do not add up: 6 rows, such as G0000, G0001, G0002, G0003."
    )


@pytest.mark.parametrize(
    ("proof", "rows"),
    [
        ("split", SPLIT[:2]),
        ("split", [each | {"status": "R"} for each in SPLIT]),
        ("split", replaced(SPLIT, 0, status="C", **NO_RVUS)),
        ("component_codes", COMPONENTS[:2]),
        ("component_codes", replaced(COMPONENTS, 2, **NO_RVUS)),
        ("component_codes", [each | {"modifier": "TC"} for each in COMPONENTS]),
        ("opps_split", replaced(SPLIT, 0, **opps(0.0, 0.0))),
        ("opps_split", [each | dict.fromkeys(OPPS) for each in SPLIT]),
        ("opps_split", SPLIT[::2]),
        ("surgical_shares", SPLIT),
        ("bases", SPLIT),
        ("formats", SPLIT),
        ("oppscap_nonfacility", SPLIT),
        ("oppscap_listed", SPLIT),
    ],
)
def test_what_cannot_be_compared_has_no_row(proof: str, rows: list[Row]) -> None:
    assert proof not in proved(source(rows))


def test_a_release_of_whole_services_only_has_its_totals_and_its_factor_proven() -> None:
    assert list(proved(source([row("rvu")]))) == ["conversion_factor", "totals"]


def test_a_cap_that_only_tc_lacks_does_not_add_up() -> None:
    found = one("opps_split", replaced(SPLIT, 2, **opps(0.0, 0.0)))
    assert counts(found) == (1, 0, 0)
    assert found["largest_difference"] == pytest.approx(1.2)


def test_a_cap_without_a_figure_on_tc_is_counted_as_different() -> None:
    found = one("opps_split", replaced(SPLIT, 2, **dict.fromkeys(OPPS)))
    assert counts(found) == (1, 0, 0)
    assert "G0001" in found["explanation"]


def test_every_test_of_component_codes_has_at_least_two_of_its_own() -> None:
    parts = [code for codes in COMPONENT_CODES.values() for code in codes]
    assert all(len(codes) >= 2 for codes in COMPONENT_CODES.values())
    assert len(parts) == len(set(parts))
    assert not set(parts) & COMPONENT_CODES.keys()


# Members of an archive that print the same rows


def test_rows_of_both_bases_that_agree_are_all_equal() -> None:
    rows = frame("rvu", *RVU_ROWS)
    findings, compared = agreement(rows, rows.iloc[:4])
    assert findings == []
    found = proved(source(RVU_ROWS), agreements=[compared])["bases"]
    assert counts(found) == (4, 4, 0)
    assert np.isnan(found["largest_difference"])


def test_rows_of_both_bases_that_disagree_are_counted_and_explained() -> None:
    complete = frame("rvu", *RVU_ROWS)
    _, compared = agreement(complete, frame("rvu", *replaced(RVU_ROWS, 3, work_rvu=0.5)))
    found = proved(source(RVU_ROWS), agreements=[compared])["bases"]
    assert counts(found) == (11, 10, 0)
    assert "G0002" in found["explanation"]


def gpci(*localities: str, **changes: Any) -> pd.DataFrame:
    return frame("gpci", *(row("gpci", locality=locality, **changes) for locality in localities))


def test_other_formats_are_added_up_and_each_member_that_differs_is_named() -> None:
    rows = gpci("00", "01", "02", "03")
    others = {
        "GPCI2025.txt": gpci("00", "01", "02"),
        "GPCI2025.csv": gpci("00", "01", "02", "03"),
        "GPCI2025.xlsx": gpci("00", "01", "02", "03", pe_gpci=0.9),
    }
    agreements = [siblings(GpciTable, rows, other, member)[1] for member, other in others.items()]
    found = proved(source(RVU_ROWS), agreements=agreements)["formats"]
    assert counts(found) == (12, 7, 0)
    assert found["explanation"] == (
        "GPCI2025.txt: 1 rows missing, 0 more, 0 changed. "
        "GPCI2025.xlsx: 0 rows missing, 0 more, 4 changed in pe_gpci."
    )


def test_formats_that_agree_are_told_without_a_word() -> None:
    rows = gpci("00", "01")
    agreements = [siblings(GpciTable, rows, rows, member)[1] for member in ("GPCI2025.txt", "GPCI2025.xlsx")]
    found = proved(source(RVU_ROWS), agreements=iter(agreements))["formats"]
    assert counts(found) == (4, 4, 0)
    assert pd.isna(found["explanation"])


# The conversion factor


def test_the_factor_that_is_printed_and_declared_is_equal() -> None:
    found = one("conversion_factor", [row("rvu")])
    assert counts(found) == (1, 1, 0)
    assert found["largest_difference"] == 0
    assert pd.isna(found["explanation"])


def test_a_superseded_release_with_another_factor_is_told_in_both_numbers() -> None:
    of_2023 = Factor("standard", date(2023, 1, 1), date(2023, 12, 31), 33.8872)
    superseded = Release("RVU23A", date(2023, 1, 1), superseded_by="RVU23AR", factors=(of_2023,))
    found = proved(source([row("rvu")], {"conversion_factor": 33.0607}), superseded)["conversion_factor"]
    assert counts(found) == (1, 0, 0)
    assert found["largest_difference"] == pytest.approx(0.8265)
    assert found["explanation"] == (
        "PPRRVU prints 33.0607 for standard, 33.8872 was paid: CMS replaced this release."
    )


APM = [
    {"basis": "nonqualifying_apm", "conversion_factor": 33.4009},
    {"basis": "qualifying_apm", "conversion_factor": 33.5675},
]
OF_2026 = tuple(Factor(since=date(2026, 1, 1), until=date(2026, 12, 31), **each) for each in APM)
RELEASE_2026 = Release("RVU26A", date(2026, 1, 1), factors=OF_2026)


def test_each_of_two_bases_is_compared_with_its_own_factor() -> None:
    assert counts(proved(source([row("rvu")], *APM), RELEASE_2026)["conversion_factor"]) == (2, 2, 0)
    swapped = [APM[0] | {"conversion_factor": 33.5675}, APM[1] | {"conversion_factor": 33.4009}]
    found = proved(source([row("rvu")], *swapped), RELEASE_2026)["conversion_factor"]
    assert counts(found) == (2, 0, 0)
    for told in ("33.5675 for nonqualifying_apm, 33.4009", "33.4009 for qualifying_apm, 33.5675"):
        assert told in found["explanation"]


def test_a_factor_that_no_file_prints_proves_nothing() -> None:
    declared = APM[1] | {"is_printed": False}
    assert counts(proved(source([row("rvu")], APM[0], declared), RELEASE_2026)["conversion_factor"]) == (1, 1, 0)
    assert "conversion_factor" not in proved(source([row("rvu")], declared), RELEASE_2026)


def test_a_year_without_a_declared_factor_has_none_to_compare() -> None:
    assert "conversion_factor" not in proved(source([row("rvu")]), Release("RVU25A", date(2025, 1, 1)))


def test_a_factor_of_other_days_of_the_year_is_not_the_one_to_compare_with() -> None:
    earlier = Factor("standard", date(2024, 1, 1), date(2024, 3, 8), 32.7442)
    later = Factor("standard", date(2024, 3, 9), date(2024, 12, 31), 33.2875)
    printed = source([row("rvu")], {"conversion_factor": 33.2875})
    april = Release("RVU24B", date(2024, 4, 1), factors=(earlier, later))
    january = Release("RVU24A", date(2024, 1, 1), factors=(earlier, later))
    assert counts(proved(printed, april)["conversion_factor"]) == (1, 1, 0)
    assert counts(proved(printed, january)["conversion_factor"]) == (1, 0, 0)


# The whole table


def everything() -> tuple[dict[str, pd.DataFrame], list[Agreement]]:
    """Return tables and agreements of a release in which each proof has something to compare."""
    contractor = [
        row("rvu", hcpcs="G0009", status="C", **NO_RVUS, **opps(1.6, 0.09)),
        row("rvu", hcpcs="G0009", modifier="26", **with_rvus(1.0, 0.4, 0.4, 0.06)),
    ]
    tables = source([*SPLIT, *COMPONENTS, *contractor, SURGERY]) | {"gpci": frame("gpci")}
    tables["payment"] = payments(tables["rvu"], tables["gpci"], tables["conversion_factor"])
    capped = {"facility_price": 79.0, "nonfacility_price": 79.0}  # (1.0 + 1.6 x 0.869 + 0.09 x 0.575) x 32.3465
    tables["opps_cap"] = frame(
        "opps_cap",
        row("opps_cap", modifier="", **capped),
        row("opps_cap", facility_price=34.29, nonfacility_price=34.29),  # (1.2 x 0.869 + 0.03 x 0.575) x 32.3465
        row("opps_cap", hcpcs="G0009", modifier="", status="C", **capped),
    )
    return tables, [Agreement("formats", 3, 3), Agreement("bases", 2, 2), Agreement("formats", 5, 5)]


def test_every_proof_has_a_row_in_the_order_in_which_they_are_declared() -> None:
    tables, agreements = everything()
    made = proved(tables, agreements=agreements)
    assert list(made) == list(PROOF)
    assert {proof: each["equal"] for proof, each in made.items()} == {
        "oppscap_nonfacility": 2,
        "oppscap_facility": 2,
        "oppscap_listed": 2,
        "oppscap_contractor_priced": 1,
        "conversion_factor": 1,
        "totals": 18,
        "split": 6,
        "component_codes": 4,
        "opps_split": 1,
        "surgical_shares": 1,
        "bases": 2,
        "formats": 8,
    }
    assert all(each["compared"] == each["equal"] for each in made.values())


def test_the_order_of_rows_and_agreements_changes_nothing() -> None:
    tables, agreements = everything()
    shuffled = {table: rows.sample(frac=1, random_state=7) for table, rows in tables.items()}
    assert proofs(RELEASE, shuffled, agreements[::-1]).equals(proofs(RELEASE, tables, agreements))


def test_errors_in_every_table_still_give_a_valid_proof() -> None:
    tables, _ = everything()
    tables["opps_cap"]["nonfacility_price"] += 0.01
    tables["opps_cap"] = tables["opps_cap"].iloc[1:]
    tables["rvu"]["facility_total_rvu"] += 0.5
    tables["conversion_factor"]["conversion_factor"] = 31.5
    tables["rvu"].loc[FIRST_LINE + 2, ["work_rvu", "opps_nonfacility_pe_rvu"]] = 0.37  # TC of G0001
    tables["rvu"].loc[tables["rvu"]["hcpcs"] == REPORT, "mp_rvu"] = 0.37
    tables["rvu"].loc[tables["rvu"]["hcpcs"] == SURGERY["hcpcs"], "preoperative_share"] = 0.37
    made = proved(tables, agreements=[Agreement("formats", 3, 1, "A.txt: 2 changed.")])
    assert [proof for proof, each in made.items() if each["equal"] == each["compared"]] == ["oppscap_facility"]


@pytest.mark.parametrize("lacking", ["gpci", "opps_cap"])
def test_an_archive_without_localities_or_capped_payments_is_proven_without_them(lacking: str) -> None:
    tables, agreements = everything()
    del tables[lacking]
    if lacking == "gpci":
        del tables["payment"]
    assert list(proved(tables, agreements=agreements)) == [each for each in PROOF if not each.startswith("oppscap")]


# What is reported


@pytest.mark.parametrize(
    "proof",
    [
        "oppscap_nonfacility",
        "oppscap_facility",
        "oppscap_listed",
        "oppscap_contractor_priced",
        "conversion_factor",
        "component_codes",
        "opps_split",
    ],
)
def test_a_gap_that_no_rule_tells_is_a_warning_with_its_explanation(proof: str) -> None:
    made = frame("proof", row("proof", proof=proof, compared=9_184, equal=9_180))
    (finding,) = unproven(made)
    assert finding == Finding("proof", proof, RULE, "warning", 4, (), "We made it up.")


@pytest.mark.parametrize("proof", ["totals", "split", "surgical_shares", "bases", "formats"])
def test_a_gap_that_a_rule_tells_is_not_told_twice(proof: str) -> None:
    assert unproven(frame("proof", row("proof", proof=proof))) == []


def test_what_comes_out_or_could_not_be_compared_is_no_gap() -> None:
    proven = row("proof", proof="oppscap_listed", equal=26, explanation=None)
    unplaced = row("proof", proof="oppscap_facility", equal=26, not_compared=7)
    assert unproven(frame("proof", proven, unplaced)) == []


def test_gaps_of_a_release_are_reported_in_the_order_of_its_proofs() -> None:
    tables, agreements = everything()
    tables["opps_cap"][["facility_price", "nonfacility_price"]] += 1
    tables["rvu"].loc[tables["rvu"]["hcpcs"] == REPORT, "work_rvu"] = 0.5
    found = unproven(proofs(RELEASE, tables, agreements))
    assert [(each.column, each.count) for each in found] == [
        ("oppscap_nonfacility", 2),
        ("oppscap_facility", 2),
        ("oppscap_contractor_priced", 1),
        ("component_codes", 1),
    ]
    assert all(each.severity == "warning" and each.reason for each in found)


# CMS's own bytes


def test_every_figure_of_the_bundled_sample_comes_out(sample_archives: dict[str, Path], catalog: Catalog) -> None:
    for label, path in sample_archives.items():
        receipt = Receipt(label, path.name, sha256_of(path), path.stat().st_size, "now")
        made = build_source(path, receipt, catalog[label]).tables["proof"].set_index("proof")
        assert {"conversion_factor", "totals", "split", "component_codes", "opps_split"} <= set(made.index)
        gaps = made[made["equal"] < made["compared"]]
        assert set(gaps.index) <= {"formats"}
