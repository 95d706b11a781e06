"""CMS's locality payment files (PFALL, PFREV, carrier files): an external proof, read but never published."""

import pandera.pandas as pa

from schemas.codes import MULTIPLE_PROCEDURE, PCTC
from schemas.columns import Dollars, Hcpcs, Locality, Mac, Modifier, Status, coded
from schemas.table import Table

OPPS_INDICATOR = {"1": "Subject to the OPPS cap", "9": "Not subject to it"}


class PaymentFileTable(Table):
    """Amounts that CMS prints for one code with one modifier in one locality (record layout PF25PC)."""

    year: str = pa.Field(str_matches=r"^20[0-9]{2}\Z", description="Calendar year that the amounts are for")
    mac: str = Mac()
    locality: str = Locality()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    nonfacility_fee: float = Dollars(description="Fee in a non-facility setting; before the OPPS cap, as measured")
    facility_fee: float = Dollars(description="Fee in a facility; before the OPPS cap, as measured")
    pctc: str = coded(PCTC)(description="Professional/technical component indicator")
    status: str = Status()
    multiple_procedure: str = coded(MULTIPLE_PROCEDURE)(description="Reduction with other procedures")
    nonfacility_therapy_fee: float = Dollars(description="Fee with half the practice expense, for therapy (5)")
    facility_therapy_fee: float = Dollars(description="The same in an institution")
    opps_indicator: str = coded(OPPS_INDICATOR)(description="Whether the OPPS cap applies")
    opps_nonfacility_fee: float = Dollars(description="OPPS amount in a non-facility setting")
    opps_facility_fee: float = Dollars(description="OPPS amount in a facility")

    class Config:
        """Name and key: one record each."""

        name = "payment_file"
        unique = ["year", "mac", "locality", "hcpcs", "modifier"]
