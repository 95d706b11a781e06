import re
from typing import Any

import pandas as pd
import pytest

from pipeline.price import with_national_payments
from pipeline.prose import attribution, code_name, comparison, heading, questions, rvu_information, write_sections
from schemas.codes import PAYABLE_STATUS, STATUS
from schemas.columns import QuestionList
from tests.shaped import NO_RVUS, Row, frame, row, with_rvus

SYSTEMS = {"99213": "CPT", "0042T": "CPT", "G0002": "HCPCS Level II", "D0120": "CDT"}
NO_CONTENT = {
    "title": None,
    "description": None,
    "plain_language": None,
    "clinical_context": None,
    "synonyms": [],
    "specialties": [],
}
# What a reader would stumble over: a missing value, a doubled blank or full stop, a full stop after nothing.
UGLY = re.compile(r"\bnan\b|\bNone\b|<NA>|  |\.\.|[,;:]\s*[.,]| ,|\{|\}|^\s|\s$")


def page(**changes: Any) -> Row:
    """Return one row as write_sections takes it: payments follow from status and RVUs, the rank from the work RVU."""
    made = frame("code", row("code", **changes))
    factors = made[["basis", "conversion_factor"]].assign(basis="standard", work_adjustor=1.0)
    made = with_national_payments(made, factors)
    if made["status"].item() not in PAYABLE_STATUS or made["work_rvu"].item() == 0:
        made["category_work_rank"] = pd.Series(pd.NA, index=made.index, dtype=made["category_work_rank"].dtype)
    return dict(made.to_dict("records")[0])


def texts(of: Row) -> list[str]:
    """Return every text that the page of a code shows."""
    asked = [text for each in questions(of) for text in each.values()]
    return [rvu_information(of), comparison(of), attribution(of), *asked]


def assert_reads_well(of: Row) -> None:
    for text in texts(of):
        assert not UGLY.search(text), text
        assert re.match(r"[A-Z0-9]", text), text
        assert re.search(r"[.?]$", text), text


# Every page reads well


@pytest.mark.parametrize("content", [{}, NO_CONTENT], ids=["described", "bare"])
@pytest.mark.parametrize("rvus", [with_rvus(0.97, 1.66, 0.43, 0.1), with_rvus(0.0, 1.0, 1.0, 0.1), NO_RVUS])
@pytest.mark.parametrize("status", STATUS)
def test_a_page_reads_well_whatever_the_status(status: str, rvus: Row, content: Row) -> None:
    made = page(status=status, **rvus, **content)
    for hcpcs, system in SYSTEMS.items():
        of = made | {"hcpcs": hcpcs, "coding_system": system}
        assert_reads_well(of)
        assert f"{system} code {hcpcs}" in rvu_information(of)


@pytest.mark.parametrize("status", STATUS)
def test_only_payable_statuses_with_rvus_show_dollars(status: str) -> None:
    assert ("$" in rvu_information(page(status=status))) == (status in PAYABLE_STATUS)
    assert "$" not in rvu_information(page(status=status, **NO_RVUS))


@pytest.mark.parametrize(
    "descriptor", ["", "Invented service.", "Invented  service", "Invented service;", "Service,"]
)
@pytest.mark.parametrize("title", ["Invented visit", None])
def test_a_page_reads_well_whatever_cms_prints_as_descriptor(descriptor: str, title: str | None) -> None:
    assert_reads_well(page(descriptor=descriptor, **NO_CONTENT | {"title": title}))


@pytest.mark.parametrize("nonfacility_na", [True, False])
@pytest.mark.parametrize("facility_na", [True, False])
@pytest.mark.parametrize(
    "rvus", [with_rvus(1.0, 1.0, 1.0, 0.1), with_rvus(0.0, 1.0, 0.0, 0.0), with_rvus(0.0, 0.0, 1.0, 0.0)]
)
def test_a_page_reads_well_whatever_the_setting(nonfacility_na: bool, facility_na: bool, rvus: Row) -> None:
    assert_reads_well(page(nonfacility_na=nonfacility_na, facility_na=facility_na, **rvus))


@pytest.mark.parametrize(
    ("changes", "codes", "payable", "with_work"),
    [
        ({}, 1, 1, 1),
        ({}, 2, 2, 1),
        ({}, 2, 2, 2),
        ({"status": "R"} | NO_RVUS, 1, 1, 0),
        ({"status": "N"}, 1, 0, 0),
        ({"status": "N"}, 2, 1, 1),
        ({"status": "N"} | NO_RVUS, 1, 0, 0),
        ({"status": "N"} | NO_RVUS, 2, 1, 0),
        ({"status": "N"} | NO_RVUS, 2, 1, 1),
    ],
)
def test_a_page_reads_well_in_a_small_category(changes: Row, codes: int, payable: int, with_work: int) -> None:
    of = page(
        **changes,
        category_codes=codes,
        category_payable_codes=payable,
        category_work_codes=with_work,
        category_zero_work_share=1 - with_work / codes,
        category_payable_zero_work_share=1 - with_work / payable if payable else None,
        category_work_rank=max(with_work, 1),
    )

    assert_reads_well(of)
    assert not re.search(r"\bthe [01] (codes|of them)\b", comparison(of)), comparison(of)


# Names


@pytest.mark.parametrize(("hcpcs", "system"), SYSTEMS.items())
def test_a_code_is_called_by_its_coding_system(hcpcs: str, system: str) -> None:
    of = page(hcpcs=hcpcs, coding_system=system)

    assert code_name(of) == f"{system} code {hcpcs}"
    assert questions(of)[0]["question"] == f"What is {system} code {hcpcs}?"
    others = {other for other in SYSTEMS.values() if other != system}
    for text in texts(of):
        if text != attribution(of):
            assert not any(f"{other} code" in text for other in others)


def test_a_code_goes_by_our_title_or_else_by_the_descriptor() -> None:
    assert heading(page()) == "Invented visit"
    assert heading(page(title=None)) == "Invented service"


# RVUs and payment


def test_a_paid_code_shows_work_totals_payments_and_factor() -> None:
    assert rvu_information(page()) == (
        "CMS values HCPCS Level II code G0002 at 0.97 physician work RVUs. "
        "In total that makes 2.73 RVUs or $88.31 in a non-facility setting and 1.50 RVUs or $48.52 in a facility, "
        "before geographic adjustment (national conversion factor $32.3465)."
    )


def test_a_code_without_work_is_paid_for_practice_expense() -> None:
    text = rvu_information(page(**with_rvus(0.0, 1.0, 1.0, 0.1)))

    assert text.startswith("CMS assigns no physician work RVU to HCPCS Level II code G0002; practice expense and")


def test_rvus_that_do_not_pay_are_shown_as_such() -> None:
    text = rvu_information(page(status="N"))

    assert text.startswith(
        "CMS prints RVUs for HCPCS Level II code G0002 (0.97 for physician work, 2.73 in total outside"
    )
    assert "does not pay by them. Medicare does not cover it" in text


def test_a_restricted_code_without_rvus_is_priced_by_the_contractor() -> None:
    assert "the contractor sets the price" in rvu_information(page(status="R", **NO_RVUS))
    assert "Coverage is restricted" in rvu_information(page(status="R"))


def test_a_large_amount_has_a_separator_of_thousands() -> None:
    assert "$3,235.62 in a facility" in rvu_information(page(**with_rvus(100.0, 0.0, 0.0, 0.03)))


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        ("standard", "(national conversion factor $32.3465)"),
        ("nonqualifying_apm", "(national conversion factor $32.3465, for non-qualifying APM participants)"),
        ("qualifying_apm", "(national conversion factor $32.3465, for qualifying APM participants)"),
    ],
)
def test_the_factor_says_whom_it_applies_to(basis: str, said: str) -> None:
    assert said in rvu_information(page(basis=basis))


@pytest.mark.parametrize(
    ("nonfacility_na", "facility_na", "settings", "rare"),
    [
        (False, False, ["a non-facility setting", "a facility"], None),
        (True, False, ["a facility"], "It is rarely or never performed outside facilities."),
        (False, True, ["a non-facility setting"], "It is rarely or never performed in facilities."),
        (True, True, ["a facility"], "It is rarely or never performed outside facilities or in facilities."),
    ],
)
def test_a_setting_in_which_the_service_is_not_performed_has_no_amount(
    nonfacility_na: bool, facility_na: bool, settings: list[str], rare: str | None
) -> None:
    text = rvu_information(
        page(nonfacility_na=nonfacility_na, facility_na=facility_na, **with_rvus(1.0, 1.0, 1.0, 0.1))
    )

    assert re.findall(r"\$[0-9.]+ in (a non-facility setting|a facility)", text) == settings
    assert text.endswith(rare) if rare else "rarely" not in text


# Comparison


@pytest.mark.parametrize(
    ("rank", "ordinal"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (10, "10th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (22, "22nd"),
        (101, "101st"),
        (111, "111th"),
        (112, "112th"),
        (1013, "1,013th"),
        (1021, "1,021st"),
    ],
)
def test_a_rank_is_an_ordinal(rank: int, ordinal: str) -> None:
    assert f"ranks {ordinal} from the top" in comparison(page(category_work_rank=rank))


@pytest.mark.parametrize(
    ("zero", "codes", "percent"),
    [(0, 8, "0%"), (1, 200, "1%"), (1, 201, "0%"), (2, 3, "67%"), (57, 200, "29%"), (23, 40, "58%"), (8, 8, "100%")],
)
def test_shares_are_whole_percent_half_up(zero: int, codes: int, percent: str) -> None:
    of = page(**NO_RVUS, status="N", category_codes=codes, category_zero_work_share=zero / codes)

    assert f"The same holds for {percent} of the {codes} codes in G Codes" in comparison(of)


def test_a_category_that_rvus_do_not_pay_at_all_says_so() -> None:
    of = page(**NO_RVUS, status="N", category_payable_codes=0, category_payable_zero_work_share=None)

    assert comparison(of).endswith("of the 1,265 codes in G Codes, none of which RVUs pay.")


def test_no_work_is_told_apart_from_not_paid_by_rvus() -> None:
    because = "because RVUs do not pay it rather than because nobody works on it"

    assert because in comparison(page(status="X", **NO_RVUS))
    assert because not in comparison(page(**with_rvus(0.0, 1.0, 1.0, 0.1)))


def test_a_code_whose_rvus_do_not_pay_is_not_ranked() -> None:
    text = comparison(page(status="N"))

    assert "is printed for information and does not set a payment" in text
    assert "is not ranked with the codes of G Codes" in text


# Questions


def asked(**changes: Any) -> dict[str, str]:
    return {each["question"]: each["answer"] for each in questions(page(**changes))}


def test_questions_are_answered_from_our_content() -> None:
    assert asked() == {
        "What is HCPCS Level II code G0002?": (
            "G0002, Invented visit, belongs to the category G Codes. A clinician does something that we made up."
        ),
        "Who uses HCPCS Level II code G0002?": "Mostly Family Medicine and Neurology. It is used in tests only.",
        "When is HCPCS Level II code G0002 used?": "It is used in tests only.",
    }


@pytest.mark.parametrize(
    ("specialties", "listed"),
    [
        (["Neurology"], "Mostly Neurology."),
        (["Neurology", "Surgery"], "Mostly Neurology and Surgery."),
        (["Neurology", "Surgery", "Urology"], "Mostly Neurology, Surgery and Urology."),
    ],
)
def test_specialties_are_listed_as_people_do(specialties: list[str], listed: str) -> None:
    assert asked(specialties=specialties)["Who uses HCPCS Level II code G0002?"].startswith(listed)


def test_questions_that_we_have_no_content_for_are_left_out() -> None:
    assert asked(**NO_CONTENT) == {
        "What is HCPCS Level II code G0002?": ("G0002, Invented service, belongs to the category G Codes.")
    }
    assert len(asked(specialties=[])) == 2
    assert len(asked(clinical_context=None)) == 1


def test_the_footer_names_owners_and_release() -> None:
    text = attribution(page(release="RVU26C"))

    assert "CPT is a registered trademark of the American Medical Association" in text
    assert "CDT of the American Dental Association" in text
    assert "release RVU26C" in text


# All sections together


def test_sections_are_added_beside_each_code() -> None:
    rows = [
        row("code", hcpcs=hcpcs, category=category)
        for hcpcs, category in (("G0002", "G Codes"), ("A0001", "A Codes"))
    ]
    codes = frame("code", *rows)
    categories = frame(
        "categories",
        row("categories", category="A Codes", billing_note="Bill A."),
        row("categories", billing_note="Bill G."),
    )

    sections = write_sections(codes, categories)

    assert sections["billing_documentation"].tolist() == ["Bill G.", "Bill A."]
    assert "G0002 ranks" in sections["comparison"].iloc[0]
    assert "A0001 ranks" in sections["comparison"].iloc[1]
    assert sections["faq"].dtype == QuestionList
    assert sections["faq"].iloc[1][0]["question"] == "What is HCPCS Level II code A0001?"
    assert sections.index.equals(codes.index)
