"""What the doctor checks on the data: the catalog, what is published of it, and what killed runs left behind."""

import time
from datetime import UTC, date, datetime
from itertools import pairwise

from pipeline.catalog import Catalog, Release, load_catalog, newest_release
from pipeline.coverage import coverage
from pipeline.doctor import Check, Diagnosis, ok, problem, warning
from pipeline.errors import DataError
from pipeline.published import published_release
from pipeline.store import Store, version_order

QUARTER_AND_A_BIT = 100  # days
DAY = 24 * 60 * 60  # seconds
NOTHING_YET = "no version is published yet"


def catalog_gaps(store: Store) -> Diagnosis:
    """Look for quarters without a release; a note on the release before explains one."""
    catalog = _catalog(store)
    labels = list(catalog)
    pairs = pairwise(catalog.values())
    gaps = [f"{a.label} and {b.label}" for a, b in pairs if _quarter(b) - _quarter(a) > 1 and not a.note]
    if gaps:
        to_do = "Add what CMS published to raw/catalog.toml, or a note to the release before that says there is none."
        return warning(f"a quarter without a release between {'; '.join(gaps)}", to_do)
    return ok(f"{len(labels)} releases from {labels[0]} to {labels[-1]}, no gap without a note")


def catalog_age(store: Store) -> Diagnosis:
    """See whether the catalog knows a release of this quarter."""
    newest = list(_catalog(store).values())[-1]
    found = f"the newest release, {newest.label}, is in force from {newest.effective_from}"
    if (_today() - newest.effective_from).days > QUARTER_AND_A_BIT:
        return warning(found, "Look for a newer one: rvu watch. Or append it to raw/catalog.toml.")
    return ok(found)


def latest_version(store: Store) -> Diagnosis:
    """Follow LATEST, and the link beside it, as readers do."""
    latest, versions = store.latest_version(), store.versions()
    if latest is None and not versions:
        return warning(NOTHING_YET, "Publish one: rvu run --sample, or rvu run --accept-license")
    if latest not in versions:
        to_do = f"Name one that exists: rvu rollback {versions[-1]}" if versions else "Publish anew: rvu run"
        return problem(DataError, f"LATEST names {latest or 'nothing'}, which is no version", to_do)
    store.manifest(latest)
    if store.linked_version() not in (latest, None):
        found = f"LATEST names {latest}, but the link leads to {store.linked_version()}"
        return warning(found, f"Let both name one: rvu rollback {latest}")
    return ok(f"{latest}, one of {len(versions)}")


def release_in_force(store: Store) -> Diagnosis:
    """See whether the release that prices services of today is published."""
    label = newest_release(_catalog(store), _today()).label
    to_do = f"rvu run {label}, with --accept-license for the first pull from CMS"
    version = store.latest_version()
    if version is None:
        return warning(NOTHING_YET, to_do)
    manifest = store.manifest(version)
    if manifest["is_sample"]:
        return warning(f"{version} holds the sample only; {label} prices services of today", to_do)
    if label not in manifest["releases"]:
        return warning(f"{label} prices services of today and is not in version {version}", to_do)
    return ok(f"{label} is in version {version}")


def content_coverage(store: Store) -> Diagnosis:
    """Say how much of the newest release has our texts."""
    if store.latest_version() is None:
        return ok(NOTHING_YET)
    chosen = published_release(store)
    total = coverage(chosen)[-1]
    payable, complete = total["payable_codes"], total["payable_complete"]
    found = f"{chosen.release}: {complete:,} of {payable:,} payable codes have complete texts"
    if payable and not complete:
        return warning(found, "See what to write: rvu content missing")
    return ok(f"{found} ({total['payable_complete_percent'] or 0} %)")


def leftovers(store: Store) -> Diagnosis:
    """Look for what a run that was killed left more than a day ago."""
    old = [path for path in store.leftovers() if time.time() - path.stat().st_mtime > DAY]
    if old:
        found = f"older than a day: {', '.join(map(str, old))}"
        to_do = "The next run clears curated/ and resumes a .part of its releases. Remove the rest by hand."
        return warning(found, to_do)
    return ok("none older than a day")


def publisher(store: Store) -> Diagnosis:
    """See whether the lock on curated/ is free."""
    return ok("a run is publishing at this moment" if store.is_locked() else "no run is publishing")


def clock(store: Store) -> Diagnosis:
    """Compare today's date with that of the newest version."""
    newest, today = max(map(version_order, store.versions()), default=("", 0))[0], _today().isoformat()
    if newest > today:
        found = f"the newest version is of {newest}, but today is {today}: the clock goes wrong, or went wrong then"
        return warning(found, "Set the clock. New versions keep the later date until it has passed.")
    return ok(f"today is {today}, no version is later")


CHECKS: tuple[Check, ...] = (
    catalog_gaps,
    catalog_age,
    latest_version,
    release_in_force,
    content_coverage,
    leftovers,
    publisher,
    clock,
)


def _catalog(store: Store) -> Catalog:
    return load_catalog(*store.catalogs)


def _quarter(release: Release) -> int:
    return release.effective_from.year * 4 + (release.effective_from.month - 1) // 3


def _today() -> date:
    return datetime.now(UTC).date()
