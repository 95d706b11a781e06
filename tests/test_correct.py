"""correct: known errors at the source, corrected as long as CMS prints them."""

import pandas as pd
import pytest

from pipeline.correct import Correction, corrected, load_corrections
from pipeline.errors import DataError
from pipeline.locality import localities
from tests.shaped import frame, row

WRONG = Correction(("RVU25A",), "gpci", {"mac": "10112", "locality": "00"}, "state", "AL", "AK", "a test")


def test_wrong_value_is_corrected_and_told() -> None:
    tables, findings = corrected("RVU25A", {"gpci": frame("gpci")}, (WRONG,))
    assert tables["gpci"]["state"].tolist() == ["AK"]
    assert [(finding.rule, finding.severity, finding.reason) for finding in findings] == [
        ("corrected", "warning", "a test")
    ]


def test_other_releases_and_missing_tables_are_left_alone() -> None:
    tables = {"gpci": frame("gpci")}
    assert corrected("RVU25B", tables, (WRONG,)) == (tables, [])
    assert corrected("RVU25A", {}, (WRONG,)) == ({}, [])


@pytest.mark.parametrize("rows", [[row("gpci", state="AK")], [row("gpci", locality="01")]])
def test_correction_that_is_no_longer_needed_fails_loudly(rows: list[dict[str, object]]) -> None:
    with pytest.raises(DataError, match="CMS has fixed it: take RVU25A out of this correction"):
        corrected("RVU25A", {"gpci": frame("gpci", *rows)}, (WRONG,))


def test_every_committed_correction_changes_something_and_says_why() -> None:
    for correction in load_corrections():
        assert correction.printed != correction.correct
        assert correction.reason


def test_localities_join_the_counties_of_several_rows() -> None:
    counties = frame("locality_county", row("locality_county", counties="A"), row("locality_county", counties="B"))
    made = localities(frame("gpci"), counties)
    assert made["counties"].tolist() == ["A; B"]
    assert localities(frame("gpci"), None)["counties"].isna().all()
    pd.testing.assert_series_equal(made["locality_name"], frame("gpci")["locality_name"], check_index=False)
