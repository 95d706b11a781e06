"""`category`: aggregates over the codes of each category."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.codes import STATUS_CLASS
from schemas.columns import Category, Count, OptionalCount, Release, Rvu, Share, TextList
from schemas.table import Table

Statistic = partial(Rvu, nullable=True, metadata={"unit": "RVU", "decimals": 4})


class CategoryTable(Table):
    """Aggregates of one category of codes in one release; each code counts once, by its unmodified row.

    A code printed only with modifiers counts by its first row. Payable means status A, R or T.
    """

    release: str = Release()
    category: str = Category()
    title: str = pa.Field(description="Name of the category in full, ours")
    description: str = pa.Field(description="What its codes have in common, ours")
    billing_note: str = pa.Field(description="Billing and documentation, ours; on the page of every code")
    default_specialties: TextList = pa.Field(description="Specialties of codes for which we name none, ours")
    codes: int = Count(description="Distinct codes")
    payable_codes: int = Count(description="Codes with status A, R or T")
    contractor_priced_codes: int = Count(description="Codes with status C")
    bundled_codes: int = Count(description="Codes with status B or P")
    excluded_codes: int = Count(description="Codes with status E or X")
    not_valid_codes: int = Count(description="Codes with status I (in old releases also D, F, G, H)")
    noncovered_codes: int = Count(description="Codes with status N")
    reporting_codes: int = Count(description="Codes with status M (in old releases also Q)")
    anesthesia_codes: int = Count(description="Codes with status J")
    zero_work_codes: int = Count(description="Codes with a work RVU of 0.00, whatever their status")
    zero_work_share: float = Share(description="zero_work_codes / codes: most are codes that RVUs do not pay")
    payable_zero_work_codes: int = Count(description="Payable codes with a work RVU of 0.00")
    payable_zero_work_share: float = Share(description="payable_zero_work_codes / payable_codes")
    payable_zero_work_with_pe_codes: int = Count(
        description="Payable codes with a work RVU of 0.00 that are paid for practice expense"
    )
    work_rvu_nonzero_n: int = Count(description="Payable codes with a work RVU above zero: the n of the next columns")
    work_rvu_nonzero_mean: float = Statistic(description="Mean work RVU of those")
    work_rvu_nonzero_p25: float = Statistic(description="25th percentile of work RVU of those")
    work_rvu_nonzero_median: float = Statistic(description="Median work RVU of those")
    work_rvu_nonzero_p75: float = Statistic(description="75th percentile of work RVU of those")
    work_rvu_nonzero_p90: float = Statistic(description="90th percentile of work RVU of those")
    work_rvu_nonzero_max: float = Statistic(description="Highest work RVU of those")
    nonfacility_total_rvu_nonzero_n: int = Count(
        description="Payable codes with a non-facility total RVU above zero: the n of the next columns"
    )
    nonfacility_total_rvu_nonzero_mean: float = Statistic(description="Mean non-facility total RVU of those")
    nonfacility_total_rvu_nonzero_p25: float = Statistic(
        description="25th percentile of non-facility total RVU of those"
    )
    nonfacility_total_rvu_nonzero_median: float = Statistic(description="Median non-facility total RVU of those")
    nonfacility_total_rvu_nonzero_p75: float = Statistic(
        description="75th percentile of non-facility total RVU of those"
    )
    nonfacility_total_rvu_nonzero_p90: float = Statistic(
        description="90th percentile of non-facility total RVU of those"
    )
    nonfacility_total_rvu_nonzero_max: float = Statistic(description="Highest non-facility total RVU of those")
    facility_total_rvu_nonzero_n: int = Count(
        description="Payable codes with a facility total RVU above zero: the n of the next columns"
    )
    facility_total_rvu_nonzero_mean: float = Statistic(description="Mean facility total RVU of those")
    facility_total_rvu_nonzero_p25: float = Statistic(description="25th percentile of facility total RVU of those")
    facility_total_rvu_nonzero_median: float = Statistic(description="Median facility total RVU of those")
    facility_total_rvu_nonzero_p75: float = Statistic(description="75th percentile of facility total RVU of those")
    facility_total_rvu_nonzero_p90: float = Statistic(description="90th percentile of facility total RVU of those")
    facility_total_rvu_nonzero_max: float = Statistic(description="Highest facility total RVU of those")
    previous_release: str = pa.Field(
        nullable=True, description="Release before this one in the same version; empty for the first"
    )
    codes_added: OptionalCount = pa.Field(
        ge=0, nullable=True, description="Codes that previous_release lacks", metadata={"unit": "codes"}
    )
    codes_removed: OptionalCount = pa.Field(
        ge=0, nullable=True, description="Codes of previous_release that are gone", metadata={"unit": "codes"}
    )
    described_codes: int = Count(description="Codes that have a description of ours")
    described_share: float = Share(description="described_codes / codes")

    @pa.dataframe_check(name="status classes make up the category")
    def classes_add_up(cls, df: pd.DataFrame) -> pd.Series:
        """Every code is in exactly one class."""
        return df[[f"{status}_codes" for status in STATUS_CLASS]].sum(axis=1) == df["codes"]

    class Config:
        """Name and key."""

        name = "category"
        unique = ["release", "category"]
