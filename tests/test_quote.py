"""quote: the price of one row is what is published, and its arithmetic can be checked by hand."""

import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.price import payments
from pipeline.quote import NATIONAL, Quote, dollars, explanation, quote
from schemas.codes import SETTINGS
from tests.shaped import Row, frame, row, with_rvus

SAN_FRANCISCO, ALABAMA, ALASKA = ("01112", "05"), ("10112", "00"), ("02102", "01")
FACTOR = row("conversion_factor")
ALABAMA_GPCI = row("gpci")
HIGH_GPCI = row("gpci", mac="01112", locality="05", work_gpci=1.088, pe_gpci=1.419, mp_gpci=0.445)
TECHNICAL = row("rvu", modifier="TC", **with_rvus(0.0, 1.6, 1.6, 0.04))
BINDING = TECHNICAL | {"opps_nonfacility_pe_rvu": 1.2, "opps_facility_pe_rvu": 1.2, "opps_mp_rvu": 0.04}
LOOSE = BINDING | {"opps_nonfacility_pe_rvu": 9.0, "opps_facility_pe_rvu": 9.0}


def published(home: Path, table: str, release: str) -> list[Row]:
    """Read a published file whole, empty cells as None."""
    rows = pd.read_parquet(home / "curated" / "latest" / table / f"{release}.parquet")
    return [dict(each) for each in rows.astype(object).where(rows.notna(), None).to_dict("records")]


def paid(rows: list[Row]) -> list[Row]:
    return [each for each in rows if each["facility_national_payment"] is not None]


def cents(amount: float | None) -> int | None:
    return None if amount is None else round(amount * 100)


def lines(rvu: Row, place: Row, factor: Row = FACTOR, setting: str = "nonfacility") -> list[str]:
    """Return the explanation with single blanks."""
    return [" ".join(line.split()) for line in explanation(quote(rvu, place, factor, setting), rvu, factor)]


# What is published


@pytest.mark.parametrize("place", [SAN_FRANCISCO, ALABAMA, ALASKA], ids="-".join)
def test_quote_is_the_published_payment_for_every_row_and_setting(place: tuple[str, str], sample_home: Path) -> None:
    def here(each: Row) -> bool:
        return (each["mac"], each["locality"]) == place

    [gpci] = filter(here, published(sample_home, "gpci", "RVU25A"))
    [factor] = published(sample_home, "conversion_factor", "RVU25A")
    payment = {
        (each["hcpcs"], each["modifier"]): each for each in published(sample_home, "payment", "RVU25A") if here(each)
    }
    rows = paid(published(sample_home, "rvu", "RVU25A"))
    assert {(each["hcpcs"], each["modifier"]) for each in rows} == set(payment)
    for rvu in rows:
        known = payment[rvu["hcpcs"], rvu["modifier"]]
        for setting in SETTINGS:
            quoted = quote(rvu, gpci, factor, setting)
            expected = (f"{setting}_fee", f"opps_{setting}_fee", f"{setting}_payment")
            assert (quoted.fee, quoted.opps_fee, quoted.payment) == tuple(cents(known[name]) for name in expected)


@pytest.mark.parametrize(
    ("release", "basis", "prefix"),
    [
        ("RVU25A", "standard", ""),
        ("RVU26C", "nonqualifying_apm", ""),
        ("RVU26C", "qualifying_apm", "qualifying_apm_"),
    ],
)
def test_national_quote_is_the_published_national_payment(
    release: str, basis: str, prefix: str, sample_home: Path
) -> None:
    [factor] = [each for each in published(sample_home, "conversion_factor", release) if each["basis"] == basis]
    rows = paid(published(sample_home, "rvu", release))
    quoted = [[quote(rvu, NATIONAL, factor, setting).fee for setting in SETTINGS] for rvu in rows]
    assert quoted == [[cents(rvu[f"{prefix}{setting}_national_payment"]) for setting in SETTINGS] for rvu in rows]


def test_quote_of_a_binding_cap_is_the_published_payment() -> None:
    priced = payments(frame("rvu", BINDING), frame("gpci", ALABAMA_GPCI), frame("conversion_factor", FACTOR))
    quoted = quote(BINDING, ALABAMA_GPCI, FACTOR, "nonfacility")
    assert (quoted.fee, quoted.opps_fee, quoted.payment) == (4572, 3447, 3447)
    assert quoted.payment == cents(priced["nonfacility_payment"].item())


def test_release_before_the_cap_has_no_opps_amount() -> None:
    before_2007 = TECHNICAL | dict.fromkeys(("opps_nonfacility_pe_rvu", "opps_facility_pe_rvu", "opps_mp_rvu"))
    quoted = quote(before_2007, ALABAMA_GPCI, FACTOR, "facility")
    assert quoted.opps_fee is None
    assert quoted.payment == quoted.fee


def test_settings_differ_by_their_practice_expense() -> None:
    fees = {setting: quote(row("rvu"), NATIONAL, FACTOR, setting).fee for setting in SETTINGS}
    assert fees == {"nonfacility": 8831, "facility": 4852}


# The explanation


def test_explanation_goes_from_components_to_the_limiting_charge() -> None:
    assert lines(row("rvu"), HIGH_GPCI) == [
        "work 0.97 x 1.088 = 1.05536",
        "practice expense 1.66 x 1.419 = 2.35554",
        "malpractice 0.10 x 0.445 = 0.04450",
        "sum of RVUs 3.45540",
        "fee 3.45540 x $32.3465 = 111.770096100, rounded once = $111.77",
        "non-participating $111.77 x 0.95 = $106.18",
        "limiting charge $111.77 x 1.0925 = $122.11",
    ]


def test_explanation_of_a_binding_cap_goes_on_from_the_lower_amount() -> None:
    assert lines(BINDING, ALABAMA_GPCI)[4:] == [
        "fee 1.41340 x $32.3465 = 45.718543100, rounded once = $45.72",
        "OPPS cap: the same work, practice expense and malpractice of the outpatient system",
        "work 0.00 x 1.000 = 0.00000",
        "practice expense 1.20 x 0.869 = 1.04280",
        "malpractice 0.04 x 0.575 = 0.02300",
        "sum of RVUs 1.06580",
        "OPPS amount 1.06580 x $32.3465 = 34.474899700, rounded once = $34.47",
        "in force the lower of the two = $34.47: the cap binds",
        "non-participating $34.47 x 0.95 = $32.75",
        "limiting charge $34.47 x 1.0925 = $37.66",
    ]


def test_explanation_of_a_cap_above_the_fee_says_that_it_does_not_bind() -> None:
    told = lines(LOOSE, ALABAMA_GPCI)
    assert "in force the lower of the two = $45.72: the cap does not bind" in told
    assert told[-1] == "limiting charge $45.72 x 1.0925 = $49.95"


def test_cap_equal_to_the_fee_does_not_bind() -> None:
    equal = TECHNICAL | {"opps_nonfacility_pe_rvu": 1.6, "opps_mp_rvu": 0.04}
    assert "in force the lower of the two = $45.72: the cap does not bind" in lines(equal, ALABAMA_GPCI)


def test_code_without_a_cap_is_explained_without_one() -> None:
    assert not [line for line in lines(row("rvu"), HIGH_GPCI) if "OPPS" in line or "in force" in line]


def test_budget_neutrality_is_spelled_out_before_the_adjusted_work_is_priced() -> None:
    of_2007 = FACTOR | {"conversion_factor": 37.8975, "work_adjustor": 0.8994}
    told = lines(row("rvu", **with_rvus(1.03, 0.5, 0.5, 0.03)), ALABAMA_GPCI, of_2007)
    assert told[:2] == [
        "adjusted work 1.03 x 0.8994 (budget neutrality) = 0.93, rounded to two decimals",
        "work 0.93 x 1.000 = 0.93000",
    ]
    assert "adjusted work" not in " ".join(lines(row("rvu"), ALABAMA_GPCI))


def test_opps_amount_is_made_of_the_adjusted_work_too() -> None:
    of_2007 = FACTOR | {"conversion_factor": 10.0, "work_adjustor": 0.8994}
    whole = row("rvu", **with_rvus(1.03, 2.0, 2.0, 0.0)) | {"opps_nonfacility_pe_rvu": 1.0}
    assert lines(whole, NATIONAL, of_2007).count("work 0.93 x 1.000 = 0.93000") == 2
    assert quote(whole, NATIONAL, of_2007, "nonfacility").payment == 1930


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (5, "$0.05"), (1_234_567, "$12,345.67")])
def test_dollars_are_written_with_cents_and_commas(amount: int, text: str) -> None:
    assert dollars(amount) == text


# Any row anywhere


hundredths = st.integers(0, 99_999).map(lambda number: number / 100)
indices = st.integers(1, 9_999).map(lambda number: number / 1000)
rows_of_rvu = st.builds(
    lambda *rvus: row("rvu", **with_rvus(*rvus[:4])) | {"opps_nonfacility_pe_rvu": rvus[4], "opps_mp_rvu": rvus[5]},
    *[hundredths] * 4,
    st.just(0.0) | hundredths,
    hundredths,
)
places = st.builds(lambda *index: row("gpci", work_gpci=index[0], pe_gpci=index[1], mp_gpci=index[2]), *[indices] * 3)
factors = st.builds(
    lambda factor, adjustor: FACTOR | {"conversion_factor": factor / 10_000, "work_adjustor": adjustor},
    st.integers(1, 9_999_999),
    st.sampled_from([1.0, 0.8994, 0.8806]),
)


def numbers(line: str) -> list[Decimal]:
    return [Decimal(text.replace(",", "")) for text in re.findall(r"[0-9][0-9,]*\.?[0-9]*", line)]


def to_the_cent(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@given(rows_of_rvu, places, factors)
def test_amounts_rounded_in_the_explanation_are_those_of_the_quote(rvu: Row, place: Row, factor: Row) -> None:
    quoted = quote(rvu, place, factor, "nonfacility")
    rounded = [line.partition("rounded once = ")[2] for line in lines(rvu, place, factor) if "rounded once" in line]
    expected = [quoted.fee] if quoted.opps_fee is None else [quoted.fee, quoted.opps_fee]
    assert rounded == [dollars(amount) for amount in expected]
    assert quoted.payment == min(expected)


@given(rows_of_rvu, places, factors)
def test_every_line_of_the_explanation_is_true(rvu: Row, place: Row, factor: Row) -> None:
    """Decimal arithmetic on the printed numbers, line by line."""
    products: list[Decimal] = []
    for line in lines(rvu, place, factor):
        match numbers(line):
            case [one, other, result] if "budget neutrality" in line:
                assert to_the_cent(one * other) == result
            case [one, index, product] if line.startswith(("work", "practice expense", "malpractice")):
                assert one * index == product
                products.append(product)
            case [total] if line.startswith("sum of RVUs"):
                assert total == sum(products)
                products = [total]
            case [total, each, exact, rounded]:
                assert [total] == products
                assert total * each == exact
                assert to_the_cent(exact) == rounded
                products = []
            case [amount, share, result]:
                assert share in (Decimal("0.95"), Decimal("1.0925"))
                assert to_the_cent(amount * share) == result
            case others:
                assert len(others) < 2, line


@given(rows_of_rvu, places, factors)
def test_quote_of_any_row_is_what_the_table_payment_would_hold(rvu: Row, place: Row, factor: Row) -> None:
    assume(rvu["nonfacility_total_rvu"] or rvu["facility_total_rvu"])  # else RVUs do not pay it
    [known] = payments(frame("rvu", rvu), frame("gpci", place), frame("conversion_factor", factor)).to_dict("records")
    quoted: Quote = quote(rvu, place, factor, "nonfacility")
    opps = None if pd.isna(known["opps_nonfacility_fee"]) else known["opps_nonfacility_fee"]
    assert quoted.fee == cents(known["nonfacility_fee"])
    assert quoted.opps_fee == cents(opps)
    assert quoted.payment == cents(known["nonfacility_payment"])
