import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.content import load_content
from pipeline.originality import copied, overlap, significant_words
from tests.shaped import ROOT, frame, row

ABBREVIATIONS = load_content(ROOT / "raw/content").abbreviations
# Level II, so public domain; seven significant words: five runs of three.
DESCRIPTOR = "Interactive grp psyc php/iop"
REPEATS = "repeats at most 50% of CMS's descriptor"


def words(text: str) -> tuple[str, ...]:
    return significant_words(text, ABBREVIATIONS)


def codes_with(**texts: object) -> pd.DataFrame:
    return frame("code", row("code", hcpcs="G0001"), row("code", descriptor=DESCRIPTOR, **texts))


# Words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Grp psyc php/iop", "GROUP, psychiatric: partial hospitalization; intensive outpatient"),
        ("Thpy svcs ea 15 min", "therapies, services for 15 minutes"),
        ("Tx of pt w/o contrast", "treatment patients contrast"),
        ("x-ray exam", "X ray exams"),
        ("Addl hr", "an additional hour"),
    ],
)
def test_abbreviations_endings_case_and_little_words_make_no_difference(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_numbers_are_words_and_single_letters_are_not() -> None:
    assert words("level 4 w contrast, 15 min") == ("leve", "4", "cont", "15", "minu")


# Overlap


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Nothing of the kind.", 0.0),
        ("Partial psychiatric hospitalization, a group that is interactive.", 0.0),
        ("Interactive groups for psychiatric needs.", 0.2),
        ("A group, psychiatric and partial, in the hospital.", 0.4),
        ("Interactive group for psychiatric patients in partial hospitalization.", 0.2),
        ("An interactive group, psychiatric: partial hospitalization.", 0.6),
        ("An interactive psychiatric group for partial hospitalization and intensive outpatient days.", 0.4),
        ("Interactive group psychiatry in partial hospitalization or intensive outpatient care.", 1.0),
    ],
)
def test_the_overlap_is_the_share_of_the_descriptors_runs_of_three_words(text: str, share: float) -> None:
    assert overlap(words(text), words(DESCRIPTOR)) == pytest.approx(share)


@pytest.mark.parametrize("descriptor", ["", "Semen analysis"])
def test_a_descriptor_of_two_words_cannot_be_repeated_in_runs(descriptor: str) -> None:
    assert overlap(words("Semen analysis in a laboratory."), words(descriptor)) == 0.0


@given(st.lists(st.sampled_from(["group", "therapy", "hour", "knee", "visit", "with", "of", "scope"]), max_size=12))
def test_a_text_repeats_itself_wholly_and_nothing_not_at_all(parts: list[str]) -> None:
    text = words(" ".join(parts))
    assert overlap(text, text) == (1.0 if len(text) >= 3 else 0.0)
    assert overlap((), text) == 0.0


# Findings


@pytest.mark.parametrize("column", ["title", "description", "plain_language", "clinical_context"])
def test_a_text_that_repeats_most_of_the_descriptor_is_an_error(column: str) -> None:
    text = "Interactive group psychiatric work in partial hospitalization or intensive outpatient programs."

    (finding,) = copied(codes_with(**{column: text}), ABBREVIATIONS)

    assert (finding.column, finding.rule, finding.severity) == (column, REPEATS, "error")
    assert (finding.count, finding.examples) == (1, ("G0002: 60%",))


@pytest.mark.parametrize("column", ["title", "plain_language"])
@pytest.mark.parametrize("name", ["Inj, drug 1mg", "inj drug 1mg.", "INJ: Drug (1mg)"])
def test_a_name_that_is_the_descriptor_but_for_case_and_punctuation_is_an_error(column: str, name: str) -> None:
    codes = codes_with(**{column: name}).assign(descriptor="Inj drug 1mg")

    rules = {finding.column: finding.rule for finding in copied(codes, ABBREVIATIONS) if finding.rule != REPEATS}

    assert rules == {column: "is not CMS's descriptor"}


def test_a_synonym_that_is_the_descriptor_is_an_error() -> None:
    (finding,) = copied(codes_with(synonyms=["group", "interactive grp psyc, PHP/IOP"]), ABBREVIATIONS)

    assert (finding.column, finding.count, finding.examples) == ("synonyms", 1, ("G0002",))


@pytest.mark.parametrize("title", ["Group therapy in a day program", None])
def test_a_text_of_our_own_passes(title: str | None) -> None:
    assert copied(codes_with(title=title), ABBREVIATIONS) == []


def test_a_code_without_texts_is_no_copy() -> None:
    empty = row("code", descriptor="", title=None, description=None, synonyms=[])

    assert copied(frame("code", empty), ABBREVIATIONS) == []
