from decimal import ROUND_HALF_UP, Decimal

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.price import national_payment
from schemas.columns import PAYABLE_STATUS, STATUS


def paid(rvus: list[float], factor: float, status: str = "A") -> list[float]:
    rows = pd.DataFrame({"facility_total_rvu": rvus, "status": status})
    return [float(each) for each in national_payment(rows, "facility_total_rvu", factor)]


@given(
    st.lists(st.integers(1, 99_999), min_size=1, max_size=20),
    st.integers(1, 9_999_999),
)
@example([285], 334_009)
@example([1], 50_000)  # half a cent exactly
@example([150], 10_033)  # 1.50495
@example([99_999], 9_999_999)
def test_a_payment_is_the_exact_product_rounded_once_half_up(hundredths: list[int], factor: int) -> None:
    dollars = [Decimal(each) / 100 * Decimal(factor) / 10_000 for each in hundredths]
    expected = [float(each.quantize(Decimal("0.01"), ROUND_HALF_UP)) for each in dollars]

    assert paid([each / 100 for each in hundredths], factor / 10_000) == expected


@pytest.mark.parametrize(
    ("rvus", "factor", "expected"),
    [
        (2.85, 33.4009, 95.19),
        (1.0, 32.3465, 32.35),
        (0.01, 0.5, 0.01),
        (0.01, 0.4999, 0.0),
        (412.62, 36.0896, 14891.29),
    ],
)
def test_known_amounts(rvus: float, factor: float, expected: float) -> None:
    assert paid([rvus], factor) == [expected]


@pytest.mark.parametrize("status", STATUS)
def test_only_status_a_r_and_t_are_paid_by_rvus(status: str) -> None:
    amount = paid([2.0], 30.0, status)[0]

    assert amount == 60.0 if status in PAYABLE_STATUS else pd.isna(amount)


@pytest.mark.parametrize("status", PAYABLE_STATUS)
def test_a_code_without_rvus_has_no_payment_rather_than_zero(status: str) -> None:
    assert pd.isna(paid([0.0], 30.0, status)[0])


def test_payments_stay_beside_their_rows() -> None:
    rows = pd.DataFrame({"t": [1.0, 2.0, 3.0], "status": ["A", "N", "T"]}, index=[7, 3, 5])

    payments = national_payment(rows, "t", 10.0)

    assert payments.index.tolist() == [7, 3, 5]
    assert payments.dropna().to_dict() == {7: 10.0, 5: 30.0}


def test_no_rows_have_no_payments() -> None:
    rows = pd.DataFrame({"t": pd.Series([], dtype="float64"), "status": pd.Series([], dtype="str")})

    assert national_payment(rows, "t", 10.0).empty
