"""cap: CMS's capped payments against ours, and the sentence that says what differences have in common.

What OPPSCAP prints is computed here with decimals, independent of pipeline.money.
"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from pipeline.build import build_source
from pipeline.cap import Proof, cap_proofs
from pipeline.catalog import Catalog, Factor, Release
from pipeline.price import payments
from pipeline.store import Receipt, sha256_of
from tests.shaped import NO_RVUS, Row, frame, row, with_rvus

Caps = list[Row]
Place = tuple[str, str]
Indices = dict[Place, tuple[Decimal, ...]]
Rvus = tuple[Decimal, ...]  # work, practice expense, malpractice

NONFACILITY, FACILITY, LISTED, CONTRACTOR = PROOFS = [
    "oppscap_nonfacility",
    "oppscap_facility",
    "oppscap_listed",
    "oppscap_contractor_priced",
]
FACTOR, OLDER, UNDECLARED = Decimal("33.2875"), Decimal("32.7442"), Decimal("31.4159")
RELEASE = Release(
    "RVU24C",
    date(2024, 7, 1),
    factors=(
        Factor("standard", date(2024, 1, 1), date(2024, 3, 8), 32.7442),
        Factor("standard", date(2024, 3, 9), date(2024, 12, 31), 33.2875),
    ),
)

INDICES: Indices = {  # MAC, locality: work, practice expense, malpractice; the first three are held at the floor
    (mac, locality): tuple(map(Decimal, numbers))
    for mac, locality, *numbers in (
        ("10112", "00", "1.000", "0.869", "0.575"),
        ("03102", "00", "1.000", "0.971", "0.829"),
        ("09202", "20", "1.000", "1.007", "0.995"),
        ("01112", "05", "1.088", "1.419", "0.445"),
        ("13282", "01", "1.051", "1.184", "1.653"),
        ("02102", "01", "1.500", "1.081", "0.592"),
        ("06102", "16", "1.009", "1.025", "1.876"),
        ("14212", "01", "1.035", "1.159", "0.777"),
    )
}
BELOW_FLOOR = dict(zip(list(INDICES)[:3], map(Decimal, ("0.979", "0.968", "0.991")), strict=True))
WITHOUT_FLOOR: Indices = INDICES | {place: (work, *INDICES[place][1:]) for place, work in BELOW_FLOOR.items()}
NO_FLOOR_TOLD = "work GPCI is held at the floor of 1.0: CMS computed them without the floor."


class Trio(NamedTuple):
    """A service, its halves 26 and TC, and the cap of TC."""

    code: str
    status: str
    work: Decimal
    pe_26: Decimal
    mp_26: Decimal
    pe_tc: Decimal
    mp_tc: Decimal
    opps_pe: Decimal
    opps_mp: Decimal

    def full(self) -> dict[str, Rvus]:
        """Return what the fee is made of, by modifier."""
        return {
            "": (self.work, self.pe_26 + self.pe_tc, self.mp_26 + self.mp_tc),
            "26": (self.work, self.pe_26, self.mp_26),
            "TC": (Decimal(0), self.pe_tc, self.mp_tc),
        }

    def capped(self) -> dict[str, Rvus]:
        """Return what the cap is made of, by modifier."""
        return {
            "": (self.work, self.pe_26 + self.opps_pe, self.mp_26 + self.opps_mp),
            "TC": (Decimal(0), self.opps_pe, self.opps_mp),
        }


def trio(code: str, status: str, rvus: str) -> Trio:
    return Trio(code, status, *map(Decimal, rvus.split()))


TRIOS = [  # work, 26: practice expense and malpractice, TC, cap of TC
    trio("G0101", "A", "1.50  0.60 0.08   14.20 0.06    9.87 0.05"),
    trio("G0102", "A", "2.17  0.91 0.11   22.45 0.09   12.31 0.07"),
    trio("G0103", "A", "0.85  0.33 0.05  191.02 0.31  150.77 0.28"),
    trio("G0104", "A", "1.05  0.40 0.06   11.00 0.01   10.99 0.03"),  # binds in 01112-05 only
    trio("G0105", "A", "1.29  0.52 0.07    8.00 0.05    9.13 0.05"),  # never binds
    trio("G0111", "C", "1.74  0.70 0.09    0.00 0.00   31.42 0.12"),
    trio("G0112", "C", "1.93  0.77 0.10    0.00 0.00   27.65 0.11"),
]
BINDS_NOWHERE = TRIOS[4]
ALWAYS_LISTED = ["G0101", "G0102", "G0103"]
ACTIVE, CONTRACTORS = 3 * 2 * 8 + 2, 2 * 2 * 8  # rows


def amount(rvus: Rvus, indices: tuple[Decimal, ...], factor: Decimal = FACTOR) -> Decimal:
    """Return dollars, rounded half up."""
    weighted = sum((rvu * index for rvu, index in zip(rvus, indices, strict=True)), Decimal(0))
    return (weighted * factor).quantize(Decimal("0.01"), ROUND_HALF_UP)


def cap_row(each: Trio, modifier: str, place: Place, price: Decimal) -> Row:
    return row(
        "opps_cap",
        hcpcs=each.code,
        modifier=modifier,
        mac=place[0],
        locality=place[1],
        status=each.status,
        facility_price=float(price),
        nonfacility_price=float(price),
    )


def printed(trios: list[Trio] = TRIOS, factor: Decimal = FACTOR, indices: Indices = INDICES) -> Caps:
    """Print OPPSCAP: contractor-priced codes everywhere, active ones where the cap binds."""
    return [
        cap_row(each, modifier, place, amount(capped, indices[place], factor))
        for each in trios
        for modifier, capped in each.capped().items()
        for place, here in INDICES.items()
        if each.status == "C" or amount(capped, here) < amount(each.full()[modifier], here)
    ]


def changed(caps: Caps, by: str, where: Callable[[Row], bool]) -> Caps:
    """Add dollars to the prices of some rows, in both settings."""
    prices = ("facility_price", "nonfacility_price")
    return [
        each | {name: float(Decimal(str(each[name])) + Decimal(by)) for name in prices} if where(each) else each
        for each in caps
    ]


def place_of(cap: Row) -> Place:
    return cap["mac"], cap["locality"]


def rvu_rows(trios: list[Trio]) -> Iterator[Row]:
    """Print PPRRVU: a contractor-priced service has RVUs on its 26 row, and those of the cap."""
    for each in trios:
        for modifier, (work, pe, mp) in each.full().items():
            by_formula = each.status == "A" or modifier == "26"
            rvus = with_rvus(float(work), float(pe), float(pe), float(mp)) if by_formula else NO_RVUS
            _, opps_pe, opps_mp = map(float, each.capped().get(modifier, (0, 0, 0)))
            yield row(
                "rvu",
                hcpcs=each.code,
                modifier=modifier,
                status="A" if by_formula else "C",
                **rvus,
                opps_nonfacility_pe_rvu=opps_pe,
                opps_facility_pe_rvu=opps_pe,
                opps_mp_rvu=opps_mp,
            )


def gpci_rows() -> Iterator[Row]:
    for (mac, locality), (work, pe, mp) in INDICES.items():
        yield row("gpci", mac=mac, locality=locality, work_gpci=float(work), pe_gpci=float(pe), mp_gpci=float(mp))


def tables(caps: Caps, trios: list[Trio] = TRIOS, *factors: Row) -> dict[str, pd.DataFrame]:
    """Make the tables that cap_proofs compares; `trios` are those that PPRRVU prints."""
    made = {
        "rvu": frame("rvu", *rvu_rows(trios)),
        "gpci": frame("gpci", *gpci_rows()),
        "opps_cap": frame("opps_cap", *caps) if caps else frame("opps_cap").iloc[:0],
        "conversion_factor": frame(
            "conversion_factor",
            *(row("conversion_factor", **each) for each in factors or [{"conversion_factor": float(FACTOR)}]),
        ),
    }
    return made | {"payment": payments(made["rvu"], made["gpci"], made["conversion_factor"])}


def proved(caps: Caps, trios: list[Trio] = TRIOS, release: Release = RELEASE, *factors: Row) -> dict[str, Proof]:
    """Return the proofs by name; each is explained exactly where something differs or could not be compared."""
    made = {each.proof: each for each in cap_proofs(release, tables(caps, trios, *factors))}
    for each in made.values():
        assert (each.explanation is None) == (each.equal == each.compared and not each.not_compared)
    return made


def told(proof: Proof) -> str:
    assert proof.explanation is not None
    return proof.explanation


# All is well


def test_prices_that_follow_the_formula_are_all_equal() -> None:
    assert proved(printed()) == {
        NONFACILITY: Proof(NONFACILITY, ACTIVE, ACTIVE, largest_difference=0.0),
        FACILITY: Proof(FACILITY, ACTIVE, ACTIVE, largest_difference=0.0),
        LISTED: Proof(LISTED, ACTIVE, ACTIVE, largest_difference=pytest.approx(np.nan, nan_ok=True)),
        CONTRACTOR: Proof(CONTRACTOR, CONTRACTORS, CONTRACTORS, largest_difference=0.0),
    }


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert [each.equal for each in proved(printed()[::-1]).values()] == [ACTIVE, ACTIVE, ACTIVE, CONTRACTORS]


def test_the_contractor_priced_whole_takes_its_work_from_its_26_row() -> None:
    place = ("01112", "05")
    only = [trio("G0111", "C", "2.00  0.50 0.10  0.00 0.00  10.00 0.20")]
    # (2.00 x 1.088 + 10.50 x 1.419 + 0.30 x 0.445) x 33.2875 and (10.00 x 1.419 + 0.20 x 0.445) x 33.2875
    whole, technical = Decimal("572.84"), Decimal("475.31")
    caps = [cap_row(only[0], "", place, whole), cap_row(only[0], "TC", place, technical)]
    assert (proved(caps, only)[CONTRACTOR].compared, proved(caps, only)[CONTRACTOR].equal) == (2, 2)
    more_work = [only[0]._replace(work=Decimal("2.01"))]
    assert proved(caps, more_work)[CONTRACTOR].equal == 1
    assert proved(caps, more_work)[CONTRACTOR].largest_difference == 0.37


def test_work_of_2007_is_adjusted_in_the_cap_as_in_the_fee() -> None:
    adjusted = [each._replace(work=(each.work * Decimal("0.8994")).quantize(FACTOR // 1 / 100)) for each in TRIOS]
    in_2007 = {"conversion_factor": float(FACTOR), "work_adjustor": 0.8994}
    assert [each.equal for each in proved(printed(adjusted), TRIOS, RELEASE, in_2007).values()] == [
        ACTIVE,
        ACTIVE,
        ACTIVE,
        CONTRACTORS,
    ]


def test_of_two_bases_the_one_that_applies_to_most_is_compared() -> None:
    both = [
        {"basis": "qualifying_apm", "conversion_factor": 33.5675},
        {"basis": "nonqualifying_apm", "conversion_factor": 33.4009},
    ]
    made = proved(printed(factor=Decimal("33.4009")), TRIOS, RELEASE, *both)
    assert [each.compared for each in made.values()] == [ACTIVE, ACTIVE, ACTIVE, CONTRACTORS]
    assert [each.equal for each in made.values()] == [ACTIVE, ACTIVE, ACTIVE, CONTRACTORS]


# Single amounts


def test_one_cent_is_found_and_the_code_is_named() -> None:
    made = proved(changed(printed(), "0.01", lambda cap: cap == printed()[9]))
    for proof in (NONFACILITY, FACILITY):
        assert (made[proof].compared, made[proof].equal) == (ACTIVE, ACTIVE - 1)
        assert made[proof].largest_difference == 0.01
        assert told(made[proof]) == f"1 of {ACTIVE} differ. 1 remain, all of G0101-TC."
    assert made[LISTED].equal == ACTIVE
    assert made[CONTRACTOR].explanation is None


def test_each_setting_is_compared_with_its_own_price() -> None:
    caps = printed()
    caps[0] = caps[0] | {"facility_price": caps[0]["facility_price"] - 2.5}
    made = proved(caps)
    assert (made[NONFACILITY].equal, made[FACILITY].equal) == (ACTIVE, ACTIVE - 1)
    assert made[FACILITY].largest_difference == 2.5


def test_a_contractor_priced_amount_that_is_off_leaves_active_codes_equal() -> None:
    made = proved(
        changed(printed(), "0.01", lambda cap: cap["hcpcs"] == "G0112" and place_of(cap) == ("14212", "01"))
    )
    assert (made[CONTRACTOR].equal, made[CONTRACTOR].largest_difference) == (CONTRACTORS - 2, 0.01)
    assert told(made[CONTRACTOR]) == f"2 of {CONTRACTORS} differ. 2 remain, all of G0112, G0112-TC."
    assert made[NONFACILITY].explanation is None


# What differences have in common


def test_another_factor_of_the_year_is_named_with_its_period() -> None:
    made = proved(printed(factor=OLDER))
    for proof, rows in ((NONFACILITY, ACTIVE), (FACILITY, ACTIVE), (CONTRACTOR, CONTRACTORS)):
        assert made[proof].equal == 0
        assert told(made[proof]) == (
            f"{rows} of {rows} differ. OPPSCAP implies the factor 32.7442, in force from 2024-01-01 to 2024-03-08: "
            "CMS left an older file in, where this release has 33.2875."
        )
    assert made[LISTED].equal == ACTIVE


def test_a_factor_that_nobody_declared_is_found() -> None:
    made = proved(printed(factor=UNDECLARED))
    for proof, rows in ((NONFACILITY, ACTIVE), (CONTRACTOR, CONTRACTORS)):
        assert told(made[proof]) == (
            f"{rows} of {rows} differ. OPPSCAP implies the factor 31.4159, where this release has 33.2875."
        )


def test_of_the_factors_that_fit_small_amounts_the_declared_one_is_named() -> None:
    small = [trio("G0101", "A", "0.10  0.05 0.01  1.20 0.01  0.95 0.01")]
    assert "implies the factor 32.7442, in force from" in told(proved(printed(small, OLDER), small)[NONFACILITY])


def test_the_factor_is_found_although_some_rows_differ_otherwise() -> None:
    made = proved(changed(printed(factor=OLDER), "-3.00", lambda cap: cap["hcpcs"] == "G0102"))
    assert "implies the factor 32.7442" in told(made[NONFACILITY])
    assert told(made[NONFACILITY]).endswith("16 remain, all of G0102, G0102-TC.")


def test_an_older_factor_without_the_work_floor_is_told_as_both() -> None:
    made = proved(printed(factor=OLDER, indices=WITHOUT_FLOOR))
    held = [cap for cap in printed() if place_of(cap) in BELOW_FLOOR and cap["modifier"] == ""]
    for proof, status in ((NONFACILITY, "A"), (FACILITY, "A"), (CONTRACTOR, "C")):
        still = sum(cap["status"] == status for cap in held)
        assert made[proof].equal == 0
        assert "implies the factor 32.7442, in force from 2024-01-01 to 2024-03-08" in told(made[proof])
        assert "where this release has 33.2875" in told(made[proof])
        assert told(made[proof]).endswith(
            f"The {still} that still differ are of work in localities whose {NO_FLOOR_TOLD}"
        )


def test_a_missing_work_floor_alone_is_told_without_a_factor() -> None:
    made = proved(printed(indices=WITHOUT_FLOOR))
    assert told(made[NONFACILITY]).endswith(NO_FLOOR_TOLD)
    assert "implies" not in told(made[NONFACILITY])
    assert made[NONFACILITY].equal > ACTIVE / 2


@pytest.mark.parametrize(
    ("place", "work"),
    [(("10112", "00"), "1.021"), (("06102", "16"), "0.987")],
    ids=["higher index where 1.0 is paid", "lower index where 1.009 is paid"],
)
def test_another_work_index_is_not_taken_for_a_missing_floor(place: Place, work: str) -> None:
    other = INDICES | {place: (Decimal(work), *INDICES[place][1:])}
    made = proved(printed(indices=other))
    assert "floor" not in told(made[NONFACILITY])
    assert "remain, all of G0101, G0102, G0103" in told(made[NONFACILITY])


def test_technical_components_have_no_work_that_a_missing_floor_could_change() -> None:
    made = proved(
        changed(printed(), "-0.40", lambda cap: cap["modifier"] == "TC" and place_of(cap) == ("10112", "00"))
    )
    assert "floor" not in told(made[NONFACILITY])
    assert "remain, all of G0101-TC, G0102-TC, G0103-TC" in told(made[NONFACILITY])


def test_one_low_amount_is_no_missing_floor_where_other_codes_are_paid_with_it() -> None:
    made = proved(changed(printed(), "-0.20", lambda cap: cap["hcpcs"] == "G0101" and cap["modifier"] == ""))
    assert made[NONFACILITY].equal == ACTIVE - 8
    held = proved(changed(printed(), "-0.20", lambda cap: cap == printed()[0]))  # G0101 in 10112-00
    assert told(held[NONFACILITY]) == f"1 of {ACTIVE} differ. 1 remain, all of G0101."


def test_differences_of_one_code_name_it() -> None:
    made = proved(changed(printed(), "1.00", lambda cap: cap["hcpcs"] == "G0102" and cap["modifier"] == "TC"))
    assert told(made[NONFACILITY]) == f"8 of {ACTIVE} differ. 8 remain, all of G0102-TC."
    assert made[NONFACILITY].largest_difference == 1.0


def test_differences_of_one_locality_name_it() -> None:
    made = proved(changed(printed(), "1.00", lambda cap: place_of(cap) == ("13282", "01")))
    assert told(made[NONFACILITY]) == f"6 of {ACTIVE} differ. 6 remain, all in 13282-01."


def test_differences_all_over_the_file_are_told_as_such() -> None:
    over = [("03102", "00"), ("01112", "05"), ("13282", "01"), ("02102", "01"), ("14212", "01")]
    caps = changed(printed(), "1.00", lambda cap: cap["hcpcs"] == "G0101" and place_of(cap) in over)
    caps = changed(caps, "1.00", lambda cap: cap["hcpcs"] in ("G0102", "G0103") and place_of(cap) == over[0])
    assert told(proved(caps)[NONFACILITY]) == (
        f"14 of {ACTIVE} differ. 14 remain, in 6 codes and 5 localities: CMS computed them from other RVUs or "
        "indices than this release's."
    )


def test_an_older_file_of_other_rvus_is_not_explained_by_a_factor() -> None:
    """Each code moved by another ratio, so no factor gives more than a few of the prices."""
    ratios = ("1.043", "0.971", "1.117", "0.893")
    older = [
        each._replace(opps_pe=each.opps_pe * Decimal(ratio), pe_26=each.pe_26 * Decimal(ratio), work=each.work * 2)
        for each, ratio in zip(TRIOS[:4], ratios, strict=True)
    ]
    caps = [cap for cap in printed(older) if cap["hcpcs"] in ALWAYS_LISTED]
    made = proved(caps)
    assert made[NONFACILITY].equal == 0
    assert "implies the factor" not in told(made[NONFACILITY])


@pytest.mark.parametrize(
    ("other", "period"),
    [
        (Factor("standard", date(2024, 10, 1), date(2024, 12, 31), 34.1111), "later than the release"),
        (Factor("qualifying_apm", date(2024, 1, 1), date(2024, 12, 31), 34.1111), "of other payees, same days"),
    ],
)
def test_a_factor_that_no_older_file_had_is_not_called_one(other: Factor, period: str) -> None:
    release = Release("RVU24C", date(2024, 7, 1), factors=(*RELEASE.factors, other))
    made = proved(printed(factor=Decimal("34.1111")), TRIOS, release)
    assert "implies the factor 34.1111" in told(made[NONFACILITY])
    assert "older" not in told(made[NONFACILITY]), period


# Which rows are listed


def test_a_capped_payment_that_is_not_listed_is_named() -> None:
    caps = [cap for cap in printed() if (cap["hcpcs"], place_of(cap)) != ("G0102", ("02102", "01"))]
    listed = proved(caps)[LISTED]
    assert (listed.compared, listed.equal) == (ACTIVE, ACTIVE - 2)
    assert np.isnan(listed.largest_difference)
    assert told(listed) == (
        "The cap lowers 2 payments that OPPSCAP does not list, and OPPSCAP lists 0 that the cap does not lower, "
        "such as G0102-02102-01, G0102-TC-02102-01."
    )


def test_a_listed_row_that_the_cap_does_not_lower_is_named() -> None:
    place = ("06102", "16")
    fee = amount(BINDS_NOWHERE.full()["TC"], INDICES[place])
    made = proved([*printed(), cap_row(BINDS_NOWHERE, "TC", place, fee)])
    assert (made[LISTED].compared, made[LISTED].equal) == (ACTIVE + 1, ACTIVE)
    assert told(made[LISTED]) == (
        "The cap lowers 0 payments that OPPSCAP does not list, and OPPSCAP lists 1 that the cap does not lower, "
        "such as G0105-TC-06102-16."
    )
    assert (made[NONFACILITY].compared, made[NONFACILITY].equal) == (ACTIVE + 1, ACTIVE + 1)


def test_an_outpatient_amount_above_the_fee_differs_without_any_talk_of_a_factor() -> None:
    place = ("06102", "16")
    above = amount(BINDS_NOWHERE.capped()["TC"], INDICES[place])
    made = proved([*printed(), cap_row(BINDS_NOWHERE, "TC", place, above)])
    assert (made[NONFACILITY].compared, made[NONFACILITY].equal) == (ACTIVE + 1, ACTIVE)
    assert "G0105-TC" in told(made[NONFACILITY])
    assert "implies the factor" not in told(made[NONFACILITY])


def test_only_a_few_of_many_unlisted_rows_are_named() -> None:
    listed = proved([cap for cap in printed() if cap["hcpcs"] != "G0103"])[LISTED]
    assert listed.equal == ACTIVE - 16
    assert told(listed).count("G0103") == 4


def test_a_restricted_row_that_is_listed_is_not_said_to_be_missing() -> None:
    caps = [cap | {"status": "R"} if cap["hcpcs"] == "G0102" else cap for cap in printed()]
    made = tables(caps)
    made["rvu"]["status"] = made["rvu"]["status"].mask(made["rvu"]["hcpcs"] == "G0102", "R")
    listed = {each.proof: each for each in cap_proofs(RELEASE, made)}[LISTED]
    assert listed.explanation is None


# Localities that GPCI lacks


def test_localities_that_gpci_lacks_are_not_compared_but_counted_and_named() -> None:
    elsewhere = [("01112", "17"), ("01112", "18")]
    copies = [
        cap | {"mac": mac, "locality": locality}
        for cap in printed()
        if place_of(cap) == ("01112", "05")
        for mac, locality in elsewhere
    ]
    of = {status: sum(cap["status"] == status for cap in copies) for status in ("A", "C")}
    made = proved([*printed(), *copies])
    for proof, rows, status in (
        (NONFACILITY, ACTIVE, "A"),
        (FACILITY, ACTIVE, "A"),
        (CONTRACTOR, CONTRACTORS, "C"),
    ):
        assert (made[proof].compared, made[proof].equal, made[proof].not_compared) == (rows, rows, of[status])
        assert told(made[proof]) == (
            f"{of[status]} figures are of 2 localities that GPCI lacks, such as 01112-17, 01112-18."
        )
    assert (made[LISTED].compared, made[LISTED].equal, made[LISTED].not_compared) == (ACTIVE, ACTIVE, 0)


def test_what_differs_is_told_after_what_could_not_be_compared() -> None:
    caps = changed(printed(), "1.00", lambda cap: cap["hcpcs"] == "G0102" and cap["modifier"] == "")
    caps.append(caps[0] | {"mac": "01112", "locality": "71"})
    assert told(proved(caps)[NONFACILITY]) == (
        f"1 figures are of 1 localities that GPCI lacks, such as 01112-71. 8 of {ACTIVE} differ. "
        "8 remain, all of G0102."
    )


# Edges


def test_a_listed_code_that_pprrvu_lacks_is_counted_as_different() -> None:
    unknown = trio("G0199", "A", "1.00  0.50 0.05  9.00 0.05  6.00 0.05")
    caps = [*printed(), *(cap_row(unknown, "TC", place, Decimal("210.55")) for place in list(INDICES)[3:5])]
    made = proved(caps)
    for proof in (NONFACILITY, FACILITY):
        assert (made[proof].compared, made[proof].equal) == (ACTIVE + 2, ACTIVE)
        assert told(made[proof]) == f"2 of {ACTIVE + 2} differ. 2 remain, all of G0199-TC."
    assert told(made[LISTED]).endswith(
        "OPPSCAP lists 2 that the cap does not lower, such as G0199-TC-01112-05, G0199-TC-13282-01."
    )


def test_a_listed_code_that_pprrvu_lacks_does_not_hide_another_factor() -> None:
    unknown = trio("G0199", "A", "1.00  0.50 0.05  9.00 0.05  6.00 0.05")
    made = proved([*printed(factor=OLDER), cap_row(unknown, "", ("10112", "00"), Decimal("210.55"))])
    assert "implies the factor 32.7442" in told(made[NONFACILITY])
    assert told(made[NONFACILITY]).endswith("1 remain, all of G0199.")


def test_a_code_that_medicare_does_not_pay_by_formula_is_counted_as_different() -> None:
    made = tables(printed())
    made["rvu"]["status"] = made["rvu"]["status"].mask(made["rvu"]["hcpcs"] == "G0102", "N")
    made["payment"] = payments(made["rvu"], made["gpci"], made["conversion_factor"])
    nonfacility = cap_proofs(RELEASE, made)[0]
    assert (nonfacility.compared, nonfacility.equal) == (ACTIVE, ACTIVE - 16)
    assert "G0102, G0102-TC" in told(nonfacility)


@pytest.mark.parametrize(("status", "proof"), [("A", NONFACILITY), ("C", CONTRACTOR)])
def test_a_file_of_codes_that_pprrvu_lacks_is_wholly_different(status: str, proof: str) -> None:
    unknown = trio("G0199", status, "1.00  0.50 0.05  9.00 0.05  6.00 0.05")
    caps = [cap_row(unknown, "TC", place, Decimal("210.55")) for place in list(INDICES)[:3]]
    made = proved(caps)[proof]
    assert (made.compared, made.equal) == (3, 0)
    assert "G0199-TC" in told(made)


def test_contractor_priced_codes_without_rvus_of_the_cap_have_no_amount() -> None:
    bare = [trio("G0111", "C", "0.00  0.00 0.00  0.00 0.00  0.00 0.00")]
    free = [cap_row(bare[0], "TC", place, Decimal(0)) for place in INDICES]
    assert (proved(free, bare)[CONTRACTOR].compared, proved(free, bare)[CONTRACTOR].equal) == (8, 8)
    made = proved(changed(free, "12.50", lambda cap: True), bare)[CONTRACTOR]
    assert (made.compared, made.equal, made.largest_difference) == (8, 0, 12.5)
    assert "G0111-TC" in told(made)


def test_without_active_rows_contractor_priced_ones_are_compared_all_the_same() -> None:
    made = proved([cap for cap in printed() if cap["status"] == "C"])
    assert (made[CONTRACTOR].compared, made[CONTRACTOR].equal) == (CONTRACTORS, CONTRACTORS)
    assert (made[NONFACILITY].compared, made[FACILITY].compared) == (0, 0)
    assert (made[LISTED].compared, made[LISTED].equal) == (ACTIVE, 0)
    assert f"lowers {ACTIVE} payments that OPPSCAP does not list" in told(made[LISTED])


def test_without_contractor_priced_rows_active_ones_are_compared_all_the_same() -> None:
    made = proved([cap for cap in printed() if cap["status"] == "A"])
    assert (made[NONFACILITY].compared, made[NONFACILITY].equal) == (ACTIVE, ACTIVE)
    assert (made[CONTRACTOR].compared, made[CONTRACTOR].explanation) == (0, None)


def test_an_empty_file_lists_nothing_of_what_is_capped() -> None:
    made = proved([])
    assert [made[proof].compared for proof in (NONFACILITY, FACILITY, CONTRACTOR)] == [0, 0, 0]
    assert (made[LISTED].compared, made[LISTED].equal) == (ACTIVE, 0)


def test_an_empty_file_of_a_release_without_a_cap_compares_nothing() -> None:
    assert [each.compared for each in proved([], [BINDS_NOWHERE]).values()] == [0, 0, 0, 0]


def test_a_single_row_is_compared() -> None:
    only = TRIOS[2]
    price = amount(only.capped()["TC"], INDICES["10112", "00"])
    made = proved([cap_row(only, "TC", ("10112", "00"), price)], [only])
    assert (made[NONFACILITY].compared, made[NONFACILITY].equal) == (1, 1)
    off = proved([cap_row(only, "TC", ("10112", "00"), price + 100)], [only])
    assert (off[NONFACILITY].equal, off[NONFACILITY].largest_difference) == (0, 100.0)
    assert off[NONFACILITY].explanation


def test_a_price_of_zero_is_a_difference_like_any_other() -> None:
    first = printed()[8]
    caps = [first | {"nonfacility_price": 0.0, "facility_price": 0.0}, *printed()[:8], *printed()[9:]]
    made = proved(caps)[NONFACILITY]
    assert (made.equal, made.largest_difference) == (ACTIVE - 1, first["nonfacility_price"])
    assert told(made) == f"1 of {ACTIVE} differ. 1 remain, all of G0101-TC."


def test_prices_that_are_all_zero_imply_no_factor() -> None:
    zero = {"nonfacility_price": 0.0, "facility_price": 0.0}
    made = proved([cap | zero for cap in printed()])
    for proof in (NONFACILITY, FACILITY, CONTRACTOR):
        assert made[proof].equal == 0
        assert "implies the factor" not in told(made[proof])


# CMS's own files


@pytest.fixture(scope="module")
def real_proofs(real_archives: dict[str, Path], catalog: Catalog) -> Callable[[str], pd.DataFrame]:
    """Return what makes the proofs of OPPSCAP of a release, each once."""

    @cache
    def proofs(label: str) -> pd.DataFrame:
        path = real_archives[label]
        receipt = Receipt(label, path.name, sha256_of(path), path.stat().st_size, "now")
        made = build_source(path, receipt, catalog[label]).tables["proof"].set_index("proof")
        return made.loc[PROOFS]

    return proofs


@pytest.mark.parametrize(
    ("label", "active", "contractors"),
    [
        ("RVU20A", 9_184, 7_952),
        ("RVU23C", 8_288, 8_960),
        ("RVU24A", 8_066, 8_720),
        ("RVU24AR", 8_066, 8_720),
        ("RVU25A", 6_322, 8_938),
    ],
)
def test_every_capped_payment_of_cms_comes_out(
    label: str, active: int, contractors: int, real_proofs: Callable[[str], pd.DataFrame]
) -> None:
    made = real_proofs(label)
    assert made["compared"].tolist() == made["equal"].tolist() == [active, active, active, contractors]
    assert made.loc[NONFACILITY, "largest_difference"] == 0


def test_two_contractor_priced_codes_of_rvu20d_differ(real_proofs: Callable[[str], pd.DataFrame]) -> None:
    made = real_proofs("RVU20D")
    gaps = made["compared"] - made["equal"]
    assert gaps.to_dict() == {NONFACILITY: 0, FACILITY: 0, LISTED: 0, CONTRACTOR: 224}
    assert made.loc[CONTRACTOR, "explanation"].endswith("224 remain, all of 78429-TC, 78430-TC.")


def test_oppscap_of_rvu24c_was_an_older_file_without_the_floor(
    real_proofs: Callable[[str], pd.DataFrame],
) -> None:
    made = real_proofs("RVU24C")
    for proof, rows in ((NONFACILITY, 8_066), (FACILITY, 8_066), (CONTRACTOR, 8_720)):
        found = made.loc[proof]
        assert (found["compared"], found["equal"]) == (rows, 0)
        assert "implies the factor 32.7442, in force from 2024-01-01 to 2024-03-08" in found["explanation"]
        assert "where this release has 33.2875" in found["explanation"]
        assert found["explanation"].endswith(NO_FLOOR_TOLD)
    assert made.loc[LISTED, "equal"] == made.loc[LISTED, "compared"] == 8_066
