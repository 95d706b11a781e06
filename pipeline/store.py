"""Where everything lies: the only module that builds a path, replaces a file, links or locks."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from pipeline.errors import DataError, MachineError, UsageError

PROJECT = Path(__file__).resolve().parents[1]
MANIFEST = "manifest.json"
VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]+")
SHA256 = re.compile(r"[0-9a-f]{64}")
REMOTE = re.compile(r"(s3|gs|az)://[0-9A-Za-z][\w.-]*(/(?!\.\.?(/|$))[^/?#@\s]+)*")


@dataclass(frozen=True)
class Receipt:
    """Where an archive came from and what exactly it is."""

    release: str
    archive: str
    sha256: str
    bytes: int
    received_at: str
    url: str | None = None
    source: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    is_sample: bool = False


@dataclass(frozen=True)
class Answer:
    """What a URL gave last: the archive, and the headers to ask with whether it changed since."""

    sha256: str
    headers: dict[str, str]


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old text or the new one, also after a crash."""
    with replaced_whole(path) as temporary:
        temporary.write_text(text, "utf-8")
        flush(temporary)


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Lend a path to write to, which takes the place of `path` once it is written to the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = unused_name(path.parent, f".{path.name}-")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unused_name(folder: Path, prefix: str) -> Path:
    """Return a path that nothing else uses; unlike tempfile's, what is made there is readable by colleagues."""
    return folder / f"{prefix}{uuid4().hex[:12]}"


def flush(path: Path) -> None:
    """Force a file, or a folder's list of entries, onto the disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Force every file and folder below, and the folder itself, onto the disk."""
    for path in [*folder.rglob("*"), folder]:
        flush(path)


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def version_order(version: str) -> tuple[str, int]:
    """Return what versions sort by: 2026-11-23.10 comes after 2026-11-23.9."""
    day, _, counter = version.partition(".")
    return day, int(counter)


def version_after(names: Iterable[str], today: date) -> str:
    """Return the name of the version to come; it sorts after all others even when the clock went backwards."""
    newest_day, counter = max(map(version_order, names), default=("", 0))
    day = max(today.isoformat(), newest_day)
    return f"{day}.{counter + 1 if day == newest_day else 1}"


def place_named_by(variable: str) -> str:
    """Return the folder, or the place in an object store, that a variable names; empty when it names none."""
    text = os.environ.get(variable, "")
    if "://" not in text:
        return str(Path(text).expanduser().resolve()) if text else ""
    place = text.rstrip("/")
    if not REMOTE.fullmatch(place):  # not shown: some write a password into it
        raise UsageError(
            f"{variable} names neither a folder nor a place in an object store: expected a path, s3://bucket/prefix, "
            "gs://bucket/prefix or az://account/container/prefix. Credentials come from the environment."
        )
    return place


def is_remote(place: str) -> bool:
    """Tell whether a place lies in an object store."""
    return "://" in place


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into a MachineError that says what to do."""
    advice = {
        errno.ENOSPC: "the disk is full: free some space and run again; what is published stays as it is",
        errno.EACCES: "no permission: run as the owner of the folder, or set RVU_HOME to one you may write",
        errno.EROFS: "the file system is read-only: set RVU_HOME to a folder that you may write",
    }
    try:
        yield
    except OSError as problem:
        reason = advice.get(problem.errno or 0, problem.strerror or str(problem))
        raise MachineError(f"While {doing}: {reason} ({problem.filename or 'no file named'}).") from problem


@dataclass(frozen=True)
class Store:
    """The folders of one installation. `home` holds raw/ and curated/; what is committed may lie elsewhere.

    `raw_place` and `curated_place` say where those two are kept instead: in a folder, or in an object store, of which
    the home then holds a copy; empty for the home alone.
    """

    home: Path
    raw_place: str = ""
    curated_place: str = ""

    @classmethod
    def open(cls) -> "Store":
        """Use RVU_HOME, else the checkout this code runs from, else the current folder; RVU_RAW and RVU_CURATED."""
        checkout = PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()
        home = Path(os.environ.get("RVU_HOME") or checkout).resolve()
        return cls(home, place_named_by("RVU_RAW"), place_named_by("RVU_CURATED"))

    @property
    def raw(self) -> Path:
        """The folder of all that comes in."""
        is_folder = self.raw_place and not is_remote(self.raw_place)
        return Path(self.raw_place) if is_folder else self.home / "raw"

    # Declarations: the installation's own where it has them, else those that came with the code.

    def declared(self, name: str) -> Path:
        """Return raw/<name> of this home if it exists, else the one shipped with the code."""
        own = self.raw / name
        return own if own.exists() else PROJECT / "raw" / name

    @property
    def found(self) -> Path:
        """Return the file of what CMS's pages had that the catalog lacked."""
        return self.raw / "found.toml"

    @property
    def catalogs(self) -> tuple[Path, ...]:
        """Return the files that make up the catalog, in the order in which they count."""
        return (self.declared("catalog.toml"), *filter(Path.exists, [self.found]))

    @property
    def pages_record(self) -> Path:
        """Return the file that keeps CMS's pages as they were at the last look."""
        return self.raw / "watch.json"

    # Archives.

    @property
    def license_record(self) -> Path:
        """Who accepted CMS's licence, and when."""
        return self.raw / "license.json"

    def archives_folder(self, release: str) -> Path:
        """Return the folder of all archives ever received for a release."""
        return self.raw / "releases" / release

    def partial_download(self, release: str, url: str) -> Path:
        """Return where the bytes of an unfinished download wait to be resumed."""
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        return self.archives_folder(release) / f".{name}.part"

    def archive_path(self, receipt: Receipt) -> Path:
        """Return where an archive is kept."""
        return self.archives_folder(receipt.release) / receipt.sha256[:16] / receipt.archive

    def receipts(self, release: str) -> list[Receipt]:
        """Return the receipts of a release, oldest first."""
        found = [
            Receipt(**json.loads(path.read_text("utf-8")))
            for path in self.archives_folder(release).glob("[0-9a-f]*/receipt.json")
        ]
        return sorted(found, key=lambda receipt: receipt.received_at)

    def kept(self, release: str, sha256: str) -> Receipt | None:
        """Return the receipt of an archive that is kept already, if it is still there."""
        found = (receipt for receipt in self.receipts(release) if receipt.sha256 == sha256)
        return next((receipt for receipt in found if self.archive_path(receipt).exists()), None)

    def keep(self, incoming: Path, receipt: Receipt) -> Receipt:
        """Move an archive beside the earlier ones, with its receipt; one that is kept already stays as it is."""
        if known := self.kept(receipt.release, receipt.sha256):
            incoming.unlink()
            return known
        target = self.archive_path(receipt).parent
        staging = unused_name(target.parent, ".incoming-")
        try:
            staging.mkdir()
            incoming.replace(staging / receipt.archive)
            (staging / "receipt.json").write_text(json.dumps(asdict(receipt), indent=1) + "\n", "utf-8")
            flush_tree(staging)
            kept = self._settle(staging, receipt)
            flush(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return kept

    def _settle(self, staging: Path, receipt: Receipt) -> Receipt:
        """Give a staged archive its place, unless another run kept the very same bytes meanwhile."""
        target = self.archive_path(receipt).parent
        try:
            staging.rename(target)
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if known := self.kept(receipt.release, receipt.sha256):
                return known
            shutil.rmtree(target)  # a receipt whose archive is gone
            staging.rename(target)
        return receipt

    def last_answer(self, release: str, url: str) -> Answer | None:
        """Return what a URL gave last time, if that archive is still kept."""
        answers = self._answers(release)
        if url not in answers or not self.kept(release, answers[url]["sha256"]):
            return None
        return Answer(**answers[url])

    def remember_answer(self, release: str, url: str, answer: Answer) -> None:
        """Note what a URL gave, so that the next pull can ask whether it changed."""
        answers = self._answers(release) | {url: asdict(answer)}
        write_atomically(self.archives_folder(release) / "answers.json", json.dumps(answers, indent=1) + "\n")

    def _answers(self, release: str) -> dict[str, Any]:
        path = self.archives_folder(release) / "answers.json"
        answers: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return answers

    # Versions.

    @property
    def curated(self) -> Path:
        """The folder of all versions; those of an object store are copied into one of their own."""
        if not self.curated_place:
            return self.home / "curated"
        if not is_remote(self.curated_place):
            return Path(self.curated_place)
        unique = hashlib.sha256(self.curated_place.encode()).hexdigest()[:8]
        readable = re.sub(r"[^0-9A-Za-z.]+", "-", self.curated_place)
        return self.home / "curated" / ".mirror" / f"{readable}-{unique}"

    def version_path(self, version: str) -> Path:
        """Return the folder of a version."""
        return self.curated / version

    def versions(self) -> list[str]:
        """Return all complete versions, oldest first."""
        found = [path.parent.name for path in self.curated.glob(f"*/{MANIFEST}")]
        return sorted(filter(VERSION.fullmatch, found), key=version_order)

    def latest_version(self) -> str | None:
        """Return the version that LATEST names, or None before the first."""
        pointer = self.curated / "LATEST"
        return pointer.read_text("utf-8").strip() if pointer.exists() else None

    def require_version(self, version: str | None = None) -> str:
        """Return `version` or the latest one; UsageError when it does not exist."""
        wanted = version or self.latest_version()
        if wanted is None:
            raise UsageError(f"{self.curated} holds no version yet. Publish one first: rvu run --sample")
        if not (self.version_path(wanted) / MANIFEST).exists():
            raise UsageError(f"There is no version {wanted} in {self.curated}. See: rvu versions")
        return wanted

    def table_files(self, version: str, table: str) -> list[Path]:
        """Return a table's files in a version, one per release."""
        return sorted((self.version_path(version) / table).glob("*.parquet"))

    def manifest(self, version: str) -> dict[str, Any]:
        """Return a version's manifest; DataError when it cannot be read."""
        path = self.version_path(version) / MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if not (isinstance(content, dict) and content):
                raise ValueError("it is not a manifest")
        except (OSError, ValueError) as problem:
            raise DataError(
                f"{path} cannot be read ({problem}). Restore it from a copy; or remove {self.curated / 'LATEST'} and "
                "publish again by running its releases."
            ) from problem
        return content

    def next_version(self, today: date) -> str:
        """Return the name of the version to come; it sorts last even when the clock went backwards."""
        return version_after(self.versions(), today)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time change curated/, and throw away what one that was killed left there.

        The lock is the operating system's: it ends with its process, however that dies.
        """
        lock = self._lock()
        with explained(f"preparing {self.curated}"):
            self.curated.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=lock_patience())
            except Timeout:
                raise MachineError(
                    f"Another run has been publishing into {self.curated} for too long. "
                    "Wait for it or end it; RVU_LOCK_TIMEOUT sets the patience in seconds."
                ) from None
        try:
            with explained(f"clearing what an unfinished run left in {self.curated}"):
                for leftover in self._unfinished():
                    remove(leftover)
            yield
        finally:
            lock.release()

    def is_locked(self) -> bool:
        """Tell whether a process is changing curated/ at this moment."""
        try:
            with self._lock().acquire(timeout=0):
                return False
        except Timeout:
            return True

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Lend a folder under curated/ to one publisher at a time; what is left in it is thrown away."""
        with self.locked():
            folder = unused_name(self.curated, ".staging-")
            with explained(f"preparing {folder}"):
                folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def commit(self, staging: Path, version: str) -> None:
        """Make a finished staging folder the latest version: whole on disk first, then visible, then LATEST.

        A version that cannot be made the latest, for want of room, is taken back.
        """
        self.add_version(staging, version)
        try:
            self.make_latest(version)
        except OSError:
            if self.latest_version() != version:
                self.remove_version(version)
            raise

    def add_version(self, staging: Path, version: str) -> None:
        """Let a finished staging folder appear as a version, whole on disk first."""
        for unfinished in staging.rglob(".*"):  # of a worker that was lost; another one did its work again
            unfinished.unlink()
        flush_tree(staging)
        if is_remote(self.curated_place) and self.version_path(version).exists():
            self.remove_version(version)  # a copy from before the bucket was emptied and filled anew
        staging.rename(self.version_path(version))
        flush(self.curated)

    def make_latest(self, version: str) -> None:
        """Let readers find a version: by LATEST, and by the link `latest`. Only for who holds the lock."""
        write_atomically(self.curated / "LATEST", version + "\n")
        self._point_latest(version)
        flush(self.curated)

    def forget_latest(self) -> None:
        """Have no latest version any more. Only for who holds the lock."""
        for pointer in (self.curated / "LATEST", self.curated / "latest"):
            pointer.unlink(missing_ok=True)

    def linked_version(self) -> str | None:
        """Return the version that the link `latest` leads to, or None where there is no such link."""
        link = self.curated / "latest"
        return link.readlink().name if link.is_symlink() else None

    def remove_version(self, version: str) -> None:
        """Make a version disappear whole, then delete it; who has its files open goes on reading them."""
        hidden = unused_name(self.curated, ".removed-")
        with explained(f"removing version {version}"):
            self.version_path(version).rename(hidden)
            flush(self.curated)
            shutil.rmtree(hidden)

    def try_writing(self) -> None:
        """Create and remove a file in raw/ and in curated/; MachineError where that fails."""
        for folder in (self.raw, self.curated):
            with explained(f"writing into {folder}"):
                folder.mkdir(parents=True, exist_ok=True)
                probe = unused_name(folder, ".probe-")
                probe.touch()
                probe.unlink()

    def leftovers(self) -> list[Path]:
        """Return what a run is writing at this moment, or left when it was killed."""
        releases = self.raw / "releases"
        return [*self._unfinished(), *releases.glob("*/.incoming-*"), *releases.glob("*/.*.part")]

    def _unfinished(self) -> list[Path]:
        names = (".staging-*", ".removed-*", ".LATEST-*", ".latest-*")
        return [path for name in names for path in self.curated.glob(name)]

    def _lock(self) -> FileLock:
        return FileLock(self.curated / ".lock")

    def _point_latest(self, version: str) -> None:
        """Point the `latest` symlink at a version, where the file system has symlinks."""
        temporary = self.curated / f".latest-{os.getpid()}"
        try:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(version)
            temporary.replace(self.curated / "latest")
        except OSError:
            temporary.unlink(missing_ok=True)


def lock_patience() -> float:
    """Return how many seconds to wait for another publisher."""
    text = os.environ.get("RVU_LOCK_TIMEOUT", "3600")
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"RVU_LOCK_TIMEOUT is {text!r}: expected a number of seconds.") from None


def table_file(version_folder: Path, table: str, release: str) -> Path:
    """Return where the rows of a release lie in a version; the folder is plain, `release` is a column inside."""
    return version_folder / table / f"{release}.parquet"


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file of the parent version into a new one without storing it twice, where the disk allows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
