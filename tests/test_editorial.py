from dataclasses import replace

import pytest

from pipeline.content import Content, load_content
from pipeline.editorial import flaws, near_duplicates, reading_grade, require_sound
from pipeline.errors import DataError
from tests.shaped import ROOT, Row, frame, row

COMMITTED = load_content(ROOT / "raw/content")
BOIL = "The clinician numbs and opens one uncomplicated boil so that the pus can escape."
OTHER = "A thin slice of a suspicious spot is taken, so that the pathologist can name it."


def content_with(*codes: Row, synonyms: tuple[Row, ...] = (), words: tuple[str, ...] = ()) -> Content:
    written = frame("codes", *codes).assign(authored_by=[each.get("authored_by", "editor") for each in codes])
    return replace(
        COMMITTED,
        codes=written,
        synonyms=frame("synonyms", *synonyms).iloc[: len(synonyms)],
        words=frozenset(words),
    )


def code(hcpcs: str, description: str, **changes: object) -> Row:
    context = f"It is used in tests only. {description}"
    return row("codes", hcpcs=hcpcs, description=description, clinical_context=context) | changes


# Near-duplicates


@pytest.mark.parametrize(
    "copy",
    [BOIL, BOIL.replace("one", "another"), BOIL.replace("boil", "abscess"), BOIL.upper(), BOIL + " That is all."],
)
def test_nearly_the_same_description_is_an_error_that_names_both_codes(copy: str) -> None:
    context = row("codes")["clinical_context"]

    (finding,) = near_duplicates(
        content_with(code("G0001", BOIL), code("G0002", copy, clinical_context=context), code("G0003", OTHER))
    )

    assert (finding.column, finding.severity, finding.count) == ("description", "error", 1)
    assert finding.examples[0].startswith("G0001 and G0002: ")


def test_texts_of_their_own_pass_however_short_the_words_they_share() -> None:
    assert near_duplicates(content_with(code("G0001", BOIL), code("G0002", OTHER))) == []


def test_what_a_pattern_makes_may_be_alike() -> None:
    made = code("G0002", BOIL, authored_by="pattern")

    assert near_duplicates(content_with(code("G0001", BOIL), made)) == []


# Spelling


def test_a_word_that_no_dictionary_has_is_a_warning_that_names_code_and_word() -> None:
    wrong = BOIL.replace("uncomplicated", "uncomplikated")

    findings = flaws(content_with(code("G0001", wrong, clinical_context=OTHER)))

    assert [(finding.column, finding.severity, finding.examples) for finding in findings] == [
        ("description", "warning", ("G0001: uncomplikated",))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The patient's own doctor doesn't do it.",
        "An EKG, a CT and HbA1c of a patient with Keratosis.",
        "Well-known, over-the-counter: 10-day courses.",
    ],
)
def test_acronyms_possessives_compounds_and_our_own_words_are_spelled_right(text: str) -> None:
    synonym = row("synonyms", hcpcs="G0001", synonym=text)

    assert flaws(content_with(code("G0001", BOIL), synonyms=(synonym,), words=("keratosis",))) == []


# What a run does with them


def test_errors_stop_a_run_and_warnings_are_passed_on() -> None:
    misspelled = content_with(code("G0001", BOIL.replace("pus", "pussle")))

    assert {finding.severity for finding in require_sound(misspelled)} == {"warning"}
    with pytest.raises(DataError, match=r"(?s)The content breaks 2 rules.*G0001 and G0002: 100%.*raw/content"):
        require_sound(content_with(code("G0001", BOIL), code("G0002", BOIL)))


def test_the_committed_content_has_no_flaw() -> None:
    assert flaws(COMMITTED) == []


# Reading grade


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("flu shot", -3.0),  # 2 words of 1 syllable: 0.39 x 2 + 11.8 - 15.59
        ("checking your medicines after leaving the hospital", 7.4),
        ("One. Two. Three.", -3.4),
    ],
)
def test_the_reading_grade_is_that_of_flesch_and_kincaid(text: str, grade: float) -> None:
    assert reading_grade(text) == grade


def test_longer_words_and_longer_sentences_read_harder() -> None:
    assert reading_grade("a heart test") < reading_grade("a cardiology examination")
    assert reading_grade("It hurts. We look.") < reading_grade("It hurts and so we look")
