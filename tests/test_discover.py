from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Catalog
from pipeline.discover import Offer, archives_offered, first_day, releases_listed
from pipeline.errors import DataError
from tests.cms_pages import CMS, INDEX, PAGE, index_page, page_path, release_page

LIST = CMS + INDEX
HERE = f"{CMS}{INDEX}/rvu26a"
ZIP = "/files/zip/rvu26a-updated-12-29-2025.zip"
JANUARY = "January 2026 release"
MAINTENANCE = PAGE.format(title="Site under maintenance", content="<p>CMS.gov is currently under maintenance.</p>")


def offered(*hrefs: str, label: str = "RVU26A", description: str = JANUARY) -> Offer:
    return archives_offered(release_page(label, description, hrefs), HERE, label)


# CMS's list of releases.


def test_the_list_names_every_release_and_its_page(catalog: Catalog) -> None:
    page = index_page((label, page_path(label)) for label in catalog)
    assert releases_listed(page, LIST) == {label: CMS + page_path(label) for label in catalog}


@pytest.mark.parametrize("printed", ["RVU25D", "rvu25d.zip", "RVU25D.ZIP", " RVU25D\n .ZIP "])
def test_the_label_is_what_the_file_name_says_and_not_the_slug(printed: str) -> None:
    page = index_page([(printed, f"{INDEX}/rvu25d-0")])
    assert releases_listed(page, LIST) == {"RVU25D": f"{LIST}/rvu25d-0"}


def test_columns_are_found_by_their_titles() -> None:
    page = f"""<table><tr><th>Menu</th></tr></table>
    <table><tr><th>File Name</th><th>Size</th><th>Name</th></tr>
    <tr><td>RVU26A</td><td>4 MB</td><td><a href="{INDEX}/rvu26a">CY 2026</a></td></tr></table>"""
    assert releases_listed(page, LIST) == {"RVU26A": HERE}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            MAINTENANCE,
            "a page titled 'Site under maintenance | CMS': expected a table with the columns Name and File",
        ),
        ("", "a page titled '': expected a table"),
        ("<ul><li><a href='/rvu26a'>RVU26A</a></li></ul>", "expected a table"),
        (
            "<table><tr><th>Year</th><th>Release</th></tr></table>",
            "expected a table with the columns Name and File Name",
        ),
        ("<table><tr><th>Name</th><th>File Name</th></tr></table>", "expected a table with rows"),
        (index_page([("", "/x")]), "expected a link and a file name in the row 'Name 20 File Name'"),
        (index_page([("RVU26A", "/x")]).replace("href=", "name="), "expected a link and a file name in the row"),
        (index_page([("RVU26A", "/x")]).replace("<td ", "<td></td><td "), "expected a link and a file name"),
        (index_page([("RVU26A", "/x"), ("RVU26A", "/y")]), "expected one page for RVU26A"),
    ],
)
def test_a_list_of_another_structure_says_what_was_expected_and_what_to_do(page: str, expected: str) -> None:
    with pytest.raises(DataError) as error:
        releases_listed(page, LIST)
    text = str(error.value)
    assert text.startswith(LIST)
    assert expected in text
    assert "added to raw/catalog.toml by hand. If CMS changed its pages, correct pipeline/discover.py." in text


# The page of a release.


@pytest.mark.parametrize(
    ("href", "path"),
    [
        (ZIP, ZIP),
        (f"  {ZIP}\n", ZIP),
        (CMS + ZIP, ZIP),
        ("/files/zip/rvu26a-updated-01/31/2026.zip", "/files/zip/rvu26a-updated-01/31/2026.zip"),
        ("/apps/ama/license.asp?file=/files/zip/rvu26a.zip", "/files/zip/rvu26a.zip"),
        (" /apps/ama/license.asp?file=%20/files/zip/rvu26a.zip", "/files/zip/rvu26a.zip"),
        ("/license/ama?file=/files/zip/rvu26a.zip&x=1", "/files/zip/rvu26a.zip"),
        (
            "/license/ama?file=%2Ffiles%2Fzip%2Frvu26a-updated-01%2F31%2F2026.zip",
            "/files/zip/rvu26a-updated-01/31/2026.zip",
        ),
        ("/files/zip/RVU26A (1).ZIP", "/files/zip/RVU26A%20(1).ZIP"),
        ("/sites/default/files/2026-01/rvu26a.zip", "/sites/default/files/2026-01/rvu26a.zip"),
    ],
)
def test_a_link_leads_to_the_archive_past_the_licence(href: str, path: str) -> None:
    assert offered(href) == Offer((CMS + path,), JANUARY, date(2026, 1, 1))


def test_several_archives_are_in_the_order_of_the_page_each_once() -> None:
    first = "/files/zip/rvu26a.zip"
    assert offered(first, ZIP, f"/license/ama?file={first}").archives == (CMS + first, CMS + ZIP)


def test_only_zips_named_after_the_release_count() -> None:
    others = ("/files/zip/rvu26ar.zip", "/files/zip/rvu26a2.zip", "/files/zip/gpci.zip", "/files/document/rvu26a.pdf")
    assert offered(*others, ZIP).archives == (CMS + ZIP,)
    assert offered("/files/zip/rvu26a.zip", "/files/zip/rvu26ar.zip", label="RVU26AR").archives == (
        f"{CMS}/files/zip/rvu26ar.zip",
    )


def test_a_zip_outside_of_the_downloads_does_not_count() -> None:
    page = release_page("RVU26A", JANUARY, []).replace("/files/zip/cms-forms.zip", "/files/zip/rvu26a-old.zip")
    with pytest.raises(DataError, match="a zip named after RVU26A under Downloads, where there is: no link"):
        archives_offered(page, HERE, "RVU26A")


def test_without_an_archive_of_its_name_the_links_are_told() -> None:
    with pytest.raises(DataError, match=r"where there is: RVU26A - Updated 12/29/2025 \(ZIP\)\."):
        offered("/files/zip/january-file.zip")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (MAINTENANCE, "titled 'Site under maintenance | CMS': expected fields File Name, Description and Downloads"),
        ("PK\x03\x04", "expected fields"),
        (release_page("RVU26A", JANUARY, [ZIP]).replace("Downloads", "Get the files"), "expected fields"),
        (release_page("RVU26A", JANUARY, [ZIP]).replace('"field ', '"block '), "expected fields"),
        (release_page("RVU25A", JANUARY, [ZIP]), "expected the page of RVU26A, not of 'RVU25A'"),
    ],
)
def test_a_release_page_of_another_structure_says_what_was_expected(page: str, expected: str) -> None:
    with pytest.raises(DataError) as error:
        archives_offered(page, HERE, "RVU26A")
    assert expected in str(error.value)
    assert "correct pipeline/discover.py" in str(error.value)


@pytest.mark.parametrize(
    "href",
    [
        "https://download.cms.gov/files/zip/rvu26a.zip",
        "http://www.cms.gov/files/zip/rvu26a.zip",
        "https://www.cms.gov:8443/files/zip/rvu26a.zip",
        "//evil.example/rvu26a.zip",
        "/apps/ama/license.asp?file=http://download.cms.gov/rvu26a.zip",
        "https://someone:secret@www.cms.gov/files/zip/rvu26a.zip",
        "javascript:alert(1)//rvu26a.zip",
        "file:///srv/rvu26a.zip",
        "https://[www.cms.gov/rvu26a.zip",
        "/files/\x1b[2Jzip/rvu26a.zip",
        '/files/zip/rvu26a"\n[[release]].zip',
        "/files/zip/rvu26a\u202egpj.zip",
        "/files/zip/rvu26a\\.zip",
        "/files/zip/rvu26a-%00.zip",
    ],
)
def test_an_archive_on_another_host_or_of_a_strange_name_is_refused(href: str) -> None:
    with pytest.raises(
        DataError, match=r"expected (plain links to www\.cms\.gov|a download that can be kept)"
    ) as error:
        offered(ZIP, href)
    assert "secret" not in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("href", ["javascript:alert(1)", "data:text/html,rvu26a.zip", "../../../etc/passwd", "#", ""])
def test_a_link_to_no_archive_is_none(href: str) -> None:
    assert offered(href, ZIP).archives == (CMS + ZIP,)


def test_what_a_page_says_upsets_no_terminal() -> None:
    said = offered(ZIP, description="\x1b[31mJuly\u202e 2026\n\n release\x07").description
    assert said == "[31mJuly 2026 release"


# The first day.


@pytest.mark.parametrize(
    ("description", "day"),
    [
        ("Medicare Physician Fee Schedule rates effective January 1, 2024 - March 8, 2024 release", date(2024, 1, 1)),
        (
            "Medicare Physician Fee Schedule rates effective March 9, 2024 - December 31, 2024 release",
            date(2024, 3, 9),
        ),
        ("July 2026 release", date(2026, 7, 1)),
        ("JULY 2026 RELEASE", date(2026, 7, 1)),
        ("October 2025 release of the Physician Fee Schedule", date(2025, 10, 1)),
        ("Effective April 1, 2026", date(2026, 4, 1)),
        ("Rates effective April 1, 2026. April 2026 release.", date(2026, 4, 1)),
        ("Revised on May 5, 2026. April 2026 release", date(2026, 4, 1)),
        ("January 2026 release, rates effective March 9, 2026", None),
        ("Revised on May 5, 2026", None),
        ("Physician Fee Schedule 2026 release", None),
        ("February 30, 2026 release", None),
        ("April 26 release", None),
        ("", None),
    ],
)
def test_the_first_day_is_what_the_description_says_or_unknown(description: str, day: date | None) -> None:
    assert first_day(description) == day


# Anything.


PIECES = ["<table>", "<tr>", "<td>", "<th>Name", "<th>File Name", "<a href='", "'>", "</td>", "</a>", "</table>"]
FIELDS = ['<div class="field">', "Downloads", "File Name", "Description", "RVU26A", "</div>", "/license?file=", ZIP]
TROUBLE = ["https://[", "<!--", "<![", "<?xml", "&#", "<title>", "\x00", "http://x.y"]


@given(st.lists(st.sampled_from([*PIECES, *FIELDS, *TROUBLE]) | st.text(max_size=8)).map("".join))
@example("<![x")
@example("<![CDATA[")
@example("&#" + "9" * 5000 + ";")
@example("<a href='&#x" + "f" * 5000 + ";'>")
@example("<?xml version='1.0'?><table>")
@example("http://www.cms.gov/")
@example("<div class=field>" * 2000)
@settings(deadline=None)
def test_any_text_gives_facts_or_a_data_error(html: str) -> None:
    for read in (lambda: releases_listed(html, LIST), lambda: archives_offered(html, HERE, "RVU26A")):
        try:
            assert read()
        except DataError as problem:
            assert "correct pipeline/discover.py" in str(problem)
