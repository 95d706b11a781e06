"""fees: which rows are priced, by which factor, where; and what is said when there is no price."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline import fees
from pipeline.errors import UsageError
from pipeline.fees import Where
from pipeline.parquet import write_table
from pipeline.published import Published, published_release
from pipeline.quote import NATIONAL
from pipeline.store import Store, table_file
from schemas.tables import TABLES
from tests.shaped import NO_RVUS, Row, frame, row, with_rvus

ANESTHESIA = row("anesthesia", state="AL", qualifying_apm_anesthesia_factor=None)
PLACES = [
    row("gpci"),
    row("gpci", mac="01112", locality="05", state="CA", locality_name="INVENTED BAY"),
    row("gpci", mac="01112", locality="09", state="CA", locality_name="INVENTED VALLEY"),
]


@pytest.fixture
def of_2025(sample_home: Path) -> Published:
    return published_release(Store(sample_home), "RVU25A")


@pytest.fixture
def of_2026(sample_home: Path) -> Published:
    """The release of the sample that has two factors and no GPCI."""
    return published_release(Store(sample_home), "RVU26C")


def release_of(home: Path, **tables: list[Row]) -> Published:
    """Write a release in small, of the given tables only."""
    chosen = Published(Store(home), "2026-01-01.1", "RVU25A", ("RVU25A",))
    for table, rows in tables.items():
        path = table_file(chosen.store.version_path(chosen.version), table, "RVU25A")
        write_table(frame(table, *rows), TABLES[table], path)
    return chosen


# Where


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Where(), ["10112-00", "01112-05", "01112-09"]),
        (Where(locality="01112-09"), ["01112-09"]),
        (Where(state="CA"), ["01112-05", "01112-09"]),
        (Where(state="ca"), ["01112-05", "01112-09"]),
        (Where(state="TX"), []),
        (Where(locality="01112"), []),
        (Where(locality="CA"), []),
    ],
)
def test_place_is_chosen_by_number_or_state(where: Where, found: list[str]) -> None:
    assert [fees.place_number(place) for place in PLACES if where.holds(place)] == found


def test_place_number_joins_mac_and_locality_and_is_empty_for_the_nation() -> None:
    assert fees.place_number(PLACES[1]) == "01112-05"
    assert fees.place_number(NATIONAL) == ""


def test_all_localities_are_found_where_none_is_named(of_2025: Published) -> None:
    found = fees.places(of_2025, "gpci", Where())
    assert len({fees.place_number(place) for place in found}) == len(found) == 109


@pytest.mark.parametrize("table", ["gpci", "anesthesia"])
def test_places_of_a_state_carry_their_own_numbers(table: str, of_2025: Published) -> None:
    """ANES prints no states: they come from the localities."""
    found = fees.places(of_2025, table, Where(state="Ca"))
    published = pd.read_parquet(of_2025.file(table)).set_index(["mac", "locality"])
    number = "pe_gpci" if table == "gpci" else "anesthesia_conversion_factor"
    assert len(found) == 29
    assert {place["state"] for place in found} == {"CA"}
    assert [place[number] for place in found] == [
        published.at[(place["mac"], place["locality"]), number] for place in found
    ]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (Where("01112-05", "CA"), "--locality and --state exclude each other"),
        (Where(locality="99999-00"), r"RVU25A has no locality 99999-00\. It has: 01112-05, .*10112-00"),
        (Where(state="ZZ"), r"RVU25A has no locality ZZ\. It has: .*AK, AL, .*WY"),
    ],
)
def test_wrong_place_is_explained(where: Where, message: str, of_2025: Published) -> None:
    with pytest.raises(UsageError, match=message):
        fees.places(of_2025, "gpci", where)


def test_localities_without_states_are_listed_by_their_numbers(tmp_path: Path) -> None:
    """GPCI prints states since 2021."""
    before_2021 = [row("gpci", state=None), row("gpci", locality="01", state=None)]
    places = [row("locality", state=None), row("locality", locality="01", state=None)]
    chosen = release_of(tmp_path, gpci=before_2021, locality=places)
    with pytest.raises(UsageError, match=r"no locality AL\. It has: 10112-00, 10112-01\."):
        fees.places(chosen, "gpci", Where(state="AL"))
    [found] = fees.places(chosen, "gpci", Where(locality="10112-01"))
    assert found["state"] is None


def test_release_without_gpci_is_priced_nationally_only(of_2026: Published) -> None:
    assert fees.places(of_2026, "gpci", Where()) == []
    for where in (Where(state="CA"), Where(locality="01112-05")):
        with pytest.raises(UsageError, match=r"RVU26C has no gpci, so localities cannot be priced.*--release"):
            fees.places(of_2026, "gpci", where)


def test_anesthesia_factors_of_an_archive_without_gpci_are_found(tmp_path: Path) -> None:
    """`locality` is made of GPCI, so such a release has none."""
    chosen = release_of(tmp_path, anesthesia=[row("anesthesia")])
    [found] = fees.places(chosen, "anesthesia", Where(locality="10112-00"))
    assert found["anesthesia_conversion_factor"] == 19.31


# Rows


def test_every_printed_modifier_is_priced_unless_one_is_named(of_2025: Published) -> None:
    assert [each["modifier"] for each in fees.rows_to_price(of_2025, "G0130", None)] == ["", "26", "TC"]
    assert [each["modifier"] for each in fees.rows_to_price(of_2025, "G0130", "TC")] == ["TC"]
    assert [each["modifier"] for each in fees.rows_to_price(of_2025, "G0105", "53")] == ["53"]


@pytest.mark.parametrize(
    ("hcpcs", "modifier", "message"),
    [
        ("X9999", None, r"X9999 is not in RVU25A of version .*\. Check the spelling\."),
        ("A2030", None, r"A2030 is not in RVU25A .* It is in RVU26C: add --release RVU26C\."),
        ("G0130", "53", r"G0130 is not printed with modifier 53 in RVU25A, only with: none, 26, TC\."),
        ("A0021", None, r"RVUs do not pay A0021 in RVU25A: status I, Not valid for Medicare, another code is used\."),
        ("A4890", None, r"status R, Restricted coverage, paid by RVUs where it has any"),
    ],
)
def test_code_without_a_price_says_why(hcpcs: str, modifier: str | None, message: str, of_2025: Published) -> None:
    with pytest.raises(UsageError, match=message):
        fees.rows_to_price(of_2025, hcpcs, modifier)


def test_row_that_rvus_do_not_pay_is_left_out_beside_one_that_they_pay(tmp_path: Path) -> None:
    paid = row("rvu", hcpcs="G0001", **with_rvus(1.0, 2.0, 2.0, 0.1))
    unpaid = row("rvu", hcpcs="G0001", modifier="TC", status="C", facility_national_payment=None, **NO_RVUS)
    chosen = release_of(tmp_path, rvu=[paid, unpaid])
    assert [each["modifier"] for each in fees.rows_to_price(chosen, "G0001", None)] == [""]
    with pytest.raises(UsageError, match="RVUs do not pay G0001 in RVU25A: status C, Priced by the contractor"):
        fees.rows_to_price(chosen, "G0001", "TC")


def test_anesthesia_has_a_price_though_it_has_no_rvus(tmp_path: Path) -> None:
    chosen = release_of(tmp_path, rvu=[row("rvu", status="J", facility_national_payment=None, **NO_RVUS)])
    [found] = fees.rows_to_price(chosen, "G0002", None)
    assert fees.is_anesthesia(found)
    assert not fees.is_anesthesia(row("rvu"))


# Factors


@pytest.mark.parametrize(
    ("basis", "factor"), [(None, 33.4009), ("nonqualifying_apm", 33.4009), ("qualifying_apm", 33.5675)]
)
def test_factor_of_2026_is_everyone_elses_unless_a_basis_is_named(
    basis: str | None, factor: float, of_2026: Published
) -> None:
    assert fees.factor_in_force(of_2026, basis)["conversion_factor"] == factor


@pytest.mark.parametrize(
    ("label", "basis", "message"),
    [
        ("RVU25A", "qualifying_apm", "--basis qualifying_apm: RVU25A has standard"),
        ("RVU26C", "standard", "--basis standard: RVU26C has nonqualifying_apm or qualifying_apm"),
    ],
)
def test_basis_that_a_release_lacks_is_explained(label: str, basis: str, message: str, sample_home: Path) -> None:
    with pytest.raises(UsageError, match=message):
        fees.factor_in_force(published_release(Store(sample_home), label), basis)


# Prices


def test_prices_are_of_the_nation_and_every_place_in_both_settings() -> None:
    priced = fees.prices([row("rvu"), row("rvu", modifier="TC")], PLACES[:1], row("conversion_factor"), None)
    assert [(each.rvu["modifier"], fees.place_number(each.place), each.setting) for each in priced] == [
        ("", "", "nonfacility"),
        ("", "", "facility"),
        ("", "10112-00", "nonfacility"),
        ("", "10112-00", "facility"),
        ("TC", "", "nonfacility"),
        ("TC", "", "facility"),
        ("TC", "10112-00", "nonfacility"),
        ("TC", "10112-00", "facility"),
    ]
    one = fees.prices([row("rvu")], PLACES[:1], row("conversion_factor"), "facility")
    assert [each.setting for each in one] == ["facility", "facility"]


def test_line_of_the_table_is_in_dollars() -> None:
    capped = row("rvu", modifier="TC", facility_na=True, **with_rvus(0.0, 1.6, 1.6, 0.04))
    capped |= {"opps_nonfacility_pe_rvu": 1.2, "opps_facility_pe_rvu": 0.0, "opps_mp_rvu": 0.04}
    priced = fees.prices([capped], PLACES[:1], row("conversion_factor"), None)
    assert [each.as_row() for each in priced[2:]] == [
        {
            "modifier": "TC",
            "locality": "10112-00",
            "state": "AL",
            "name": "INVENTED STATE",
            "setting": "nonfacility",
            "NA": False,
            "fee": 45.72,
            "OPPS amount": 34.47,
            "payment": 34.47,
            "limiting charge": 37.66,
        },
        {
            "modifier": "TC",
            "locality": "10112-00",
            "state": "AL",
            "name": "INVENTED STATE",
            "setting": "facility",
            "NA": True,
            "fee": 45.72,
            "OPPS amount": None,
            "payment": 45.72,
            "limiting charge": 49.95,
        },
    ]


# Anesthesia


@pytest.mark.parametrize(
    ("base_units", "minutes", "units", "payment"),
    [
        (4, 47, 7.1, 137.10),  # 3.13 time units are 3.1
        (4, 45, 7.0, 135.17),
        (0, 0, 0.0, 0.0),
        (3, 1, 3.1, 59.86),  # 0.07 time units are 0.1
    ],
)
def test_anesthesia_is_paid_by_base_and_time_units(
    base_units: int, minutes: int, units: float, payment: float
) -> None:
    assert fees.anesthesia_rows([ANESTHESIA], None, base_units, minutes) == [
        {
            "locality": "10112-00",
            "state": "AL",
            "name": "INVENTED STATE",
            "per unit": 19.31,
            "units": units,
            "payment": payment,
        }
    ]


@pytest.mark.parametrize(("base_units", "minutes"), [(None, None), (4, None), (None, 47)])
def test_anesthesia_without_units_or_time_shows_the_factors_only(base_units: int | None, minutes: int | None) -> None:
    [found] = fees.anesthesia_rows([ANESTHESIA], None, base_units, minutes)
    assert list(found) == ["locality", "state", "name", "per unit"]


def test_anesthesia_of_qualifying_participants_has_its_own_factor() -> None:
    both = ANESTHESIA | {"anesthesia_conversion_factor": 20.0, "qualifying_apm_anesthesia_factor": 20.5}
    found = {
        basis: fees.anesthesia_rows([both], basis, 10, 0)[0]["payment"]
        for basis in (None, "nonqualifying_apm", "qualifying_apm")
    }
    assert found == {None: 200.0, "nonqualifying_apm": 200.0, "qualifying_apm": 205.0}


def test_place_without_a_factor_for_the_basis_is_left_out() -> None:
    assert fees.anesthesia_rows([ANESTHESIA], "qualifying_apm", 4, 47) == []
