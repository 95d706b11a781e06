from dataclasses import replace

import pandas as pd
import pytest

from pipeline.content import Content, load_content
from pipeline.errors import DataError
from pipeline.merge import (
    Accounting,
    assign_categories,
    coding_system,
    merge_content,
    one_row_per_code,
    synonym_rows,
    unknown_codes,
    with_category_texts,
)
from schemas.columns import TextList
from tests.shaped import ROOT, RVU_ROWS, Row, frame, row, sample

COMMITTED = load_content(ROOT / "raw/content")
CATEGORIES = COMMITTED.categories


def codes_of(*rows: Row) -> pd.DataFrame:
    codes = one_row_per_code(frame("rvu", *rows).sort_values(["hcpcs", "modifier"]))
    return codes.assign(category=assign_categories(codes["hcpcs"], CATEGORIES))


def content_of(
    codes: list[Row], synonyms: list[Row], specialties: list[Row], defaults: tuple[Row, ...] = ()
) -> Content:
    return replace(
        COMMITTED,
        codes=frame("codes", *codes).assign(authored_by="editor"),
        synonyms=frame("synonyms", *synonyms),
        specialties=frame("specialties", *specialties),
        category_specialties=frame("category_specialties", *defaults).iloc[: len(defaults)],
    )


CONTENT = content_of(
    [row("codes", hcpcs="G0002", title=None), row("codes", hcpcs="G0099")],
    [row("synonyms", synonym=synonym) for synonym in ("made-up visit", "another")] + [row("synonyms", hcpcs="G0099")],
    [row("specialties", specialty="Neurology"), row("specialties", specialty="Family Medicine")],
)

# One row per code


def test_every_code_has_one_row_and_all_its_modifiers() -> None:
    codes = codes_of(*RVU_ROWS)

    assert codes["hcpcs"].tolist() == ["G0001", "G0002", "G0003", "G0004", "G0005", "G0006", "G0007", "G0008"]
    assert codes["modifiers"].dtype == TextList
    assert [list(each) for each in codes["modifiers"][:4]] == [["", "26", "TC"], [""], ["", "53"], [""]]


def test_the_row_of_a_code_is_its_unmodified_one_in_whatever_order_it_is_printed() -> None:
    codes = codes_of(*reversed(RVU_ROWS))

    assert codes["modifier"].tolist() == [""] * 8
    assert codes.loc[0, "work_rvu"] == 1.0
    assert codes.loc[0, "nonfacility_total_rvu"] == 3.1


def test_a_code_printed_with_26_only_is_shown_by_that_row() -> None:
    codes = codes_of(row("rvu"), row("rvu", hcpcs="G0009", modifier="26", pctc="6"))

    assert codes[["hcpcs", "modifier"]].to_dict("records") == [
        {"hcpcs": "G0002", "modifier": ""},
        {"hcpcs": "G0009", "modifier": "26"},
    ]
    assert list(codes["modifiers"][1]) == ["26"]


@pytest.mark.parametrize("release", ["RVU25A", "RVU26C"])
def test_no_code_of_the_sample_is_lost_or_doubled(release: str) -> None:
    rows = sample("rvu", release)

    codes = one_row_per_code(rows.sort_values(["hcpcs", "modifier"]))

    assert sorted(codes["hcpcs"]) == sorted(set(rows["hcpcs"]))
    assert sum(len(each) for each in codes["modifiers"]) == len(rows)


# Coding systems and categories


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("99213", "CPT"),
        ("00100", "CPT"),
        ("0001F", "CPT"),
        ("0042T", "CPT"),
        ("0001U", "CPT"),
        ("D0120", "CDT"),
        ("G0411", "HCPCS Level II"),
        ("A0021", "HCPCS Level II"),
        ("GXXX1", "HCPCS Level II"),
        ("U0001", "HCPCS Level II"),
    ],
)
def test_a_code_belongs_to_one_coding_system(code: str, system: str) -> None:
    assert coding_system(pd.Series([code], dtype="str")).tolist() == [system]


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("00100", "Anesthesia"),
        ("01999", "Anesthesia"),
        ("10000", "Surgery"),
        ("10004", "Surgery"),
        ("69990", "Surgery"),
        ("69999", "Surgery"),
        ("70010", "Radiology"),
        ("79999", "Radiology"),
        ("80047", "Pathology & Laboratory"),
        ("89398", "Pathology & Laboratory"),
        ("90281", "Medicine"),
        ("99199", "Medicine"),
        ("99202", "Evaluation & Management"),
        ("99499", "Evaluation & Management"),
        ("99500", "Medicine"),
        ("99607", "Medicine"),
        ("0001F", "Category II Codes"),
        ("9007F", "Category II Codes"),
        ("0042T", "Category III Codes"),
        ("0987T", "Category III Codes"),
        ("0001A", "Medicine"),
        ("0001U", "Pathology & Laboratory"),
        ("0001M", "Pathology & Laboratory"),
        ("A0021", "A Codes"),
        ("D0120", "D Codes"),
        ("G0008", "G Codes"),
        ("GXXX1", "G Codes"),
        ("J0120", "J Codes"),
        ("M0001", "M Codes"),
        ("P2028", "P Codes"),
        ("Q0035", "Q Codes"),
        ("R0070", "R Codes"),
        ("S0012", "S Codes"),
        ("V2020", "V Codes"),
        ("H0001", "Other HCPCS"),
        ("T1000", "Other HCPCS"),
        ("U0001", "Other HCPCS"),
    ],
)
def test_a_code_is_in_its_category(code: str, category: str) -> None:
    assert assign_categories(pd.Series([code], dtype="str"), CATEGORIES).tolist() == [category]


def test_there_are_the_19_categories_of_the_reference_site() -> None:
    assert CATEGORIES["category"].tolist() == [
        "Category II Codes",
        "Category III Codes",
        *(f"{letter} Codes" for letter in "ADGJMPQRSV"),
        "Other HCPCS",
        "Anesthesia",
        "Evaluation & Management",
        "Surgery",
        "Radiology",
        "Pathology & Laboratory",
        "Medicine",
    ]


def test_the_first_rule_that_a_code_meets_holds() -> None:
    rules = frame(
        "categories",
        row("categories", category="Low", pattern="[0-9]{5}", first="00000", last="49999"),
        row("categories", category="All", pattern="[0-9]{5}"),
        row("categories", category="Never", pattern="[0-9]{5}"),
    )

    codes = pd.Series(["00000", "49999", "50000"], index=[5, 3, 4], dtype="str")

    assert assign_categories(codes, rules).to_dict() == {5: "Low", 3: "Low", 4: "All"}


@pytest.mark.parametrize("code", ["02000", "09999", "0001X", "1234", "99213X", "g0001"])
def test_a_code_in_no_category_is_an_error_that_names_it(code: str) -> None:
    codes = pd.Series(["99213", code], dtype="str")

    with pytest.raises(DataError) as error:
        assign_categories(codes, CATEGORIES)

    assert str(error.value) == (
        f"1 codes are in no category, such as {code}. Add a rule to raw/content/categories.csv."
    )


# Our content


def test_content_joins_its_code_and_every_code_stays() -> None:
    merged, _ = merge_content(codes_of(*RVU_ROWS), CONTENT)

    assert merged["hcpcs"].tolist() == codes_of(*RVU_ROWS)["hcpcs"].tolist()
    ours = merged.set_index("hcpcs").loc["G0002"]
    assert ours["description"] == row("codes")["description"]
    assert pd.isna(ours["title"])
    assert list(ours["synonyms"]) == ["made-up visit", "another"]
    assert list(ours["specialties"]) == ["Neurology", "Family Medicine"]


def test_a_code_without_content_has_nulls_and_empty_lists() -> None:
    merged, _ = merge_content(codes_of(*RVU_ROWS), CONTENT)

    without = merged[merged["hcpcs"] != "G0002"]
    assert without[["title", "description", "plain_language", "clinical_context"]].isna().all(axis=None)
    assert without[["synonyms", "specialties"]].notna().all(axis=None)
    assert [len(each) for each in [*without["synonyms"], *without["specialties"]]] == [0] * 14


def test_the_merge_accounts_for_codes_and_content_that_did_not_meet() -> None:
    _, accounting = merge_content(codes_of(*RVU_ROWS), CONTENT)

    assert accounting == Accounting(matched=1, codes_without_content=7, content_without_code=("G0099",))


def test_synonyms_become_one_row_each_in_the_order_of_the_content() -> None:
    merged, _ = merge_content(codes_of(*RVU_ROWS), CONTENT)

    assert synonym_rows(merged).to_dict("records") == [
        {"release": "RVU25A", "hcpcs": "G0002", "synonym": "made-up visit"},
        {"release": "RVU25A", "hcpcs": "G0002", "synonym": "another"},
    ]


def test_a_release_without_synonyms_has_no_rows_of_them() -> None:
    merged, _ = merge_content(codes_of(row("rvu", hcpcs="G0001")), CONTENT)

    assert synonym_rows(merged).empty
    assert list(synonym_rows(merged).columns) == ["release", "hcpcs", "synonym"]


def test_a_code_whose_meaning_changed_has_the_texts_of_the_release() -> None:
    before = row("codes", until="RVU24D", description="It meant one thing in the years before.")
    after = row("codes", since="RVU25A", description="It means another thing in the years after.")
    content = content_of([before, after], [row("synonyms")], [row("specialties")])

    merged = {
        release: merge_content(codes_of(row("rvu", release=release)), content)[0].iloc[0]
        for release in ("RVU24AR", "RVU24D", "RVU25A", "RVU26C")
    }

    assert [merged[release]["description"] for release in merged] == [
        before["description"],
        before["description"],
        after["description"],
        after["description"],
    ]
    assert merged["RVU24D"]["meaning_until"] == "RVU24D"
    assert merged["RVU26C"]["meaning_since"] == "RVU25A"


def test_a_release_of_another_meaning_has_neither_texts_nor_synonyms_of_ours() -> None:
    content = content_of([row("codes", since="RVU25B")], [row("synonyms")], [row("specialties")])

    merged, accounting = merge_content(codes_of(row("rvu", release="RVU25A")), content)

    assert merged["description"].isna().all()
    assert [len(each) for each in [*merged["synonyms"], *merged["specialties"]]] == [0, 0]
    assert accounting == Accounting(matched=0, codes_without_content=1, content_without_code=())


def test_specialties_of_the_category_stand_in_where_we_name_none() -> None:
    content = content_of(
        [row("codes")],
        [row("synonyms")],
        [row("specialties", specialty="Neurology")],
        (row("category_specialties"), row("category_specialties", specialty="Pediatrics")),
    )

    merged, _ = merge_content(codes_of(row("rvu", hcpcs="G0001"), row("rvu")), content)

    assert [list(each) for each in merged["specialties"]] == [["Family Medicine", "Pediatrics"], ["Neurology"]]
    assert merged["specialties_are_default"].tolist() == [True, False]


def test_the_day_of_a_review_is_a_date() -> None:
    content = content_of([row("codes", reviewed="2026-10-31")], [row("synonyms")], [row("specialties")])

    merged, _ = merge_content(codes_of(row("rvu", hcpcs="G0001"), row("rvu")), content)

    assert merged["reviewed"].isna().tolist() == [True, False]
    assert merged["reviewed"].iloc[1] == pd.Timestamp("2026-10-31")


def test_texts_on_a_category_join_its_aggregates() -> None:
    content = content_of([], [], [], (row("category_specialties"),))

    texts = with_category_texts(pd.DataFrame({"category": ["G Codes", "J Codes"]}), content).set_index("category")

    assert texts.loc["G Codes", "title"] == "HCPCS G codes: professional services defined by Medicare"
    assert [list(each) for each in texts["default_specialties"]] == [["Family Medicine"], []]


def test_codes_that_no_release_has_are_unknown_and_a_sample_speaks_for_level_ii_only() -> None:
    absent = [["G0099", "99213", "D0120", "G0001"], ["G0099", "99213", "D0120"]]

    assert unknown_codes(absent, is_sample=False) == ["99213", "D0120", "G0099"]
    assert unknown_codes(absent, is_sample=True) == ["G0099"]
    assert unknown_codes([], is_sample=False) == []
