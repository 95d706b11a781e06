"""Compares CMS's locality payment files (PFALL, PFREV, carrier files) with ours, amount by amount."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import pandas as pd

from pipeline import money, validate
from pipeline.conform import conform
from pipeline.errors import DataError, UsageError
from pipeline.layouts import load_layouts
from pipeline.parquet import read_table
from pipeline.price import adjustor_of, default_basis, indices_of, rvus_of, scaled
from pipeline.published import Published, published_release
from pipeline.read import read_fixed_width
from pipeline.store import Store
from schemas.codes import SETTINGS, STATUS
from schemas.gpci import PLACE
from schemas.payment_file import PaymentFileTable
from schemas.rvu import ROW
from schemas.table import columns
from schemas.tables import TABLES

Rows = list[dict[str, Any]]
KEY = [*PLACE, *ROW]
SHOWN = 10
THERAPY = "5"  # multiple procedure indicator
FEES = [f"{setting}_fee" for setting in SETTINGS]
OPPS_FEES = [f"opps_{setting}_fee" for setting in SETTINGS]
THERAPY_FEES = [f"{setting}_therapy_fee" for setting in SETTINGS]


@dataclass(frozen=True)
class Outcome:
    """What the comparison came to: counts by amount, what was not compared by reason, and amounts that differ."""

    release: str
    records: int
    amounts: Rows
    missing: Rows
    examples: Rows


def prove_payments(store: Store, path: Path, release: str | None) -> Outcome:
    """Compare a payment file with the payments of a published release for the basis that applies to most.

    Fees are compared for every record that we price, OPPS amounts where the cap applies, therapy amounts where
    practice expense is halved. UsageError when the file or the release is not there, DataError when the file is not
    what CMS's record layout says.
    """
    theirs = read_payment_file(path)
    chosen = published_release(store, release or _release_of_year(store, theirs["year"].iloc[0]))
    if not chosen.file("payment").exists():
        raise UsageError(f"The archive of {chosen.release} has no GPCI, so it has no payments to compare with.")
    ours = _our_payments(chosen, theirs)
    both = theirs.merge(ours, on=KEY, how="inner", suffixes=("", "_ours"))
    compared = _differences(both)
    return Outcome(
        release=chosen.release,
        records=len(theirs),
        amounts=[_counted(name, found) for name, found in compared.items() if len(found)],
        missing=_missing(chosen, theirs, ours),
        examples=_examples(both, compared),
    )


def read_payment_file(path: Path) -> pd.DataFrame:
    """Return the records of a payment file, typed and judged; DataError that names line and column otherwise."""
    if not path.is_file():
        raise UsageError(f"{path} is not a file: expected CMS's payment file, unpacked (PFALL25A.TXT).")
    layout = load_layouts("payment_file")[0]
    if is_zipfile(path):
        raise UsageError(f"{path.name} is a zip: unpack it first, and name the text in it (PFALL25A.TXT).")
    # Every cell is quoted at its place; with blanks instead of quotes and commas it is plain fixed width.
    content = path.read_bytes().translate(bytes.maketrans(b'",', b"  "))
    text = read_fixed_width(content, layout, path.name)
    if text.rows.empty:
        raise DataError(f"{path.name} holds no record of {layout.record_length} characters: is it the unpacked text?")
    rows, _ = conform(text, layout, columns(PaymentFileTable))
    if broken := validate.judge(rows, PaymentFileTable):
        listed = "\n".join(f"  {validate.describe(finding)}" for finding in broken)
        raise DataError(f"{path.name} is not what CMS's record layout says:\n{listed}\nUnpack it from its zip again.")
    return rows


def _release_of_year(store: Store, year: str) -> str:
    """Return the newest published release of a year: such files are revised through the year."""
    labels = published_release(store).labels
    found = [label for label in labels if label.startswith(f"RVU{year[2:]}")]
    if not found:
        raise UsageError(
            f"The file is of {year}, and no release of that year is published, only {', '.join(labels)}."
        )
    return found[-1]


def _our_payments(chosen: Published, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return our amounts in the file's localities, with what therapy amounts are made of."""
    factors = read_table(chosen.file("conversion_factor"), TABLES["conversion_factor"])
    factor = factors[factors["basis"] == default_basis(factors)]
    names = [*KEY, "basis", *FEES, *OPPS_FEES]
    payment = read_table(chosen.file("payment"), TABLES["payment"], names)
    wanted = (payment["basis"] == factor["basis"].item()) & payment["mac"].isin(theirs["mac"])
    paid = payment[wanted].astype(dict.fromkeys(KEY, "str"))
    in_file = pd.MultiIndex.from_frame(theirs[PLACE].drop_duplicates())
    paid = paid.loc[pd.MultiIndex.from_frame(paid[PLACE]).isin(in_file)]
    with_therapy: pd.DataFrame = paid.merge(_therapy_fees(chosen, factor, in_file), on=KEY, how="left")
    return with_therapy


def _therapy_fees(chosen: Published, factor: pd.DataFrame, places: pd.MultiIndex) -> pd.DataFrame:
    """Price therapy with half the practice expense in each place."""
    rvu = read_table(chosen.file("rvu"), TABLES["rvu"])
    gpci = read_table(chosen.file("gpci"), TABLES["gpci"])
    gpci = gpci[pd.MultiIndex.from_frame(gpci[PLACE]).isin(places)]
    rows = rvu[rvu["multiple_procedure"] == THERAPY].merge(gpci, on="release")
    dollars_per_rvu = scaled(factor["conversion_factor"], money.FACTOR)
    fees = {}
    for setting, name in zip(SETTINGS, THERAPY_FEES, strict=True):
        rvus = rvus_of(rows, adjustor_of(factor), f"{setting}_pe_rvu")
        fees[name] = money.therapy_fee(rvus, indices_of(rows), dollars_per_rvu) / 100
    return pd.DataFrame({name: rows[name] for name in KEY} | fees)


def _differences(both: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by amount the cents that theirs is off ours, of the records that print the amount."""
    applies = {
        **dict.fromkeys(FEES, pd.Series(True, index=both.index)),
        **dict.fromkeys(OPPS_FEES, both["opps_indicator"] == "1"),
        **dict.fromkeys(THERAPY_FEES, both["multiple_procedure"] == THERAPY),
    }
    return {
        name: pd.Series(scaled(both[name], 100) - scaled(both[f"{name}_ours"], 100), index=both.index)[rows]
        for name, rows in applies.items()
    }


def _counted(name: str, found: pd.Series) -> dict[str, Any]:
    different = int((found != 0).sum())
    return {
        "amount": name,
        "compared": len(found),
        "equal": len(found) - different,
        "different": different,
        "largest difference": float(found.abs().max()) / 100,
    }


def _examples(both: pd.DataFrame, compared: dict[str, pd.Series]) -> Rows:
    """Return the first amounts that differ."""
    rows = []
    for name, found in compared.items():
        for at in found.index[found != 0][:SHOWN]:
            of_place = {column: both.at[at, column] for column in KEY}
            ours: Any = both.at[at, f"{name}_ours"]  # empty where we see no cap or therapy
            amounts = {"CMS": both.at[at, name], "ours": None if pd.isna(ours) else ours}
            rows.append(of_place | {"amount": name} | amounts)
    return rows[:SHOWN]


def _missing(chosen: Published, theirs: pd.DataFrame, ours: pd.DataFrame) -> Rows:
    """Return how many records only one side has, by the reason, with an example."""
    known_places = pd.MultiIndex.from_frame(read_table(chosen.file("gpci"), TABLES["gpci"])[PLACE])
    status = read_table(chosen.file("rvu"), TABLES["rvu"], [*ROW, "status"]).rename(columns={"status": "our_status"})
    only_theirs = theirs[~_keys(theirs).isin(_keys(ours))].merge(status, on=ROW, how="left")
    placed = pd.MultiIndex.from_frame(only_theirs[PLACE]).isin(known_places)
    told = [
        _why_unpriced(chosen.release, status, is_placed=bool(known))
        for status, known in zip(only_theirs["our_status"], placed, strict=True)
    ]
    only_ours = ours[~_keys(ours).isin(_keys(theirs))]
    told += ["CMS's file does not list it"] * len(only_ours)
    found = pd.concat([only_theirs[KEY], only_ours[KEY]]).assign(reason=told)
    return [
        {"reason": reason, "records": len(group), "such as": "-".join(filter(None, group[KEY].iloc[0]))}
        for reason, group in found.groupby("reason", sort=False)
    ]


def _why_unpriced(release: str, status: object, *, is_placed: bool) -> str:
    """Say why we have no amount for a record, from the status that our release prints for it, if it does."""
    if not is_placed:
        return "locality is not in our GPCI"
    if not isinstance(status, str):
        return f"code and modifier are not in {release}"
    return f"RVUs do not pay status {status}: {STATUS[status]}"


def _keys(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[KEY])
