"""`locality`: what a MAC and locality number meant in each release."""

import pandera.pandas as pa

from schemas.columns import Locality, LocalityName, Mac, Release
from schemas.table import Table


class LocalityTable(Table):
    """One payment locality of one release: its name, state and counties. Over all releases, its history.

    Names, numbers and contractors change; read all files of the table to follow a MAC and number through time.
    """

    release: str = Release()
    mac: str = Mac()
    locality: str = Locality()
    state: str = pa.Field(nullable=True, description="Postal abbreviation, where the release prints it in GPCI")
    locality_name: str = LocalityName()
    counties: str = pa.Field(
        nullable=True, description="Counties in CMS's words, several rows joined by semicolons; empty without LOCCO"
    )

    class Config:
        """Name and key."""

        name = "locality"
        unique = ["release", "mac", "locality"]
