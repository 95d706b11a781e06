import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.compare import difference
from pipeline.keys import positions

KEY = ["hcpcs", "modifier"]
texts = st.sampled_from(["", "26", "TC", "00100", "99213", "G0001", "G0002", None])
rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=12)
dtypes = st.sampled_from(["str", "category"])


def frame(of: list[tuple[str | None, str | None]], dtype: str) -> pd.DataFrame:
    """Return the rows with categories in the order of their appearance, as files give them."""
    made = pd.DataFrame(of, columns=KEY, dtype="str")
    if dtype == "str":
        return made
    return made.apply(lambda cells: pd.Categorical(cells, categories=cells.dropna().unique()))


def as_tuples(of: list[tuple[str | None, str | None]]) -> list[tuple[str, str]]:
    """Return keys as Python orders them: empty before all texts."""
    return [tuple("" if text is None else f"={text}" for text in row) for row in of]  # type: ignore[misc]


@given(rows, dtypes)
def test_numbers_order_rows_as_their_keys_do(of: list[tuple[str | None, str | None]], dtype: str) -> None:
    (found,) = positions([frame(of, dtype)], KEY)
    plain = as_tuples(of)
    assert [plain[row] for row in np.argsort(found, kind="stable")] == sorted(plain)


@given(rows, rows, dtypes, dtypes)
def test_rows_of_two_frames_have_one_number_where_their_keys_are_equal(
    one: list[tuple[str | None, str | None]], other: list[tuple[str | None, str | None]], first: str, second: str
) -> None:
    here, there = positions([frame(one, first), frame(other, second)], KEY)
    same_number = here[:, None] == there[None, :]
    same_key = [[row == each for each in as_tuples(other)] for row in as_tuples(one)]
    assert same_number.tolist() == same_key


def test_keys_of_very_many_kinds_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 10)
    of = [("b", "y"), ("a", "z"), ("b", "x"), ("a", "x"), ("c", "x"), ("c", "y")]
    (found,) = positions([frame(of, "str")], KEY)
    assert [of[row] for row in np.argsort(found)] == sorted(of)


def test_tables_whose_texts_are_categories_of_different_sets_are_compared() -> None:
    before = frame([("G0001", ""), ("G0003", "")], "category").assign(fee=[1.0, 2.0])
    after = frame([("G0002", ""), ("G0003", ""), ("G0004", "")], "category").assign(fee=[1.0, 2.5, 3.0])
    found = difference(before, after, KEY)
    assert (found.added, found.removed, found.common, found.changed) == (2, 1, 1, 1)
    assert found.examples == ("G0003 fee: 2.0 or 2.5",)
