import pandas as pd
import pytest

from pipeline.compare import difference
from schemas.columns import OptionalCount
from tests.shaped import RVU_ROWS, Row, frame, row

KEY = ["release", "hcpcs", "modifier"]


def compared(before: pd.DataFrame, after: pd.DataFrame, key: list[str]) -> tuple[int, int, int, tuple[str, ...]]:
    """Return the rows added, removed and changed, and the columns that changed."""
    found = difference(before, after, key)
    return found.added, found.removed, found.changed, found.columns


def rvu(*rows: Row) -> pd.DataFrame:
    """Return some columns of `rvu`."""
    return frame("rvu", *rows)[[*KEY, "status", "mp_rvu", "pricing_indicator", "endoscopic_base"]]


def code(**changes: object) -> pd.DataFrame:
    """Return the columns of `code` that hold lists, and one that holds counts."""
    kept = ["release", "hcpcs", "synonyms", "specialties", "faq", "category_work_rank"]
    return frame("code", row("code", **changes))[kept]


def test_equal_rows_do_not_differ_whatever_their_order() -> None:
    assert compared(rvu(), rvu().iloc[::-1], KEY) == (0, 0, 0, ())


def test_new_and_gone_rows_are_counted_and_are_not_changed_ones() -> None:
    assert compared(rvu(*RVU_ROWS[:5]), rvu(*RVU_ROWS[2:]), KEY) == (6, 2, 0, ())


def test_a_changed_row_counts_once_and_columns_are_listed_most_often_changed_first() -> None:
    before = [row("rvu", hcpcs=hcpcs) for hcpcs in ("G0001", "G0002", "G0003")]
    after = [
        before[0],
        before[1] | {"mp_rvu": 0.2},
        before[2] | {"mp_rvu": 0.2, "status": "R"},
    ]

    assert compared(rvu(*before), rvu(*after), KEY) == (0, 0, 2, ("mp_rvu", "status"))


@pytest.mark.parametrize(("old", "new"), [(None, "G0004"), ("G0004", None), ("G0004", "G0003")])
def test_a_value_that_comes_goes_or_changes_is_a_change(old: str | None, new: str | None) -> None:
    before, after = rvu(row("rvu", endoscopic_base=old)), rvu(row("rvu", endoscopic_base=new))

    assert compared(before, after, KEY) == (0, 0, 1, ("endoscopic_base",))


def test_two_empty_values_are_equal() -> None:
    empty = rvu(row("rvu", endoscopic_base=None, pricing_indicator=None))

    assert compared(empty, empty.copy(), KEY) == (0, 0, 0, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"synonyms": ["made-up visit", "another"]},
        {"synonyms": []},
        {"specialties": ["Neurology", "Family Medicine"]},
        {"faq": [{"question": "What is it?", "answer": "Something."}]},
    ],
)
def test_a_changed_list_is_a_change(changes: Row) -> None:
    before, after = code(), code(**changes)

    assert compared(before, after, ["release", "hcpcs"]) == (0, 0, 1, tuple(changes))


def test_equal_lists_do_not_differ() -> None:
    assert compared(code(), code(), ["release", "hcpcs"]) == (0, 0, 0, ())


@pytest.mark.parametrize(
    ("old", "new", "changed"), [(None, 1, 1), (1, None, 1), (1, 2, 1), (None, None, 0), (2, 2, 0)]
)
def test_counts_that_may_be_empty_compare_like_others(old: int | None, new: int | None, changed: int) -> None:
    before, after = code(category_work_rank=old), code(category_work_rank=new)

    assert before["category_work_rank"].dtype == OptionalCount
    assert difference(before, after, ["release", "hcpcs"]).changed == changed


def test_a_date_that_changed_is_a_change() -> None:
    before, after = frame("release"), frame("release", row("release", effective_to=None))

    assert compared(before, after, ["release"]) == (0, 0, 1, ("effective_to",))


def test_columns_that_only_one_side_has_are_ignored() -> None:
    assert compared(rvu().drop(columns="status"), rvu().drop(columns="mp_rvu"), KEY) == (0, 0, 0, ())


def test_everything_is_new_in_the_first_version() -> None:
    assert compared(rvu().head(0), rvu(), KEY) == (len(RVU_ROWS), 0, 0, ())
