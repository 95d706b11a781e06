"""Reads CMS's pages: which releases its list names and where, and which archives a release's own page offers."""

import calendar
import re
import warnings
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qs, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag, UnusualUsageWarning
from bs4.exceptions import ParserRejectedMarkup

from pipeline.catalog import archive_name
from pipeline.errors import DataError, UsageError

NAME, FILE_NAME, DESCRIPTION, DOWNLOADS = "Name", "File Name", "Description", "Downloads"
NEXT_STEP = (
    "Look at it in a browser: what is new there can be added to raw/catalog.toml by hand. If CMS changed its pages, "
    "correct pipeline/discover.py."
)
SHOWN = 300  # characters of CMS's words that a message repeats
DAY = rf"(?:{'|'.join(calendar.month_name[1:])}) (?:[0-9]{{1,2}}, )?20[0-9]{{2}}"
# "rates effective January 1, 2024 - March 8, 2024 release", "July 2026 release"; no other day that a text may name
PERIOD = re.compile(
    rf"(?P<effective>\beffective )?\b(?P<start>{DAY})(?: (?:-|\u2013|to|through) {DAY})?(?P<release> release\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Offer:
    """What a release's page offers, oldest posting first.

    `effective_from` is None where the description names no day as the first one, or several.
    """

    archives: tuple[str, ...]
    description: str
    effective_from: date | None


def releases_listed(html: str, url: str) -> dict[str, str]:
    """Return label to page of the releases that CMS's list at `url` names, as it names them and in its order."""
    soup = _parsed(html, url)
    tables = [table for table in soup.find_all("table") if {NAME, FILE_NAME} <= set(_headers(table))]
    if not tables:
        raise _not_as_expected(soup, url, f"a table with the columns {NAME} and {FILE_NAME}")
    headers = _headers(tables[0])
    listed: dict[str, str] = {}
    for row in tables[0].find_all("tr"):
        cells = row.find_all("td")
        if not cells:
            continue  # the header
        link = cells[headers.index(NAME)].find("a", href=True) if len(cells) == len(headers) else None
        label = _label(cells[headers.index(FILE_NAME)]) if link else ""
        if not link or not label:
            raise _not_as_expected(soup, url, f"a link and a file name in the row {_text(row)!r}")
        page = _target(url, str(link["href"]))
        if listed.setdefault(label, page) != page:
            raise _not_as_expected(soup, url, f"one page for {label}")
    if not listed:
        raise _not_as_expected(soup, url, "a table with rows")
    return listed


def archives_offered(html: str, url: str, label: str) -> Offer:
    """Return what the page of a release offers for download; DataError where that cannot be told for certain."""
    soup = _parsed(html, url)
    file_name, description, downloads = (_fields(soup, name) for name in (FILE_NAME, DESCRIPTION, DOWNLOADS))
    if not (file_name and description and downloads):
        raise _not_as_expected(soup, url, f"fields {FILE_NAME}, {DESCRIPTION} and {DOWNLOADS}")
    if (stated := _label(file_name[-1])) != label:
        raise _not_as_expected(soup, url, f"the page of {label}, not of {stated!r}")
    links = [link for field in downloads for link in field.find_all("a", href=True)]
    targets = [_target(url, str(link["href"])) for link in links]
    archives = list(dict.fromkeys(target for target in targets if _is_named_after(label, target)))
    if not archives:
        found = ", ".join(map(_text, links)) or "no link"
        raise _not_as_expected(soup, url, f"a zip named after {label} under {DOWNLOADS}, where there is: {found}")
    for archive in archives:
        _require_safe(archive, soup, url)
    said = _text(description[-1]).removeprefix(DESCRIPTION).strip()
    return Offer(tuple(archives), said, first_day(said))


def first_day(description: str) -> date | None:
    """Return the first day of service that a description names, if it names exactly one."""
    found = PERIOD.finditer(description)
    days = {_day(match["start"]) for match in found if match["effective"] or match["release"]}
    return days.pop() if len(days) == 1 else None


def on_same_host(link: str, url: str) -> bool:
    """Tell whether a link leads to the host of the page that it is on, in nothing but plain characters."""
    try:
        there, here = urlsplit(link), urlsplit(url)
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", link) is not None
    return plain and (there.scheme, there.netloc) == (here.scheme, here.netloc)


def _parsed(html: str, url: str) -> BeautifulSoup:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusualUsageWarning)  # what is no page is told below, in our words
            return BeautifulSoup(html, "html.parser")
    except (ParserRejectedMarkup, ValueError) as problem:
        raise DataError(
            f"{url} is not HTML ({type(problem).__name__}): expected a page of CMS. {NEXT_STEP}"
        ) from None


def _not_as_expected(soup: BeautifulSoup, url: str, expected: str) -> DataError:
    title = _text(soup.title) if soup.title else ""
    return DataError(f"{url}, a page titled {title[:SHOWN]!r}: expected {expected[:SHOWN]}. {NEXT_STEP}")


def _text(tag: Tag) -> str:
    """Return the words of an element on one line, without what could upset a terminal."""
    words = " ".join(tag.get_text(" ").split())
    return "".join(filter(str.isprintable, words))


def _headers(table: Tag) -> list[str]:
    """Return the titles of a table's columns, without the words for screen readers on how to sort by them."""
    return [re.sub(r" Sort (?:a|de)scending$", "", _text(cell)) for cell in table.find_all("th")]


def _label(cell: Tag) -> str:
    """Return the release that a cell or field "File Name" says; CMS repeats the column's name in the cell."""
    return re.sub(r"\s|\.ZIP$", "", _text(cell).removeprefix(FILE_NAME).upper())


def _fields(soup: BeautifulSoup, name: str) -> list[Tag]:
    """Return the fields whose first words are their name, the innermost last: CMS's fields lie in fields."""
    return [field for field in soup.find_all(class_="field") if next(field.stripped_strings, "") == name]


def _day(text: str) -> date | None:
    """Return the day of "January 1, 2024" or "July 2026", the first of that month; None for a 31 April."""
    try:
        return datetime.strptime(text, "%B %d, %Y" if "," in text else "%B %Y").date()
    except ValueError:
        return None


def _target(url: str, href: str) -> str:
    """Return where a link leads in the end: the licence's page has the file in its query."""
    try:
        link = urljoin(url, href.strip())
        behind = parse_qs(urlsplit(link).query).get("file")
        link = urljoin(link, behind[-1].strip()) if behind else link
    except ValueError:
        return href
    return link.replace(" ", "%20")


def _is_named_after(label: str, link: str) -> bool:
    """Tell whether a link is to a zip whose name begins with the label and not with a longer one."""
    path = link.partition("?")[0].partition("#")[0].upper()
    return re.search(rf"/{label}(?![A-Z0-9]).*\.ZIP$", path) is not None


def _require_safe(archive: str, soup: BeautifulSoup, url: str) -> None:
    """Raise DataError unless the URL of an archive may be entered into the catalog."""
    if not on_same_host(archive, url):
        expected = f"plain links to {_host(url)} under {DOWNLOADS}, not one to {_host(archive)!r}"
        raise _not_as_expected(soup, url, expected)
    try:
        archive_name(archive)
    except UsageError as problem:
        raise _not_as_expected(soup, url, f"a download that can be kept. {problem}") from None


def _host(link: str) -> str:
    """Return where a link leads, never the password that may be in it."""
    try:
        parts = urlsplit(link)
        return parts.hostname or f"{parts.scheme}:"
    except ValueError:
        return "an unreadable address"
