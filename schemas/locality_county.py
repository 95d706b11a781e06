"""`locality_county`: which counties a Medicare locality covers."""

import pandera.pandas as pa

from schemas.columns import Locality, LocalityName, Mac, Release
from schemas.table import Table


class LocalityCountyTable(Table):
    """Counties of one payment locality in one release, in CMS's own prose (LOCCO)."""

    release: str = Release()
    mac: str = Mac()
    locality: str = Locality()
    state: str = pa.Field(
        nullable=True,
        str_length={"min_value": 2},
        description="Name of the state; CMS prints it once per state, and not at all in some fixed-width files",
    )
    fee_schedule_area: str = LocalityName()
    counties: str = pa.Field(
        str_length={"min_value": 3},
        description="Counties as CMS words them, with its misspellings: lists, ALL COUNTIES, ALL OTHER COUNTIES",
    )

    class Config:
        """Name and key."""

        name = "locality_county"
        unique = ["release", "mac", "locality", "counties"]
