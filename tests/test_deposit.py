"""deposit: archives go into an object store and come back as they were, or not at all."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline import deposit
from pipeline.errors import DataError
from pipeline.remote import Objects
from pipeline.store import Receipt, Store, sha256_of

LABEL = "RVU24A"


@pytest.fixture
def store(place: str, tmp_path: Path) -> Store:
    return Store(tmp_path / "home", raw_place=place)


@pytest.fixture
def fresh(place: str, tmp_path: Path) -> Store:
    """Return the store of a machine that has nothing yet."""
    return Store(tmp_path / "fresh", raw_place=place)


def keep(store: Store, content: str, name: str = "rvu24a (1).zip", label: str = LABEL) -> Receipt:
    incoming = store.archives_folder(label) / ".incoming"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    incoming.write_text(content, "utf-8")
    receipt = Receipt(label, name, sha256_of(incoming), len(content), f"2026-01-01T00:00:00+00:00 {content}")
    return store.keep(incoming, receipt)


def folder_of(receipt: Receipt) -> str:
    return f"releases/{receipt.release}/{receipt.sha256[:16]}"


def test_archives_of_a_release_come_back_as_they_were(store: Store, fresh: Store, objects: Objects) -> None:
    first, second, other = keep(store, "first"), keep(store, "second"), keep(store, "of another", label="RVU24AR")
    for receipt in (first, second, other):
        deposit.send_archive(store, receipt)
    deposit.bring_archives(fresh, LABEL)
    assert fresh.receipts(LABEL) == [first, second]
    assert fresh.archive_path(second).read_text("utf-8") == "second"
    assert fresh.receipts("RVU24AR") == []
    assert f"{folder_of(first)}/rvu24a (1).zip" in objects.listing()


def test_archive_that_is_there_already_stays_as_it_is(store: Store, fresh: Store, objects: Objects) -> None:
    deposit.send_archive(store, keep(store, "same"))
    before = objects.listing()
    again = replace(keep(fresh, "same"), received_at="2026-02-01T00:00:00+00:00")
    deposit.send_archive(fresh, again)
    assert objects.listing() == before
    deposit.bring_archives(fresh, LABEL)
    assert len(fresh.receipts(LABEL)) == 1


def test_archive_without_its_receipt_is_sent_again_and_brings_nothing(
    store: Store, fresh: Store, objects: Objects
) -> None:
    receipt = keep(store, "whole")
    objects.put(f"{folder_of(receipt)}/{receipt.archive}", "ha")  # its sender was killed
    deposit.bring_archives(fresh, LABEL)
    assert fresh.receipts(LABEL) == []
    deposit.send_archive(store, receipt)
    deposit.bring_archives(fresh, LABEL)
    assert fresh.receipts(LABEL) == [receipt]


def test_single_archive_is_brought_if_it_is_there(store: Store, fresh: Store) -> None:
    sent, kept_back = keep(store, "sent"), keep(store, "kept back")
    deposit.send_archive(store, sent)
    for receipt in (sent, kept_back):
        deposit.bring_archive(fresh, receipt)
    assert fresh.receipts(LABEL) == [sent]


def test_damaged_archive_is_refused(store: Store, fresh: Store, objects: Objects) -> None:
    receipt = keep(store, "whole")
    deposit.send_archive(store, receipt)
    objects.put(f"{folder_of(receipt)}/{receipt.archive}", "half")
    with pytest.raises(DataError, match=r"is damaged\. Remove the folder .*pull it again: rvu run RVU24A"):
        deposit.bring_archives(fresh, LABEL)
    assert list(fresh.archives_folder(LABEL).iterdir()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"archive": "../../../evil.zip"},
        {"archive": "/tmp/evil.zip"},  # noqa: S108
        {"archive": "..\\evil.zip"},
        {"archive": "receipt.json"},
        {"archive": ""},
        {"release": "../evil"},
        {"release": "RVU24B"},
        {"sha256": "../../evil"},
        {"sha256": "0" * 64},
        {"sha256": None},
        {"is_evil": True},
    ],
    ids=str,
)
def test_receipt_that_leads_elsewhere_is_refused(
    store: Store, fresh: Store, objects: Objects, changed: dict[str, object]
) -> None:
    receipt = keep(store, "whole")
    deposit.send_archive(store, receipt)
    objects.put(f"{folder_of(receipt)}/receipt.json", json.dumps(asdict(receipt) | changed))
    with pytest.raises(
        DataError, match=r"which this pipeline does not write|is not the receipt of an archive of RVU24A"
    ):
        deposit.bring_archives(fresh, LABEL)
    assert fresh.receipts(LABEL) == []
    assert not list(fresh.home.rglob("*evil*"))


def test_receipt_of_a_manifest_that_leads_elsewhere_is_refused(store: Store, fresh: Store) -> None:
    with pytest.raises(DataError, match="which this pipeline does not write"):
        deposit.bring_archive(fresh, replace(keep(store, "whole"), archive="../evil.zip"))


def test_home_without_an_object_store_has_nothing_to_send_or_bring(tmp_path: Path) -> None:
    store = Store(tmp_path)
    receipt = keep(store, "whole")
    deposit.send_archive(store, receipt)
    deposit.bring_archive(store, receipt)
    deposit.bring_archives(store, LABEL)
    assert store.receipts(LABEL) == [receipt]
