"""Prices one code for one place from its published rows, and spells the arithmetic out."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline import money
from pipeline.money import Gpcis, Rvus

Row = Mapping[str, Any]
NATIONAL: Row = {
    "mac": "",
    "locality": "",
    "state": None,
    "locality_name": "National, all indices 1",
    "work_gpci": 1.0,
    "pe_gpci": 1.0,
    "mp_gpci": 1.0,
}


@dataclass(frozen=True)
class Quote:
    """What one setting of one place pays for a code, in cents, with all that it follows from, in scaled numbers."""

    rvus: Rvus[int]
    indices: Gpcis[int]
    factor: int
    opps: Rvus[int] | None

    @property
    def fee(self) -> int:
        """Return the fee before the OPPS cap."""
        return money.fee(self.rvus, self.indices, self.factor)

    @property
    def opps_fee(self) -> int | None:
        """Return the OPPS amount, where CMS prints RVUs for it."""
        return money.fee(self.opps, self.indices, self.factor) if self.opps else None

    @property
    def payment(self) -> int:
        """Return what is in force: the lower of the two."""
        return min(self.fee, self.fee if self.opps_fee is None else self.opps_fee)


def quote(rvu: Row, place: Row, factor: Row, setting: str) -> Quote:
    """Price a row of `rvu` in a row of `gpci`, or NATIONAL, by a row of `conversion_factor`."""
    adjustor = _whole(factor["work_adjustor"], money.ADJUSTOR)
    work = money.adjusted_work(_whole(rvu["work_rvu"], money.RVU), adjustor)
    opps_pe = _whole(rvu[f"opps_{setting}_pe_rvu"] or 0, money.RVU)
    return Quote(
        rvus=Rvus(work, _whole(rvu[f"{setting}_pe_rvu"], money.RVU), _whole(rvu["mp_rvu"], money.RVU)),
        indices=Gpcis(*(_whole(place[f"{part}_gpci"], money.GPCI) for part in ("work", "pe", "mp"))),
        factor=_whole(factor["conversion_factor"], money.FACTOR),
        opps=Rvus(work, opps_pe, _whole(rvu["opps_mp_rvu"], money.RVU)) if opps_pe else None,
    )


def explanation(quoted: Quote, rvu: Row, factor: Row) -> list[str]:
    """Return the arithmetic line by line, unrounded until its end."""
    lines = []
    if factor["work_adjustor"] != 1:
        lines.append(
            f"{'adjusted work':18}  {rvu['work_rvu']:7.2f} x {factor['work_adjustor']:.4f} (budget neutrality) "
            f"= {_plain(quoted.rvus.work, money.RVU)}, rounded to two decimals"
        )
    lines += _product_lines("fee", quoted.fee, quoted.rvus, quoted)
    if quoted.opps:
        lines += ["OPPS cap: the same work, practice expense and malpractice of the outpatient system"]
        lines += _product_lines("OPPS amount", quoted.opps_fee or 0, quoted.opps, quoted)
        lower = "the cap binds" if quoted.payment < quoted.fee else "the cap does not bind"
        lines.append(f"{'in force':18}  the lower of the two = {dollars(quoted.payment)}: {lower}")
    paid = dollars(quoted.payment)
    return [
        *lines,
        f"{'non-participating':18}  {paid} x 0.95 = {dollars(money.nonparticipating(quoted.payment))}",
        f"{'limiting charge':18}  {paid} x 1.0925 = {dollars(money.limiting_charge(quoted.payment))}",
    ]


def dollars(cents: int) -> str:
    """Return an amount as people write it."""
    return f"${Decimal(cents) / 100:,.2f}"


def _product_lines(name: str, cents: int, rvus: Rvus[int], quoted: Quote) -> list[str]:
    parts = zip(("work", "practice expense", "malpractice"), rvus, quoted.indices, strict=True)
    lines = [
        f"{part:18}  {_plain(rvu, money.RVU):>7} x {_plain(index, money.GPCI)} = {_plain(rvu * index, 100_000):>10}"
        for part, rvu, index in parts
    ]
    weighted = sum(rvu * index for rvu, index in zip(rvus, quoted.indices, strict=True))
    exact = _plain(weighted * quoted.factor, money.CENT * 100)
    return [
        *lines,
        f"{'sum of RVUs':18}  {_plain(weighted, 100_000):>28}",
        f"{name:18}  {_plain(weighted, 100_000)} x ${_plain(quoted.factor, money.FACTOR)} = {exact}, "
        f"rounded once = {dollars(cents)}",
    ]


def _whole(number: float, scale: int) -> int:
    return round(number * scale)


def _plain(whole: int, scale: int) -> str:
    """Return a scaled number with all its decimals."""
    places = len(str(scale)) - 1
    return f"{Decimal(whole).scaleb(-places):.{places}f}"
