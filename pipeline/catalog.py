"""raw/catalog.toml: which releases exist, in time order, when each is in force, where its archives are."""

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import UsageError


@dataclass(frozen=True)
class Release:
    """One release of the catalog. `effective_to` is None while no later release is known, or if superseded."""

    label: str
    effective_from: date
    effective_to: date | None = None
    superseded_by: str | None = None
    note: str = ""
    archives: tuple[str, ...] = ()

    def in_force(self, day: date) -> bool:
        """Tell whether the release prices services of that day."""
        return (
            self.superseded_by is None
            and self.effective_from <= day
            and (self.effective_to is None or day <= self.effective_to)
        )


Catalog = dict[str, Release]


def load_catalog(path: Path) -> Catalog:
    """Read the catalog, label to release in time order.

    An end date is not declared: a release ends where the next one that is not superseded begins.
    """
    blocks = tomllib.loads(path.read_text("utf-8"))["release"]
    releases = [Release(**(block | {"archives": tuple(block["archives"])})) for block in blocks]
    lasting = [release for release in releases if release.superseded_by is None]
    ends = {earlier.label: later.effective_from - timedelta(days=1) for earlier, later in pairwise(lasting)}
    return {release.label: replace(release, effective_to=ends.get(release.label)) for release in releases}


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


def newest_release(catalog: Catalog, today: date) -> Release:
    """Return the release in force today, or the last one before."""
    return [
        release for release in catalog.values() if release.superseded_by is None and release.effective_from <= today
    ][-1]


def archive_name(url: str) -> str:
    """Return the file name of an archive URL; CMS's names hold slashes (`rvu24a-updated-04/01/2024.zip`)."""
    path = urlsplit(url).path
    name = re.split(r"/(?:zip|downloads)/", path)[-1].strip("/")
    return name.replace("/", "-")


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
