"""Code lists with their meanings (CMS, record layout of RVU25A), and the few groups of codes that rules speak of."""

from collections.abc import Collection

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
AUTHORED_BY = {
    "editor": "Written for this code",
    "pattern": "Made by a declared pattern for a regular family of codes",
}
# The columns of our texts on a code, in the order of its page: content, `code` and patterns share them.
TEXTS = ("title", "description", "plain_language", "clinical_context")
CONTENT_TASK = {
    "write": "The code is new, and we have no text on it",
    "review": "CMS changed its descriptor, and nobody has found our text right since",
    "retire": "The code is gone, and our text on it does not say until when it was used",
}
PAYABLE_STATUS = ("A", "R", "T")
SETTINGS = ("nonfacility", "facility")
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


def usual_basis(present: Collection[str]) -> str:
    """Return the basis that applies to most: the first in the order of BASIS among those that a release has."""
    return next(basis for basis in BASIS if basis in present)


CODING_SYSTEM = {
    "CPT": "Current Procedural Terminology, American Medical Association",
    "CDT": "Current Dental Terminology, American Dental Association",
    "HCPCS Level II": "CMS, public domain",
}
SETTING_FLAG = {"NA": True, "": False}
