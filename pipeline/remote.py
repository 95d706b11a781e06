"""Talks to an object store: whole objects, conditional writes, and problems told without anything secret."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.errors import MachineError

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode, PutResult, UpdateVersion
    from obstore.store import ObjectStore

Item = TypeVar("Item")
AT_ONCE = 8
CHUNK = 1024 * 1024
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
VARIABLES = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, where it is not Amazon's, AWS_ENDPOINT_URL"
NO_BUCKET = r"NoSuchBucket|ContainerNotFound|bucket does not exist"
ADVICE = {  # a sign in what the library says: what to do; the first that fits counts
    r"latest/api/token|meta-data|TokenRequest|must be specified": f"no credentials were found. Set {VARIABLES}",
    NO_BUCKET: "there is no such bucket. Create it, or correct the address",
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|code: 401": (
        f"the credentials are not accepted. Check {VARIABLES}"
    ),
    r"AccessDenied|code: 403": (
        "the credentials do not permit it. Reading takes the right to list and get objects, publishing also to put "
        "and delete them"
    ),
    r"PermanentRedirect|IllegalLocation|code: 301": "the bucket is in another region. Correct AWS_REGION",
    r"NotImplemented|code: 501|not supported": (
        "the server lacks conditional writes, which keep two publishers apart. Use another one, or a folder"
    ),
    r"error sending request|timed out|code: 5\d\d": (
        "the server cannot be reached or does not work. Check the network and AWS_ENDPOINT_URL, and run again later"
    ),
}


@dataclass(frozen=True)
class Seen:
    """A small object as it was seen, to be replaced only while it is still this one."""

    text: str
    tag: "UpdateVersion"


@dataclass(frozen=True)
class Objects:
    """The objects below one prefix of a bucket. Every method raises MachineError with advice."""

    place: str
    store: "ObjectStore"

    def seen(self, name: str) -> Seen | None:
        """Return a small object and what identifies its present state, or None where there is none."""
        with explained(self.place, f"reading {name}"):
            try:
                result = self.store.get(name)
            except FileNotFoundError as problem:
                _require_bucket(problem)
                return None
            text = bytes(result.bytes()).decode("utf-8", "replace")
            return Seen(text, _tag(result.meta))

    def swap(self, name: str, text: str, expected: Seen | None) -> Seen | None:
        """Write a small object if it is still as expected, or does not exist where None is; None if it is not.

        A write whose answer was lost is repeated and then finds what it wrote: texts are unique for their writer.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: PutMode = expected.tag if expected else "create"
        with explained(self.place, f"writing {name}"):
            try:
                written = self.store.put(name, text.encode(), mode=mode)
            except (AlreadyExistsError, PreconditionError):
                found = self.seen(name)
                return found if found and found.text == text else None
            return Seen(text, _tag(written))

    def put(self, name: str, content: str | Path) -> None:
        """Write an object whole: a text, or a file of this machine."""
        # In one request, since an upload in parts that is killed leaves parts that cost money and no listing shows.
        with explained(self.place, f"writing {name}"):
            body = content.encode() if isinstance(content, str) else content
            self.store.put(name, body, use_multipart=False)

    def copy(self, source: str, target: str) -> bool:
        """Copy an object where it lies; False where there is none."""
        with explained(self.place, f"copying {source}"):
            try:
                self.store.copy(source, target)
            except FileNotFoundError as problem:
                _require_bucket(problem)
                return False
            return True

    def download(self, name: str, target: Path) -> str | None:
        """Write an object into a file and return the sha256 of what arrived, or None where there is none."""
        digest = hashlib.sha256()
        with explained(self.place, f"reading {name}"):
            try:
                stream = self.store.get(name).stream(min_chunk_size=CHUNK)
            except FileNotFoundError as problem:
                _require_bucket(problem)
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for chunk in stream:
                    digest.update(chunk)
                    file.write(chunk)
        return digest.hexdigest()

    def listing(self, folder: str = "") -> dict[str, datetime]:
        """Return the names of all objects below a folder, and when each was written."""
        with explained(self.place, f"listing {folder or 'it'}"):
            return {each["path"]: each["last_modified"] for each in self.store.list(folder).collect()}

    def folders(self) -> list[str]:
        """Return the names of the folders on the first level."""
        with explained(self.place, "listing it"):
            return list(self.store.list_with_delimiter()["common_prefixes"])

    def remove(self, names: Collection[str]) -> None:
        """Delete objects; those that are gone already are fine."""
        if names:
            with explained(self.place, "removing objects"), suppress(FileNotFoundError):
                self.store.delete(list(names))


def open_objects(place: str) -> Objects:
    """Return the objects below s3://bucket/prefix; credentials and endpoint are those of the environment.

    An endpoint without TLS is used only on this machine, or where AWS_ALLOW_HTTP says so.
    """
    try:
        from obstore.store import from_url
    except ImportError:
        raise MachineError(f"{place} needs a library that is not installed: pip install 'rvu[objects]'") from None
    with explained(place, "opening it"):
        return Objects(
            place,
            from_url(
                place,
                client_options={"allow_http": _is_http_allowed(), "connect_timeout": "10s", "timeout": "10m"},
                retry_config={"max_retries": 6},
            ),
        )


@contextmanager
def explained(place: str, doing: str) -> Iterator[None]:
    """Turn what the library raises into a MachineError with advice; its own words, which may hold keys, stay here."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as problem:
        text = str(problem)
        advice = next(
            (advice for sign, advice in ADVICE.items() if re.search(sign, text)), "it failed. Run again later"
        )
        told = re.search(r"<Code>(\w+)</Code>", text) or re.search(r"status code: (\d{3}[\w ]*)", text)
        reason = told.group(1) if told else type(problem).__name__
        raise MachineError(f"{place}, while {doing}: {advice} ({reason}).") from None


def transfer(doing: str, work: Callable[[Item], None], items: Collection[Item]) -> None:
    """Do work for many items, several at once, and show on a terminal how far it is; stops at the first problem."""
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not sys.stderr.isatty() or len(items) < 2
    with (
        Progress(*shown, console=console, transient=True, disable=hidden) as progress,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        bar = progress.add_task(doing, total=len(items))
        try:
            for done in as_completed([pool.submit(work, item) for item in items]):
                done.result()
                progress.advance(bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _tag(facts: "ObjectMeta | PutResult") -> "UpdateVersion":
    """Return what identifies the state of an object; stores without versions give none."""
    tag: UpdateVersion = {"e_tag": facts["e_tag"]}
    return tag if facts["version"] is None else {**tag, "version": facts["version"]}


def _require_bucket(problem: FileNotFoundError) -> None:
    """Raise what was found missing if it is the whole bucket."""
    if re.search(NO_BUCKET, str(problem)):
        raise problem


def _is_http_allowed() -> bool:
    """Tell whether an endpoint without TLS may be used; MachineError for one that may not."""
    if os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"):
        return True
    endpoints = [urlsplit(os.environ[variable]) for variable in ENDPOINTS if os.environ.get(variable)]
    for endpoint in endpoints:
        if endpoint.scheme != "https" and (endpoint.scheme != "http" or endpoint.hostname not in LOOPBACK):
            raise MachineError(
                f"AWS_ENDPOINT_URL names {endpoint.hostname or 'no server'}, without https:// before it. Without TLS "
                "others can read along; set AWS_ALLOW_HTTP=true if the network can be trusted."
            )
    return bool(endpoints)
