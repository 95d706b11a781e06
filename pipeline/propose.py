"""Turns what CMS's pages offer into entries of the catalog, or says why a person must make them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pipeline.catalog import Catalog
from pipeline.discover import Offer

QUARTERS = {"A": 1, "B": 4, "C": 7, "D": 10}  # the month in which a release begins that is named by a plain letter


@dataclass(frozen=True)
class Posting:
    """A release as CMS's pages have it on a day."""

    label: str
    page: str
    offer: Offer
    seen_on: date


@dataclass(frozen=True)
class Proposal:
    """Archives that the catalog lacks, oldest first, and their entry for it.

    `doubt` is empty, or says why the entry is not good as it stands.
    """

    posting: Posting
    archives: list[str]
    entry: str
    doubt: str


def proposals(postings: list[Posting], catalog: Catalog) -> Iterator[Proposal]:
    """Propose an entry for each posting that has an archive unknown to the catalog."""
    unknown = [posting.offer.effective_from for posting in postings if posting.label not in catalog]
    begins = Counter([release.effective_from for release in catalog.values()] + [day for day in unknown if day])
    for posting in postings:
        known = catalog.get(posting.label)
        archives = [url for url in posting.offer.archives if not known or url not in known.archives]
        if archives and known:
            doubt = _doubt_of_order(posting.offer.archives, archives)
            yield Proposal(posting, archives, _entry(posting, archives, known.effective_from), doubt)
        elif archives:
            day = posting.offer.effective_from
            doubt = _doubt_of_day(posting) or _doubt_of_rank(posting, catalog, begins)
            yield Proposal(posting, archives, _entry(posting, archives, day), doubt)


def presumed_start(label: str) -> date:
    """Return the first day that a name alone suggests; the last of all days for a name without a year."""
    found = re.search(r"([0-9]{2})([A-Z]?)", label)
    return date(2000 + int(found[1]), QUARTERS.get(found[2], 1), 1) if found else date.max


def _doubt_of_order(offered: tuple[str, ...], unknown: list[str]) -> str:
    """Doubt that the unknown archives are the newest: CMS appends, so none of them may come before a known one."""
    if list(offered[-len(unknown) :]) == unknown:
        return ""
    return "its page lists an unknown archive before one that is known, so which one is the newest is not certain"


def _doubt_of_day(posting: Posting) -> str:
    """Doubt about the first day of a new release: the page must say it, and the label must agree."""
    day, label = posting.offer.effective_from, posting.label
    if day is None:
        return f"its page does not say plainly from which day it is in force: {posting.offer.description[:300]!r}"
    presumed = presumed_start(label)
    if day.year != presumed.year or (label[5:] in QUARTERS and day != presumed):
        return f"its page says that it is in force from {day}, which is not what its name says"
    return ""


def _doubt_of_rank(posting: Posting, catalog: Catalog, begins: Counter[date]) -> str:
    """Doubt about which one counts of releases that begin on the same day."""
    day = posting.offer.effective_from
    if day is None or begins[day] == 1:
        return ""
    others = [release.label for release in catalog.values() if release.effective_from == day]
    named = ", ".join(others) or "another new one"
    return f"it begins on {day} as {named} does: the one that is replaced needs a line superseded_by"


def _entry(posting: Posting, archives: list[str], day: date | None) -> str:
    """Return a [[release]] block as in raw/catalog.toml."""
    lines = [
        f"# found on {posting.seen_on} at {posting.page}",
        "[[release]]",
        f"label = {json.dumps(posting.label)}",
        f"effective_from = {day or 'YYYY-MM-DD'}",
        "archives = [",
        *(f"    {json.dumps(url)}," for url in archives),
        "]",
    ]
    return "\n".join(lines) + "\n"
