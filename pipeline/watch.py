"""Looks at CMS's pages for releases and archives that the catalog does not know, and enters them into found.toml."""

import json
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta

from pipeline.catalog import LABEL, Catalog, Release, index_page, load_catalog
from pipeline.discover import NEXT_STEP, SHOWN, archives_offered, on_same_host, releases_listed
from pipeline.errors import DataError, RvuError
from pipeline.propose import Posting, Proposal, presumed_start, proposals
from pipeline.store import Store, explained, write_atomically
from pipeline.web import Page, get_page

RECENT = timedelta(days=180)
OVERDUE_DAYS = 100


@dataclass(frozen=True)
class Sighting:
    """What a look at CMS's pages came to.

    `found` are archives that were unknown, by label; `proposals` is the text on them that found.toml now ends with.
    `needs_person` tells what was found and not entered, `problems` which pages could not be read, by label. `due` are
    the releases that may have changed: a refresh asks for each. `days_since_newest` is negative for one to come.
    """

    found: dict[str, list[str]]
    proposals: str
    needs_person: tuple[str, ...]
    problems: dict[str, RvuError]
    due: tuple[str, ...]
    newest: str
    days_since_newest: int

    @property
    def overdue(self) -> bool:
        """Tell whether nothing new was seen for longer than a quarter."""
        return self.days_since_newest > OVERDUE_DAYS


@dataclass
class Reader:
    """Reads pages with a pause in seconds between them, asking only whether they changed since they were kept."""

    kept: dict[str, Page]
    pause: float
    read: dict[str, Page] = field(default_factory=dict)

    def page(self, url: str) -> Page:
        """Return a page as it is now."""
        if self.read:
            time.sleep(self.pause)
        self.read[url] = get_page(url, self.kept.get(url), backoff=self.pause)
        return self.read[url]

    def forget(self, url: str) -> None:
        """Ask for a page from scratch next time, since this answer made no sense."""
        self.read.pop(url, None)


def look(store: Store, today: date, *, pause: float = 1.0) -> Sighting:
    """Look at CMS's list of releases, and at the pages of those that are unknown, in force of late, or to come.

    Requests are `pause` seconds apart. DataError when the list is not what it was; what is wrong with the page of one
    release does not stop the others.
    """
    with explained("looking for new releases"):
        catalog = load_catalog(*store.catalogs)
        reader = Reader(_kept_pages(store), pause)
        index = reader.page(index_page(store.declared("catalog.toml")))
        listed = releases_listed(index.text, index.url)
        _require_whole(index.url, listed, catalog, today)
        postings, problems = _postings(reader, index.url, _worth_opening(listed, catalog, today), today)
        proposed = list(proposals(postings, catalog))
        entries = "\n".join(proposal.entry for proposal in proposed if not proposal.doubt)
        if entries:
            before = store.found.read_text("utf-8").rstrip() + "\n\n" if store.found.exists() else ""
            write_atomically(store.found, before + entries)
        write_atomically(store.pages_record, json.dumps({url: asdict(page) for url, page in reader.read.items()}))
    found = {each.posting.label: each.archives for each in proposed if not each.doubt}
    known = load_catalog(*store.catalogs)
    newest = [release for release in known.values() if not release.superseded_by][-1]
    return Sighting(
        found=found,
        proposals=entries,
        needs_person=(*_doubtful(proposed, store), *_odd_labels(index.url, listed, today)),
        problems=problems,
        due=tuple(
            label for label, each in known.items() if label in found or (each.archives and _is_recent(each, today))
        ),
        newest=newest.label,
        days_since_newest=(today - newest.effective_from).days,
    )


def describe(sighting: Sighting) -> list[str]:
    """Return what a look came to, line by line."""
    lines = [f"{label}: found {url}" for label, urls in sighting.found.items() for url in urls]
    lines += [*sighting.needs_person, *(f"{label}: {problem}" for label, problem in sighting.problems.items())]
    if sighting.overdue:
        lines.append(
            f"Nothing newer than {sighting.newest} for {sighting.days_since_newest} days, where CMS publishes every "
            "quarter. Look at its list of releases; if one is there, correct pipeline/discover.py."
        )
    return lines or [f"Nothing new: {sighting.newest} is the newest release."]


def _kept_pages(store: Store) -> dict[str, Page]:
    """Return the pages of the last look; none where the record is damaged, since it only makes a look cheaper."""
    if not store.pages_record.exists():
        return {}
    try:
        return {url: Page(**page) for url, page in json.loads(store.pages_record.read_text("utf-8")).items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _require_whole(url: str, listed: Collection[str], catalog: Catalog, today: date) -> None:
    """Raise DataError when CMS's list lacks releases that must be on it, as a list cut into several pages does."""
    lacking = [label for label in catalog if label not in listed]
    lost = [label for label in lacking if _is_recent(catalog[label], today)]
    if lost or 2 * len(lacking) > len(catalog):
        raise DataError(
            f"{url} lists {len(listed)} releases without {', '.join((lost or lacking)[:5])}: expected the "
            f"{len(catalog)} that the catalog knows in one table, found {len(catalog) - len(lacking)}. {NEXT_STEP}"
        )


def _worth_opening(listed: dict[str, str], catalog: Catalog, today: date) -> dict[str, str]:
    """Return label to page of what may be new: few, out of politeness to CMS."""
    oldest = min(release.effective_from for release in catalog.values())
    known = {label for label in listed.keys() & catalog.keys() if _is_recent(catalog[label], today)}
    new = {label for label in listed.keys() - catalog.keys() if presumed_start(label) >= oldest}
    return {label: page for label, page in listed.items() if label in known | new and LABEL.fullmatch(label)}


def _is_recent(release: Release, today: date) -> bool:
    """Tell whether a release was in force of late, is, or is to come: only then does CMS re-issue it."""
    ends = release.effective_to or date.max
    return release.superseded_by is None and ends >= today - RECENT


def _postings(
    reader: Reader, index: str, pages: dict[str, str], today: date
) -> tuple[list[Posting], dict[str, RvuError]]:
    """Return what the pages of releases offer, and what is wrong with the others, by label."""
    postings, problems = [], {}
    for label, url in pages.items():
        try:
            if not on_same_host(url, index):
                raise DataError(
                    f"{index} names a page of {label} on another host: expected one of its own. {NEXT_STEP}"
                )
            page = reader.page(url)
            postings.append(Posting(label, url, archives_offered(page.text, page.url, label), today))
        except RvuError as problem:
            reader.forget(url)
            problems[label] = problem
    return postings, problems


def _doubtful(proposed: Iterable[Proposal], store: Store) -> list[str]:
    """Say what was found and is not entered, with the entry to complete."""
    return [
        f"{each.posting.label} is new at {each.posting.page}, but {each.doubt}.\n"
        f"Not entered. Correct this and append it to {store.declared('catalog.toml')}:\n{each.entry}"
        for each in proposed
        if each.doubt
    ]


def _odd_labels(index: str, listed: Iterable[str], today: date) -> list[str]:
    """Say which names, but for old ones, are not of a form that can be a label."""
    since = (today - RECENT).year
    odd = [label for label in listed if not LABEL.fullmatch(label) and presumed_start(label).year >= since]
    return [
        f"{index} lists {label[:SHOWN]!r}: expected the name of a release, such as RVU26A. {NEXT_STEP}"
        for label in odd
    ]
