"""Opens a release's zip, which comes from outside, safely: what is in it, and the bytes of a member."""

import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path, PurePosixPath

from pipeline.errors import DataError

MAX_MEMBERS = 500  # the largest release known has 16
MAX_EXPANDED_BYTES = 256 << 20  # the largest release known expands to 10 MB
MAX_RATIO = 200  # a table of zeros compresses about 30 times
MAX_NAME = 255  # characters
ALWAYS_ALLOWED_BYTES = 1 << 20  # a small member may compress as it likes
LOCAL_HEADER_BYTES = 30  # what stands before the bytes of a member, at least
CHUNK_BYTES = 1 << 20
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip


def check_archive(path: Path, name: str) -> None:
    """Raise DataError unless the file, which users know by `name`, is a whole, plain, harmless zip."""
    _check_magic(path, name)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_whole(name, infos)
            for info in infos:
                _check_entry(name, info)
            _check_places(name, infos, archive.start_dir)
            damaged = next((info.filename for info in infos if not _is_whole(archive, info)), None)
    except DAMAGE as problem:
        raise DataError(
            f"{name} is damaged ({problem}): expected a whole zip. Remove it and pull it again."
        ) from problem
    if damaged:
        raise DataError(f"{name} is damaged at member {damaged}. Remove it and pull it again.")


def member_names(path: Path) -> dict[str, str]:
    """Return the archive's files: full name to base name, folders and resource forks left out."""
    with zipfile.ZipFile(path) as archive:
        full_names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return {
        full_name: PurePosixPath(full_name.replace("\\", "/")).name
        for full_name in full_names
        if not full_name.startswith("__MACOSX/")
    }


def find_member(path: Path, pattern: str) -> str | None:
    """Return the one member whose base name matches, in any letter case and subfolder, or None.

    DataError when several match: which one holds is not ours to guess.
    """
    found = [
        full_name
        for full_name, base_name in member_names(path).items()
        if re.search(pattern, base_name, re.IGNORECASE)
    ]
    if len(found) > 1:
        raise DataError(
            f"{path.name} holds several members for one table: {', '.join(found)}; expected one that matches "
            f"{pattern}. Narrow the member pattern of the layout in schemas/layouts/."
        )
    return found[0] if found else None


def read_member(path: Path, member: str) -> bytes:
    """Return the bytes of one member."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def _check_magic(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(2048)
    if start.startswith(b"PK"):
        return
    if b"<html" in start.lower() or b"<!doctype" in start.lower():
        title = re.search(rb"<title>(.*?)</title>", start, re.IGNORECASE | re.DOTALL)
        heading = " ".join(title[1].decode("utf-8", "replace").split())[:80] if title else "no title"
        raise DataError(
            f"{name} is a web page ({heading}), expected a zip. CMS moved the file or asks for its licence: "
            "open the release's page on cms.gov, and correct `archives` in raw/catalog.toml."
        )
    raise DataError(f"{name} is not a zip: it begins with {start[:8]!r}, expected b'PK'.")


def _check_whole(name: str, infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_MEMBERS:
        raise _refused(name, f"it holds {len(infos):,} members, more than {MAX_MEMBERS}")
    if sum(info.file_size for info in infos) > MAX_EXPANDED_BYTES:
        raise _refused(name, f"it expands to more than {MAX_EXPANDED_BYTES >> 20} MiB")
    repeated = [member for member, count in Counter(info.filename for info in infos).items() if count > 1]
    if repeated:
        raise _refused(name, f"it holds two members of the very same name, {', '.join(repeated[:3])}")


def _check_places(name: str, infos: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share their bytes, by which a small zip can hold any number of large ones."""
    ends = {info.header_offset: info.header_offset + LOCAL_HEADER_BYTES + info.compress_size for info in infos}
    places = sorted(ends)
    if len(places) < len(infos) or any(ends[at] > after for at, after in pairwise([*places, end])):
        raise _refused(name, "its members overlap")


def _is_whole(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Tell whether a member has the bytes that the zip announces, and no other number of them."""
    try:
        with archive.open(info) as stream:
            size = sum(len(chunk) for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""))
    except zipfile.BadZipFile:
        return False
    return size == info.file_size


def _check_entry(name: str, info: zipfile.ZipInfo) -> None:
    if not info.orig_filename.isprintable() or len(info.orig_filename) > MAX_NAME:
        raise _refused(name, f"a member's name, {info.orig_filename[:80]!r}, is too long or holds control characters")
    target = info.filename.replace("\\", "/")
    if target.startswith("/") or ".." in PurePosixPath(target).parts or re.match(r"[A-Za-z]:", target):
        raise _refused(name, f"member {info.filename!r} points outside the archive")
    if info.flag_bits & 0x1:
        raise _refused(name, f"member {info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(name, f"member {info.filename} is compressed in an unusual way (method {info.compress_type})")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(name, f"member {info.filename} is a link or a device, no plain file")
    if info.file_size > max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * info.compress_size):
        raise _refused(name, f"member {info.filename} expands more than {MAX_RATIO} times")


def _refused(name: str, reason: str) -> DataError:
    return DataError(f"{name} is refused: {reason}. CMS's archives never do that; check where the file came from.")
