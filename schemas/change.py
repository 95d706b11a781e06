"""`change`: what a release changes for each code, against the release before it."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.columns import Hcpcs, Modifier, Release, coded
from schemas.table import Table

KIND = {
    "added": "The row is new: the release before does not have it, nor does any earlier one of this version",
    "revived": "The row is back: the release before does not have it, an earlier one of this version does",
    "deleted": "The row is gone",
    "changed": "One column of the row differs",
}
WHOLE_ROW = "row"  # the `field` of rows that come and go

Amount = partial(pa.Field, nullable=True, metadata={"unit": "of the field: RVU, share or US dollars"})


class ChangeTable(Table):
    """One thing about one code with one modifier that differs from the release before, `previous_release`.

    `field` is a column of `rvu`, national payments included, or `row` where the whole row came or went; `before` and
    `after` are then its status. The first release of a version has no changes.
    """

    release: str = Release()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    field: str = pa.Field(description="Column of `rvu` that differs, or `row`")
    previous_release: str = pa.Field(description="Release that it is compared with: the one before in this version")
    kind: str = coded(KIND)(description="What happened")
    before: str = pa.Field(nullable=True, description="Text before; empty for numbers and where there was none")
    after: str = pa.Field(nullable=True, description="Text after; empty for numbers and where there is none")
    number_before: float = Amount(description="Number before, RVUs or dollars; empty for texts")
    number_after: float = Amount(description="Number after, RVUs or dollars; empty for texts")
    difference: float = Amount(description="After minus before, in RVUs or dollars; empty unless both are numbers")
    percent: float = Amount(
        metadata={"unit": "percent"}, description="The difference as percent of before; empty where that is 0"
    )

    @pa.dataframe_check(name="only whole rows come, come back and go")
    def rows_come_and_go(cls, df: pd.DataFrame) -> pd.Series:
        """A column can only change."""
        return (df["field"] == WHOLE_ROW) == (df["kind"] != "changed")

    class Config:
        """Name and key."""

        name = "change"
        unique = ["release", "hcpcs", "modifier", "field"]
