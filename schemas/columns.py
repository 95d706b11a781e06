"""Column types shared by all tables: each described once, with its unit, width and code list.

Metadata keys, all optional, which the rest of the pipeline derives things from:

`unit`       printed in the data dictionary and in the Parquet field
`width`      digits that CMS prints; an identifier that lost its leading zeros is padded to it
`decimals`   places that CMS prints; a number with more is not what the column holds
`codes`      code list with its meanings (CMS, record layout of RVU25A)
`printed`    how CMS prints a flag: printed text to boolean
`footnotes`  marks that CMS appends to a name
"""

from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

TextList = pd.ArrowDtype(arrow.list_(arrow.string()))
QuestionList = pd.ArrowDtype(arrow.list_(arrow.struct([("question", arrow.string()), ("answer", arrow.string())])))
Date = pd.ArrowDtype(arrow.timestamp("ms"))
OptionalCount = pd.ArrowDtype(arrow.int64())

STATUS = {
    "A": "Active: paid separately by RVUs when covered",
    "B": "Bundled: payment is always part of another service",
    "C": "Priced by the contractor (MAC)",
    "D": "Deleted code (not on files since 2006)",
    "E": "Excluded from the fee schedule by regulation",
    "F": "Deleted or discontinued, no grace period (not on files since 2006)",
    "G": "Not valid for Medicare, another code is used, 90-day grace (not on files since 2006)",
    "H": "Deleted modifier (not on files since 2006)",
    "I": "Not valid for Medicare, another code is used",
    "J": "Anesthesia: paid by base and time units",
    "M": "Measurement code, reporting only",
    "N": "Not covered by Medicare",
    "P": "Bundled or excluded, no separate payment",
    "Q": "Therapy functional information, reporting only (2013 to 2019)",
    "R": "Restricted coverage, paid by RVUs where it has any, otherwise priced by the contractor",
    "T": "Paid only when nothing else is billed that day by the same provider",
    "X": "Excluded by statute from physicians' services",
}
PAYABLE_STATUS = ("A", "R", "T")
STATUS_CLASS = {
    "payable": PAYABLE_STATUS,
    "contractor_priced": ("C",),
    "bundled": ("B", "P"),
    "excluded": ("E", "X"),
    "not_valid": ("D", "F", "G", "H", "I"),
    "noncovered": ("N",),
    "reporting": ("M", "Q"),
    "anesthesia": ("J",),
}

MODIFIER = {
    "": "Whole service, or not split",
    "26": "Professional component",
    "TC": "Technical component",
    "53": "Discontinued procedure",
}
PCTC = {
    "0": "Physician service, no split",
    "1": "Diagnostic test or radiology, split into 26 and TC",
    "2": "Professional component only",
    "3": "Technical component only",
    "4": "Global test only: the sum of its component codes",
    "5": "Incident to a physician's service",
    "6": "Laboratory physician interpretation",
    "7": "Physical or occupational therapy",
    "8": "Physician interpretation of an abnormal smear",
    "9": "Does not apply",
}
GLOBAL_DAYS = {
    "000": "Minor procedure: the same day",
    "010": "Minor procedure: 10 days after",
    "090": "Major procedure: 1 day before to 90 days after",
    "MMM": "Maternity care",
    "XXX": "Does not apply",
    "YYY": "The contractor decides",
    "ZZZ": "Add-on, within the global period of another service",
}
MULTIPLE_PROCEDURE = {
    "0": "No reduction",
    "1": "Reduction rule of before 1995",
    "2": "Standard reduction",
    "3": "Endoscopy family",
    "4": "Diagnostic imaging",
    "5": "Therapy, practice expense halved",
    "6": "Diagnostic cardiovascular",
    "7": "Diagnostic ophthalmology",
    "9": "Does not apply",
}
BILATERAL = {
    "0": "150 % does not apply",
    "1": "150 % applies",
    "2": "RVUs are bilateral already",
    "3": "100 % for each side",
    "9": "Does not apply",
}
ASSISTANT = {
    "0": "Not paid unless necessity is documented",
    "1": "Not paid",
    "2": "May be paid",
    "9": "Does not apply",
}
CO_SURGEON = {
    "0": "Not permitted",
    "1": "With documentation",
    "2": "Permitted for two specialties",
    "9": "Does not apply",
}
TEAM = {
    "0": "Not permitted",
    "1": "With documentation, by report",
    "2": "Permitted, by report",
    "9": "Does not apply",
}
PRICING = {"1": "Qualifying APM factor applies", "9": "Does not apply"}
SUPERVISION = {
    "01": "General",
    "02": "Direct",
    "03": "Personal",
    "04": "Not for qualified psychologists, otherwise general",
    "05": "Not for qualified audiologists, otherwise general",
    "06": "Physician or certified physical therapist",
    "09": "Does not apply",
    "21": "Certified technician under general, otherwise direct",
    "22": "Technician with on-line physician contact",
    "66": "Physician or physical therapist certified in the procedure",
    "6A": "As 66, the therapist may supervise another",
    "77": "Certified therapist, or therapist under direct, or technician under general",
    "7A": "As 77, the therapist may supervise another",
}
IMAGING_FAMILY = {f"{family:02}": f"Imaging family {family} (before 2011)" for family in range(1, 12)} | {
    "88": "Subject to the multiple imaging reduction",
    "99": "Does not apply",
}
BASIS = {
    "standard": "The one factor in force until 2025",
    "nonqualifying_apm": "From 2026: everyone who is not a qualifying APM participant",
    "qualifying_apm": "From 2026: qualifying participants of advanced alternative payment models",
}
CODING_SYSTEM = {
    "CPT": "Current Procedural Terminology, American Medical Association",
    "CDT": "Current Dental Terminology, American Dental Association",
    "HCPCS Level II": "CMS, public domain",
}
SETTING_FLAG = {"NA": True, "": False}


def coded(meanings: dict[str, str], width: int | None = None) -> "partial[Any]":
    """Make the column type of a code list; `width` pads codes whose leading zeros were lost."""
    return partial(pa.Field, isin=list(meanings), metadata={"codes": meanings} | ({"width": width} if width else {}))


def reported(column_type: "partial[Any]") -> "partial[Any]":
    """Make an unknown code a warning: CMS adds codes to these lists, and no payment depends on them."""
    return partial(column_type, raise_warning=True)


Text = partial(pa.Field)
Count = partial(pa.Field, ge=0, metadata={"unit": "codes"})
Share = partial(pa.Field, ge=0, le=1, nullable=True, metadata={"unit": "share of 1"})

Release = partial(
    pa.Field,
    str_matches=r"^(RVU|PRREV)[0-9]{2}[A-Z][A-Z0-9_]*\Z",
    description="CMS release that the row belongs to, such as RVU26A",
)
Hcpcs = partial(
    pa.Field,
    str_matches=r"^[A-Z0-9]{5}\Z",
    description="HCPCS code: CPT, CDT or HCPCS Level II; text, leading zeros matter",
    metadata={"width": 5},
)
Modifier = partial(
    coded(MODIFIER), description="Modifier that splits or reduces the service; empty when there is none"
)
Status = partial(coded(STATUS), description="How Medicare treats the code; RVUs are used for A, R and T only")
Descriptor = partial(
    pa.Field,
    str_length={"max_value": 60},
    description="CMS's short text. CPT descriptors are copyright of the AMA, those of D codes of the ADA",
)
Rvu = partial(pa.Field, ge=0, lt=1000, metadata={"unit": "RVU", "decimals": 2})
Percentage = partial(pa.Field, ge=0, le=1, metadata={"unit": "share of 1", "decimals": 2})
NotApplicable = partial(pa.Field, metadata={"printed": SETTING_FLAG})
Mac = partial(
    pa.Field,
    str_matches=r"^[0-9]{5}\Z",
    description="Medicare administrative contractor (before 2008: carrier) number",
    metadata={"width": 5},
)
Locality = partial(
    pa.Field,
    str_matches=r"^[0-9]{2}\Z",
    description="Payment locality within the MAC; unique only together with `mac`",
    metadata={"width": 2},
)
LocalityName = partial(
    pa.Field,
    str_length={"min_value": 1},
    description="Name of the locality, without CMS's footnote marks",
    metadata={"footnotes": "*"},
)
Gpci = partial(pa.Field, gt=0, lt=10, metadata={"unit": "index, 1.000 = national", "decimals": 3})
Dollars = partial(pa.Field, ge=0, lt=10_000_000, metadata={"unit": "US dollars", "decimals": 2})
Basis = partial(coded(BASIS), description="Whom the conversion factor applies to")
ConversionFactor = partial(pa.Field, gt=0, lt=1000, metadata={"unit": "US dollars per RVU", "decimals": 4})
AnesthesiaFactor = partial(
    pa.Field, gt=0, lt=1000, metadata={"unit": "US dollars per anesthesia unit", "decimals": 6}
)
Category = partial(pa.Field, str_length={"min_value": 1}, description="Family of codes, of raw/content")
