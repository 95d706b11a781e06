"""announce: what people are told of a run, through a real notification block of Prefect's."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.states import Completed, Failed

from pipeline.announce import OVERDUE, PUBLISHED, notify
from tests.loopback import Answer, Site, serve


@pytest.fixture
def site(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a chat service that RVU_NOTIFY leads to."""
    with serve() as site:
        site.put("/chat", b"thanks")
        block = CustomWebhookNotificationBlock(
            name="chat",
            method="GET",
            url=f"{site.address}/chat",
            params={"subject": "{{subject}}", "body": "{{body}}"},
            allow_private_urls=True,
        )
        block.save("chat", overwrite=True)
        monkeypatch.setenv("RVU_NOTIFY", "custom-webhook/chat")
        yield site


def told(site: Site) -> list[tuple[str, str]]:
    queries = [parse_qs(urlsplit(request.path).query) for request in site.requests]
    return [(query["subject"][0], query["body"][0]) for query in queries]


@flow(name="drill", on_completion=[notify], on_failure=[notify])
def drill(ends_as: str) -> object:
    if ends_as == "failed":
        return Failed(name="DataError", message="rvu99z.zip is damaged")
    return Completed(name=ends_as, message="what happened")


@flow(name="outer", on_completion=[notify])
def outer() -> object:
    drill(PUBLISHED)
    return Completed(name=PUBLISHED, message="all of it")


@pytest.mark.parametrize("ends_as", [PUBLISHED, OVERDUE])
def test_news_reach_the_chat(site: Site, ends_as: str) -> None:
    drill(ends_as)
    assert told(site) == [(f"rvu drill: {ends_as}", "what happened")]


def test_failure_reaches_the_chat_with_its_message(site: Site) -> None:
    drill("failed", return_state=True)
    assert told(site) == [("rvu drill: DataError", "rvu99z.zip is damaged")]


def test_run_without_news_is_silent(site: Site) -> None:
    drill("Completed")
    assert told(site) == []


def test_run_within_a_run_is_told_once(site: Site) -> None:
    outer()
    assert told(site) == [("rvu outer: Published", "all of it")]


@pytest.mark.parametrize("slug", ["custom-webhook/chat", "custom-webhook/nobody"])
def test_chat_that_refuses_or_does_not_exist_fails_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, slug: str
) -> None:
    monkeypatch.setenv("RVU_NOTIFY", slug)
    site.files["/chat"] = Answer(500)
    assert drill(PUBLISHED, return_state=True).is_completed()
    assert f"{slug} could not be notified" in caplog.text
