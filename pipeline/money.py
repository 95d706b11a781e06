"""Medicare's arithmetic on money: whole scaled numbers in, cents out, rounded once, half up.

Scales: RVUs are hundredths, GPCIs thousandths, conversion factors and work adjustors ten-thousandths, factors of
anesthesia millionths of a dollar. Every function takes whole numbers, or NumPy arrays of int64 that broadcast.

The largest intermediate is three products of an RVU and an index, doubled where practice expense is halved, times a
factor. By the bounds that schemas/columns.py declares it stays below 6 x 10^5 x 10^4 x 10^7 = 6 x 10^16; int64 holds
9.2 x 10^18 (tests/test_money.py computes it from those bounds).
"""

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:  # commands that price one code start without NumPy
    import numpy as np

    Whole = TypeVar("Whole", int, np.ndarray[Any, np.dtype[np.int64]])
else:
    Whole = TypeVar("Whole")

RVU, GPCI, FACTOR, ADJUSTOR, ANESTHESIA_FACTOR = 100, 1_000, 10_000, 10_000, 1_000_000
CENT = RVU * GPCI * FACTOR // 100  # of a product of RVU, index and factor
NO_INDEX = GPCI  # national amounts have all indices 1.000


class Rvus(NamedTuple, Generic[Whole]):
    """Relative values in hundredths: work (adjusted where the law says so), practice expense, malpractice."""

    work: Whole
    pe: Whole
    mp: Whole


class Gpcis(NamedTuple, Generic[Whole]):
    """Geographic practice cost indices in thousandths: work, practice expense, malpractice."""

    work: Whole
    pe: Whole
    mp: Whole


def half_up(numerator: Whole, denominator: int) -> Whole:
    """Divide non-negative numbers, rounding to the nearest whole number, halves up."""
    return (numerator + denominator // 2) // denominator


def fee(rvus: Rvus[Whole], indices: Gpcis[Whole], factor: Whole) -> Whole:
    """Return cents of (work x GPCI + PE x GPCI + MP x GPCI) x factor, rounded once (CMS, RVU25A record layout)."""
    weighted = rvus.work * indices.work + rvus.pe * indices.pe + rvus.mp * indices.mp
    return half_up(weighted * factor, CENT)


def therapy_fee(rvus: Rvus[Whole], indices: Gpcis[Whole], factor: Whole) -> Whole:
    """Return cents of the fee with practice expense halved, as for a second therapy service (indicator 5).

    Half of the practice expense is not rounded itself: the sum is doubled instead (CMS, payment file layout).
    """
    doubled = 2 * (rvus.work * indices.work + rvus.mp * indices.mp) + rvus.pe * indices.pe
    return half_up(doubled * factor, 2 * CENT)


def adjusted_work(work: Whole, adjustor: int) -> Whole:
    """Return work RVUs times the budget neutrality adjustor, rounded to hundredths before they are priced.

    0.8994 in 2007 and 0.8806 in 2008 (CMS: "you must round the product ... to two decimal places"), else 1.
    """
    return half_up(work * adjustor, ADJUSTOR)


def limiting_charge(cents: Whole) -> Whole:
    """Return the most that a non-participating physician may charge: 109.25 % of the payment, rounded once.

    115 % of 95 % (CMS, RVU25A record layout); 95 % is not rounded on the way.
    """
    return half_up(cents * 10_925, 10_000)


def nonparticipating(cents: Whole) -> Whole:
    """Return what Medicare recognizes for a non-participating physician: 95 % of the payment."""
    return half_up(cents * 95, 100)


def time_units(minutes: int) -> int:
    """Return tenths of an anesthesia time unit of 15 minutes (Claims Processing Manual, chapter 12, section 50)."""
    return half_up(minutes * 10, 15)


def anesthesia_payment(base_units: int, minutes: int, factor: int) -> int:
    """Return cents of (base units + time units) x the locality's anesthesia factor, rounded once.

    The factor is of the table `anesthesia`, in millionths of a dollar; base units are CMS's, which no RVU release
    prints, and minutes are the claim's.
    """
    return half_up((base_units * 10 + time_units(minutes)) * factor, 10 * ANESTHESIA_FACTOR // 100)
