import errno
import json
import os
import tomllib
from datetime import date
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.errors import DataError, MachineError, UsageError
from pipeline.store import Store
from pipeline.watch import Sighting, describe, look
from pipeline.web import ATTEMPTS
from tests.cms_pages import (
    CMS,
    INDEX,
    PAGE,
    Posted,
    copy_catalog,
    index_page,
    page_path,
    posted_as_known,
    put_cms,
    put_page,
    release_page,
)
from tests.loopback import Answer, Site

TODAY = date(2026, 11, 24)
KNOWN = """
[[release]]
label = "RVU25C"
effective_from = 2025-07-01
archives = ["{cms}/files/zip/rvu25c.zip"]

[[release]]
label = "RVU25D"
effective_from = 2025-10-01
archives = ["{cms}/files/zip/rvu25d.zip"]

[[release]]
label = "RVU26A"
effective_from = 2026-01-01
archives = ["{cms}/files/zip/rvu26a.zip"]

[[release]]
label = "RVU26B"
effective_from = 2026-04-01
archives = ["{cms}/files/zip/rvu26b.zip"]

[[release]]
label = "RVU26C"
effective_from = 2026-07-01
archives = ["{cms}/files/zip/rvu26c.zip"]

[[release]]
label = "RVU26D"
effective_from = 2026-10-01
archives = ["{cms}/files/zip/rvu26d.zip", "{cms}/files/zip/rvu26d-updated-08-26-2026.zip"]
""".replace("{cms}", CMS)
CATALOG = f'index = "{CMS}{INDEX}"\n{KNOWN}'
RECENT = ("RVU26B", "RVU26C", "RVU26D")
NEW_ZIP = "/files/zip/rvu27a-updated-12-29-2026.zip"
NEW = {"RVU27A": Posted("January 2027 release", (NEW_ZIP,))}
MAINTENANCE = PAGE.format(title="Site under maintenance", content="<p>Back soon.</p>")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def known(site: Site, store: Store) -> Catalog:
    """Return what the home's catalog knows, all of which CMS's pages show."""
    catalog = copy_catalog(store.home, site, CATALOG)
    put_cms(site, catalog)
    return catalog


def seen(store: Store, today: date = TODAY) -> Sighting:
    return look(store, today, pause=0)


def entered(store: Store) -> Catalog:
    return load_catalog(*store.catalogs)


def asked(site: Site) -> list[str]:
    return [request.path.rpartition("/")[2] for request in site.requests]


# What is new.


def test_with_nothing_new_nothing_is_written_to_the_catalog(site: Site, store: Store, known: Catalog) -> None:
    sighting = seen(store)
    assert sighting == Sighting({}, "", (), {}, RECENT, "RVU26D", 54)
    assert describe(sighting) == ["Nothing new: RVU26D is the newest release."]
    assert not store.found.exists()


def test_a_new_quarter_is_entered_into_the_catalog(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW)
    sighting = seen(store)
    url = site.address + NEW_ZIP
    assert sighting.found == {"RVU27A": [url]}
    assert (sighting.due, sighting.newest, sighting.days_since_newest) == ((*RECENT, "RVU27A"), "RVU27A", -38)
    assert describe(sighting) == [f"RVU27A: found {url}"]
    assert (
        store.found.read_text("utf-8")
        == sighting.proposals
        == (
            f"# found on 2026-11-24 at {site.address}{INDEX}/rvu27a\n"
            "[[release]]\n"
            'label = "RVU27A"\n'
            "effective_from = 2027-01-01\n"
            f'archives = [\n    "{url}",\n]\n'
        )
    )
    assert entered(store)["RVU26D"].effective_to == date(2026, 12, 31)
    assert list(entered(store)) == [*known, "RVU27A"]


def test_a_reissue_under_a_new_url_is_the_one_that_is_pulled_from_then_on(
    site: Site, store: Store, known: Catalog
) -> None:
    again = "/files/zip/rvu26c-updated-11/20/2026.zip"
    put_cms(site, known, {"RVU26C": Posted("July 2026 release", ("/files/zip/rvu26c.zip", again))})
    assert seen(store).found == {"RVU26C": [site.address + again]}
    assert entered(store)["RVU26C"].archives == (*known["RVU26C"].archives, site.address + again)
    assert list(entered(store)) == list(known)


def test_what_was_found_is_found_once(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW)
    seen(store)
    before = store.found.read_bytes()
    sighting = seen(store)
    assert (sighting.found, sighting.proposals) == ({}, "")
    assert sighting.due == (*RECENT, "RVU27A")
    assert store.found.read_bytes() == before


def test_what_is_found_later_is_added(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW)
    seen(store)
    put_cms(site, known, NEW | {"RVU27B": Posted("April 2027 release", ("/files/zip/rvu27b.zip",))})
    seen(store, date(2027, 3, 10))
    blocks = tomllib.loads(store.found.read_text("utf-8"))["release"]
    assert [block["label"] for block in blocks] == ["RVU27A", "RVU27B"]
    assert list(entered(store))[-2:] == ["RVU27A", "RVU27B"]


@pytest.mark.parametrize("href", ["/apps/ama/license.asp?file=", " /license/ama?x=1&file="])
def test_the_licence_before_a_download_is_passed(site: Site, store: Store, known: Catalog, href: str) -> None:
    put_cms(site, known, {"RVU27A": Posted("January 2027 release", (href + NEW_ZIP,))})
    assert seen(store).found == {"RVU27A": [site.address + NEW_ZIP]}
    assert asked(site) == [Path(INDEX).name, "rvu27a", "rvu26d", "rvu26c", "rvu26b"]


def test_the_whole_of_the_project_s_catalog_is_recognized(site: Site, store: Store) -> None:
    catalog = copy_catalog(store.home, site)
    put_cms(site, catalog)
    newest = [release for release in catalog.values() if not release.superseded_by][-1]
    sighting = seen(store, newest.effective_from)
    assert (sighting.found, sighting.needs_person, sighting.problems) == ({}, (), {})
    assert (sighting.newest, sighting.days_since_newest) == (newest.label, 0)
    assert len(site.requests) <= 5


# Politeness.


def test_a_second_look_costs_a_few_requests_without_bodies(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW)
    seen(store)
    site.requests.clear()
    sighting = seen(store)
    assert sighting.problems == {}
    assert len(site.requests) == 5
    assert all(site.seen("if-none-match"))


def test_pages_of_releases_long_over_are_not_opened(site: Site, store: Store, known: Catalog) -> None:
    rows = [(label, page_path(label)) for label in ("RVU27A", *known, "RVU25B", "RVU03A", "PRREV05D")]
    put_page(site, INDEX, index_page(rows))
    sighting = seen(store)
    assert asked(site) == [Path(INDEX).name, "rvu27a", "rvu26b", "rvu26c", "rvu26d"]
    assert list(sighting.problems) == ["RVU27A"]  # it has no page


def test_a_damaged_record_of_the_last_look_only_costs_requests(site: Site, store: Store, known: Catalog) -> None:
    for damage in ("{", "[]", '{"x": 1}'):
        store.pages_record.write_text(damage, "utf-8")
        assert seen(store).found == {}
        assert isinstance(json.loads(store.pages_record.read_text("utf-8")), dict)


# What a person must judge.


@pytest.mark.parametrize(
    ("label", "description", "doubt"),
    [
        ("RVU27A", "New rates of the fee schedule", "does not say plainly from which day it is in force: 'New rates"),
        ("RVU27A", "January 2026 release", "in force from 2026-01-01, which is not what its name says"),
        ("RVU27A", "February 2027 release", "in force from 2027-02-01, which is not what its name says"),
        ("RVU27A", "rates effective January 15, 2027", "in force from 2027-01-15, which is not what its name says"),
        ("RVU26DR", "October 2026 release", "begins on 2026-10-01 as RVU26D does: the one that is replaced needs"),
    ],
)
def test_a_release_in_doubt_is_left_to_a_person_with_the_entry_to_complete(  # noqa: PLR0917
    site: Site, store: Store, known: Catalog, label: str, description: str, doubt: str
) -> None:
    path = f"/files/zip/{label.lower()}.zip"
    put_cms(site, known, {label: Posted(description, (path,))})
    sighting = seen(store)
    [told] = sighting.needs_person
    assert doubt in told
    assert f"append it to {store.home}/raw/catalog.toml:\n# found on 2026-11-24 at {site.address}" in told
    assert f'[[release]]\nlabel = "{label}"\neffective_from = ' in told
    assert site.address + path in told
    assert (sighting.found, sighting.newest, store.found.exists()) == ({}, "RVU26D", False)
    assert describe(sighting) == [told]


def test_two_new_releases_of_one_day_are_both_left_to_a_person(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW | {"RVU27AR": Posted("January 2027 release", ("/files/zip/rvu27ar.zip",))})
    assert sorted(told.split()[0] for told in seen(store).needs_person) == ["RVU27A", "RVU27AR"]
    assert not store.found.exists()


def test_a_correction_from_another_day_on_needs_no_person(site: Site, store: Store, known: Catalog) -> None:
    description = "rates effective March 9, 2027 - March 31, 2027 release"
    put_cms(site, known, NEW | {"RVU27AR": Posted(description, ("/files/zip/rvu27ar.zip",))})
    assert seen(store).needs_person == ()
    assert entered(store)["RVU27A"].effective_to == date(2027, 3, 8)


def test_what_a_person_completed_is_known_from_then_on(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, {"RVU27A": Posted("New rates", (NEW_ZIP,))})
    entry = seen(store).needs_person[0].partition(":\n#")[2]
    with store.declared("catalog.toml").open("a", encoding="utf-8") as catalog:
        catalog.write("\n#" + entry.replace("YYYY-MM-DD", "2027-01-01"))
    sighting = seen(store)
    assert (sighting.needs_person, sighting.newest) == ((), "RVU27A")


def test_an_archive_listed_before_a_known_one_is_left_to_a_person(site: Site, store: Store, known: Catalog) -> None:
    hrefs = ("/files/zip/rvu26c-first.zip", "/files/zip/rvu26c.zip")
    put_cms(site, known, {"RVU26C": Posted("July 2026 release", hrefs)})
    assert "lists an unknown archive before one that is known" in seen(store).needs_person[0]


@pytest.mark.parametrize(
    "label", ["RVU 27 A (preview)", "PFREV27A", "RVU27A\x1b[2J", "../../etc/passwd", "RVU27A[[x]]"]
)
def test_a_name_that_is_no_label_is_left_to_a_person(site: Site, store: Store, known: Catalog, label: str) -> None:
    put_page(site, INDEX, index_page([(label, "/odd"), *((name, page_path(name)) for name in known)]))
    [told] = seen(store).needs_person
    assert "expected the name of a release, such as RVU26A" in told
    assert told.isprintable()
    assert "odd" not in asked(site)


def test_an_old_name_that_is_no_label_is_passed_over(site: Site, store: Store, known: Catalog) -> None:
    put_page(site, INDEX, index_page([("RVU-05-X", "/odd"), *((name, page_path(name)) for name in known)]))
    assert seen(store).needs_person == ()


# Pages that changed their form.


def test_a_list_cut_into_several_pages_is_an_error(site: Site, store: Store, known: Catalog) -> None:
    put_page(site, INDEX, index_page((label, page_path(label)) for label in list(known)[-2:]))
    with pytest.raises(DataError, match=r"lists 2 releases without RVU26B: expected the 6 .* in one table, found 2"):
        seen(store)


def test_a_list_that_lost_its_older_half_is_an_error(site: Site, store: Store) -> None:
    catalog = copy_catalog(store.home, site)
    put_page(site, INDEX, index_page((label, page_path(label)) for label in list(catalog)[-20:]))
    with pytest.raises(DataError, match="lists 20 releases without RVU03A, "):
        seen(store, list(catalog.values())[-1].effective_from)


@pytest.mark.parametrize("page", [MAINTENANCE, PAGE.format(title="Files", content="<ul><li>RVU27A</li></ul>")])
def test_a_list_of_another_form_is_an_error_and_read_anew_next_time(
    site: Site, store: Store, known: Catalog, page: str
) -> None:
    seen(store)
    put_page(site, INDEX, page)
    with pytest.raises(DataError, match="expected a table with the columns Name and File Name"):
        seen(store)
    put_cms(site, known, NEW)
    assert list(seen(store).found) == ["RVU27A"]


def test_a_site_under_maintenance_is_a_problem_of_the_machine(site: Site, store: Store, known: Catalog) -> None:
    site.script.extend([Answer(503, MAINTENANCE.encode())] * ATTEMPTS)
    with pytest.raises(MachineError, match="503 Service Unavailable"):
        seen(store)
    assert not store.pages_record.exists()


def test_a_list_that_redirects_to_another_host_is_refused(site: Site, store: Store, known: Catalog) -> None:
    site.script.append(Answer(302, headers={"Location": "https://evil.example/"}))
    with pytest.raises(DataError, match=r"redirects to another host, evil\.example"):
        seen(store)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (MAINTENANCE, "Site under maintenance"),
        (release_page("RVU27A", "January 2027 release", ["https://evil.example/rvu27a.zip"]), "'evil.example'"),
        (release_page("RVU27A", "January 2027 release", ["/files/zip/fee-schedule.zip"]), "a zip named after RVU27A"),
        ("<p>RVU27A</p>", "expected fields File Name, Description and Downloads"),
    ],
)
def test_one_page_of_another_form_is_told_and_does_not_stop_the_others(
    site: Site, store: Store, known: Catalog, page: str, expected: str
) -> None:
    again = "/files/zip/rvu26d-updated-11/20/2026.zip"
    put_cms(site, known, NEW | {"RVU26D": Posted("October 2026 release", (again,))})
    put_page(site, page_path("RVU27A"), page)
    sighting = seen(store)
    assert isinstance(sighting.problems["RVU27A"], DataError)
    assert expected in str(sighting.problems["RVU27A"])
    assert expected in describe(sighting)[1]
    assert sighting.found == {"RVU26D": [site.address + again]}
    put_cms(site, known, NEW)
    assert "RVU27A" in seen(store).found


@pytest.mark.parametrize(
    "href", ["https://evil.example/rvu27a", "javascript:alert(1)", "file:///etc/passwd", "//[x", "/rvu27a\u202e"]
)
def test_the_page_of_a_release_on_another_host_is_not_opened(
    site: Site, store: Store, known: Catalog, href: str
) -> None:
    put_page(site, INDEX, index_page([("RVU27A", href), *((name, page_path(name)) for name in known)]))
    sighting = seen(store)
    assert "names a page of RVU27A on another host" in str(sighting.problems["RVU27A"])
    assert len(site.requests) == 1 + len(RECENT)


def test_a_page_saved_as_another_release_is_told(site: Site, store: Store, known: Catalog) -> None:
    put_cms(site, known, NEW)
    put_page(site, page_path("RVU27A"), release_page("RVU26D", "October 2026 release", ["/files/zip/rvu26d.zip"]))
    assert "expected the page of RVU27A, not of 'RVU26D'" in str(seen(store).problems["RVU27A"])


# The state of things.


@pytest.mark.parametrize(("today", "overdue"), [(date(2027, 1, 9), False), (date(2027, 1, 10), True)])
def test_a_release_that_does_not_come_is_overdue(
    site: Site, store: Store, known: Catalog, today: date, overdue: bool
) -> None:
    sighting = seen(store, today)
    assert sighting.overdue == overdue
    assert describe(sighting)[0].startswith("Nothing newer than RVU26D for 101 days" if overdue else "Nothing new:")


def test_what_is_superseded_or_without_an_archive_is_not_due(site: Site, store: Store) -> None:
    text = CATALOG.replace('"RVU26C"\n', '"RVU26C"\nsuperseded_by = "RVU26CR"\n') + (
        '[[release]]\nlabel = "RVU26CR"\neffective_from = 2026-07-01\narchives = []\n'
    )
    catalog = copy_catalog(store.home, site, text)
    put_cms(site, catalog, {"RVU26CR": Posted("July 2026 release", ("/files/zip/gpci.zip",))})
    sighting = seen(store)
    assert sighting.due == ("RVU26B", "RVU26D")
    assert list(sighting.problems) == ["RVU26CR"]
    put_cms(site, catalog)
    assert seen(store).due == ("RVU26B", "RVU26CR", "RVU26D")


def test_a_catalog_without_the_list_says_which_line_is_missing(store: Store, site: Site) -> None:
    copy_catalog(store.home, site, KNOWN)
    with pytest.raises(DataError, match=rf'{store.home}/raw/catalog.toml does not say .* index = "https://'):
        seen(store)


def test_a_list_with_a_password_in_its_url_is_refused_and_not_repeated(store: Store, site: Site) -> None:
    copy_catalog(store.home, site, CATALOG.replace('index = "https://', 'index = "https://someone:secret@'))
    with pytest.raises(UsageError, match=r"holds an @.*correct `index`") as error:
        seen(store)
    assert "secret" not in str(error.value)


def test_a_home_that_cannot_be_written_is_told(
    site: Site, store: Store, known: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    put_cms(site, known, NEW)
    with (
        monkeypatch.context() as full,
        pytest.raises(MachineError, match="looking for new releases: the disk is full"),
    ):
        full.setattr(os, "fsync", no_space)
        seen(store)
    assert list(seen(store).found) == ["RVU27A"]


def test_a_damaged_found_file_stops_the_look_before_any_request(site: Site, store: Store, known: Catalog) -> None:
    store.found.write_text("[[release]", "utf-8")
    with pytest.raises(DataError, match=r"found\.toml cannot be read"):
        seen(store)
    assert site.requests == []


def test_the_helper_shows_what_the_catalog_knows(known: Catalog, site: Site) -> None:
    assert posted_as_known(known["RVU26D"]) == Posted(
        "October 2026 release", ("/files/zip/rvu26d.zip", "/files/zip/rvu26d-updated-08-26-2026.zip")
    )
