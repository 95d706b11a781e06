"""Writes the sections of a code's page that follow from data: RVUs and payment, comparison, questions, sources."""

from typing import Any

import pandas as pd

from pipeline.rows import records
from schemas.codes import PAYABLE_STATUS
from schemas.columns import QuestionList

Row = dict[str, Any]

# How a code is reimbursed when RVUs do not pay it, by status; the meanings are CMS's (RVU25A record layout).
REIMBURSEMENT = {
    "A": "It is active, but without RVUs it has no national price.",
    "B": "Its payment is always part of another service, so Medicare never pays it separately.",
    "C": "Each Medicare contractor sets its own price for it.",
    "D": "The code has been deleted, and Medicare no longer pays it.",
    "E": "Regulation keeps it out of the physician fee schedule; another system sets what Medicare pays.",
    "F": "The code has been discontinued, and Medicare no longer pays it.",
    "G": "Medicare does not accept it and expects another code for the service.",
    "H": "The code is no longer split by modifier, and Medicare does not pay this row.",
    "I": "Medicare does not accept it and expects another code for the service; other payers set their own rates.",
    "J": "Anesthesia is paid by base and time units, times a local conversion factor, not by RVUs.",
    "M": "It reports a quality measure and carries no payment.",
    "N": "Medicare does not cover it; whether and what others pay is set by each payer's own fee schedule.",
    "P": "Medicare bundles it or leaves it out, and makes no separate payment for it.",
    "Q": "It reported functional information for therapy and carried no payment.",
    "R": "Medicare covers it with restrictions, and where it does, the contractor sets the price.",
    "T": "It is paid only where nothing else is billed that day, and without RVUs it has no national price.",
    "X": "By law it is outside the physician fee schedule, so what it pays is set by other Medicare "
    "payment systems and by each payer's own fee schedule.",
}
SETTINGS = {"nonfacility": "in a non-facility setting", "facility": "in a facility"}
RARELY = {"nonfacility": "outside facilities", "facility": "in facilities"}
BASIS_REMARK = {
    "nonqualifying_apm": ", for non-qualifying APM participants",
    "qualifying_apm": ", for qualifying APM participants",
}
PAID_CONDITION = {
    "R": " Coverage is restricted: the contractor may ask for proof of need.",
    "T": " It is paid only when the same provider bills nothing else under the fee schedule that day.",
}


def write_sections(codes: pd.DataFrame, categories: pd.DataFrame) -> pd.DataFrame:
    """Add rvu_information, billing_documentation, comparison, faq and attribution to one row per code.

    Needs the code's category numbers, national payment and content; `categories` is categories.csv.
    """
    rows = records(codes)
    notes = categories.set_index("category")["billing_note"]
    faq = pd.Series([questions(row) for row in rows], index=codes.index, dtype=QuestionList)
    return codes.assign(
        rvu_information=[rvu_information(row) for row in rows],
        billing_documentation=codes["category"].map(notes),
        comparison=[comparison(row) for row in rows],
        faq=faq,
        attribution=[attribution(row) for row in rows],
    )


def code_name(row: Row) -> str:
    """Return the code under its right name: HCPCS Level II code G0411, CPT code 99213, CDT code D0120."""
    return f"{row['coding_system']} code {row['hcpcs']}"


def heading(row: Row) -> str:
    """Return our display name of the code, else CMS's descriptor, freed of stray blanks and marks."""
    return str(row["title"]) if _present(row["title"]) else " ".join(str(row["descriptor"]).split()).rstrip(".;,")


def rvu_information(row: Row) -> str:
    """Say which RVUs the code has and how it is paid."""
    work = row["work_rvu"]
    if _paid_by_rvus(row):
        opening = (
            f"CMS values {code_name(row)} at {work:.2f} physician work RVUs."
            if work > 0
            else f"CMS assigns no physician work RVU to {code_name(row)}; practice expense and malpractice are paid."
        )
        return f"{opening} {_totals(row)}{PAID_CONDITION.get(row['status'], '')}"
    if row["facility_total_rvu"] > 0 or row["nonfacility_total_rvu"] > 0:
        opening = (
            f"CMS prints RVUs for {code_name(row)} ({work:.2f} for physician work, "
            f"{row['nonfacility_total_rvu']:.2f} in total outside facilities, {row['facility_total_rvu']:.2f} "
            "inside) but does not pay by them."
        )
    else:
        opening = f"CMS assigns no physician work RVU to {code_name(row)}, nor any other RVU."
    return f"{opening} {REIMBURSEMENT[row['status']]}"


def comparison(row: Row) -> str:
    """Compare the code's work RVU with its category, telling unpriced codes from those without work."""
    payable = row["status"] in PAYABLE_STATUS
    if row["work_rvu"] == 0:
        return f"{_zero_work(row, payable=payable)} {_zero_work_peers(row)}"
    if not payable:
        return (
            f"The work RVU of {row['work_rvu']:.2f} is printed for information and does not set a payment, so "
            f"{row['hcpcs']} is not ranked with the codes of {row['category']} that are paid for physician work."
        )
    if row["category_work_codes"] == 1:
        return (
            f"With a work RVU of {row['work_rvu']:.2f}, {row['hcpcs']} is the only code of {row['category']} that is "
            "paid for physician work."
        )
    return (
        f"With a work RVU of {row['work_rvu']:.2f}, {row['hcpcs']} ranks "
        f"{_ordinal(row['category_work_rank'])} "
        f"from the top among the {row['category_work_codes']:,} codes of {row['category']} "
        "that are paid for physician work."
    )


def questions(row: Row) -> list[dict[str, str]]:
    """Answer what people ask about a code, as far as we have something to say."""
    name = code_name(row)
    title = f", {heading(row)}," if heading(row) else ""
    described = f" {row['description']}" if _present(row["description"]) else ""
    what = f"{row['hcpcs']}{title} belongs to the category {row['category']}.{described}"
    faq = [{"question": f"What is {name}?", "answer": what}]
    if len(row["specialties"]) and _present(row["clinical_context"]):
        users = _listed(list(row["specialties"]))
        faq.append(
            {"question": f"Who uses {name}?", "answer": f"Mostly {users}. {row['clinical_context']}"},
        )
    if _present(row["clinical_context"]):
        faq.append({"question": f"When is {name} used?", "answer": row["clinical_context"]})
    return faq


def attribution(row: Row) -> str:
    """Name the owners of the code sets and the sources of the row."""
    return (
        "CPT is a registered trademark of the American Medical Association, CDT of the American Dental Association. "
        f"Figures: CMS Physician Fee Schedule, release {row['release']}. "
        "Title, description, synonyms and clinical context are original content of this project."
    )


def _paid_by_rvus(row: Row) -> bool:
    return _present(row["nonfacility_national_payment"]) or _present(row["facility_national_payment"])


def _totals(row: Row) -> str:
    """Give total RVUs and national payment in the settings where the service is performed and paid."""
    paid = [setting for setting in SETTINGS if _present(row[f"{setting}_national_payment"])]
    usual = [setting for setting in paid if not row[f"{setting}_na"]] or paid[-1:]
    amounts = " and ".join(
        f"{row[f'{setting}_total_rvu']:.2f} RVUs or ${row[f'{setting}_national_payment']:,.2f} {SETTINGS[setting]}"
        for setting in usual
    )
    rare = [RARELY[setting] for setting in SETTINGS if row[f"{setting}_na"]]
    never = f" It is rarely or never performed {' or '.join(rare)}." if rare else ""
    factor = f"national conversion factor ${row['conversion_factor']:.4f}{BASIS_REMARK.get(row['basis'], '')}"
    return f"In total that makes {amounts}, before geographic adjustment ({factor}).{never}"


def _zero_work(row: Row, *, payable: bool) -> str:
    if payable:
        return f"{row['hcpcs']} has a work RVU of 0.00: CMS assigns it no physician work component."
    return (
        f"{row['hcpcs']} has a work RVU of 0.00: CMS assigns it no physician work component, "
        "because RVUs do not pay it rather than because nobody works on it."
    )


def _zero_work_peers(row: Row) -> str:
    codes, payable = row["category_codes"], row["category_payable_codes"]
    if codes == 1:
        return f"It is the only code in {row['category']}."
    share = f"{_percent(row['category_zero_work_share'])} of the {codes:,} codes in {row['category']}"
    if payable == 0:
        return f"The same holds for {share}, none of which RVUs pay."
    if payable == 1:
        return f"The same holds for {share}, only one of which RVUs pay."
    return (
        f"The same holds for {share}; among the {payable:,} of them that RVUs do pay, "
        f"it is {_percent(row['category_payable_zero_work_share'])}."
    )


def _percent(share: float) -> str:
    """Return whole percent, half up; a share is a ratio of counts, so nine decimals hold it exactly enough."""
    return f"{int(round(share * 100, 7) + 0.5)}%"


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{suffix}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _present(value: Any) -> bool:
    return bool(pd.notna(value))
