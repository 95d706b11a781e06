"""change: two releases to every row that comes and goes, and every cell that differs."""

import zipfile
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.build import build_source
from pipeline.catalog import Catalog
from pipeline.change import Key, changes
from pipeline.parquet import in_order, read_table
from pipeline.store import Store, table_file
from pipeline.validate import judge
from schemas.change import WHOLE_ROW, ChangeTable
from schemas.table import columns, primary_key
from schemas.tables import TABLES
from tests.shaped import Row, frame, row
from tests.test_build import receipt_of, rezipped
from tests.test_publish import run_all, run_with

KEPT, NEW = "G0101", "A2030"  # the sample's RVU25A and RVU26C both have KEPT; only RVU26C has NEW
PAYMENTS = ["nonfacility_national_payment", "facility_national_payment"]
PRINTED = {"hcpcs": "G0009", "endoscopic_base": "G0004", "pricing_indicator": "1", "opps_mp_rvu": 0.04}


def rvu(*rows: Row) -> pd.DataFrame:
    return frame("rvu", *(row("rvu", **each) for each in rows))


def between(before: pd.DataFrame, after: pd.DataFrame, revived: Collection[Key] = ()) -> pd.DataFrame:
    return changes("RVU24D", before.assign(release="RVU24D"), "RVU25A", after, revived)


def of_one_row(before: Row, after: Row) -> pd.DataFrame:
    """Return the changes of one row, beside one that prints columns which most rows leave empty."""
    return between(rvu(before, PRINTED), rvu(after, PRINTED))


def plain(found: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """Return columns row by row, with None where there is nothing."""
    cells = found[list(names)].astype(object)
    return list(cells.where(cells.notna(), None).itertuples(index=False, name=None))


def arrivals(found: pd.DataFrame, *codes: str) -> dict[str, str]:
    """Return what happened to whole rows of some codes."""
    rows = found[(found["field"] == WHOLE_ROW) & found["hcpcs"].isin(codes)]
    return dict(zip(rows["hcpcs"], rows["kind"], strict=True))


# Rows


def test_rows_that_come_and_go_are_told_with_their_status() -> None:
    found = between(rvu({}, {"hcpcs": "G0003", "status": "C"}), rvu({}, {"modifier": "26", "status": "R"}))
    assert plain(found, "hcpcs", "modifier", "field", "kind", "before", "after") == [
        ("G0002", "26", "row", "added", None, "R"),
        ("G0003", "", "row", "deleted", "C", None),
    ]
    assert found[["number_before", "number_after", "difference", "percent"]].isna().all(axis=None)


def test_only_a_new_row_that_is_named_is_revived() -> None:
    after = rvu({}, {"hcpcs": "G0003"}, {"hcpcs": "G0003", "modifier": "26"}, {"hcpcs": "G0004"})
    found = between(rvu({}), after, revived={("G0003", "26"), ("G0002", ""), ("G0009", "")})
    assert plain(found, "hcpcs", "modifier", "kind", "after") == [
        ("G0003", "", "added", "A"),
        ("G0003", "26", "revived", "A"),
        ("G0004", "", "added", "A"),
    ]


def test_releases_without_a_row_in_common_only_come_and_go() -> None:
    found = between(rvu({"work_rvu": 1.0}), rvu({"hcpcs": "G0003", "work_rvu": 2.0}))
    assert plain(found, "hcpcs", "field", "kind") == [("G0003", "row", "added"), ("G0002", "row", "deleted")]


# Cells


def test_a_changed_number_is_told_with_its_difference() -> None:
    found = of_one_row({"work_rvu": 0.97}, {"work_rvu": 1.0})
    assert plain(found, *columns(ChangeTable)) == [
        ("RVU25A", "G0002", "", "work_rvu", "RVU24D", "changed", None, None, 0.97, 1.0, 0.03, 3.0928)
    ]


@pytest.mark.parametrize(
    ("before", "after", "difference", "percent"),
    [
        (0.1, 0.3, 0.2, 200.0),
        (1.1, 1.0, -0.1, -9.0909),
        (3.0, 5.0, 2.0, 66.6667),
        (1.5, 0.0, -1.5, -100.0),
        (0.0, 0.5, 0.5, None),
    ],
)
def test_percent_is_of_what_was_and_empty_where_that_is_zero(
    before: float, after: float, difference: float, percent: float | None
) -> None:
    found = of_one_row({"mp_rvu": before}, {"mp_rvu": after})
    assert plain(found, "field", "difference", "percent") == [("mp_rvu", difference, percent)]


hundredths = st.one_of(st.integers(0, 9_999), st.integers(0, 999_999_999))
pairs_that_differ = st.tuples(hundredths, hundredths).filter(lambda pair: pair[0] != pair[1])


def paid(codes: list[str], amounts: list[int]) -> pd.DataFrame:
    return rvu(*({"hcpcs": code, PAYMENTS[0]: amount / 100} for code, amount in zip(codes, amounts, strict=True)))


@settings(deadline=None, max_examples=10)
@given(st.lists(pairs_that_differ, min_size=1, max_size=200))
def test_every_difference_is_exact_to_the_cent(pairs: list[tuple[int, int]]) -> None:
    codes = [f"G{number:04}" for number in range(len(pairs))]
    found = between(paid(codes, [was for was, _ in pairs]), paid(codes, [is_now for _, is_now in pairs]))
    told = plain(found, "hcpcs", "difference", "percent")
    for code, (was, is_now), (hcpcs, difference, percent) in zip(codes, pairs, told, strict=True):
        exact = Decimal(is_now) - Decimal(was)
        assert (hcpcs, difference) == (code, float(exact / 100))
        if was == 0:
            assert percent is None
        else:
            assert percent == round(percent, 4) == pytest.approx(float(100 * exact / was), abs=0.000051)


def test_national_payments_are_columns_like_the_others() -> None:
    found = of_one_row(dict.fromkeys(PAYMENTS, 88.31), dict(zip(PAYMENTS, (90.0, 80.0), strict=True)))
    assert dict(plain(found, "field", "difference")) == dict(zip(PAYMENTS, (1.69, -8.31), strict=True))


def test_a_payment_that_begins_or_ends_has_no_difference() -> None:
    unpaid = dict.fromkeys(PAYMENTS)
    for before, after in ((88.31, None), (None, 88.31)):
        found = of_one_row(unpaid | {PAYMENTS[0]: before}, unpaid | {PAYMENTS[0]: after})
        names = ("field", "before", "after", "number_before", "number_after", "difference", "percent")
        assert plain(found, *names) == [(PAYMENTS[0], None, None, before, after, None, None)]


@pytest.mark.parametrize(
    ("field", "was", "is_now", "before", "after"),
    [
        ("status", "A", "R", "A", "R"),
        ("descriptor", "Invented service", "", "Invented service", ""),
        ("endoscopic_base", None, "G0004", None, "G0004"),
        ("endoscopic_base", "G0004", None, "G0004", None),
        ("not_used_for_medicare", False, True, "false", "true"),
        ("facility_na", True, False, "true", "false"),
    ],
)
def test_texts_and_flags_are_told_as_text(
    field: str, was: object, is_now: object, before: str | None, after: str | None
) -> None:
    found = of_one_row({field: was}, {field: is_now})
    assert plain(found, "field", "kind", "before", "after") == [(field, "changed", before, after)]
    assert found[["number_before", "number_after", "difference", "percent"]].isna().all(axis=None)


def test_a_column_that_one_release_does_not_print_is_no_change() -> None:
    fields = ("endoscopic_base", "opps_mp_rvu")
    without, printed = rvu(dict.fromkeys(fields)), rvu({"endoscopic_base": "G0004", "opps_mp_rvu": 0.04})
    assert between(without, printed).empty
    assert between(printed, without).empty


# Whole releases


def test_equal_releases_in_any_order_have_no_changes() -> None:
    found = between(frame("rvu"), frame("rvu").iloc[::-1])
    assert found.empty
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        name: str(column.frame_dtype) for name, column in columns(ChangeTable).items()
    }
    assert judge(found, ChangeTable) == []


keys = st.tuples(st.sampled_from([f"G000{number}" for number in range(5)]), st.sampled_from(["", "26", "TC"]))
edits = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["A", "C"]),
        "descriptor": st.sampled_from(["Invented service", ""]),
        "not_used_for_medicare": st.booleans(),
        "work_rvu": st.sampled_from([0.0, 0.97, 0.98]),
        "endoscopic_base": st.sampled_from([None, "G0004", "G0005"]),
        PAYMENTS[0]: st.sampled_from([None, 0.0, 88.31]),
    }
)
releases = st.dictionaries(keys, edits, min_size=1, max_size=12)


def expected(before: dict[Key, Row], after: dict[Key, Row], revived: set[Key]) -> list[tuple[Any, ...]]:
    """Compare two releases cell by cell, a column only where each prints it in some row."""
    come = [
        (*key, WHOLE_ROW, "revived" if key in revived else "added", None, after[key]["status"])
        for key in after.keys() - before
    ]
    gone = [(*key, WHOLE_ROW, "deleted", before[key]["status"], None) for key in before.keys() - after]
    changed = [
        (*key, field, "changed", as_told(before[key][field]), as_told(after[key][field]))
        for key in before.keys() & after
        for field in before[key]
        if before[key][field] != after[key][field] and is_printed(field, before) and is_printed(field, after)
    ]
    return come + gone + changed


def is_printed(field: str, release: dict[Key, Row]) -> bool:
    return any(each[field] is not None for each in release.values())


def as_told(cell: object) -> object:
    return str(cell).lower() if isinstance(cell, bool) else cell


def told(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return changes with a text or a number before and after."""
    texts = plain(found, "hcpcs", "modifier", "field", "kind", "before", "after")
    numbers = plain(found, "number_before", "number_after")
    return [
        (*what, was if number_was is None else number_was, is_now if number_is is None else number_is)
        for (*what, was, is_now), (number_was, number_is) in zip(texts, numbers, strict=True)
    ]


@settings(deadline=None, max_examples=15)
@given(releases, releases, st.sets(keys))
def test_everything_that_differs_is_told_once_and_nothing_else(
    before: dict[Key, Row], after: dict[Key, Row], revived: set[Key]
) -> None:
    old, new = (
        rvu(*({"hcpcs": hcpcs, "modifier": modifier, **each} for (hcpcs, modifier), each in side.items()))
        for side in (before, after)
    )
    found = between(old, new, revived)
    assert judge(found, ChangeTable) == []  # its key is unique, too
    assert sorted(told(found), key=str) == sorted(expected(before, after, revived), key=str)


# Published releases


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_WORKERS", "1")


def published(store: Store, label: str, table: str = "change") -> pd.DataFrame:
    return read_table(table_file(store.version_path(store.require_version()), table, label), TABLES[table])


def without(archive: Path, target: Path, *codes: str) -> Path:
    """Copy the sample's RVU26C, which has one member, without the rows of some codes."""
    with zipfile.ZipFile(archive) as opened:
        lines = opened.read(opened.namelist()[0]).splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(tuple(code.encode() for code in codes))]
    assert len(kept) == len(lines) - len(codes)
    return rezipped(archive, target, PPRRVU=b"".join(kept))


def test_first_release_has_no_changes_and_the_next_is_compared_with_it(store: Store) -> None:
    folder = store.version_path(store.require_version())
    assert not table_file(folder, "change", "RVU25A").exists()
    found = published(store, "RVU26C")
    assert set(found["previous_release"]) == {"RVU25A"}
    assert set(found["release"]) == {"RVU26C"}
    again = changes("RVU25A", published(store, "RVU25A", "rvu"), "RVU26C", published(store, "RVU26C", "rvu"))
    in_file_order = in_order(again, primary_key(ChangeTable)).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, in_file_order)


def test_columns_that_begin_with_2026_are_no_changes_of_2026(store: Store) -> None:
    begun = "qualifying_apm_nonfacility_national_payment"
    assert published(store, "RVU26C", "rvu")[begun].notna().any()
    assert begun not in set(published(store, "RVU26C")["field"])


@pytest.mark.usefixtures("one_process")
def test_a_code_that_was_gone_for_two_releases_is_revived_once(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    assert arrivals(published(store, "RVU26C"), KEPT, NEW) == {NEW: "added"}
    cut = without(sample_archives["RVU26C"], tmp_path / "rvu26.zip", KEPT, NEW)
    run_all({"RVU26A": cut, "RVU26B": cut, "RVU26D": sample_archives["RVU26C"]})
    assert arrivals(published(store, "RVU26A"), KEPT, NEW) == {KEPT: "deleted"}
    assert published(store, "RVU26B").empty
    assert arrivals(published(store, "RVU26C"), KEPT, NEW) == {KEPT: "revived", NEW: "added"}
    assert published(store, "RVU26D").empty


@pytest.mark.usefixtures("one_process")
def test_an_older_release_that_arrives_later_makes_an_added_code_a_revived_one(
    home: Path, store: Store, sample_archives: dict[str, Path], tmp_path: Path
) -> None:
    cut = without(sample_archives["RVU26C"], tmp_path / "rvu26b.zip", NEW)
    run_with(home, cut, "RVU26B")
    assert arrivals(published(store, "RVU26C"), NEW) == {NEW: "added"}
    run_with(home, sample_archives["RVU26C"], "RVU26A")
    assert arrivals(published(store, "RVU26A"), NEW) == {NEW: "added"}
    assert arrivals(published(store, "RVU26B"), NEW) == {NEW: "deleted"}
    assert arrivals(published(store, "RVU26C"), NEW) == {NEW: "revived"}


def test_the_reissue_of_2024_changed_nothing_but_the_factor(real_archives: dict[str, Path], catalog: Catalog) -> None:
    """The Consolidated Appropriations Act of 2024 raised the conversion factor on March 9."""
    before, after = (
        build_source(real_archives[label], receipt_of(label, real_archives[label]), catalog[label]).tables["rvu"]
        for label in ("RVU24A", "RVU24AR")
    )
    found = changes("RVU24A", before, "RVU24AR", after)
    assert found["field"].value_counts().to_dict() == dict.fromkeys(PAYMENTS, 9_087)
    assert len(before[before[PAYMENTS[0]].notna()]) == 9_087
    assert (found["difference"] > 0).all()
