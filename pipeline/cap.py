"""Compares OPPSCAP, CMS's own capped payments, with ours, and says in words what differences have in common."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import money
from pipeline.catalog import Release
from pipeline.price import Whole, adjustor_of, default_basis, indices_of, rvus_of, scaled
from schemas.codes import PAYABLE_STATUS, SETTINGS
from schemas.gpci import PLACE
from schemas.rvu import ROW

Tables = dict[str, pd.DataFrame]
KEY = [*ROW, *PLACE]
FEW = 4  # codes or localities that an explanation names
NEAR = 10  # ten-thousandths of a dollar that a factor implied by rounded amounts may be off
FLOOR = 1.0  # of the work GPCI, by laws that Congress extends from time to time


@dataclass(frozen=True)
class Proof:
    """One row of `proof`, without its release."""

    proof: str
    compared: int
    equal: int
    not_compared: int = 0
    largest_difference: float = float("nan")
    explanation: str | None = None


def cap_proofs(release: Release, tables: Tables) -> list[Proof]:
    """Compare prices with our payments in both settings, and where both say that the cap binds.

    Rows that RVUs pay must be our payment of the default basis. For contractor-priced rows, which have none, CMS
    prints the amount of their OPPS RVUs; the whole service takes its work from its 26 row.
    """
    rows = _priced(tables)
    paid = rows[rows["status"].isin(PAYABLE_STATUS)]
    contractor = _contractor_priced(rows[rows["status"] == "C"], tables["rvu"])
    return [
        *(_compared(release, f"oppscap_{setting}", paid, setting) for setting in SETTINGS),
        _listed(paid[_is_placed(paid)], tables["payment"]),
        _compared(release, "oppscap_contractor_priced", contractor, "nonfacility"),
    ]


def _priced(tables: Tables) -> pd.DataFrame:
    """Return the rows of OPPSCAP with our payment for the default basis, and all that an OPPS amount is made of."""
    factors = tables["conversion_factor"]
    ours = factors[factors["basis"] == default_basis(factors)].iloc[0]
    payment = tables["payment"]
    in_question = payment["hcpcs"].isin(tables["opps_cap"]["hcpcs"]) & (payment["basis"] == ours["basis"])
    paid = payment.loc[in_question, [*KEY, *(f"{setting}_payment" for setting in SETTINGS)]]
    rvus = tables["rvu"][[*ROW, "work_rvu", "opps_nonfacility_pe_rvu", "opps_facility_pe_rvu", "opps_mp_rvu"]]
    indices = tables["gpci"][[*PLACE, "work_gpci", "pe_gpci", "mp_gpci"]]
    rows = tables["opps_cap"].merge(paid.astype(dict.fromkeys(KEY, "str")), on=KEY, how="left")
    rows = rows.merge(rvus, on=ROW, how="left").merge(indices, on=PLACE, how="left")
    facts = ("basis", "conversion_factor", "work_adjustor")
    return rows.assign(**{fact: ours[fact] for fact in facts})


def _is_placed(rows: pd.DataFrame) -> pd.Series:
    return rows["work_gpci"].notna()


def _contractor_priced(rows: pd.DataFrame, rvu: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the work that prices them, and with that price as payment."""
    professional = rvu[rvu["modifier"] == "26"].set_index("hcpcs")["work_rvu"]
    rows = rows.assign(work_rvu=rows["work_rvu"].where(rows["modifier"] != "", rows["hcpcs"].map(professional)))
    return rows.assign(nonfacility_payment=_opps_amount(rows, "nonfacility") / 100)


def _opps_amount(rows: pd.DataFrame, setting: str) -> Whole:
    """Return cents of the OPPS amount of each row, by the indices and the factor that stand in it."""
    rvus = rvus_of(rows, adjustor_of(rows), f"opps_{setting}_pe_rvu", "opps_mp_rvu")
    return money.fee(rvus, indices_of(rows), scaled(rows["conversion_factor"], money.FACTOR))


def _compared(release: Release, proof: str, printed: pd.DataFrame, setting: str) -> Proof:
    """Compare the printed prices of one setting with ours; a row that we do not pay at all is not equal."""
    rows, unplaced = printed[_is_placed(printed)], printed[~_is_placed(printed)]
    gaps = (rows[f"{setting}_price"] - rows[f"{setting}_payment"]).abs().round(2)
    wrong = rows[gaps != 0]
    told = [_unplaced(unplaced)] if len(unplaced) else []
    told += [_reason(release, rows, wrong, setting)] if len(wrong) else []
    return Proof(
        proof,
        compared=len(rows),
        equal=len(rows) - len(wrong),
        not_compared=len(unplaced),
        largest_difference=float(gaps.max()),
        explanation=" ".join(told) or None,
    )


def _listed(listed: pd.DataFrame, payment: pd.DataFrame) -> Proof:
    """Compare where OPPSCAP lists a code that RVUs pay with where the cap lowers its payment."""
    capped = payment.loc[payment["nonfacility_capped"] | payment["facility_capped"], KEY]
    ours = pd.MultiIndex.from_frame(capped.astype("str").drop_duplicates())
    theirs = pd.MultiIndex.from_frame(listed[KEY])
    only_ours, only_theirs = ours.difference(theirs), theirs.difference(ours)
    differing = len(only_ours) + len(only_theirs)
    both = len(theirs) - len(only_theirs)
    if not differing:
        return Proof("oppscap_listed", both, both)
    examples = ", ".join("-".join(filter(None, row)) for row in [*only_ours, *only_theirs][:FEW])
    told = (
        f"The cap lowers {len(only_ours):,} payments that OPPSCAP does not list, and OPPSCAP lists "
        f"{len(only_theirs):,} that the cap does not lower, such as {examples}."
    )
    return Proof("oppscap_listed", both + differing, both, explanation=told)


def _unplaced(rows: pd.DataFrame) -> str:
    places = rows.drop_duplicates(PLACE)
    return f"{len(rows):,} figures are of {len(places)} localities that GPCI lacks, such as {_named(places, PLACE)}."


def _reason(release: Release, rows: pd.DataFrame, wrong: pd.DataFrame, setting: str) -> str:
    """Say why printed prices differ: another factor, no floor, a few codes or localities, or all over the file."""
    told = [f"{len(wrong):,} of {len(rows):,} differ."]
    factor = rows["conversion_factor"].iloc[0]
    if implied := _implied_factor(release, rows, len(wrong), setting):
        told.append(_factor_told(release, rows, implied))
        factor, wrong = implied, _not_given(rows.assign(conversion_factor=implied), setting)
    if len(wrong) and _floor_explains(rows.assign(conversion_factor=factor), wrong, setting):
        told.append(
            f"The {len(wrong):,} that still differ are of work in localities whose work GPCI is held at the floor of "
            f"{FLOOR:.1f}: CMS computed them without the floor."
        )
    elif len(wrong):
        told.append(_confined(wrong))
    return " ".join(told)


def _factor_told(release: Release, rows: pd.DataFrame, implied: float) -> str:
    ours, basis = rows[["conversion_factor", "basis"]].iloc[0]
    earlier = [each for each in release.factors if each.basis == basis and each.until < release.effective_from]
    period = next((each.period for each in earlier if each.conversion_factor == implied), None)
    left_in = f", in force {period}: CMS left an older file in" if period else ""
    return f"OPPSCAP implies the factor {implied:.4f}{left_in}, where this release has {ours:.4f}."


def _confined(wrong: pd.DataFrame) -> str:
    codes, places = (len(wrong.drop_duplicates(key)) for key in (ROW, PLACE))
    if codes <= FEW:
        return f"{len(wrong):,} remain, all of {_named(wrong, ROW)}."
    if places <= FEW:
        return f"{len(wrong):,} remain, all in {_named(wrong, PLACE)}."
    return (
        f"{len(wrong):,} remain, in {codes} codes and {places} localities: CMS computed them from other RVUs or "
        "indices than this release's."
    )


def _implied_factor(release: Release, rows: pd.DataFrame, differing: int, setting: str) -> float | None:
    """Return the other factor that gives most of the prices, if it leaves at most half as many as differ by ours.

    Tried are the factors of the year and those near the one that the median price implies.
    """
    ours, paid = rows["conversion_factor"].iloc[0], rows[f"{setting}_payment"]
    ratio = (rows[f"{setting}_price"] / paid.where(paid > 0)).median()
    near = np.arange(-NEAR, NEAR + 1) + round(ratio * ours * money.FACTOR) if ratio > 0 else np.array([])
    tried = {each.conversion_factor for each in release.factors} | {float(each) / money.FACTOR for each in near}
    left = {each: len(_not_given(rows.assign(conversion_factor=each), setting)) for each in sorted(tried - {ours})}
    best = min(left, key=lambda each: left[each], default=ours)
    return best if left.get(best, differing) <= differing / 2 else None


def _not_given(rows: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Return the rows whose printed price is not the OPPS amount by the factor and indices that stand in them."""
    given = pd.Series(_opps_amount(rows, setting) == scaled(rows[f"{setting}_price"], 100), index=rows.index)
    return rows[~given]


def _floor_explains(rows: pd.DataFrame, wrong: pd.DataFrame, setting: str) -> bool:
    """Tell whether, in every locality with a price left, one work index below the floor gives all prices of work."""
    if (wrong["work_gpci"] != FLOOR).any() or not (wrong["work_rvu"] > 0).all():
        return False
    affected = pd.MultiIndex.from_frame(rows[PLACE]).isin(pd.MultiIndex.from_frame(wrong[PLACE]))
    of_work = rows[affected & (rows["work_rvu"] > 0)]
    return all(_is_index_found(of_place, setting) for _, of_place in of_work.groupby(PLACE))


def _is_index_found(rows: pd.DataFrame, setting: str) -> bool:
    """Tell whether a work index below the floor gives the prices of a locality; its largest work implies it best."""
    rvus = rows.nlargest(1, "work_rvu").iloc[0]
    rest = rvus[f"opps_{setting}_pe_rvu"] * rvus["pe_gpci"] + rvus["opps_mp_rvu"] * rvus["mp_gpci"]
    implied = (rvus[f"{setting}_price"] / rvus["conversion_factor"] - rest) / rvus["work_rvu"]
    tried = [round(implied, 3) + step / money.GPCI for step in (-1, 0, 1)]
    return any(index < FLOOR and _not_given(rows.assign(work_gpci=index), setting).empty for index in tried)


def _named(rows: pd.DataFrame, key: list[str]) -> str:
    """Return the first few of what rows are about: codes or localities."""
    named = rows[key].drop_duplicates().head(FEW).itertuples(index=False)
    return ", ".join("-".join(filter(None, map(str, row))) for row in named)
