"""`code`: everything that a reference page on one code shows."""

import pandera.pandas as pa

from schemas.codes import AUTHORED_BY, CODING_SYSTEM, GLOBAL_DAYS, PCTC
from schemas.columns import (
    Basis,
    Category,
    ConversionFactor,
    Count,
    Date,
    Descriptor,
    Dollars,
    Hcpcs,
    Modifier,
    NotApplicable,
    OptionalCount,
    QuestionList,
    Release,
    Rvu,
    Share,
    Status,
    TextList,
    coded,
)
from schemas.table import Table


class CodeTable(Table):
    """One code of one release, merged with our content: all that its reference page shows.

    RVUs, status and indicators are those of the unmodified row, or of the first row printed.
    """

    release: str = Release()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    modifiers: TextList = pa.Field(description="All modifiers that the release prints for the code")
    coding_system: str = coded(CODING_SYSTEM)(description="Code set that the code belongs to")
    category: str = Category()
    title: str = pa.Field(
        nullable=True, description="Our display name; a page falls back on `descriptor` where it is empty"
    )
    descriptor: str = Descriptor()
    synonyms: TextList = pa.Field(description="What people also call it, ours")
    description: str = pa.Field(nullable=True, description="What the service is, ours")
    plain_language: str = pa.Field(nullable=True, description="How a lay person would say it, ours")
    clinical_context: str = pa.Field(nullable=True, description="When and by whom it is used, ours")
    specialties: TextList = pa.Field(description="Specialties that use it, most typical first, ours")
    specialties_are_default: bool = pa.Field(description="They are those of the category: we name none for the code")
    authored_by: str = coded(AUTHORED_BY)(nullable=True, description="How our texts came about; empty: no texts")
    reviewed: Date = pa.Field(
        nullable=True, description="Day on which a clinician or coder found our texts right; empty: nobody has yet"
    )
    meaning_since: str = pa.Field(
        nullable=True, description="First release in which the code means what our texts say; empty: always did"
    )
    meaning_until: str = pa.Field(
        nullable=True, description="Last release in which the code means what our texts say; empty: still does"
    )
    source_note: str = pa.Field(nullable=True, description="Source of a fact in our texts")
    status: str = Status()
    pctc: str = coded(PCTC)(description="Professional/technical component indicator")
    global_days: str = coded(GLOBAL_DAYS)(description="Global period of a procedure")
    work_rvu: float = Rvu(description="Physician work")
    nonfacility_pe_rvu: float = Rvu(description="Practice expense in a non-facility setting")
    facility_pe_rvu: float = Rvu(description="Practice expense in a facility")
    mp_rvu: float = Rvu(description="Malpractice")
    nonfacility_total_rvu: float = Rvu(description="Work + non-facility practice expense + malpractice")
    facility_total_rvu: float = Rvu(description="Work + facility practice expense + malpractice")
    nonfacility_na: bool = NotApplicable(description="Rarely or never performed in a non-facility setting")
    facility_na: bool = NotApplicable(description="Rarely or never performed in a facility")
    basis: str = Basis()
    conversion_factor: float = ConversionFactor(description="Dollars per RVU for that basis")
    nonfacility_national_payment: float = Dollars(
        nullable=True,
        description="Non-facility amount with all GPCIs 1, before any OPPS cap; empty unless RVUs pay the code",
    )
    facility_national_payment: float = Dollars(
        nullable=True,
        description="Facility amount with all GPCIs 1, before any OPPS cap; empty unless RVUs pay the code",
    )
    qualifying_apm_nonfacility_national_payment: float = Dollars(
        nullable=True, description="Non-facility amount for qualifying APM participants, from 2026"
    )
    qualifying_apm_facility_national_payment: float = Dollars(
        nullable=True, description="Facility amount for qualifying APM participants, from 2026"
    )
    category_codes: int = Count(description="Codes in the category")
    category_payable_codes: int = Count(description="Payable codes in the category")
    category_zero_work_share: float = Share(description="Share of the category's codes with zero work RVU")
    category_payable_zero_work_share: float = Share(
        description="Share of the category's payable codes with zero work RVU"
    )
    category_work_rank: OptionalCount = pa.Field(
        ge=1, nullable=True, description="Rank by work RVU, highest first, among payable codes that have one"
    )
    category_work_codes: int = Count(description="Payable codes of the category with a work RVU")
    rvu_information: str = pa.Field(description="Page section: RVUs and how the code is paid")
    billing_documentation: str = pa.Field(description="Page section: billing and documentation, by category")
    comparison: str = pa.Field(description="Page section: how the code compares with its category")
    faq: QuestionList = pa.Field(description="Page section: frequently asked questions")
    attribution: str = pa.Field(description="Page footer: trademarks and sources")

    class Config:
        """Name and key."""

        name = "code"
        unique = ["release", "hcpcs"]
