"""`rvu`: relative values of every code, as CMS prints them in PPRRVU."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.codes import (
    ASSISTANT,
    BILATERAL,
    CO_SURGEON,
    GLOBAL_DAYS,
    IMAGING_FAMILY,
    MULTIPLE_PROCEDURE,
    PAYABLE_STATUS,
    PCTC,
    PRICING,
    SETTINGS,
    SUPERVISION,
    TEAM,
)
from schemas.columns import (
    Descriptor,
    Dollars,
    Hcpcs,
    Modifier,
    NotApplicable,
    Percentage,
    Release,
    Rvu,
    Status,
    Text,
    coded,
    reported,
)
from schemas.table import Table

Rows = pd.Series
FullyImplemented = partial(Rvu, nullable=True)
NationalPayment = partial(Dollars, nullable=True)
ROW = ["hcpcs", "modifier"]  # what identifies a row within a release
NO_RVU_STATUS = ("C", "E", "J", "M", "P")
COMPONENTS = ["work_rvu", "nonfacility_pe_rvu", "facility_pe_rvu", "mp_rvu"]
TOTALS = ["nonfacility_total_rvu", "facility_total_rvu"]


def hundredths(rvu: Rows) -> Rows:
    """Return RVUs as whole hundredths, so that sums compare exactly."""
    return (rvu * 100).round().astype("int64")


def has_rvus(df: pd.DataFrame) -> Rows:
    """Tell which rows print any RVU."""
    return (df[COMPONENTS] > 0).any(axis=1)


def total_differences(df: pd.DataFrame) -> pd.DataFrame:
    """Return, in hundredths, work + PE + MP less the printed total, a column per setting."""
    shared = hundredths(df["work_rvu"]) + hundredths(df["mp_rvu"])
    sums = {f"{each}_total_rvu": shared + hundredths(df[f"{each}_pe_rvu"]) for each in SETTINGS}
    return pd.DataFrame({total: sums[total] - hundredths(df[total]) for total in TOTALS}).set_index(df["hcpcs"])


def split_differences(df: pd.DataFrame) -> pd.DataFrame:
    """Return, in hundredths, 26 + TC less the whole, a row per code that is active in all three rows."""
    active = df[df["status"] == "A"].set_index("hcpcs")
    whole, professional, technical = (
        (active.loc[active["modifier"] == modifier, COMPONENTS + TOTALS] * 100).round()
        for modifier in ("", "26", "TC")
    )
    return (professional + technical - whole).dropna()


def share_totals(df: pd.DataFrame) -> Rows:
    """Return, in hundredths, the sum of the three parts of the global package."""
    return hundredths(df["preoperative_share"] + df["intraoperative_share"] + df["postoperative_share"])


def has_shares(df: pd.DataFrame) -> Rows:
    """Tell which rows print parts of a global package."""
    return share_totals(df) > 0


def is_paid_by_rvus(df: pd.DataFrame) -> Rows:
    """Tell which rows Medicare pays by formula (CMS, RVU25A record layout: status A, R or T, "where RVUs exist")."""
    return df["status"].isin(PAYABLE_STATUS) & has_rvus(df)


def same_code(df: pd.DataFrame, modifier: str) -> Rows:
    """Tell which rows belong to a code that is also printed with `modifier`."""
    codes = df["hcpcs"].astype(object)  # thousands of texts are found among thousands far faster than as Arrow's
    return codes.isin(codes[df["modifier"] == modifier])


class RvuTable(Table):
    """Relative values and payment indicators of one HCPCS code with one modifier in one release (PPRRVU)."""

    release: str = Release()
    hcpcs: str = Hcpcs()
    modifier: str = Modifier()
    descriptor: str = Descriptor()
    status: str = Status()
    not_used_for_medicare: bool = pa.Field(
        metadata={"printed": {"+": True, "": False}},
        description="RVUs are printed but not used for Medicare payment (CMS prints +)",
    )
    work_rvu: float = Rvu(description="Physician work")
    nonfacility_pe_rvu: float = Rvu(description="Practice expense in an office or other non-facility setting")
    nonfacility_na: bool = NotApplicable(
        description="Rarely or never performed in a non-facility setting (NA); its PE is then the facility's"
    )
    facility_pe_rvu: float = Rvu(description="Practice expense in a facility, such as a hospital")
    facility_na: bool = NotApplicable(description="Rarely or never performed in a facility (NA)")
    mp_rvu: float = Rvu(description="Malpractice (professional liability insurance)")
    nonfacility_total_rvu: float = Rvu(description="Work + non-facility practice expense + malpractice")
    facility_total_rvu: float = Rvu(description="Work + facility practice expense + malpractice")
    pctc: str = coded(PCTC)(description="Professional/technical component indicator")
    global_days: str = coded(GLOBAL_DAYS, width=3)(description="Global period of a procedure")
    preoperative_share: float = Percentage(description="Part of the global package before the operation")
    intraoperative_share: float = Percentage(description="Part of the global package during the operation")
    postoperative_share: float = Percentage(description="Part of the global package after the operation")
    multiple_procedure: str = reported(coded(MULTIPLE_PROCEDURE))(
        description="Reduction with other procedures (modifier 51)"
    )
    bilateral: str = reported(coded(BILATERAL))(description="Payment for both sides (modifier 50)")
    assistant_at_surgery: str = reported(coded(ASSISTANT))(
        description="Assistant at surgery (modifiers 80, 81, 82, AS)"
    )
    co_surgeon: str = reported(coded(CO_SURGEON))(description="Co-surgeons (modifier 62)")
    team_surgery: str = reported(coded(TEAM))(description="Team of surgeons (modifier 66)")
    pricing_indicator: str = reported(coded(PRICING))(
        nullable=True, description="Whether the qualifying APM factor applies; printed since 2026"
    )
    endoscopic_base: str = Text(
        nullable=True,
        str_matches=r"^[A-Z0-9][0-9]{3}[A-Z0-9]\Z",
        metadata={"width": 5},
        description="Base code of the endoscopy family, when `multiple_procedure` is 3",
    )
    diagnostic_supervision: str = reported(coded(SUPERVISION, width=2))(
        description="Physician supervision that a diagnostic test needs"
    )
    calculation_flag: str = Text(description="Always 0 since July 2014")
    imaging_family: str = reported(coded(IMAGING_FAMILY, width=2))(
        nullable=True, description="Diagnostic imaging family for the multiple imaging reduction"
    )
    opps_nonfacility_pe_rvu: float = Rvu(
        nullable=True, description="Non-facility practice expense of the OPPS cap, since 2007; 0: not capped"
    )
    opps_facility_pe_rvu: float = Rvu(
        nullable=True, description="Facility practice expense of the OPPS cap, since 2007; 0: not capped"
    )
    opps_mp_rvu: float = Rvu(nullable=True, description="Malpractice of the OPPS cap, since 2007; 0: not capped")
    fully_implemented_nonfacility_pe_rvu: float = FullyImplemented(
        description="Non-facility practice expense once phased in; printed in 2007 to 2012, not paid"
    )
    fully_implemented_facility_pe_rvu: float = FullyImplemented(
        description="Facility practice expense once phased in; printed in 2007 to 2012, not paid"
    )
    fully_implemented_nonfacility_total_rvu: float = FullyImplemented(
        description="Non-facility total with that practice expense; printed in 2007 to 2012, not paid"
    )
    fully_implemented_facility_total_rvu: float = FullyImplemented(
        description="Facility total with that practice expense; printed in 2007 to 2012, not paid"
    )
    nonfacility_national_payment: float = NationalPayment(
        description="Non-facility amount with all GPCIs 1, before any OPPS cap; empty unless RVUs pay the row. "
        "From 2026 for the basis nonqualifying_apm"
    )
    facility_national_payment: float = NationalPayment(description="The same in a facility")
    qualifying_apm_nonfacility_national_payment: float = NationalPayment(
        description="Non-facility amount for qualifying APM participants, from 2026"
    )
    qualifying_apm_facility_national_payment: float = NationalPayment(
        description="Facility amount for qualifying APM participants, from 2026"
    )

    # Rules that held on every row of 21 real releases, 2020A to 2025D, and on RVU26C.

    @pa.dataframe_check(name="total = work + PE + MP")
    def totals_add_up(cls, df: pd.DataFrame) -> Rows:
        """Hold exactly, in hundredths."""
        return (total_differences(df).set_index(df.index) == 0).all(axis=1)

    @pa.dataframe_check(name="RVUs have at most two decimals")
    def two_decimals(cls, df: pd.DataFrame) -> Rows:
        """CMS prints 999.99; a third decimal means a shifted or recomputed column."""
        printed = df[COMPONENTS + TOTALS]
        return ((printed * 100 - (printed * 100).round()).abs() < 1e-6).all(axis=1)

    @pa.dataframe_check(name="TC has 26 and global rows")
    def technical_has_siblings(cls, df: pd.DataFrame) -> Rows:
        """A technical component is one half of a split service."""
        return (df["modifier"] != "TC") | (same_code(df, "26") & same_code(df, ""))

    @pa.dataframe_check(name="53 has a global row")
    def discontinued_has_global(cls, df: pd.DataFrame) -> Rows:
        """The discontinued colonoscopies are printed beside the whole procedure."""
        return (df["modifier"] != "53") | same_code(df, "")

    @pa.dataframe_check(name="status A: global = 26 + TC")
    def split_adds_up(cls, df: pd.DataFrame) -> Rows:
        """Where all three rows are active, every component of the whole is the sum of its halves."""
        difference = split_differences(df)
        return ~df["hcpcs"].isin(difference.index[(difference != 0).any(axis=1)])

    @pa.dataframe_check(name="technical components have no work")
    def technical_has_no_work(cls, df: pd.DataFrame) -> Rows:
        """Neither a TC row nor a technical-only code holds physician work."""
        return ~((df["modifier"] == "TC") | (df["pctc"] == "3")) | (df["work_rvu"] == 0)

    @pa.dataframe_check(name="non-facility NA copies the facility PE")
    def not_applicable_copies(cls, df: pd.DataFrame) -> Rows:
        """NA does not mean zero: CMS prints the facility's practice expense."""
        return ~df["nonfacility_na"] | (df["nonfacility_pe_rvu"] == df["facility_pe_rvu"])

    @pa.dataframe_check(name="status A and T have RVUs")
    def active_has_rvus(cls, df: pd.DataFrame) -> Rows:
        """An active code without RVUs could not be paid by formula."""
        return ~df["status"].isin(["A", "T"]) | has_rvus(df)

    @pa.dataframe_check(name="status C, E, J, M and P have no RVUs")
    def unpriced_has_none(cls, df: pd.DataFrame) -> Rows:
        """Their payment, if any, is not made by RVUs."""
        return ~df["status"].isin(NO_RVU_STATUS) | ~has_rvus(df)

    @pa.dataframe_check(name="multiple procedure 3 has an endoscopic base in the file")
    def endoscopy_has_base(cls, df: pd.DataFrame) -> Rows:
        """An endoscopy is reduced against its base, so the base must be priced in the same release."""
        has_base = df["endoscopic_base"].notna()
        bases = set(df["endoscopic_base"].dropna()) & set(df["hcpcs"])
        return ((df["multiple_procedure"] == "3") == has_base) & (~has_base | df["endoscopic_base"].isin(bases))

    @pa.dataframe_check(name="surgical shares sum to 0 or 1")
    def shares_sum(cls, df: pd.DataFrame) -> Rows:
        """Only minor and major procedures have shares, and then they make up the package."""
        total = share_totals(df)
        return ~has_shares(df) | ((total == 100) & df["global_days"].isin(["010", "090"]))

    @pa.dataframe_check(name="OPPS fields only on global and TC rows, same in both settings")
    def opps_fields(cls, df: pd.DataFrame) -> Rows:
        """The cap of the Deficit Reduction Act limits technical components and the global that holds one."""
        capped = (df["opps_nonfacility_pe_rvu"] > 0) | (df["opps_mp_rvu"] > 0)
        equal = df["opps_nonfacility_pe_rvu"].fillna(0) == df["opps_facility_pe_rvu"].fillna(0)
        return equal & (~capped | df["modifier"].isin(["", "TC"]))

    # Nearly true: CMS's files hold exceptions, so they are reported and do not stop a release.

    @pa.dataframe_check(
        name="hcpcs is four digits with one letter or digit at either end",
        raise_warning=True,
        description="known: GXXX1, a placeholder that CMS left in 2026's files",
    )
    def code_is_assigned(cls, df: pd.DataFrame) -> Rows:
        """CPT, CDT and HCPCS Level II assign no other codes."""
        return df["hcpcs"].str.fullmatch(r"[A-Z0-9][0-9]{3}[A-Z0-9]")

    @pa.dataframe_check(
        name="descriptor is not empty",
        raise_warning=True,
        description="known: M1389 in RVU25A, J1246 in RVU24A and RVU24AR",
    )
    def is_described(cls, df: pd.DataFrame) -> Rows:
        """CMS prints a short text for every code."""
        return df["descriptor"] != ""

    @pa.dataframe_check(
        name="+ marks RVUs that are not used",
        raise_warning=True,
        description="held on CMS's own files; a file put together from two releases breaks it (rebuilt RVU26A)",
    )
    def plus_marks_unused(cls, df: pd.DataFrame) -> Rows:
        """CMS prints + exactly where a code has RVUs and a status that Medicare does not pay by them."""
        return df["not_used_for_medicare"] == (has_rvus(df) & ~df["status"].isin(PAYABLE_STATUS))

    @pa.dataframe_check(
        name="facility NA copies the non-facility PE",
        raise_warning=True,
        description="known: G0071 (2020A), G0511, G0512",
    )
    def facility_not_applicable_copies(cls, df: pd.DataFrame) -> Rows:
        """As in the other direction, with exceptions among clinic codes."""
        return ~df["facility_na"] | (df["nonfacility_pe_rvu"] == df["facility_pe_rvu"])

    @pa.dataframe_check(
        name="26 has a TC row",
        raise_warning=True,
        description="known: laboratory interpretations (PC/TC 6), whose test the laboratory schedule pays",
    )
    def professional_has_technical(cls, df: pd.DataFrame) -> Rows:
        """A split service is printed with both halves."""
        return (df["modifier"] != "26") | (df["pctc"] == "6") | same_code(df, "TC")

    @pa.dataframe_check(
        name="26 has a global row",
        raise_warning=True,
        description="known: 86153 and, in 2020, G0452 are printed as 26 only",
    )
    def professional_has_global(cls, df: pd.DataFrame) -> Rows:
        """The whole of a split service is printed too."""
        return (df["modifier"] != "26") | same_code(df, "")

    @pa.dataframe_check(
        name="status A with global days 010 or 090 has shares",
        raise_warning=True,
        description="known: clinical brachytherapy 77750, 77761 to 77763",
    )
    def surgery_has_shares(cls, df: pd.DataFrame) -> Rows:
        """The global package of a procedure is split before, during and after."""
        surgical = (df["status"] == "A") & df["global_days"].isin(["010", "090"])
        return ~surgical | (df["intraoperative_share"] > 0)

    @pa.dataframe_check(
        name="not NA in both settings",
        raise_warning=True,
        description="known: 93571, 93572 (carrier-priced add-ons), 9353x in 2020 and 2021",
    )
    def performed_somewhere(cls, df: pd.DataFrame) -> Rows:
        """A service is performed in at least one setting."""
        return ~(df["nonfacility_na"] & df["facility_na"])

    @pa.dataframe_check(
        name="status A: non-facility PE is not below facility PE",
        raise_warning=True,
        description="known: about eight codes, such as 23500, 26750, 67820",
    )
    def office_costs_more(cls, df: pd.DataFrame) -> Rows:
        """In an office the practice bears the costs that a facility bills itself."""
        return (df["status"] != "A") | (df["nonfacility_pe_rvu"] >= df["facility_pe_rvu"])

    class Config:
        """Name and key."""

        name = "rvu"
        unique = ["release", *ROW]
