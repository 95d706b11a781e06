"""`opps_cap`: imaging payments limited by the hospital outpatient rate."""

import pandas as pd
import pandera.pandas as pa

from schemas.columns import Dollars, Hcpcs, Locality, Mac, Modifier, Release, Status
from schemas.table import Table


class OppsCapTable(Table):
    """Capped payment of one imaging service in one locality, as CMS prints it (OPPSCAP).

    An active code is listed only where the cap binds; a carrier-priced one is listed everywhere.
    """

    release: str = Release()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    mac: str = Mac()
    locality: str = Locality()
    status: str = Status()
    facility_price: float = Dollars(description="Capped payment in a facility")
    nonfacility_price: float = Dollars(description="Capped payment in a non-facility setting")

    @pa.dataframe_check(
        name="facility price = non-facility price", raise_warning=True, description="held in 2020 to 2025"
    )
    def settings_agree(cls, df: pd.DataFrame) -> pd.Series:
        """The cap is one amount for both settings."""
        return df["facility_price"] == df["nonfacility_price"]

    class Config:
        """Name and key."""

        name = "opps_cap"
        unique = ["release", "hcpcs", "modifier", "mac", "locality"]
