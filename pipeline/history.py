"""Looks after the versions that exist: which of them is the latest, and which are old enough to be removed."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline import bucket
from pipeline.errors import DataError
from pipeline.mirror import bring_version, manifest_of
from pipeline.store import Store
from pipeline.verify import damage

Origin = tuple[datetime, str | None]  # when a version was written, and which one it was made from


@dataclass(frozen=True)
class Fate:
    """What pruning means for a version; `bytes_freed` is without the files that a version which stays shares."""

    version: str
    is_removed: bool
    reason: str
    bytes_freed: int = 0


def rollback(store: Store, version: str) -> str | None:
    """Make a version the latest again, and return the one that was; no version is removed.

    DataError when its files are not those of its manifest; OutrunError when a publisher elsewhere was faster.
    """
    bring_version(store, version)
    with store.locked():
        store.require_version(version)
        if damaged := damage(store, version):
            raise DataError(
                f"{version} is damaged, so that {store.latest_version()} stays the latest: "
                f"{'; '.join(damaged.values())}. Restore its files from a copy, or choose another: rvu versions"
            )
        before = bucket.latest_version(store)
        bucket.move_latest(store, version, before)
        store.make_latest(version)
    return before


def prune(store: Store, keep: int, grace: timedelta, now: datetime) -> list[Fate]:
    """Remove old versions, as `fates` says; in an object store also what publishers left that died long ago."""
    with store.locked():
        decided = fates(store, keep, grace, now)
        for fate in decided:
            if fate.is_removed:
                bucket.remove_version(store, fate.version)
                if store.version_path(fate.version).exists():
                    store.remove_version(fate.version)
    for leftover in bucket.leftovers(store):
        bucket.remove_version(store, leftover)
    return decided


def fates(store: Store, keep: int, grace: timedelta, now: datetime) -> list[Fate]:
    """Say which versions may be removed and why the others stay, oldest first.

    A version stays while it is the latest, among the `keep` newest, or was replaced within the grace period: a reader
    who asked for the latest one then may still be opening its files.
    """
    versions = bucket.versions(store)
    origins = {version: _origin(store, version) for version in versions}
    verdicts = {version: _verdict(_replaced_at(version, origins), grace, now) for version in versions[:-keep]}
    verdicts |= dict.fromkeys(versions[-keep:], (False, f"one of the newest {keep}"))
    if (latest := bucket.latest_version(store)) in verdicts:
        verdicts[latest] = (False, "the latest")
    freed = _bytes_freed(store, [version for version, (is_removed, _) in verdicts.items() if is_removed])
    return [
        Fate(version, is_removed, reason, freed.get(version, 0)) for version, (is_removed, reason) in verdicts.items()
    ]


def _origin(store: Store, version: str) -> Origin | None:
    """Return where a version comes from, or None where its manifest does not say."""
    try:
        manifest = manifest_of(store, version)
        return datetime.fromisoformat(manifest["created_at"]).astimezone(UTC), manifest["parent"]
    except (DataError, LookupError, TypeError, ValueError):
        return None


def _replaced_at(version: str, origins: dict[str, Origin | None]) -> datetime | None:
    """Return when a version was the latest for the last time; None where manifests do not say.

    What takes its place is the version after it or, where it was the latest again by a rollback, one made from it.
    """
    order = list(origins)
    after = order[order.index(version) + 1 :][:1]
    made_from_it = [each for each, origin in origins.items() if origin and origin[1] == version]
    found = [origins[each] for each in (version, *after, *made_from_it)]
    return max((origin[0] for origin in found if origin), default=None) if all(found) else None


def _verdict(replaced_at: datetime | None, grace: timedelta, now: datetime) -> tuple[bool, str]:
    """Return whether a version that is neither the latest nor among the newest is removed, and why."""
    if replaced_at is None:
        return False, "its manifest, or that of the version which replaced it, cannot be read"
    if replaced_at > now:
        return False, f"replaced in the future, on {replaced_at:%Y-%m-%d}: the clock went backwards"
    if now - replaced_at < grace:
        return False, f"replaced less than {grace.days} days ago: readers may still be opening its files"
    return True, f"replaced on {replaced_at:%Y-%m-%d}"


def _bytes_freed(store: Store, versions: list[str]) -> dict[str, int]:
    """Return what removing versions one after the other frees: a file counts where its last link goes."""
    seen: Counter[tuple[int, int]] = Counter()
    freed = dict.fromkeys(versions, 0)
    for version in versions:
        for path in store.version_path(version).rglob("*"):
            facts = path.lstat()
            seen[facts.st_dev, facts.st_ino] += 1
            if path.is_file() and seen[facts.st_dev, facts.st_ino] == facts.st_nlink:
                freed[version] += facts.st_size
    return freed
