"""`proof`: how far CMS's own figures confirm what was read and computed."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.columns import Release, coded
from schemas.table import Table

PROOF = {
    "oppscap_nonfacility": "OPPSCAP's non-facility price of a code that RVUs pay is our payment in that locality",
    "oppscap_facility": "OPPSCAP's facility price of a code that RVUs pay is our payment in that locality",
    "oppscap_listed": "OPPSCAP lists a code that RVUs pay where the cap lowers its payment, and only there",
    "oppscap_contractor_priced": "OPPSCAP's price of a contractor-priced code is the amount of its OPPS RVUs",
    "conversion_factor": "The factor that PPRRVU prints is the one that the catalog declares",
    "totals": "Work, practice expense and malpractice add up to the printed totals",
    "split": "Active codes: 26 and TC add up to the whole, component by component",
    "component_codes": "A test that its component codes split is their sum, component by component",
    "opps_split": "The practice expense of the OPPS cap: that of the whole is that of TC and of 26",
    "surgical_shares": "Pre-, intra- and postoperative shares of a procedure make up the whole",
    "bases": "PPRRVU for qualifying and for other participants agree on every row that both print",
    "formats": "The other formats of a table in the archive agree with the one that is read, row by row",
}

Figures = partial(pa.Field, ge=0, metadata={"unit": "figures"})


class ProofTable(Table):
    """One proof of one release: how many of CMS's own figures come out as ours, and why where they do not."""

    release: str = Release()
    proof: str = coded(PROOF)(description="What is compared")
    compared: int = Figures(description="Figures compared; rows for `bases`, `formats`, `oppscap_listed`")
    equal: int = Figures(description="Of these, equal; dollars to the cent")
    not_compared: int = Figures(description="Figures that could not be compared, explained")
    largest_difference: float = pa.Field(
        nullable=True,
        ge=0,
        description="Largest absolute difference; empty where rows are compared",
        metadata={"unit": "US dollars or RVU"},
    )
    explanation: str = pa.Field(nullable=True, description="Why figures differ or could not be compared, in words")

    @pa.dataframe_check(name="equal are among those compared")
    def equal_are_compared(cls, df: pd.DataFrame) -> pd.Series:
        """None can be equal without having been compared."""
        return df["equal"] <= df["compared"]

    @pa.dataframe_check(name="what is not equal is explained")
    def gaps_are_explained(cls, df: pd.DataFrame) -> pd.Series:
        """A proof that fails must say why as far as can be seen."""
        return ((df["equal"] == df["compared"]) & (df["not_compared"] == 0)) | df["explanation"].notna()

    class Config:
        """Name and key."""

        name = "proof"
        unique = ["release", "proof"]
