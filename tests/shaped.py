"""Members as CMS prints them, filled with invented values; typed frames of every table; the golden rows.

`python -m tests.shaped` rewrites tests/golden from the bundled sample, after a change that is meant.
"""

import csv
import io
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.archive import read_member
from pipeline.conform import Repair, conform
from pipeline.content import MODELS as CONTENT_MODELS
from pipeline.layouts import Layout, layouts_in_force, load_layouts
from pipeline.read import TextTable, read_csv
from schemas.conversion_factor import ConversionFactorTable
from schemas.table import Column, Table, columns, name
from schemas.tables import PRINTED, TABLES

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
SAMPLES = {
    "RVU25A": (ROOT / "raw/sample/rvu25a-updated-01_10_2025.zip", date(2025, 1, 1)),
    "RVU26C": (ROOT / "raw/sample/rvu26c.zip", date(2026, 7, 1)),
}
SAMPLE_MEMBERS = {"RVU26C": {"rvu": "PPRRVU2026_Jul_nonQPP.csv"}}
GOLDEN_TABLES = [(table, "RVU25A") for table in PRINTED] + [("rvu", "RVU26C")]
CONTENT: dict[str, type[Table]] = {name(model): model for model in CONTENT_MODELS}
MODELS = TABLES | CONTENT
# Those with a header, that is, all but fixed width.
LAYOUTS = [layout for table in PRINTED for layout in load_layouts(table) if layout.columns[0].headers]
LAYOUT_IDS = [f"{layout.table}-{layout.since.year}-{number}" for number, layout in enumerate(LAYOUTS)]

YEAR = 2025
FIRST_LINE = 11  # of PPRRVU's rows
MEMBERS = {
    "rvu": "PPRRVU25_JAN.csv",
    "gpci": "GPCI2025.csv",
    "locality_county": "25LOCCO.csv",
    "anesthesia": "ANES2025.csv",
    "opps_cap": "OPPSCAP_JAN.csv",
}
BANNERS = {
    "rvu": [
        ["", "", "2025 National Physician Fee Schedule Relative Value File January Release"],
        [
            "",
            "",
            "CPT codes and descriptions only are copyright 2024 American Medical Association.  All Rights Reserved.  "
            "Applicable FARS/DFARS Apply. ",
        ],
        ["", "", "Dental codes (D codes) are copyright 2025/26 American Dental Association.  All Rights Reserved."],
        ["", "", " "],
        ["", "", "RELEASED 12/23/2024"],
    ],
    "gpci": [
        ["ADDENDUM E. FINAL CY 2025 GEOGRAPHIC PRACTICE COST INDICES (GPCIs) BY STATE AND MEDICARE LOCALITY"],
        [],
    ],
    "locality_county": [
        ["COUNTIES INCLUDED IN 2025 LOCALITIES. (ALPHABETICALLY BY STATE AND LOCALITY NAME WITHIN STATE)"],
        [],
    ],
    "anesthesia": [],
    "opps_cap": [],
}
FOOTERS = {
    "rvu": [["\x1a"]],
    "gpci": [
        ["MAC Assignments as of November 22, 2023"],
        [],
        ["*Work GPCI reflects a 1.5 floor in Alaska established by the MIPPA."],
        ["**PE GPCI reflects a 1.0 floor for frontier states established by the ACA."],
    ],
    "locality_county": [[], [], ["*  Payment locality is serviced by two carriers."]],
    "anesthesia": [[]],
    "opps_cap": [["\x1a"]],
}

ROWS: dict[str, Row] = {
    "rvu": {
        "release": "RVU25A",
        "hcpcs": "G0002",
        "modifier": "",
        "descriptor": "Invented service",
        "status": "A",
        "not_used_for_medicare": False,
        "work_rvu": 0.97,
        "nonfacility_pe_rvu": 1.66,
        "nonfacility_na": False,
        "facility_pe_rvu": 0.43,
        "facility_na": False,
        "mp_rvu": 0.1,
        "nonfacility_total_rvu": 2.73,
        "facility_total_rvu": 1.5,
        "pctc": "0",
        "global_days": "XXX",
        "preoperative_share": 0.0,
        "intraoperative_share": 0.0,
        "postoperative_share": 0.0,
        "multiple_procedure": "0",
        "bilateral": "0",
        "assistant_at_surgery": "0",
        "co_surgeon": "0",
        "team_surgery": "0",
        "pricing_indicator": None,
        "endoscopic_base": None,
        "conversion_factor": 32.3465,
        "diagnostic_supervision": "09",
        "calculation_flag": "0",
        "imaging_family": "99",
        "opps_nonfacility_pe_rvu": 0.0,
        "opps_facility_pe_rvu": 0.0,
        "opps_mp_rvu": 0.0,
        "nonfacility_national_payment": 88.31,
        "facility_national_payment": 48.52,
    },
    "gpci": {
        "release": "RVU25A",
        "mac": "10112",
        "locality": "00",
        "state": "AL",
        "locality_name": "INVENTED STATE",
        "work_gpci": 1.0,
        "pe_gpci": 0.869,
        "mp_gpci": 0.575,
    },
    "locality": {
        "release": "RVU25A",
        "mac": "10112",
        "locality": "00",
        "state": "AL",
        "locality_name": "INVENTED STATE",
        "counties": "ALL COUNTIES",
    },
    "locality_county": {
        "release": "RVU25A",
        "mac": "10112",
        "locality": "00",
        "state": "INVENTED STATE",
        "fee_schedule_area": "STATEWIDE",
        "counties": "ALL COUNTIES",
    },
    "anesthesia": {
        "release": "RVU25A",
        "mac": "10112",
        "locality": "00",
        "locality_name": "INVENTED STATE",
        "anesthesia_conversion_factor": 19.31,
    },
    "opps_cap": {
        "release": "RVU25A",
        "hcpcs": "G0001",
        "modifier": "TC",
        "mac": "10112",
        "locality": "00",
        "status": "A",
        "facility_price": 51.5,
        "nonfacility_price": 51.5,
    },
    "conversion_factor": {
        "release": "RVU25A",
        "basis": "standard",
        "conversion_factor": 32.3465,
        "work_adjustor": 1.0,
        "is_printed": True,
        "national_anesthesia_factor": 20.3178,
    },
    "payment": {
        "release": "RVU25A",
        "hcpcs": "G0001",
        "modifier": "TC",
        "mac": "10112",
        "locality": "00",
        "basis": "standard",
        "nonfacility_fee": 45.72,
        "facility_fee": 45.72,
        "opps_nonfacility_fee": 40.0,
        "opps_facility_fee": 45.72,
        "nonfacility_payment": 40.0,
        "facility_payment": 45.72,
        "nonfacility_capped": True,
        "facility_capped": False,
        "nonfacility_na": False,
        "facility_na": True,
    },
    "proof": {
        "release": "RVU25A",
        "proof": "totals",
        "compared": 26,
        "equal": 25,
        "not_compared": 0,
        "largest_difference": 0.01,
        "explanation": "We made it up.",
    },
    "change": {
        "release": "RVU25A",
        "hcpcs": "G0002",
        "modifier": "",
        "field": "work_rvu",
        "previous_release": "RVU24D",
        "kind": "changed",
        "number_before": 0.97,
        "number_after": 1.0,
        "difference": 0.03,
        "percent": 3.0928,
    },
    "code": {
        "release": "RVU25A",
        "hcpcs": "G0002",
        "modifier": "",
        "modifiers": [""],
        "coding_system": "HCPCS Level II",
        "category": "G Codes",
        "title": "Invented visit",
        "descriptor": "Invented service",
        "synonyms": ["made-up visit"],
        "description": "A clinician does something that we made up.",
        "plain_language": "made-up visit",
        "clinical_context": "It is used in tests only.",
        "specialties": ["Family Medicine", "Neurology"],
        "specialties_are_default": False,
        "authored_by": "editor",
        "status": "A",
        "pctc": "0",
        "global_days": "XXX",
        "work_rvu": 0.97,
        "nonfacility_pe_rvu": 1.66,
        "facility_pe_rvu": 0.43,
        "mp_rvu": 0.1,
        "nonfacility_total_rvu": 2.73,
        "facility_total_rvu": 1.5,
        "nonfacility_na": False,
        "facility_na": False,
        "basis": "standard",
        "conversion_factor": 32.3465,
        "nonfacility_national_payment": 88.31,
        "facility_national_payment": 48.52,
        "category_codes": 1265,
        "category_payable_codes": 225,
        "category_zero_work_share": 0.845,
        "category_payable_zero_work_share": 0.15,
        "category_work_rank": 94,
        "category_work_codes": 191,
        "rvu_information": "Made-up sentence.",
        "billing_documentation": "Made-up sentence.",
        "comparison": "Made-up sentence.",
        "faq": [{"question": "What is it?", "answer": "Nothing."}],
        "attribution": "Made-up sentence.",
    },
    "synonym": {"release": "RVU25A", "hcpcs": "G0002", "synonym": "made-up visit"},
    "category": dict.fromkeys((field for field in columns(TABLES["category"]) if field.endswith(("_codes", "_n"))), 0)
    | {
        "release": "RVU25A",
        "category": "G Codes",
        "codes": 4,
        "payable_codes": 3,
        "reporting_codes": 1,
        "title": "Invented codes",
        "description": "Made-up sentence.",
        "billing_note": "Made-up sentence.",
        "default_specialties": ["Family Medicine"],
        "zero_work_share": 0.5,
        "payable_zero_work_share": 0.25,
        "described_share": 0.0,
    },
    "content_task": {
        "release": "RVU25A",
        "hcpcs": "G0002",
        "task": "review",
        "previous_release": "RVU24D",
        "descriptor_before": "Invented servic",
        "descriptor_after": "Invented service",
    },
    "release": {
        "release": "RVU25A",
        "effective_from": date(2025, 1, 1),
        "effective_to": date(2025, 3, 31),
        "released_on": date(2024, 12, 23),
        "archive": "rvu25a.zip",
        "archive_sha256": "0" * 64,
        "archive_bytes": 1000,
        "is_sample": False,
        "rvu_rows": 13,
        "missing_tables": "",
    },
    "codes": {
        "hcpcs": "G0002",
        "since": "",
        "title": "Invented visit",
        "description": "A clinician does something that we made up.",
        "plain_language": "made-up visit",
        "clinical_context": "It is used in tests only, and nobody outside of them has ever heard of it.",
    },
    "patterns": {
        "pattern": "made-up measure",
        "title": "{name}",
        "description": "For a made-up measure of {topic}, it says that {finding}.",
        "plain_language": "{plain}",
        "clinical_context": "It is sent in tests that want to know about {topic}, and never anywhere else.",
    },
    "pattern_codes": {
        "hcpcs": "G0003",
        "pattern": "made-up measure",
        "name": "Patience shown",
        "topic": "patience",
        "finding": "the patient was patient",
        "plain": "you were patient",
        "goal": "patience",
    },
    "synonyms": {"hcpcs": "G0002", "synonym": "made-up visit"},
    "specialties": {"hcpcs": "G0002", "specialty": "Family Medicine"},
    "specialty_names": {"specialty": "Family Medicine", "cms_specialty_code": "08"},
    "categories": {
        "category": "G Codes",
        "pattern": "G[0-9A-Z]{4}",
        "first": None,
        "last": None,
        "title": "Invented codes",
        "description": "We made them up. Nobody uses them.",
        "billing_note": "Nobody bills them. We made that up as well.",
    },
    "category_specialties": {"category": "G Codes", "specialty": "Family Medicine"},
    "abbreviations": {"abbreviation": "inv", "words": "invented"},
}


def row(table: str, **changes: Any) -> Row:
    """Return one valid row, changed."""
    return ROWS[table] | changes


def with_rvus(work: float, nonfacility_pe: float, facility_pe: float, mp: float) -> Row:
    """Return the RVU columns of a row, with totals that add up."""
    return {
        "work_rvu": work,
        "nonfacility_pe_rvu": nonfacility_pe,
        "facility_pe_rvu": facility_pe,
        "mp_rvu": mp,
        "nonfacility_total_rvu": round(work + nonfacility_pe + mp, 2),
        "facility_total_rvu": round(work + facility_pe + mp, 2),
    }


NO_RVUS = with_rvus(0.0, 0.0, 0.0, 0.0)
ENDOSCOPY = {"hcpcs": "G0003", "global_days": "000", "multiple_procedure": "3", "endoscopic_base": "G0004"}
SHARES = {"preoperative_share": 0.1, "intraoperative_share": 0.7, "postoperative_share": 0.2}

# A release in small: each kind of row that a rule of `rvu` is about, and no rule broken.
RVU_ROWS = [
    row("rvu", hcpcs="G0001", pctc="1", **with_rvus(1.0, 2.0, 2.0, 0.1)),
    row("rvu", hcpcs="G0001", pctc="1", modifier="26", **with_rvus(1.0, 0.4, 0.4, 0.06)),
    row("rvu", hcpcs="G0001", pctc="1", modifier="TC", **with_rvus(0.0, 1.6, 1.6, 0.04)),
    row("rvu"),
    row("rvu", **ENDOSCOPY),
    row("rvu", **ENDOSCOPY, modifier="53"),
    row("rvu", hcpcs="G0004", global_days="090", **SHARES),
    row("rvu", hcpcs="G0005", status="C", **NO_RVUS),
    row("rvu", hcpcs="G0006", status="J", **NO_RVUS),
    row("rvu", hcpcs="G0007", status="N", not_used_for_medicare=True),
    row("rvu", hcpcs="G0008", status="T"),
]


def frame(table: str, *rows: Row) -> pd.DataFrame:
    """Return a typed frame of a table: the given rows, or valid ones. The index is the line."""
    declared = columns(MODELS[table])
    valid = RVU_ROWS if table == "rvu" else [row(table)]
    typed = pd.DataFrame([{field: each.get(field) for field in declared} for each in rows or valid])
    typed.index = pd.RangeIndex(FIRST_LINE, FIRST_LINE + len(typed), name="line")
    return typed.astype({field: column.frame_dtype for field, column in declared.items()})


def declared_columns(table: str) -> dict[str, Column]:
    """Return the columns that a member of the table may be conformed to."""
    return columns(ConversionFactorTable) | columns(PRINTED[table])


def stacked(text: str, height: int) -> list[str]:
    """Spread a header text over as many cells, one below the other, the last word in the last one."""
    words = text.split()
    joined = max(0, len(words) - height + 1)
    cells = [" ".join(words[:joined]), *words[joined:]] if joined else words
    return [""] * (height - len(cells)) + cells


def header_text(declared: str) -> str:
    """Print a declared header text: the year in its place, and a factor for any other placeholder."""
    return re.sub(r"\{\w+\}", "20.3178", declared.replace("{year}", str(YEAR)))


def header_lines(layout: Layout) -> list[list[str]]:
    """Return the declared header, stacked over its lines."""
    texts = [header_text(column.headers[0]) for column in layout.columns]
    return [list(line) for line in zip(*(stacked(text, layout.header_lines) for text in texts), strict=True)]


def printed(value: Any, column: Column) -> str:
    """Print a value as CMS would; text is printed as it is, so a test may put anything into a cell."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if "printed" in column.metadata:
        return str({meaning: text for text, meaning in column.metadata["printed"].items()}[value])
    return f"{value:.{column.metadata['decimals']}f}"


def data_lines(layout: Layout, rows: list[Row]) -> list[list[str]]:
    """Print rows, cell by cell, in the order of the layout."""
    declared = declared_columns(layout.table)
    names = [column.name for column in layout.columns]
    return [
        [printed(each.get(field), declared[field]) if field in declared else "" for field in names] for each in rows
    ]


def member(layout: Layout, lines: list[list[str]], header: list[list[str]] | None = None) -> bytes:
    """Write a whole member: banner, header, the given lines, footers; every line padded, ended by CRLF."""
    width = len(layout.columns)
    text = io.StringIO()
    above = [*BANNERS[layout.table], *(header or header_lines(layout))]
    for line in [*above, *lines, *FOOTERS[layout.table]]:
        csv.writer(text, lineterminator="\r\n").writerow(line + [""] * (width - len(line)))
    return text.getvalue().encode()


def render(layout: Layout, rows: list[Row]) -> bytes:
    """Write a whole member that holds the rows."""
    return member(layout, data_lines(layout, rows))


def read(layout: Layout, content: bytes) -> TextTable:
    """Read a member as one of its layout's table."""
    return read_csv(content, layout, MEMBERS[layout.table], YEAR)


def conformed(layout: Layout, content: bytes) -> tuple[pd.DataFrame, list[Repair]]:
    """Read and conform a member."""
    return conform(read(layout, content), layout, declared_columns(layout.table))


def layout_of(table: str) -> Layout:
    """Return the usual layout of RVU25A."""
    return layouts_in_force(table, date(YEAR, 1, 1))[0]


@cache
def sample(table: str, release: str) -> pd.DataFrame:
    """Return the conformed rows of a printed table of the bundled sample, CMS's own bytes."""
    archive, effective_from = SAMPLES[release]
    layout = layouts_in_force(table, effective_from)[0]
    found = SAMPLE_MEMBERS.get(release, MEMBERS)[table]
    text = read_csv(read_member(archive, found), layout, found, effective_from.year)
    return conform(text, layout, declared_columns(table))[0]


def golden_text(table: str, release: str) -> str:
    """Return the first and the last 15 rows as CSV, each with its line in the member."""
    rows = sample(table, release)
    shown = rows if len(rows) <= 30 else pd.concat([rows.head(15), rows.tail(15)])
    return str(shown.to_csv(lineterminator="\n"))


def write_golden() -> None:
    """Rewrite tests/golden."""
    for table, release in GOLDEN_TABLES:
        (GOLDEN / f"{table}-{release}.csv").write_text(golden_text(table, release), "utf-8")


if __name__ == "__main__":
    write_golden()
