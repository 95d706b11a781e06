"""Answers what a published release pays for a code: which of its rows, by which factor, in which localities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import money
from pipeline.errors import UsageError
from pipeline.lookup import all_rows, rows_of_code
from pipeline.published import Published, not_found
from pipeline.quote import NATIONAL, Quote, explanation, quote
from schemas.codes import SETTINGS, STATUS, usual_basis

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Where:
    """Localities asked for: one by MAC-LOCALITY, those of a state, or all."""

    locality: str | None = None
    state: str | None = None

    def holds(self, place: Row) -> bool:
        """Tell whether a locality is asked for."""
        if self.locality:
            return place_number(place) == self.locality
        return self.state is None or place["state"] == self.state.upper()


@dataclass(frozen=True)
class Priced:
    """One row of `rvu` in one setting of one place, with its price."""

    rvu: Row
    place: Row
    setting: str
    quote: Quote

    @property
    def named(self) -> str:
        """Return what is priced: code, modifier, place and setting."""
        code = " ".join(filter(None, (self.rvu["hcpcs"], self.rvu["modifier"])))
        place = " ".join(filter(None, (place_number(self.place), self.place["locality_name"])))
        return f"{code}, {place}, {self.setting}, {self.rvu['release']}"

    @property
    def is_national(self) -> bool:
        """Tell whether it is the amount with all indices 1."""
        return self.place is NATIONAL

    def explanation(self, factor: Row) -> list[str]:
        """Return the arithmetic line by line."""
        return explanation(self.quote, self.rvu, factor)

    def as_row(self) -> dict[str, Any]:
        """Return it as a line of a table, in dollars."""
        opps = self.quote.opps_fee
        return {
            "modifier": self.rvu["modifier"],
            "locality": place_number(self.place),
            "state": self.place["state"],
            "name": self.place["locality_name"],
            "setting": self.setting,
            "NA": self.rvu[f"{self.setting}_na"],
            "fee": self.quote.fee / 100,
            "OPPS amount": None if opps is None else opps / 100,
            "payment": self.quote.payment / 100,
            "limiting charge": money.limiting_charge(self.quote.payment) / 100,
        }


def rows_to_price(chosen: Published, code: str, modifier: str | None) -> list[Row]:
    """Return the rows of `rvu` that have a price by formula; UsageError that says why when there is none."""
    rows = rows_of_code(chosen.file("rvu"), code)
    if not rows:
        raise not_found(chosen, "rvu", code)
    asked = [row for row in rows if modifier in (None, row["modifier"])]
    if not asked:
        printed = ", ".join(row["modifier"] or "none" for row in rows)
        raise UsageError(f"{code} is not printed with modifier {modifier} in {chosen.release}, only with: {printed}.")
    priced: list[Row] = [row for row in asked if is_anesthesia(row) or row["facility_national_payment"] is not None]
    if not priced:
        status = asked[0]["status"]
        raise UsageError(f"RVUs do not pay {code} in {chosen.release}: status {status}, {STATUS[status]}.")
    return priced


def is_anesthesia(rvu: Row) -> bool:
    """Tell whether a row is paid by units of time instead of RVUs."""
    return bool(rvu["status"] == "J")


def factor_in_force(chosen: Published, basis: str | None) -> Row:
    """Return the conversion factor of a basis, by default the one that applies to most."""
    factors = all_rows(chosen.file("conversion_factor"))
    found = [row for row in factors if basis in (None, row["basis"])]
    if not found:
        raise UsageError(f"--basis {basis}: {chosen.release} has {' or '.join(row['basis'] for row in factors)}.")
    usual = usual_basis([row["basis"] for row in found])
    return next(row for row in found if row["basis"] == usual)


def places(chosen: Published, table: str, where: Where) -> list[Row]:
    """Return the localities asked for with their indices (`gpci`) or factors (`anesthesia`).

    None where the archive lacks the table and no place is named. UsageError for a place that is not there.
    """
    if where.locality and where.state:
        raise UsageError("--locality and --state exclude each other.")
    if not chosen.file(table).exists():
        if where == Where():
            return []
        raise UsageError(
            f"The archive of {chosen.release} has no {table}, so localities cannot be priced. Name another release "
            "with --release, or a day with --on."
        )
    named = all_rows(chosen.file("locality")) if chosen.file("locality").exists() else []
    states = {place_number(row): row["state"] for row in named}
    found: list[Row] = [row | {"state": states.get(place_number(row))} for row in all_rows(chosen.file(table))]
    asked = [place for place in found if where.holds(place)]
    if not asked:
        known = ", ".join(sorted({(where.state and place["state"]) or place_number(place) for place in found}))
        raise UsageError(f"{chosen.release} has no locality {where.locality or where.state}. It has: {known}.")
    return asked


def prices(rows: list[Row], where: list[Row], factor: Row, setting: str | None) -> list[Priced]:
    """Price rows nationally and in every place, in one setting or both."""
    settings = (setting,) if setting else SETTINGS
    return [
        Priced(row, place, each, quote(row, place, factor, each))
        for row in rows
        for place in (NATIONAL, *where)
        for each in settings
    ]


def anesthesia_rows(
    where: list[Row], basis: str | None, base_units: int | None, minutes: int | None
) -> list[dict[str, Any]]:
    """Return the factor per unit of each place, with units and payment where both are given."""
    column = "qualifying_apm_anesthesia_factor" if basis == "qualifying_apm" else "anesthesia_conversion_factor"
    rows = []
    for place in (place for place in where if place[column] is not None):
        row: dict[str, Any] = {
            "locality": place_number(place),
            "state": place["state"],
            "name": place["locality_name"],
        }
        row |= {"per unit": place[column]}
        if base_units is not None and minutes is not None:
            cents = money.anesthesia_payment(base_units, minutes, round(place[column] * money.ANESTHESIA_FACTOR))
            row |= {"units": base_units + money.time_units(minutes) / 10, "payment": cents / 100}
        rows.append(row)
    return rows


def place_number(place: Row) -> str:
    """Return MAC and locality as people write them; empty for the nation."""
    return "-".join(filter(None, (place["mac"], place["locality"])))
