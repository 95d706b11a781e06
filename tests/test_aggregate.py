import pandas as pd
import pytest

from pipeline.aggregate import category_aggregates, compare_with_category
from pipeline.content import load_content
from pipeline.merge import assign_categories, one_row_per_code, with_category_texts
from pipeline.validate import judge
from schemas.category import CategoryTable
from schemas.codes import STATUS, STATUS_CLASS
from schemas.table import columns
from tests.shaped import NO_RVUS, ROOT, Row, frame, row, sample, with_rvus


def code(hcpcs: str, status: str, category: str = "G Codes", **changes: object) -> Row:
    return row("code", hcpcs=hcpcs, status=status, category=category) | changes


# Two payable codes with work, one without, one of each of some other statuses; and a second category.
SMALL = frame(
    "code",
    code("G0001", "A", **with_rvus(1.0, 2.0, 1.0, 0.1)),
    code("G0002", "R", **with_rvus(3.0, 4.0, 2.0, 0.2)),
    code("G0003", "T", **with_rvus(0.0, 0.5, 0.5, 0.0)),
    code("G0004", "R", **NO_RVUS, description=None),
    code("G0005", "M", **NO_RVUS, description=None),
    code("G0006", "N", **with_rvus(9.0, 9.0, 9.0, 1.0), description=None),
    code("G0007", "C", **NO_RVUS, description=None),
    code("G0008", "X", **NO_RVUS, description=None),
    code("A0001", "I", "A Codes", **NO_RVUS, description=None),
)
PREVIOUS = pd.DataFrame(
    {
        "hcpcs": ["G0001", "G0002", "G0003", "G0004", "G0005", "G0098", "G0099", "A0001"],
        "category": ["G Codes"] * 7 + ["A Codes"],
    },
    dtype="str",
)


def summary(previous: pd.DataFrame | None = None) -> pd.DataFrame:
    label = None if previous is None else "RVU24D"
    return category_aggregates(SMALL, label, previous).set_index("category")


def test_codes_are_counted_by_class_of_status() -> None:
    g_codes = summary().loc["G Codes"]

    counts = {name: g_codes[f"{name}_codes"] for name in STATUS_CLASS}
    assert g_codes["codes"] == 8
    assert {name: count for name, count in counts.items() if count} == {
        "payable": 4,
        "contractor_priced": 1,
        "excluded": 1,
        "noncovered": 1,
        "reporting": 1,
    }


@pytest.mark.parametrize("status", STATUS)
def test_every_status_is_counted_in_one_class(status: str) -> None:
    alone = category_aggregates(frame("code", code("G0001", status)), None, None)

    assert alone[[f"{name}_codes" for name in STATUS_CLASS]].sum(axis=1).tolist() == [1]


def test_zero_work_is_counted_among_all_codes_and_among_payable_ones() -> None:
    g_codes = summary().loc["G Codes"]

    assert (g_codes["zero_work_codes"], g_codes["zero_work_share"]) == (5, 5 / 8)
    assert (g_codes["payable_zero_work_codes"], g_codes["payable_zero_work_share"]) == (2, 2 / 4)
    assert g_codes["payable_zero_work_with_pe_codes"] == 1


def test_described_codes_are_counted() -> None:
    g_codes = summary().loc["G Codes"]

    assert (g_codes["described_codes"], g_codes["described_share"]) == (3, 3 / 8)


def test_statistics_are_those_of_payable_codes_above_zero() -> None:
    """By hand: work 1 and 3; non-facility totals 3.1, 7.2 and 0.5."""
    g_codes = summary().loc["G Codes"]

    work = {name: g_codes[f"work_rvu_nonzero_{name}"] for name in ("n", "mean", "p25", "median", "p75", "p90", "max")}
    assert work == {"n": 2, "mean": 2.0, "p25": 1.5, "median": 2.0, "p75": 2.5, "p90": 2.8, "max": 3.0}
    total = {name: g_codes[f"nonfacility_total_rvu_nonzero_{name}"] for name in ("n", "mean", "p25", "median", "p90")}
    assert total == {"n": 3, "mean": 3.6, "p25": 1.8, "median": 3.1, "p90": 6.38}
    assert g_codes["facility_total_rvu_nonzero_max"] == 5.2


def test_a_category_without_payable_codes_has_no_statistics_rather_than_zeros() -> None:
    a_codes = summary().loc["A Codes"]

    assert a_codes["payable_codes"] == 0
    assert pd.isna(a_codes["payable_zero_work_share"])
    assert a_codes["work_rvu_nonzero_n"] == 0
    assert pd.isna(a_codes["work_rvu_nonzero_mean"])
    assert a_codes["zero_work_share"] == 1.0


def test_codes_that_came_and_went_are_counted_in_their_category() -> None:
    movement = summary(PREVIOUS)[["codes_added", "codes_removed"]]

    assert movement.loc["G Codes"].tolist() == [3, 2]
    assert movement.loc["A Codes"].tolist() == [0, 0]
    assert set(summary(PREVIOUS)["previous_release"]) == {"RVU24D"}


def test_equal_releases_have_no_movement() -> None:
    movement = summary(SMALL[["hcpcs", "category"]])[["codes_added", "codes_removed"]]

    assert (movement == 0).all(axis=None)


def test_the_first_release_of_a_version_has_no_movement_rather_than_zero() -> None:
    assert summary()[["previous_release", "codes_added", "codes_removed"]].isna().all(axis=None)


def in_full(table: pd.DataFrame) -> pd.DataFrame:
    """Return aggregates as they are published, with our texts on each category."""
    return with_category_texts(table, load_content(ROOT / "raw/content"))[list(columns(CategoryTable))]


@pytest.mark.parametrize("previous", [None, PREVIOUS], ids=["first", "later"])
def test_aggregates_are_a_valid_category_table(previous: pd.DataFrame | None) -> None:
    table = category_aggregates(SMALL, "RVU24D" if previous is not None else None, previous)

    assert judge(in_full(table), CategoryTable) == []


def test_aggregates_of_codes_that_nobody_pays_are_a_valid_category_table() -> None:
    table = category_aggregates(frame("code", code("A0001", "I", "A Codes", **NO_RVUS)), None, None)

    assert judge(in_full(table), CategoryTable) == []


# A code beside its category

FACTS = [
    "category_codes",
    "category_payable_codes",
    "category_zero_work_share",
    "category_payable_zero_work_share",
    "category_work_rank",
    "category_work_codes",
]


def compared(codes: pd.DataFrame) -> pd.DataFrame:
    categories = category_aggregates(codes, None, None)
    return compare_with_category(codes.drop(columns=FACTS), categories).set_index("hcpcs")


def test_a_code_carries_the_numbers_of_its_category() -> None:
    facts = compared(SMALL).loc["G0007"]

    assert facts[["category_codes", "category_payable_codes", "category_work_codes"]].tolist() == [8, 4, 2]
    assert facts[["category_zero_work_share", "category_payable_zero_work_share"]].tolist() == [5 / 8, 2 / 4]


def test_only_payable_codes_with_work_are_ranked() -> None:
    rank = compared(SMALL)["category_work_rank"]

    assert rank.dropna().to_dict() == {"G0002": 1, "G0001": 2}


def test_equal_work_shares_the_better_rank() -> None:
    works = {"G0001": 1.0, "G0002": 3.0, "G0003": 3.0, "G0004": 2.0}
    codes = frame("code", *(code(hcpcs, "A", **with_rvus(work, 1.0, 1.0, 0.0)) for hcpcs, work in works.items()))

    assert compared(codes)["category_work_rank"].to_dict() == {"G0001": 4, "G0002": 1, "G0003": 1, "G0004": 3}


def test_each_category_is_ranked_on_its_own() -> None:
    codes = frame("code", code("G0001", "A"), code("A0001", "A", "A Codes"))

    assert compared(codes)["category_work_rank"].tolist() == [1, 1]


# CMS's own numbers


@pytest.fixture(scope="module")
def g_codes() -> pd.Series:
    """Aggregates of the G codes of RVU25A."""
    codes = one_row_per_code(sample("rvu", "RVU25A").sort_values(["hcpcs", "modifier"]))
    content = load_content(ROOT / "raw/content")
    codes = codes.assign(
        release="RVU25A", category=assign_categories(codes["hcpcs"], content.categories), description=None
    )
    return category_aggregates(codes, None, None).set_index("category").loc["G Codes"]


def test_zero_work_among_the_g_codes_of_rvu25a(g_codes: pd.Series) -> None:
    assert g_codes["zero_work_share"] == pytest.approx(0.8450, abs=0.0005)
    assert g_codes["payable_zero_work_share"] == pytest.approx(0.15, abs=0.005)


def test_the_g_codes_of_rvu25a_are_counted_as_in_the_file(g_codes: pd.Series) -> None:
    rows = sample("rvu", "RVU25A")
    rows = rows[rows["hcpcs"].str.startswith("G")].sort_values("modifier").drop_duplicates("hcpcs")

    assert g_codes["codes"] == len(rows) == 1265
    assert g_codes["payable_codes"] == rows["status"].isin(["A", "R", "T"]).sum()
    assert g_codes["zero_work_codes"] == (rows["work_rvu"] == 0).sum()
    paid_work = rows.loc[rows["status"].isin(["A", "R", "T"]) & (rows["work_rvu"] > 0), "work_rvu"]
    assert g_codes["work_rvu_nonzero_max"] == paid_work.max()
    assert g_codes["work_rvu_nonzero_median"] == pytest.approx(paid_work.median(), abs=0.00005)
