"""Brings a release's archive into raw/releases/, from CMS over HTTP or from this machine, with a receipt."""

import getpass
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipeline.archive import check_archive
from pipeline.catalog import Release, archive_name
from pipeline.errors import DataError, MachineError, UsageError
from pipeline.store import Answer, Receipt, Store, explained, sha256_of, unused_name, write_atomically

LICENSE_NOTICE = """\
CMS's release files contain Current Procedural Terminology (CPT) codes and descriptors, copyright American
Medical Association, and Current Dental Terminology (CDT), copyright American Dental Association. CMS asks
everyone to accept the AMA's and ADA's licences before a download: internal use within your organization, no
redistribution of the descriptors, no changes to CPT. Read them on the release's page on cms.gov.
To accept and go on: rvu run --accept-license, or RVU_ACCEPT_LICENSE=1. It is recorded in raw/license.json."""
# The old pages answered a download with the licence itself; this is what its Accept button sends.
LICENSE_QUERY = {"agree": "yes", "next": "Accept"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ATTEMPTS = 6
PATIENCE = httpx.Timeout(30.0)


class TransientError(Exception):
    """The server or the way to it failed in a manner that often passes; `wait` seconds if it said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def require_license(store: Store, *, accept: bool) -> None:
    """Record the acceptance of CMS's licence once; MachineError with the notice while there is none."""
    if store.license_record.exists():
        return
    if not (accept or os.environ.get("RVU_ACCEPT_LICENSE") == "1"):
        raise MachineError(LICENSE_NOTICE)
    record = {"accepted_at": _now(), "accepted_by": _user(), "notice": LICENSE_NOTICE}
    with explained("recording the acceptance of the licence"):
        write_atomically(store.license_record, json.dumps(record, indent=1) + "\n")


def pull_release(store: Store, release: Release, *, backoff: float = 1.0) -> Receipt:
    """Download the newest archive of a release, unless the server says that ours is still the current one.

    An interrupted download goes on where it stopped. `backoff` is the first pause in seconds before a retry.
    """
    if not release.archives:
        raise UsageError(
            f"{release.label} has no archive URL in raw/catalog.toml. {release.note}\n"
            f"If you have the file: rvu run {release.label} --from PATH"
        )
    url = _checked_url(release.archives[-1])
    with explained(f"keeping the archive of {release.label}"):
        partial = store.partial_download(release.label, url)
        partial.parent.mkdir(parents=True, exist_ok=True)
        last = store.last_answer(release.label, url)
        headers = _download(url, partial, last, backoff)
        if headers is None and last and (known := store.kept(release.label, last.sha256)):
            return known
        receipt = _receipt(release.label, archive_name(url), partial, url=url, headers=headers or {})
        kept = _keep(store, partial, receipt)
        store.remember_answer(release.label, url, Answer(receipt.sha256, receipt.headers))
        return kept


def take_local(store: Store, release: Release, path: Path, *, is_sample: bool = False) -> Receipt:
    """Keep a zip, or a folder of members, that lies on this machine, exactly as it is."""
    path = path.resolve()
    with explained(f"keeping {path}"):
        folder = store.archives_folder(release.label)
        folder.mkdir(parents=True, exist_ok=True)
        incoming = unused_name(folder, ".incoming-")
        try:
            if path.is_dir():
                _pack(path, incoming)
            else:
                shutil.copyfile(path, incoming)
            name = path.name if path.is_file() else f"{path.name}.zip"
            receipt = _receipt(release.label, name, incoming, source=str(path), is_sample=is_sample)
            return _keep(store, incoming, receipt)
        finally:
            incoming.unlink(missing_ok=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return f"user {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url
    raise UsageError(f"{url} is not https. Correct `archives` in raw/catalog.toml.")


def _keep(store: Store, incoming: Path, receipt: Receipt) -> Receipt:
    """Check a complete file and move it into the store; one that is no archive is thrown away."""
    try:
        check_archive(incoming, receipt.archive)
        return store.keep(incoming, receipt)
    finally:
        incoming.unlink(missing_ok=True)
        _validator_note(incoming).unlink(missing_ok=True)


def _receipt(release: str, name: str, path: Path, **facts: object) -> Receipt:
    return Receipt(release, name, sha256_of(path), path.stat().st_size, _now(), **facts)  # type: ignore[arg-type]


def _pack(folder: Path, target: Path) -> None:
    """Zip the files of a folder so that the same files always give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def _download(url: str, partial: Path, last: Answer | None, backoff: float) -> dict[str, str] | None:
    """Download with retries; return the answer's headers, or None when the archive has not changed."""

    def pause(state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        stated = problem.wait if isinstance(problem, TransientError) else None
        return stated if stated is not None else wait_exponential(multiplier=backoff, max=60)(state)

    client = httpx.Client(timeout=PATIENCE, follow_redirects=True, event_hooks={"request": [_same_origin(url)]})
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=pause,
            reraise=True,
        ):
            with attempt:
                return _request(client, url, partial, last)
    except TransientError as problem:
        raise MachineError(
            f"{url} could not be pulled in {ATTEMPTS} attempts: {problem}. "
            "What arrived is kept: run again later and it goes on from there."
        ) from problem
    finally:
        client.close()
    raise AssertionError("unreachable: Retrying returns or raises")


def _request(client: httpx.Client, url: str, partial: Path, last: Answer | None) -> dict[str, str] | None:
    """Ask once, for the rest of an unfinished file or for one that changed, and stream the answer to disk."""
    query = LICENSE_QUERY if "/physicianfeesched/downloads/" in url else None
    try:
        with client.stream("GET", url, params=query, headers=_conditions(partial, last)) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                return None
            _raise_for_status(answer, partial)
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            _remember_validators(partial, answer)
            _stream(answer, partial, append=resumed)
            return _headers_of_interest(answer)
    except httpx.TransportError as problem:
        raise TransientError(f"connection broken ({problem})") from problem
    except httpx.RequestError as problem:
        raise DataError(f"{url} cannot be pulled: {problem}. Correct `archives` in raw/catalog.toml.") from problem


def _same_origin(url: str) -> Callable[[httpx.Request], None]:
    """Make a hook that refuses to be redirected to another host, or from https to http."""
    asked = urlsplit(url)

    def check(request: httpx.Request) -> None:
        if (request.url.scheme, request.url.host) != (asked.scheme, asked.hostname):
            raise DataError(
                f"{url} redirects to another host, {request.url.host} over {request.url.scheme}. "
                "If CMS moved, correct raw/catalog.toml."
            )

    return check


def _conditions(partial: Path, last: Answer | None) -> dict[str, str]:
    """Return the headers that make an unchanged archive, or the part we have, cost nothing."""
    headers = {"Accept-Encoding": "identity"}
    note = _validator_note(partial)
    if partial.exists() and partial.stat().st_size and note.exists():
        headers |= {"Range": f"bytes={partial.stat().st_size}-", "If-Range": note.read_text("utf-8")}
    elif last:
        names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        headers |= {names[key]: text for key, text in last.headers.items() if key in names}
    return headers


def _raise_for_status(answer: httpx.Response, partial: Path) -> None:
    if answer.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.unlink(missing_ok=True)
        raise TransientError("the file changed while it was being pulled", wait=0)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        stated = answer.headers.get("retry-after", "")
        raise TransientError(
            f"the server answered {answer.status_code} {answer.reason_phrase}",
            wait=min(float(stated), 120) if stated.isdigit() else None,
        )
    raise DataError(
        f"{answer.url} answered {answer.status_code} {answer.reason_phrase}, expected an archive. "
        "Find the file on the release's page on cms.gov and correct `archives` in raw/catalog.toml."
    )


def _validator_note(partial: Path) -> Path:
    """Return where the validator of an unfinished download is written down."""
    return partial.with_suffix(".etag")


def _remember_validators(partial: Path, answer: httpx.Response) -> None:
    """Write down what a later attempt must match to go on with this very file."""
    validator = answer.headers.get("etag") or answer.headers.get("last-modified")
    note = _validator_note(partial)
    if validator and not validator.startswith("W/"):
        note.write_text(validator, "utf-8")
    else:
        note.unlink(missing_ok=True)


def _stream(answer: httpx.Response, partial: Path, *, append: bool) -> None:
    """Write the body to disk with a progress bar, and compare its length with what the server announced."""
    announced = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
    written = 0
    with _progress() as progress, partial.open("ab" if append else "wb") as target:
        bar = progress.add_task(archive_name(str(answer.url)), total=announced)
        for chunk in answer.iter_bytes():
            target.write(chunk)
            written += len(chunk)
            progress.update(bar, advance=len(chunk))
    if announced is not None and written != announced:
        raise TransientError(f"the body ended after {written} of {announced} bytes")


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _headers_of_interest(answer: httpx.Response) -> dict[str, str]:
    names = ("etag", "last-modified", "content-type", "date")
    return {name: answer.headers[name] for name in names if name in answer.headers}
