"""`payment`: what Medicare pays for every code in every locality."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.codes import SETTINGS
from schemas.columns import Basis, Dollars, Hcpcs, Locality, Mac, Modifier, NotApplicable, Release
from schemas.table import Table

OppsFee = partial(Dollars, nullable=True)


def lower_is_paid(df: pd.DataFrame, setting: str) -> pd.Series:
    """Tell where the payment is the fee or, if that is lower, the OPPS amount, and is marked so."""
    fee, payment = df[f"{setting}_fee"], df[f"{setting}_payment"]
    is_lower = df[f"opps_{setting}_fee"] < fee
    return (payment == fee.where(~is_lower, df[f"opps_{setting}_fee"])) & (df[f"{setting}_capped"] == is_lower)


class PaymentTable(Table):
    """Fee of one code with one modifier in one locality for one basis: all rows that RVUs pay (status A, R and T).

    Made of `rvu`, `gpci` and `conversion_factor`, rounded once, half up, to the cent. CMS's own payment files print
    the fees, with the OPPS amounts beside them; what is in force is the lower one, `*_payment`. A non-participating
    physician is paid 95 % of it and may charge 109.25 %, the limiting charge: not stored, since both follow from it.
    """

    release: str = Release()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    mac: str = Mac()
    locality: str = Locality()
    basis: str = Basis()
    nonfacility_fee: float = Dollars(description="Fee in a non-facility setting, before the OPPS cap")
    facility_fee: float = Dollars(description="Fee in a facility, before the OPPS cap")
    opps_nonfacility_fee: float = OppsFee(description="OPPS amount outside facilities; empty where no cap applies")
    opps_facility_fee: float = OppsFee(description="OPPS amount in facilities; empty where no cap applies")
    nonfacility_payment: float = Dollars(description="What is in force outside facilities: the lower of the two")
    facility_payment: float = Dollars(description="What is in force in facilities: the lower of the two")
    nonfacility_capped: bool = pa.Field(description="The OPPS cap lowers the non-facility payment")
    facility_capped: bool = pa.Field(description="The OPPS cap lowers the facility payment")
    nonfacility_na: bool = NotApplicable(description="Rarely or never performed in a non-facility setting")
    facility_na: bool = NotApplicable(description="Rarely or never performed in a facility")

    @pa.dataframe_check(name="payment = lower of fee and OPPS amount")
    def lower_is_in_force(cls, df: pd.DataFrame) -> pd.Series:
        """The cap never raises a payment, and binds only where it lowers one."""
        nonfacility, facility = (lower_is_paid(df, setting) for setting in SETTINGS)
        return nonfacility & facility

    class Config:
        """Name and key; one code in all localities lies together."""

        name = "payment"
        unique = ["release", "hcpcs", "modifier", "mac", "locality", "basis"]
