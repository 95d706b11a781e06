"""Asks web servers politely: over https, of one host only, with retries, conditions and a limit on pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipeline.errors import DataError, MachineError, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ATTEMPTS = 6
PATIENCE = httpx.Timeout(30.0)
USER_AGENT = "rvu pipeline (pulls the quarterly releases of the Physician Fee Schedule)"
PAGE_LIMIT = 2_000_000  # bytes; ten times what CMS's pages have
PAGE_ADVICE = "Find the page on cms.gov; if CMS moved its list of releases, correct `index` in raw/catalog.toml."

Answered = TypeVar("Answered")


class TransientError(Exception):
    """The server or the way to it failed in a manner that often passes; `wait` seconds if it said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Page:
    """A web page: the URL that it came from in the end, its text, and by what to ask whether it changed."""

    url: str
    text: str
    validators: dict[str, str]


def checked_url(url: str, advice: str) -> str:
    """Return a URL that may be asked; UsageError unless it is https, or this machine's, and free of credentials."""
    if "@" in url:
        told = f"The URL of {url.rpartition('@')[2]!r} holds an @, as before a host come a user name and a password."
        raise UsageError(f"{told} {advice}")
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as problem:
        raise UsageError(f"{url!r} is no URL: {problem}. {advice}") from problem
    if parts.host and (parts.scheme == "https" or (parts.scheme == "http" and parts.host in LOOPBACK)):
        return url
    raise UsageError(f"{url} is not https. {advice}")


def persistently(
    url: str,
    ask: Callable[[httpx.Client], Answered],
    *,
    backoff: float,
    advice: str,
    later: str = "Run again later.",
) -> Answered:
    """Ask until there is an answer, a few times at most.

    `backoff` is the first pause in seconds; `advice` is for a URL that is wrong, `later` for a server that is away.
    """

    def pause(state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        stated = problem.wait if isinstance(problem, TransientError) else None
        return stated if stated is not None else wait_exponential(multiplier=backoff, max=60)(state)

    retrying = Retrying(
        retry=retry_if_exception_type(TransientError), stop=stop_after_attempt(ATTEMPTS), wait=pause, reraise=True
    )
    hooks = {"request": [_same_origin(checked_url(url, advice), advice)]}
    headers = {"User-Agent": USER_AGENT}
    with httpx.Client(timeout=PATIENCE, follow_redirects=True, event_hooks=hooks, headers=headers) as client:
        try:
            answered: Answered = retrying(_ask_once, client, url, ask, advice)
            return answered
        except TransientError as problem:
            raise MachineError(f"{url} gave nothing in {ATTEMPTS} attempts: {problem}. {later}") from problem


def get_page(url: str, kept: Page | None = None, *, backoff: float = 1.0) -> Page:
    """Return a web page: the kept one if the server says that it is still the same."""
    return persistently(url, lambda client: _read_page(client, url, kept), backoff=backoff, advice=PAGE_ADVICE)


def conditions(validators: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that make an answer that has not changed since cost nothing."""
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return {names[key]: text for key, text in validators.items() if key in names}


def headers_of(answer: httpx.Response, *names: str) -> dict[str, str]:
    """Return those of the named headers that an answer has."""
    return {name: answer.headers[name] for name in names if name in answer.headers}


def require_good(answer: httpx.Response, expected: str, advice: str) -> None:
    """Raise TransientError for an answer that may be better later, DataError for one that will not."""
    if answer.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    stated = answer.headers.get("retry-after", "")
    told = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        wait = min(float(stated), 120) if stated.isdecimal() else None
        raise TransientError(f"the server answered {told}", wait)
    raise DataError(f"{answer.url} answered {told}, expected {expected}. {advice}")


def _ask_once(client: httpx.Client, url: str, ask: Callable[[httpx.Client], Answered], advice: str) -> Answered:
    try:
        return ask(client)
    except httpx.TransportError as problem:
        raise TransientError(f"connection broken ({problem})") from problem
    except httpx.RequestError as problem:
        raise DataError(f"{url} cannot be had: {problem}. {advice}") from problem


def _same_origin(url: str, advice: str) -> Callable[[httpx.Request], None]:
    """Make a hook that refuses to be redirected to another host, or from https to http."""
    asked = httpx.URL(url)

    def check(request: httpx.Request) -> None:
        if (request.url.scheme, request.url.host) != (asked.scheme, asked.host):
            where = f"{request.url.host} over {request.url.scheme}"
            raise DataError(f"{url} redirects to another host, {where}: not followed. {advice}")
        checked_url(str(request.url), advice)

    return check


def _read_page(client: httpx.Client, url: str, kept: Page | None) -> Page:
    with client.stream("GET", url, headers=conditions(kept.validators) if kept else {}) as answer:
        if kept and answer.status_code == httpx.codes.NOT_MODIFIED:
            return kept
        require_good(answer, "a web page", PAGE_ADVICE)
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > PAGE_LIMIT:
                raise DataError(f"{url} is longer than {PAGE_LIMIT:,} bytes, expected a web page. {PAGE_ADVICE}")
        return Page(str(answer.url), body.decode("utf-8", "replace"), headers_of(answer, "etag", "last-modified"))
