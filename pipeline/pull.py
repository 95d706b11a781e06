"""Brings a release's archive into raw/releases/, from CMS over HTTP or from this machine, with a receipt."""

import getpass
import json
import os
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.archive import check_archive
from pipeline.catalog import Release, archive_name
from pipeline.errors import MachineError, UsageError
from pipeline.store import Answer, Receipt, Store, explained, sha256_of, unused_name, write_atomically
from pipeline.web import TransientError, checked_url, conditions, headers_of, persistently, require_good

LICENSE_NOTICE = """\
CMS's release files contain Current Procedural Terminology (CPT) codes and descriptors, copyright American
Medical Association, and Current Dental Terminology (CDT), copyright American Dental Association. CMS asks
everyone to accept the AMA's and ADA's licences before a download: internal use within your organization, no
redistribution of the descriptors, no changes to CPT. Read them on the release's page on cms.gov.
To accept and go on: rvu run --accept-license, or RVU_ACCEPT_LICENSE=1. It is recorded in raw/license.json."""
# The old pages answered a download with the licence itself; this is what its Accept button sends.
LICENSE_QUERY = {"agree": "yes", "next": "Accept"}
ADVICE = "Find the file on the release's page on cms.gov and correct `archives` in raw/catalog.toml."


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
    url = checked_url(release.archives[-1], ADVICE)
    name = archive_name(url)
    with explained(f"keeping the archive of {release.label}"):
        partial = store.partial_download(release.label, url)
        partial.parent.mkdir(parents=True, exist_ok=True)
        last = store.last_answer(release.label, url)
        headers = _download(url, partial, last, backoff)
        if headers is None and last and (known := store.kept(release.label, last.sha256)):
            return known
        receipt = _receipt(release.label, name, partial, url=url, headers=headers or {})
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
    return persistently(
        url,
        lambda client: _request(client, url, partial, last),
        backoff=backoff,
        advice=ADVICE,
        later="What arrived is kept: run again later and it goes on from there.",
    )


def _request(client: httpx.Client, url: str, partial: Path, last: Answer | None) -> dict[str, str] | None:
    """Ask once, for the rest of an unfinished file or for one that changed, and stream the answer to disk."""
    query = LICENSE_QUERY if "/physicianfeesched/downloads/" in url else None
    with client.stream("GET", url, params=query, headers=_conditions(partial, last)) as answer:
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return None
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink(missing_ok=True)
            raise TransientError("the file changed while it was being pulled", wait=0)
        require_good(answer, "an archive", ADVICE)
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
        _remember_validators(partial, answer)
        _stream(answer, archive_name(url), partial, append=resumed)
        return headers_of(answer, "etag", "last-modified", "content-type", "date")


def _conditions(partial: Path, last: Answer | None) -> dict[str, str]:
    """Return the headers that make an unchanged archive, or the part we have, cost nothing."""
    headers = {"Accept-Encoding": "identity"}
    note = _validator_note(partial)
    if partial.exists() and partial.stat().st_size and note.exists():
        headers |= {"Range": f"bytes={partial.stat().st_size}-", "If-Range": note.read_text("utf-8")}
    elif last:
        headers |= conditions(last.headers)
    return headers


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


def _stream(answer: httpx.Response, name: str, partial: Path, *, append: bool) -> None:
    """Write the body to disk with a progress bar, and compare its length with what the server announced."""
    announced = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
    written = 0
    with _progress() as progress, partial.open("ab" if append else "wb") as target:
        bar = progress.add_task(name, total=announced)
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
