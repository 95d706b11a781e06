"""raw/catalog.toml and found.toml: which releases exist, when each is in force, where its archives are."""

import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import DataError, UsageError

LABEL = re.compile(r"(?:RVU|PRREV)[0-9]{2}[A-Z0-9_]{1,8}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._()+ -]*")


@dataclass(frozen=True)
class Factor:
    """A conversion factor as declared: for whom, for services of which days, and what adjusts work before it."""

    basis: str
    since: date
    until: date
    conversion_factor: float
    work_adjustor: float = 1.0

    @property
    def period(self) -> str:
        """Return the days that it prices, in words."""
        return f"from {self.since} to {self.until}"


@dataclass(frozen=True)
class Release:
    """One release of the catalog. `effective_to` is None while no later release is known, or if superseded.

    `factors` are those declared for any day of its year: a file that CMS left in may be computed with an older one.
    """

    label: str
    effective_from: date
    effective_to: date | None = None
    superseded_by: str | None = None
    note: str = ""
    archives: tuple[str, ...] = ()
    factors: tuple[Factor, ...] = ()

    def factors_in_force(self) -> dict[str, Factor]:
        """Return by basis the factors that are declared for the release's first day; none for a year not declared."""
        return {each.basis: each for each in self.factors if each.since <= self.effective_from <= each.until}

    def in_force(self, day: date) -> bool:
        """Tell whether the release prices services of that day."""
        return (
            self.superseded_by is None
            and self.effective_from <= day
            and (self.effective_to is None or day <= self.effective_to)
        )


Catalog = dict[str, Release]
RANGE = ".."


@dataclass(frozen=True)
class Selection:
    """Releases that a command asks for, in time order, and those that its ranges leave out, by the reason."""

    labels: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]


def load_catalog(path: Path, *found: Path) -> Catalog:
    """Read the catalog, label to release in time order, with what was `found` since; DataError where damaged.

    An end date is not declared: a release ends where the next one that is not superseded begins. A later file adds
    releases, and archives to a release that is known; it changes nothing else.
    """
    factors = [Factor(**block) for block in _declared(path).get("factor", [])]
    releases: dict[str, Release] = {}
    for release in (each for file in (path, *found) for each in _releases(file, factors)):
        known = releases.get(release.label, release)
        archives = tuple(dict.fromkeys(known.archives + release.archives))
        releases[release.label] = replace(known, archives=archives)
    ordered = sorted(releases.values(), key=lambda release: release.effective_from)
    lasting = [release for release in ordered if release.superseded_by is None]
    ends = {earlier.label: later.effective_from - timedelta(days=1) for earlier, later in pairwise(lasting)}
    return {release.label: replace(release, effective_to=ends.get(release.label)) for release in ordered}


def index_page(path: Path) -> str:
    """Return the URL of CMS's list of releases that the catalog declares."""
    index = _declared(path).get("index")
    if not isinstance(index, str):
        raise DataError(
            f'{path} does not say where CMS lists its releases: expected a line index = "https://..." above all '
            "blocks. Add it as in the catalog that came with the code."
        )
    return index


def find_release(catalog: Catalog, label: str) -> Release:
    """Return the release of that label, in any letter case; UsageError when the catalog does not know it."""
    try:
        return catalog[label.upper()]
    except KeyError:
        raise UsageError(
            f"{label} is not in raw/catalog.toml, whose newest release is {list(catalog)[-1]}.\n"
            f'Known labels: rvu releases. To add one, append a [[release]] block with label = "{label.upper()}", '
            "effective_from (CMS's page says it) and archives."
        ) from None


def select_releases(catalog: Catalog, wanted: Iterable[str], held: Collection[str] = ()) -> Selection:
    """Return the releases that labels and ranges such as RVU20A..RVU26D ask for, in any letter case.

    A range covers what is not superseded and can be had: it is in `held`, what lies on this machine, or, where
    nothing does, it has an archive URL. A single label is taken as it is. UsageError for an unknown label, and
    for a range that runs backwards or covers nothing.
    """
    chosen: set[str] = set()
    reasons: dict[str, str] = {}
    for text in wanted:
        if RANGE not in text:
            chosen.add(find_release(catalog, text).label)
            continue
        covered = {release.label: _why_left_out(release, held) for release in _in_range(catalog, text)}
        if all(covered.values()):
            told = "; ".join(f"{', '.join(labels)} {reason}" for reason, labels in _by_reason(covered).items())
            raise UsageError(f"{text} covers no release that can be run: {told}.")
        chosen |= {label for label, reason in covered.items() if not reason}
        reasons |= covered
    left_out = {label: reason for label, reason in reasons.items() if label not in chosen}
    return Selection(tuple(label for label in catalog if label in chosen), _by_reason(left_out))


def newest_release(catalog: Catalog, today: date) -> Release:
    """Return the release in force today, or the last one before."""
    return [
        release for release in catalog.values() if release.superseded_by is None and release.effective_from <= today
    ][-1]


def archive_name(url: str) -> str:
    """Return the file name of an archive URL; CMS's names hold slashes (`rvu24a-updated-04/01/2024.zip`).

    UsageError for a name that could lead astray on a disk or a terminal.
    """
    path = unquote(urlsplit(url).path)
    name = re.split(r"/(?:zip|downloads)/", path)[-1].strip("/").replace("/", "-")
    if not FILE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an archive: expected letters, digits, blanks and . _ ( ) + - only, such "
            "as rvu26a.zip. Correct `archives` in raw/catalog.toml."
        )
    return name


def label_in_name(catalog: Catalog, name: str) -> str | None:
    """Return the release that a file or folder name says: CMS's own name of an archive, or the longest label.

    `rvu25a-updated-01_10_2025.zip` is RVU25A, `RVU24AR.zip` is RVU24AR, `rvu03_a.zip` is RVU03A.
    """
    for release in catalog.values():
        if name.lower() in (archive_name(url).lower() for url in release.archives):
            return release.label
    squeezed = re.sub(r"^((?:RVU|PRREV)[0-9]{2})_", r"\1", name.upper())
    fits = [label for label in catalog if re.match(rf"{label}(?![A-Z])", squeezed)]
    return max(fits, key=len, default=None)


def _declared(path: Path) -> dict[str, Any]:
    """Return what a file of the catalog's form declares, unchecked."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise _damaged(path, str(problem)) from problem


def _releases(path: Path, factors: list[Factor]) -> list[Release]:
    """Return the releases of a file, in its order."""
    try:
        return [_release(block, factors) for block in _declared(path).get("release", [])]
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as problem:
        raise _damaged(path, f"{type(problem).__name__}: {problem}") from problem


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be read ({reason}): expected [[release]] blocks with label, effective_from and archives. "
        "Correct it; found.toml may also be removed, rvu watch finds again what was in it."
    )


def _release(block: dict[str, Any], factors: list[Factor]) -> Release:
    if not LABEL.fullmatch(block["label"]):
        raise ValueError(f"{block['label']!r} is not a label")
    if type(block["effective_from"]) is not date:
        raise ValueError(f"effective_from of {block['label']} is not a day")
    if not isinstance(block["archives"], list):
        raise ValueError(f"archives of {block['label']} is not a list")
    for url in block["archives"]:
        archive_name(url)
    year = block["effective_from"].year
    of_year = tuple(factor for factor in factors if factor.since.year <= year <= factor.until.year)
    return Release(**(block | {"archives": tuple(block["archives"]), "factors": of_year}))


def _in_range(catalog: Catalog, text: str) -> list[Release]:
    """Return every release from the first to the last label of FIRST..LAST."""
    first, _, last = text.partition(RANGE)
    if not (first and last):
        raise UsageError(f"{text} is not a range: expected FIRST..LAST, such as RVU20A..RVU26D.")
    labels = list(catalog)
    start, end = (labels.index(find_release(catalog, label).label) for label in (first, last))
    if start > end:
        raise UsageError(f"{text} runs backwards: {labels[start]} comes after {labels[end]}. Write {last}..{first}.")
    return [catalog[label] for label in labels[start : end + 1]]


def _why_left_out(release: Release, held: Collection[str]) -> str:
    """Return why a range leaves a release out; empty if it does not."""
    if release.superseded_by:
        return "superseded"
    if held:
        return "" if release.label in held else "not among the archives given"
    return "" if release.archives else "without an archive URL in raw/catalog.toml"


def _by_reason(reasons: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        reason: tuple(label for label, of_label in reasons.items() if of_label == reason)
        for reason in dict.fromkeys(reasons.values())
    }
