from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import money
from pipeline.money import Gpcis, Rvus
from pipeline.price import default_basis, payments, scaled, with_national_payments
from pipeline.validate import judge
from schemas.codes import PAYABLE_STATUS, STATUS
from schemas.payment import PaymentTable
from tests.shaped import NO_RVUS, Row, frame, row, with_rvus

KEY = ["hcpcs", "modifier", "mac", "locality", "basis"]
OPPS = {"opps_nonfacility_pe_rvu": 1.2, "opps_facility_pe_rvu": 1.2, "opps_mp_rvu": 0.04}
PLACES = [
    {"mac": "10112", "locality": "00", "work_gpci": 1.0, "pe_gpci": 0.869, "mp_gpci": 0.575},
    {"mac": "01112", "locality": "05", "work_gpci": 1.088, "pe_gpci": 1.419, "mp_gpci": 0.445},
]


def factors(*rows: Row) -> pd.DataFrame:
    return frame("conversion_factor", *(row("conversion_factor", **each) for each in rows or [{}]))


def gpci(*places: Row) -> pd.DataFrame:
    return frame("gpci", *(row("gpci", **each) for each in places or PLACES))


def rvu(*rows: Row) -> pd.DataFrame:
    return frame("rvu", *(row("rvu", **each) for each in rows))


def national(rows: pd.DataFrame, **factor: object) -> pd.DataFrame:
    return with_national_payments(rows, factors(factor))


@pytest.mark.parametrize(
    ("pe", "factor", "expected"),
    [
        (2.85, 33.4009, 95.19),
        (1.0, 32.3465, 32.35),
        (0.01, 0.5, 0.01),
        (0.01, 0.4999, 0.0),
        (412.62, 36.0896, 14891.29),
    ],
)
def test_known_national_amounts(pe: float, factor: float, expected: float) -> None:
    priced = national(rvu(with_rvus(0.0, pe, pe, 0.0)), conversion_factor=factor)
    assert priced["nonfacility_national_payment"].tolist() == [expected]
    assert priced["facility_national_payment"].tolist() == [expected]


@pytest.mark.parametrize("status", STATUS)
def test_only_status_a_r_and_t_are_paid_by_rvus(status: str) -> None:
    amount = national(rvu({"status": status}))["nonfacility_national_payment"].item()
    assert amount == 88.31 if status in PAYABLE_STATUS else np.isnan(amount)


@pytest.mark.parametrize("status", PAYABLE_STATUS)
def test_a_code_without_rvus_has_no_payment_rather_than_zero(status: str) -> None:
    rows = rvu(NO_RVUS | {"status": status})
    assert np.isnan(national(rows)["nonfacility_national_payment"].item())
    assert payments(rows, gpci(), factors()).empty


def test_payments_stay_beside_their_rows() -> None:
    rows = rvu(with_rvus(1, 0, 0, 0), {"status": "N"}, with_rvus(3, 0, 0, 0)).set_axis([7, 3, 5])
    priced = national(rows, conversion_factor=10.0)["facility_national_payment"]
    assert priced.dropna().to_dict() == {7: 10.0, 5: 30.0}


def test_two_bases_give_two_national_amounts_and_two_rows_per_locality() -> None:
    two = factors(
        {"basis": "nonqualifying_apm", "conversion_factor": 33.4009},
        {"basis": "qualifying_apm", "conversion_factor": 33.5675},
    )
    priced = with_national_payments(rvu({}), two)
    assert default_basis(two) == "nonqualifying_apm"
    assert priced["nonfacility_national_payment"].item() == 91.18
    assert priced["qualifying_apm_nonfacility_national_payment"].item() == 91.64
    paid = payments(rvu({}), gpci(), two)
    assert paid["basis"].tolist() == ["nonqualifying_apm", "qualifying_apm"] * 2


def test_one_basis_leaves_the_other_columns_empty() -> None:
    assert national(rvu({}))["qualifying_apm_facility_national_payment"].isna().all()


def test_work_is_adjusted_before_it_is_priced() -> None:
    rows = rvu(with_rvus(1.03, 0.0, 0.0, 0.0))
    priced = national(rows, conversion_factor=10.0, work_adjustor=0.8994)
    assert priced["facility_national_payment"].item() == 9.3  # 0.926... is rounded to 0.93 first
    of_2007 = factors({"conversion_factor": 10.0, "work_adjustor": 0.8994})
    assert payments(rows, gpci(PLACES[0]), of_2007)["facility_fee"].item() == 9.3


def test_the_cap_binds_only_where_the_outpatient_amount_is_lower() -> None:
    rows = rvu({"modifier": "TC", **with_rvus(0.0, 1.6, 1.6, 0.04), **OPPS}, {"hcpcs": "G0003"})
    paid = payments(rows, gpci(PLACES[0]), factors()).set_index("hcpcs")
    capped, free = paid.loc["G0002"], paid.loc["G0003"]
    assert (capped["nonfacility_fee"], capped["opps_nonfacility_fee"]) == (45.72, 34.47)
    assert (capped["nonfacility_payment"], bool(capped["nonfacility_capped"])) == (34.47, True)
    assert np.isnan(free["opps_nonfacility_fee"])
    assert (free["nonfacility_payment"], bool(free["nonfacility_capped"])) == (free["nonfacility_fee"], False)


def test_a_cap_above_the_fee_is_shown_and_does_not_bind() -> None:
    above = {"opps_nonfacility_pe_rvu": 9.0, "opps_facility_pe_rvu": 9.0}
    paid = payments(rvu({**with_rvus(0.0, 1.6, 1.6, 0.04), **above}), gpci(PLACES[0]), factors())
    assert paid["opps_facility_fee"].item() > paid["facility_fee"].item() == paid["facility_payment"].item()
    assert not paid["facility_capped"].item()


def test_releases_before_the_cap_have_no_opps_amounts() -> None:
    before_2007 = dict.fromkeys(OPPS)
    paid = payments(rvu(before_2007), gpci(), factors())
    assert paid["opps_nonfacility_fee"].isna().all()
    assert not paid["nonfacility_capped"].any()


def test_rows_are_in_the_order_of_their_key_whatever_the_order_of_the_files() -> None:
    rows = rvu({"hcpcs": "G0009"}, {"hcpcs": "00009"}, {"hcpcs": "G0001", "modifier": "TC"}, {"hcpcs": "G0001"})
    paid = payments(rows, gpci(), factors()).astype(dict.fromkeys(KEY, "str"))
    assert paid[KEY].equals(paid[KEY].sort_values(KEY, ignore_index=True))
    assert judge(paid, PaymentTable) == []


cents = st.integers(0, 99_999).map(lambda number: number / 100)
indices = st.integers(100, 2_000).map(lambda number: number / 1000)


@given(
    st.lists(st.tuples(cents, cents, cents, cents, cents, cents), min_size=1, max_size=6),
    st.lists(st.tuples(indices, indices, indices), min_size=1, max_size=5),
    st.integers(200_000, 400_000).map(lambda number: number / 10_000),
)
def test_every_row_and_locality_is_priced_by_its_own_numbers(
    valued: list[tuple[float, ...]], places: list[tuple[float, ...]], factor: float
) -> None:
    """The grid of rows and localities against one formula at a time."""
    rows = rvu(
        *(
            {"hcpcs": f"G{code:04}", **with_rvus(*each[:4])}
            | {"opps_nonfacility_pe_rvu": each[4], "opps_facility_pe_rvu": each[4], "opps_mp_rvu": each[5]}
            for code, each in enumerate(valued)
            if sum(each[:4]) > 0
        ),
        {"hcpcs": "G9999"},
    )
    located = [dict(zip(("work_gpci", "pe_gpci", "mp_gpci"), each, strict=True)) for each in places]
    where = gpci(*({"locality": f"{number:02}", **each} for number, each in enumerate(located)))
    priced = factors({"conversion_factor": factor})
    paid = payments(rows, where, priced).astype(dict.fromkeys(KEY, "str"))
    assert judge(paid, PaymentTable) == []
    found = paid.set_index(["hcpcs", "locality"])
    assert len(found) == len(rows) * len(where)
    for one, place in product(rows.to_dict("records"), where.to_dict("records")):
        paid_here = found.loc[one["hcpcs"], place["locality"]]
        index = Gpcis(*(round(place[f"{part}_gpci"] * 1000) for part in ("work", "pe", "mp")))
        for setting in ("nonfacility", "facility"):
            parts = ("work_rvu", f"{setting}_pe_rvu", "mp_rvu")
            fee = money.fee(Rvus(*(round(one[part] * 100) for part in parts)), index, round(factor * 10_000))
            assert paid_here[f"{setting}_fee"] == fee / 100


def test_scaled_numbers_are_the_printed_decimals() -> None:
    printed = pd.Series([0.29, 1.13, 1.005, 412.62, None])
    assert scaled(printed, 1000).tolist() == [290, 1130, 1005, 412620, 0]
