import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.patterns import filled_in
from pipeline.validate import judge
from schemas.content import CodesContent
from tests.shaped import Row, frame, row


def texts(pattern: Row, *codes: Row) -> pd.DataFrame:
    return filled_in(frame("patterns", pattern), frame("pattern_codes", *codes))


def test_a_pattern_makes_texts_for_each_of_its_codes() -> None:
    made = texts(row("patterns"), row("pattern_codes"), row("pattern_codes", hcpcs="G0004", finding="nobody waited"))

    assert made["hcpcs"].tolist() == ["G0003", "G0004"]
    assert made["description"].tolist() == [
        "For a made-up measure of patience, it says that the patient was patient.",
        "For a made-up measure of patience, it says that nobody waited.",
    ]
    assert made.loc[11, "title"] == "Patience shown"
    assert made.loc[11, "plain_language"] == "you were patient"
    assert judge(made, CodesContent) == []


def test_the_line_is_that_of_the_code_and_unknown_patterns_are_left_to_others() -> None:
    made = texts(row("patterns"), row("pattern_codes", pattern="unheard of"), row("pattern_codes"))

    assert made.index.tolist() == [12]


@pytest.mark.parametrize("empty", ["finding", "plain"])
def test_a_gap_that_a_code_leaves_empty_is_an_error_that_names_both(empty: str) -> None:
    with pytest.raises(DataError, match=f"G0003 lacks {empty}, which its pattern made-up measure needs"):
        texts(row("patterns"), row("pattern_codes", **{empty: None}))


def test_a_gap_that_nobody_asks_for_may_be_empty() -> None:
    made = texts(row("patterns"), row("pattern_codes", goal=None))

    assert len(made) == 1


def test_an_unknown_gap_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match="has a gap 'colour', not one of name, topic, finding, plain, goal"):
        texts(row("patterns", title="A {colour} thing"), row("pattern_codes"))
