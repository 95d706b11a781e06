"""movement: two published releases to what people ask first, who gains and who loses."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.change import changes
from pipeline.errors import UsageError
from pipeline.movement import PAYMENT, Movement, movement
from pipeline.parquet import read_table
from pipeline.published import Published, published_release
from pipeline.store import Store
from schemas.change import WHOLE_ROW, ChangeTable
from schemas.table import columns
from schemas.tables import TABLES
from tests.shaped import Row, frame, row

KEY = ["hcpcs", "modifier"]


@pytest.fixture(scope="module")
def releases(sample_home: Path) -> tuple[Published, Published]:
    store = Store(sample_home)
    return published_release(store, "RVU25A"), published_release(store, "RVU26C")


@pytest.fixture(scope="module")
def moved(releases: tuple[Published, Published]) -> Movement:
    return movement(*releases, category=None)


@pytest.fixture(scope="module")
def categories(releases: tuple[Published, Published]) -> dict[str, str]:
    """Return the category of every code of either release."""
    codes = pd.concat([table(each, "code") for each in releases])
    return dict(zip(codes["hcpcs"], codes["category"], strict=True))


def table(of: Published, name: str) -> pd.DataFrame:
    return read_table(of.file(name), TABLES[name])


def in_both(releases: tuple[Published, Published], field: str) -> pd.DataFrame:
    """Return a column of both releases side by side, where it differs."""
    before, after = (table(each, "rvu").set_index(KEY)[field] for each in releases)
    both = pd.concat({"before": before, "after": after}, axis=1, join="inner").dropna()
    return both[both["before"] != both["after"]].reset_index()


def of_payments(before: dict[str, float | None], after: dict[str, float | None]) -> Movement:
    """Return the movement of invented codes, each with its payment."""
    old, new = (
        frame("rvu", *(row("rvu", hcpcs=code) | {PAYMENT: amount} for code, amount in each.items()))
        for each in (before, after)
    )
    return Movement(changes("RVU24D", old, "RVU25A", new), {"G0001": "Invented visit"})


def column(rows: list[Row], name: str) -> list[Any]:
    return [each[name] for each in rows]


# Who gains and who loses


def test_gainers_come_with_the_largest_gain_first_and_losers_with_the_largest_loss(moved: Movement) -> None:
    gains, losses = (column(rows, "dollars") for rows in (moved.gainers(10_000), moved.losers(10_000)))
    assert len(gains) > 100
    assert len(losses) > 30
    assert gains == sorted(gains, reverse=True)
    assert losses == sorted(losses)
    assert gains[-1] > 0 > losses[-1]


def test_every_payment_that_moved_is_a_gain_or_a_loss(moved: Movement, releases: tuple[Published, Published]) -> None:
    expected = {
        (each.hcpcs, each.modifier): (each.before, each.after, round(each.after - each.before, 2))
        for each in in_both(releases, PAYMENT).itertuples()
    }
    rows = moved.gainers(10_000) + moved.losers(10_000)
    assert len(rows) == len(expected)
    assert {
        (each["hcpcs"], each["modifier"]): (each["before"], each["after"], each["dollars"]) for each in rows
    } == expected


def test_top_shows_the_first_ones_only(moved: Movement) -> None:
    assert len(moved.gainers(3)) == len(moved.losers(3)) == 3
    assert moved.gainers(3) == moved.gainers(50)[:3]
    assert moved.losers(3) == moved.losers(50)[:3]


def test_the_other_way_round_gainers_are_losers(moved: Movement, releases: tuple[Published, Published]) -> None:
    back = movement(*reversed(releases), category=None)
    gained = {(each["hcpcs"], each["modifier"]): each["dollars"] for each in moved.gainers(10_000)}
    assert {(each["hcpcs"], each["modifier"]): -each["dollars"] for each in back.losers(10_000)} == gained


def test_a_gain_is_told_in_dollars_and_percent() -> None:
    assert of_payments({"G0001": 88.31}, {"G0001": 90.0}).gainers(10) == [
        {
            "hcpcs": "G0001",
            "modifier": "",
            "title": "Invented visit",
            "before": 88.31,
            "after": 90.0,
            "dollars": 1.69,
            "percent": 1.9137,
        }
    ]


def test_equal_gains_are_in_the_order_of_their_codes() -> None:
    found = of_payments({"G0003": 1.0, "G0001": 2.0, "G0002": 1.0}, {"G0003": 1.5, "G0001": 2.5, "G0002": 9.0})
    assert column(found.gainers(10), "hcpcs") == ["G0002", "G0001", "G0003"]
    assert found.losers(10) == []


def test_codes_are_shown_by_our_title_or_by_the_descriptor_of_cms(
    moved: Movement, releases: tuple[Published, Published]
) -> None:
    codes = table(releases[1], "code").set_index("hcpcs")
    titles = {each["hcpcs"]: each["title"] for each in moved.gainers(10_000) + moved.losers(10_000)}
    ours = codes["title"].dropna()
    assert any(code in ours for code in titles)
    assert any(code not in ours for code in titles)
    assert titles == {code: ours.get(code, codes["descriptor"][code]) for code in titles}


def test_a_payment_that_begins_or_ends_is_neither_gain_nor_loss() -> None:
    found = of_payments({"G0001": 88.31, "G0002": None, "G0003": 5.0}, {"G0001": None, "G0002": 88.31, "G0003": 6.0})
    assert column(found.gainers(10), "hcpcs") == ["G0003"]
    assert found.losers(10) == []
    assert len(found.changes) == 3


def test_a_gain_from_zero_dollars_has_no_percent() -> None:
    assert column(of_payments({"G0001": 0.0}, {"G0001": 0.5}).gainers(10), "percent") == [None]


# One category


@pytest.mark.parametrize("category", ["G Codes", "Q Codes", "A Codes", "V Codes"])
def test_one_category_has_the_changes_of_its_codes_and_all_of_them(
    category: str, moved: Movement, releases: tuple[Published, Published], categories: dict[str, str]
) -> None:
    found = movement(*releases, category=category)
    expected = [each for each in moved.changes if categories[each["hcpcs"]] == category]
    missing = Counter(column(expected, "field")) - Counter(column(found.changes, "field"))
    assert missing == Counter()
    assert found.changes == expected


def test_one_category_has_its_own_gainers(moved: Movement, releases: tuple[Published, Published]) -> None:
    gainers = movement(*releases, category="G Codes").gainers(10_000)
    assert gainers == [each for each in moved.gainers(10_000) if each["hcpcs"].startswith("G")]


def test_an_unknown_category_is_refused_with_those_there_are(
    releases: tuple[Published, Published], categories: dict[str, str]
) -> None:
    with pytest.raises(UsageError) as problem:
        movement(*releases, category="g codes")
    listed = ", ".join(sorted(set(categories.values())))
    assert str(problem.value) == f"There is no category 'g codes'. There is: {listed}."


# All changes


def test_summary_counts_every_change_once_and_the_most_frequent_first(moved: Movement) -> None:
    counts = {(each["kind"], each["field"]): each["rows"] for each in moved.summary}
    assert counts == Counter((each["kind"], each["field"]) for each in moved.changes)
    assert len(moved.summary) == len(counts)
    assert column(moved.summary, "rows") == sorted(counts.values(), reverse=True)
    assert counts["added", WHOLE_ROW] > 0 < counts["deleted", WHOLE_ROW]


def test_status_changes_are_counted_by_from_and_to(moved: Movement, releases: tuple[Published, Published]) -> None:
    changed = in_both(releases, "status")
    assert {(each["before"], each["after"]): each["rows"] for each in moved.statuses} == Counter(
        zip(changed["before"], changed["after"], strict=True)
    )
    assert column(moved.statuses, "rows") == sorted(column(moved.statuses, "rows"), reverse=True)


def test_status_changes_name_their_first_codes() -> None:
    old, new = (
        frame("rvu", *(row("rvu", hcpcs=f"G000{number}", status=status) for number in range(1, codes + 1)))
        for status, codes in (("A", 5), ("C", 5))
    )
    assert Movement(changes("RVU24D", old, "RVU25A", new), {}).statuses == [
        {"before": "A", "after": "C", "rows": 5, "codes": "G0001, G0002, G0003, G0004 ..."}
    ]
    four = Movement(changes("RVU24D", old.head(4), "RVU25A", new.head(4)), {})
    assert column(four.statuses, "codes") == ["G0001, G0002, G0003, G0004"]


def test_changes_are_those_of_the_published_table(moved: Movement, releases: tuple[Published, Published]) -> None:
    published = table(releases[1], "change").set_index(["hcpcs", "modifier", "field"]).sort_index()
    told = pd.DataFrame(moved.changes).set_index(["hcpcs", "modifier", "field"]).sort_index()
    pd.testing.assert_frame_equal(told.astype(published.dtypes), published)


def test_everything_fits_into_json_with_null_for_what_is_empty(moved: Movement) -> None:
    for rows in (moved.changes, moved.summary, moved.statuses, moved.gainers(10), moved.losers(10)):
        assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    first = next(each for each in moved.changes if each["kind"] == "added")
    assert list(first) == list(columns(ChangeTable))
    assert first["before"] is first["number_after"] is first["difference"] is None


def test_a_release_compared_with_itself_has_no_changes(releases: tuple[Published, Published]) -> None:
    same = movement(releases[0], releases[0], category=None)
    assert same.changes == same.summary == same.statuses == same.gainers(10) == same.losers(10) == []
