"""`gpci`: geographic practice cost indices of each Medicare locality."""

import pandera.pandas as pa

from schemas.columns import Gpci, Locality, LocalityName, Mac, Release
from schemas.table import Table

PLACE = ["mac", "locality"]  # localities are numbered within their MAC


class GpciTable(Table):
    """Geographic practice cost indices of one payment locality in one release (GPCI, Addendum E)."""

    release: str = Release()
    mac: str = Mac()
    locality: str = Locality()
    state: str = pa.Field(
        nullable=True,
        str_matches=r"^[A-Z]{2}\Z",
        description="Postal abbreviation of the state or territory; printed since 2021",
    )
    locality_name: str = LocalityName()
    work_gpci: float = Gpci(description="Work index that is paid, with the floor of 1.0 while it is law")
    work_gpci_without_floor: float = Gpci(
        nullable=True, description="Work index as if the floor of 1.0 were not law; printed in early 2026"
    )
    pe_gpci: float = Gpci(description="Practice expense index")
    mp_gpci: float = Gpci(description="Malpractice index")

    class Config:
        """Name and key."""

        name = "gpci"
        unique = ["release", *PLACE]
