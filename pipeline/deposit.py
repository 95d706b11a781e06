"""Keeps archives in an object store as in raw/releases/: named by their content, the receipt last."""

import json
import re
from dataclasses import asdict
from functools import partial

from pipeline.errors import DataError
from pipeline.remote import Objects, open_objects, transfer
from pipeline.store import SHA256, Receipt, Store, explained, is_remote, unused_name

RELEASE = re.compile(r"[A-Z0-9]+")
ARCHIVE = re.compile(r"(?!receipt\.json$)[^./\\\x00-\x1f][^/\\\x00-\x1f]*")


def send_archive(store: Store, receipt: Receipt) -> None:
    """Send an archive of the home, and then its receipt; one that is there already stays as it is."""
    objects = _objects(store)
    if objects is None or objects.seen(_receipt_name(store, receipt)):
        return
    objects.put(_archive_name(store, receipt), store.archive_path(receipt))
    objects.swap(_receipt_name(store, receipt), json.dumps(asdict(receipt), indent=1) + "\n", None)


def bring_archives(store: Store, release: str) -> None:
    """Bring every archive of a release that the home lacks; DataError for one that is not what its receipt says."""
    objects = _objects(store)
    if objects is None:
        return
    names = objects.listing(f"releases/{release}")
    receipts = [_receipt(store, objects, release, name) for name in names if name.endswith("/receipt.json")]
    transfer(f"bringing archives of {release}", partial(bring_archive, store), receipts)


def bring_archive(store: Store, receipt: Receipt) -> None:
    """Bring one archive if the home lacks it and the object store has it."""
    objects = _objects(store)
    if objects is None or store.kept(receipt.release, receipt.sha256):
        return
    _require_plain(objects, receipt)
    with explained(f"bringing the archive of {receipt.release}"):
        incoming = unused_name(store.archives_folder(receipt.release), ".incoming-")
        try:
            found = objects.download(_archive_name(store, receipt), incoming)
            if found == receipt.sha256:
                store.keep(incoming, receipt)
            elif found:
                raise DataError(
                    f"{objects.place}/{_archive_name(store, receipt)} has sha256 {found[:16]}, but its receipt says "
                    f"{receipt.sha256[:16]}: the archive is damaged. Remove the folder it lies in from the object "
                    f"store and pull it again: rvu run {receipt.release}"
                )
        finally:
            incoming.unlink(missing_ok=True)


def _objects(store: Store) -> Objects | None:
    return open_objects(store.raw_place) if is_remote(store.raw_place) else None


def _archive_name(store: Store, receipt: Receipt) -> str:
    return store.archive_path(receipt).relative_to(store.raw).as_posix()


def _receipt_name(store: Store, receipt: Receipt) -> str:
    return store.archive_path(receipt).with_name("receipt.json").relative_to(store.raw).as_posix()


def _receipt(store: Store, objects: Objects, release: str, name: str) -> Receipt:
    """Read a receipt, which must lie where its own words put it."""
    found = objects.seen(name)
    try:
        receipt = Receipt(**json.loads(found.text if found else ""))
        _require_plain(objects, receipt)
        is_in_place = receipt.release == release and name == _receipt_name(store, receipt)
    except (TypeError, ValueError):
        is_in_place = False
    if not is_in_place:
        raise DataError(
            f"{objects.place}/{name} is not the receipt of an archive of {release}. Nothing was brought. Find out "
            "who writes into the bucket, and remove it."
        )
    return receipt


def _require_plain(objects: Objects, receipt: Receipt) -> None:
    """Raise DataError where a receipt names what would lead out of the folder of archives."""
    shapes = ((RELEASE, receipt.release), (SHA256, receipt.sha256), (ARCHIVE, receipt.archive))
    if wrong := [text for shape, text in shapes if not (isinstance(text, str) and shape.fullmatch(text))]:
        raise DataError(f"A receipt from {objects.place} holds {wrong[0]!r}, which this pipeline does not write.")
