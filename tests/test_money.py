from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import money
from pipeline.money import Gpcis, Rvus
from schemas.columns import ConversionFactor, Gpci, Rvu

CENT = Decimal("0.01")
hundredths = st.integers(0, 99_999)
rvus = st.builds(Rvus, hundredths, hundredths, hundredths)
thousandths = st.integers(1, 9_999)
gpcis = st.builds(Gpcis, thousandths, thousandths, thousandths)
factors = st.integers(1, 9_999_999)


def cents(dollars: Decimal) -> int:
    return int(dollars.quantize(CENT, ROUND_HALF_UP) * 100)


def product(valued: "Rvus[int]", indices: "Gpcis[int]", factor: int, pe_share: Decimal = Decimal(1)) -> Decimal:
    """Return exact dollars, by decimals instead of scaled integers."""
    work, pe, mp = (Decimal(rvu) / 100 * Decimal(index) / 1000 for rvu, index in zip(valued, indices, strict=True))
    return (work + pe * pe_share + mp) * Decimal(factor) / 10_000


@given(rvus, gpcis, factors)
@example(Rvus(99_999, 99_999, 99_999), Gpcis(9_999, 9_999, 9_999), 9_999_999)
@example(Rvus(1, 0, 0), Gpcis(1_000, 1_000, 1_000), 5_000)  # half a cent exactly
@example(Rvus(0, 150, 0), Gpcis(1, 1, 1), 10_033)
def test_a_fee_is_the_exact_sum_rounded_once_half_up(valued: "Rvus[int]", indices: "Gpcis[int]", factor: int) -> None:
    assert money.fee(valued, indices, factor) == cents(product(valued, indices, factor))


@given(rvus, gpcis, factors)
def test_a_therapy_fee_halves_practice_expense_without_rounding_it(
    valued: "Rvus[int]", indices: "Gpcis[int]", factor: int
) -> None:
    exact = product(valued, indices, factor, pe_share=Decimal("0.5"))
    assert money.therapy_fee(valued, indices, factor) == cents(exact)


@given(st.lists(st.tuples(rvus, gpcis, factors), min_size=1, max_size=20))
@example([(Rvus(99_999, 99_999, 99_999), Gpcis(9_999, 9_999, 9_999), 9_999_999)])
def test_arrays_of_64_bits_give_what_unbounded_integers_give(
    cases: "list[tuple[Rvus[int], Gpcis[int], int]]",
) -> None:
    valued = Rvus(*(np.array(part) for part in zip(*(case[0] for case in cases), strict=True)))
    indices = Gpcis(*(np.array(part) for part in zip(*(case[1] for case in cases), strict=True)))
    factor = np.array([case[2] for case in cases])
    assert money.fee(valued, indices, factor).tolist() == [money.fee(*case) for case in cases]
    assert money.therapy_fee(valued, indices, factor).tolist() == [money.therapy_fee(*case) for case in cases]


def test_the_largest_intermediate_fits_64_bits() -> None:
    """By the bounds that the models declare: pandera stops a release before any number beyond them is priced."""
    rvu = int(Rvu.keywords["lt"] * money.RVU)
    index = int(Gpci.keywords["lt"] * money.GPCI)
    factor = int(ConversionFactor.keywords["lt"] * money.FACTOR)
    largest = 2 * 3 * rvu * index * factor + 2 * money.CENT
    assert largest < np.iinfo("int64").max / 100


@given(st.integers(0, 10**9))
@example(12_395)
@example(200)  # 2.00 x 1.0925 = 2.185: a tie
def test_limiting_charge_and_nonparticipating_amount_are_rounded_once(paid: int) -> None:
    assert money.limiting_charge(paid) == cents(Decimal(paid) / 100 * Decimal("1.0925"))
    assert money.nonparticipating(paid) == cents(Decimal(paid) / 100 * Decimal("0.95"))


@pytest.mark.parametrize(
    ("paid", "charge"),
    [(12395, 13542), (9623, 10513), (17337, 18941), (14155, 15464), (53882, 58866), (41106, 44908)],
)
def test_limiting_charges_that_cms_published(paid: int, charge: int) -> None:
    assert money.limiting_charge(paid) == charge


@pytest.mark.parametrize(
    ("work", "adjustor", "adjusted"),
    [(100, 8_994, 90), (92, 8_994, 83), (100, 8_806, 88), (125, 8_806, 110), (97, 10_000, 97), (0, 8_994, 0)],
)
def test_work_is_adjusted_and_rounded_to_hundredths(work: int, adjustor: int, adjusted: int) -> None:
    assert money.adjusted_work(work, adjustor) == adjusted


@pytest.mark.parametrize(("minutes", "tenths"), [(0, 0), (15, 10), (95, 63), (17, 11), (1, 1), (47, 31)])
def test_time_units_have_one_decimal(minutes: int, tenths: int) -> None:
    assert money.time_units(minutes) == tenths


@given(st.integers(0, 60), st.integers(0, 3_000), st.integers(1, 999_999_999))
@example(4, 47, 19_630_000)
def test_anesthesia_is_units_times_factor_rounded_once(base: int, minutes: int, factor: int) -> None:
    units = base + (Decimal(minutes) / 15).quantize(Decimal("0.1"), ROUND_HALF_UP)
    assert money.anesthesia_payment(base, minutes, factor) == cents(units * Decimal(factor) / 1_000_000)
