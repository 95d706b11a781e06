from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from pipeline.catalog import Catalog
from pipeline.content import Content, load_content
from pipeline.tasks import content_tasks
from pipeline.validate import judge
from schemas.content_task import ContentTaskTable
from tests.shaped import ROOT, Row, frame, row

COMMITTED = load_content(ROOT / "raw/content")


def code(hcpcs: str, **changes: object) -> Row:
    return row("code", hcpcs=hcpcs, authored_by="editor") | changes


def tasks_of(catalog: Catalog, codes: list[Row], before: list[Row], texts: list[Row]) -> pd.DataFrame:
    """Return the tasks of RVU25A with these codes, after a release with those rows."""
    content: Content = replace(COMMITTED, codes=frame("codes", *texts))
    tasks = content_tasks(catalog["RVU25A"], frame("code", *codes), "RVU24D", frame("rvu", *before), content)
    assert judge(tasks, ContentTaskTable) == []
    return tasks


def kinds(tasks: pd.DataFrame) -> dict[str, str]:
    return dict(zip(tasks["hcpcs"], tasks["task"], strict=True))


def test_a_new_code_without_texts_is_to_be_written(catalog: Catalog) -> None:
    tasks = tasks_of(
        catalog,
        [code("G0001"), code("G0002", description=None, descriptor="Newly invented"), code("G0003")],
        [row("rvu", hcpcs="G0001", descriptor="Invented service")],
        [row("codes", hcpcs="G0001"), row("codes", hcpcs="G0003")],
    )

    assert tasks.to_dict("records") == [
        {
            "release": "RVU25A",
            "hcpcs": "G0002",
            "task": "write",
            "previous_release": "RVU24D",
            "descriptor_before": pytest.approx(float("nan"), nan_ok=True),
            "descriptor_after": "Newly invented",
        }
    ]


def test_a_deleted_code_that_we_describe_is_to_be_retired_unless_its_texts_end(catalog: Catalog) -> None:
    gone = [row("rvu", hcpcs=hcpcs, descriptor="Old service") for hcpcs in ("G0001", "G0002", "G0003")]

    tasks = tasks_of(
        catalog, [code("G0009")], gone, [row("codes", hcpcs="G0001"), row("codes", hcpcs="G0002", until="RVU24D")]
    )

    assert kinds(tasks) == {"G0001": "retire"}
    assert tasks["descriptor_before"].tolist() == ["Old service"]


@pytest.mark.parametrize(
    ("before", "reviewed", "since", "expected"),
    [
        ("Another service", None, None, {"G0001": "review"}),
        ("Another service", date(2024, 12, 31), None, {"G0001": "review"}),
        ("Another service", date(2025, 1, 1), None, {}),
        ("Another service", None, "RVU25A", {}),
        ("Another service", None, "RVU20A", {"G0001": "review"}),
        ("Invented service", None, None, {}),
        ("INVENTED SVC", None, None, {}),
    ],
    ids=["never", "before", "since", "written anew", "written earlier", "same", "other spelling"],
)
def test_a_new_descriptor_calls_for_a_review_until_there_was_one(
    catalog: Catalog, before: str, reviewed: date | None, since: str | None, expected: dict[str, str]
) -> None:
    tasks = tasks_of(
        catalog,
        [code("G0001", reviewed=reviewed, meaning_since=since)],
        [row("rvu", hcpcs="G0001", descriptor=before)],
        [row("codes", hcpcs="G0001")],
    )

    assert kinds(tasks) == expected


def test_codes_without_texts_are_nobodys_task_when_they_stay(catalog: Catalog) -> None:
    tasks = tasks_of(
        catalog,
        [code("G0001", description=None)],
        [row("rvu", hcpcs="G0001", descriptor="Another service")],
        [row("codes", hcpcs="G0009")],
    )

    assert tasks.empty
