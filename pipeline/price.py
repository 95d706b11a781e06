"""Prices the rows that RVUs pay: nationally, and in every locality of the release."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline import money
from pipeline.money import Gpcis, Rvus
from schemas.codes import SETTINGS, usual_basis
from schemas.payment import PaymentTable
from schemas.rvu import is_paid_by_rvus
from schemas.table import columns

Whole = np.ndarray[Any, np.dtype[np.int64]]
NATIONAL: Gpcis[Whole] = Gpcis(*[np.array([money.NO_INDEX])] * 3)


def scaled(numbers: pd.Series, scale: int) -> Whole:
    """Return decimals as whole numbers of 1/scale; empty ones as 0."""
    return (numbers.fillna(0) * scale).round().to_numpy("int64")


def default_basis(factors: pd.DataFrame) -> str:
    """Return the basis that applies to most, of those in `conversion_factor`."""
    return usual_basis(set(factors["basis"]))


def rvus_of(rows: pd.DataFrame, adjustor: int, pe: str, mp: str = "mp_rvu") -> Rvus[Whole]:
    """Return the relative values that price rows of `rvu`: adjusted work, and those columns."""
    work = money.adjusted_work(scaled(rows["work_rvu"], money.RVU), adjustor)
    return Rvus(work, scaled(rows[pe], money.RVU), scaled(rows[mp], money.RVU))


def indices_of(places: pd.DataFrame) -> Gpcis[Whole]:
    """Return the indices of rows of `gpci`."""
    return Gpcis(*(scaled(places[f"{part}_gpci"], money.GPCI) for part in ("work", "pe", "mp")))


def adjustor_of(factors: pd.DataFrame) -> int:
    """Return the work adjustor, which is one for a release; that of no row is 1."""
    return int(scaled(factors["work_adjustor"], money.ADJUSTOR).max(initial=0)) or money.ADJUSTOR


def with_national_payments(rvu: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Add the amounts of both settings with all GPCIs 1, before the OPPS cap; empty where RVUs pay nothing.

    For the default basis, and from 2026 for qualifying APM participants too. `factors` is `conversion_factor`.
    """
    paid = is_paid_by_rvus(rvu)
    added = {}
    for prefix, basis in (("", default_basis(factors)), ("qualifying_apm_", "qualifying_apm")):
        in_force = factors[factors["basis"] == basis]
        for setting in SETTINGS:
            cents = _national(rvu, setting, in_force) if len(in_force) else np.full(len(rvu), np.nan)
            added[f"{prefix}{setting}_national_payment"] = pd.Series(cents / 100, index=rvu.index).where(paid)
    return rvu.assign(**added)


def payments(rvu: pd.DataFrame, gpci: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Return `payment`: every row that RVUs pay, in every locality, for every basis, in the order of its key.

    Text columns are categories, since a million rows repeat a few thousand texts.
    """
    paid = rvu[is_paid_by_rvus(rvu)].sort_values(["hcpcs", "modifier"])
    places = gpci.merge(factors, on="release").sort_values(["mac", "locality", "basis"])
    of_code = {name: _repeated(paid[name], len(places)) for name in ("release", "hcpcs", "modifier")}
    of_place = {name: _tiled(places[name], len(paid)) for name in ("mac", "locality", "basis")}
    amounts = {name: cells.reshape(-1) for name, cells in _amounts(paid, places).items()}
    flags = {f"{setting}_na": np.repeat(paid[f"{setting}_na"].to_numpy(), len(places)) for setting in SETTINGS}
    return pd.DataFrame(of_code | of_place | amounts | flags, copy=False)[list(columns(PaymentTable))]


@dataclass(frozen=True)
class _Prices:
    """What multiplies RVUs, a column per place and basis: indices and conversion factor."""

    indices: Gpcis[Whole]
    factor: Whole
    adjustor: int

    def fees(self, rows: pd.DataFrame, pe: str, mp: str = "mp_rvu") -> Whole:
        """Return cents, a row per row of `rvu` and a column per place."""
        upright = Rvus(*(each[:, None] for each in rvus_of(rows, self.adjustor, pe, mp)))
        return money.fee(upright, self.indices, self.factor)


def _national(rvu: pd.DataFrame, setting: str, factors: pd.DataFrame) -> Whole:
    prices = _Prices(NATIONAL, scaled(factors["conversion_factor"], money.FACTOR), adjustor_of(factors))
    return prices.fees(rvu, f"{setting}_pe_rvu")[:, 0]


def _amounts(paid: pd.DataFrame, places: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Return dollars and flags of both settings, a row per row of `rvu` and a column per place.

    The OPPS cap applies where CMS prints RVUs for it (Deficit Reduction Act of 2005, section 5102(b)): the amount
    of the same work with practice expense and malpractice of the hospital outpatient system is the most that is paid.
    """
    factor = scaled(places["conversion_factor"], money.FACTOR)
    prices = _Prices(indices_of(places), factor, adjustor_of(places))
    made: dict[str, np.ndarray[Any, Any]] = {}
    for setting in SETTINGS:
        has_cap = (paid[f"opps_{setting}_pe_rvu"] > 0).to_numpy()
        fees = prices.fees(paid, f"{setting}_pe_rvu")
        caps = prices.fees(paid[has_cap], f"opps_{setting}_pe_rvu", "opps_mp_rvu")
        in_force = fees.copy()
        in_force[has_cap] = np.minimum(fees[has_cap], caps)
        opps = np.full(fees.shape, np.nan)
        opps[has_cap] = caps / 100
        made |= {
            f"{setting}_fee": fees / 100,
            f"opps_{setting}_fee": opps,
            f"{setting}_payment": in_force / 100,
            f"{setting}_capped": in_force < fees,
        }
    return made


def _repeated(texts: pd.Series, times: int) -> "pd.Categorical[Any]":
    """Return each text `times` times in a row, as categories."""
    kinds = pd.Categorical(texts)
    return pd.Categorical.from_codes(np.repeat(kinds.codes, times), dtype=kinds.dtype)


def _tiled(texts: pd.Series, times: int) -> "pd.Categorical[Any]":
    """Return all texts one after the other, and that `times` times, as categories."""
    kinds = pd.Categorical(texts)
    return pd.Categorical.from_codes(np.tile(kinds.codes, times), dtype=kinds.dtype)
