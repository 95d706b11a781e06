import gzip

import pytest

from pipeline.errors import DataError, MachineError, RvuError, UsageError
from pipeline.web import ATTEMPTS, PAGE_ADVICE, PAGE_LIMIT, Page, checked_url, get_page
from tests.loopback import HANG_UP, Answer, Site

PATH = "/list"
TEXT = "<title>Déjà vu</title>"


def put(site: Site, text: str = TEXT, etag: str = '"1"') -> str:
    return site.put(PATH, text.encode(), etag=etag)


def read(url: str, kept: Page | None = None) -> Page:
    return get_page(url, kept, backoff=0)


# Pages.


def test_a_page_comes_with_its_url_and_by_what_to_ask_for_it_again(site: Site) -> None:
    url = put(site)
    assert read(url) == Page(url, TEXT, {"etag": '"1"'})


def test_an_unchanged_page_is_the_kept_one_and_costs_no_body(site: Site) -> None:
    kept = read(put(site))
    assert read(kept.url, kept) is kept
    assert site.seen("if-none-match") == [None, '"1"']


def test_a_changed_page_is_the_new_one(site: Site) -> None:
    kept = read(put(site))
    assert read(put(site, "new", '"2"'), kept) == Page(kept.url, "new", {"etag": '"2"'})


def test_a_page_without_validators_is_read_each_time(site: Site) -> None:
    url = site.put(PATH, TEXT.encode())
    assert read(url, read(url)).text == TEXT
    assert site.seen("if-none-match") == [None, None]


def test_unchanged_is_no_answer_where_nothing_is_kept(site: Site) -> None:
    site.script.append(Answer(304))
    with pytest.raises(DataError, match="answered 304 Not Modified, expected a web page"):
        read(put(site))


def test_the_server_is_told_who_asks(site: Site) -> None:
    read(put(site))
    assert "rvu pipeline" in str(site.seen("user-agent")[0])


def test_a_page_may_be_packed_and_may_hold_stray_bytes(site: Site) -> None:
    url = put(site)
    site.script.append(Answer(200, gzip.compress(b"caf\xe9"), {"Content-Encoding": "gzip"}))
    assert read(url).text == "caf\ufffd"


@pytest.mark.parametrize("size", [PAGE_LIMIT + 1, 50 * PAGE_LIMIT])
def test_a_huge_page_is_refused(site: Site, size: int) -> None:
    body = gzip.compress(bytes(size), compresslevel=1)
    site.script.append(Answer(200, body, {"Content-Encoding": "gzip"}))
    with pytest.raises(DataError, match=f"longer than {PAGE_LIMIT:,} bytes, expected a web page"):
        read(put(site))


@pytest.mark.parametrize("trouble", [HANG_UP, Answer(503), Answer(429, headers={"Retry-After": "0"})])
def test_a_server_in_passing_trouble_is_asked_again(site: Site, trouble: Answer) -> None:
    site.script.extend([trouble, trouble])
    assert read(put(site)).text == TEXT


def test_a_server_that_stays_away_is_told_after_a_few_attempts(site: Site) -> None:
    site.script.extend([Answer(503)] * 50)
    with pytest.raises(
        MachineError, match=rf"gave nothing in {ATTEMPTS} attempts: .*503 Service Unavailable\. Run again"
    ):
        read(put(site))
    assert len(site.requests) == ATTEMPTS


def test_a_page_that_is_gone_says_what_to_do(site: Site) -> None:
    with pytest.raises(DataError, match=r"answered 404 Not Found, expected a web page\. Find the page on cms\.gov"):
        read(site.address + PATH)
    assert len(site.requests) == 1


# Where it may go.


def test_a_page_that_moved_on_the_same_host_has_its_new_url(site: Site) -> None:
    url = put(site)
    site.script.append(Answer(301, headers={"Location": PATH}))
    assert read(f"{site.address}/old") == Page(url, TEXT, {"etag": '"1"'})


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://localhost:1/list", "redirects to another host, localhost over http: not followed"),
        ("https://127.0.0.1:1/list", "redirects to another host, 127.0.0.1 over https: not followed"),
        ("http://someone:secret@127.0.0.1:1/list", "holds an @"),
        ("file:///etc/passwd", "."),
    ],
)
def test_a_redirect_elsewhere_is_refused(site: Site, location: str, expected: str) -> None:
    site.script.extend([Answer(302, headers={"Location": location})] * ATTEMPTS)
    with pytest.raises(RvuError, match=expected) as error:
        read(put(site))
    assert "secret" not in str(error.value)
    assert {request.path for request in site.requests} == {PATH}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://www.cms.gov/list", "is not https"),
        ("HTTP://127.0.0.1.example.org/list", "is not https"),
        ("https:///list", "is not https"),
        ("javascript:alert(1)", "is not https"),
        ("../etc/passwd", "is not https"),
        ("", "is not https"),
        ("https://[::1", "is no URL"),
        ("https://www.cms.gov:port/", "is no URL"),
        ("https://www.cms.gov/\x1b[2J", "is no URL"),
        ("https://someone:secret@www.cms.gov/list", "of 'www.cms.gov/list' holds an @"),
        ("https:someone:secret@www.cms.gov/list", "of 'www.cms.gov/list' holds an @"),
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_without_its_password(url: str, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        checked_url(url, PAGE_ADVICE)
    assert expected in str(error.value)
    assert PAGE_ADVICE in str(error.value)
    assert "secret" not in str(error.value)
    assert str(error.value).isprintable()
