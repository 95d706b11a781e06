"""cli_content: rvu content and rvu search as editors type and read them."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipeline.store import PROJECT
from tests.shaped import frame, row
from tests.test_cli import rvu

COLUMNS = {"category", "codes", "complete", "partial", "none"}


@pytest.fixture
def own(home: Path) -> Path:
    """Give the home its own copy of the content, to edit."""
    return Path(shutil.copytree(PROJECT / "raw" / "content", home / "raw" / "content"))


# coverage, missing, search


def test_coverage_shows_every_category_and_all_of_them(home: Path) -> None:
    code, text = rvu("content", "coverage", "--json")

    rows = json.loads(text)
    assert code == 0
    assert set(rows[0]) >= COLUMNS
    assert rows[-1]["category"] == "all"
    assert rows[-1]["codes"] == sum(row["codes"] for row in rows[:-1])
    assert all(row["codes"] == row["complete"] + row["partial"] + row["none"] for row in rows)


def test_every_g_code_that_is_paid_has_complete_texts(home: Path) -> None:
    rows = json.loads(rvu("content", "coverage", "--json")[1])

    (g_codes,) = [row for row in rows if row["category"] == "G Codes"]
    assert g_codes["payable_complete"] == g_codes["payable_codes"] > 200


def test_what_is_missing_is_listed_for_a_category(home: Path) -> None:
    code, text = rvu("content", "missing", "--category", "Q Codes", "--top", "3", "--json")

    rows = json.loads(text)
    assert (code, len(rows)) == (0, 3)
    assert {row["category"] for row in rows} == {"Q Codes"}


def test_tasks_are_those_of_a_release_and_the_first_has_none(home: Path) -> None:
    tasks = json.loads(rvu("content", "tasks", "--json")[1])

    assert {task["release"] for task in tasks} == {"RVU26C"}
    assert {task["task"] for task in tasks} <= {"write", "review", "retire"}
    assert rvu("content", "tasks", "--release", "RVU25A") == (0, "Tasks: none.\n")


def test_an_unknown_category_is_a_wrong_command(home: Path) -> None:
    code, text = rvu("content", "missing", "--category", "Z Codes")

    assert code == 2
    assert "'Z Codes' is no category. There are: " in text


def test_search_finds_a_code_by_what_people_call_it(home: Path) -> None:
    code, text = rvu("search", "welcome", "to", "medicare", "--json")

    assert code == 0
    assert json.loads(text)[0]["hcpcs"] == "G0402"
    assert "G0402" in rvu("search", "welcome to medicare")[1]


def test_a_search_without_words_is_a_wrong_command(home: Path) -> None:
    code, text = rvu("search", "?!")

    assert code == 2
    assert "'?!' has no word to search for" in text


# check


def test_the_committed_content_is_clean(home: Path) -> None:
    code, text = rvu("content", "check")

    assert code == 0, text
    assert "compared with RVU25A, RVU26C of version" in text
    assert "Median reading grade of plain_language" in text
    assert "0 findings" in text


def change(folder: Path, code: str, **changes: str) -> None:
    """Change texts of a code in codes.csv."""
    path = folder / "codes.csv"
    rows = pd.read_csv(path, dtype="str", keep_default_na=False)
    assert code in set(rows["hcpcs"])
    for column, text in changes.items():
        rows.loc[rows["hcpcs"] == code, column] = text
    rows.to_csv(path, index=False, lineterminator="\n")


def test_check_tells_what_is_misspelled_copied_and_repeated(own: Path) -> None:
    change(own, "G0411", title="Interactive groups, psychiatric PHP or IOP", plain_language="mispeled group")
    change(own, "G0008", description="The very same words of a description stand beside two codes here.")
    change(own, "G0010", description="The very same words of a description stand beside two codes here.")

    code, text = rvu("content", "check", "--json")

    printed = json.loads(text[: text.rindex("}") + 1])
    found = {(finding["column"], finding["rule"]): finding["examples"] for finding in printed["findings"]}
    assert code == 1
    assert found == {
        ("description", "shares at most 50% of its wording with another code's"): ["G0008 and G0010: 100%"],
        ("plain_language", "has words of a dictionary only"): ["G0411: mispeled"],
        ("title", "repeats at most 50% of CMS's descriptor"): ["G0411: 100%"],
    }
    assert "The content breaks 3 rules" in text


@pytest.mark.parametrize(("since", "is_copied"), [("", True), ("RVU26A", False)])
def test_check_compares_a_text_with_the_releases_that_it_is_about(own: Path, since: str, is_copied: bool) -> None:
    change(own, "G0136", title="Adm of soc dtr assess, 5-15 m", since=since)  # CMS's words until 2025

    _, text = rvu("content", "check", "--json")

    assert ("G0136: 100%" in text) == is_copied


def test_check_tells_a_code_that_no_release_has(own: Path) -> None:
    frame("codes", row("codes", hcpcs="G0000")).to_csv(
        own / "codes.csv", mode="a", header=False, index=False, lineterminator="\n"
    )

    code, text = rvu("content", "check", "--json")

    assert code == 1
    assert '"is a code of some published release"' in text
    assert "G0000" in text


def test_check_names_the_line_that_breaks_a_rule(own: Path) -> None:
    change(own, "G0008", title="Two  blanks")

    code, text = rvu("content", "check")

    assert code == 1
    assert "codes.title: str_matches" in text
    assert "'Two  blanks'" in text


# new


def test_new_adds_empty_rows_in_their_place_and_nothing_is_published_until_they_are_filled_in(own: Path) -> None:
    before = {path.name: path.read_text("utf-8").splitlines() for path in own.iterdir()}

    code, text = rvu("content", "new", "q4001")

    added = {
        path.name: [line for line in path.read_text("utf-8").splitlines() if line not in before[path.name]]
        for path in own.iterdir()
    }
    assert code == 0
    assert {name: lines for name, lines in added.items() if lines} == {
        "codes.csv": ["Q4001,,,,,,,,"],
        "specialties.csv": ["Q4001,"],
        "synonyms.csv": ["Q4001,", "Q4001,"],
    }
    codes = [line.split(",")[0] for line in (own / "codes.csv").read_text("utf-8").splitlines()[1:]]
    assert codes == sorted(codes)
    line = codes.index("Q4001") + 2
    assert f"codes.csv, line {line}" in text
    code, text = rvu("content", "check")
    assert code == 1
    assert f"line {line}: ''" in text


def test_rows_for_a_second_code_can_be_added_while_the_first_waits(own: Path) -> None:
    assert rvu("content", "new", "q4001")[0] == 0
    assert rvu("content", "new", "q4002")[0] == 0
    code, text = rvu("content", "new", "q4001")

    assert code == 2
    assert "Q4001 has texts already" in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("G0008", "G0008 has texts already"),
        ("X9999", "X9999 is not in RVU26C"),
        ("", "is not in RVU26C"),
        ("=1+1", "=1+1 is not in RVU26C"),
        ("Q4001,=1+1\n@SUM(A1)", "is not in RVU26C"),
    ],
)
def test_new_wants_a_code_of_the_release_that_has_no_texts(own: Path, code: str, said: str) -> None:
    before = (own / "codes.csv").read_bytes()

    exit_code, text = rvu("content", "new", code)

    assert exit_code == 2
    assert said in text
    assert (own / "codes.csv").read_bytes() == before
