"""Says whether anything was lost: what a reader can see of a home, before and after."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.store import VERSION, Receipt, Store, sha256_of, version_order
from pipeline.verify import verify_version

SOUND: set[tuple[str, ...]] = set()  # the hashes of versions that were verified; the same bytes need it once


@dataclass(frozen=True)
class Seen:
    """What a reader can see of a home: LATEST, all versions, all archives kept, and archives being kept."""

    latest: str | None
    versions: tuple[str, ...]
    kept: dict[Path, str]
    incoming: frozenset[str]


def seen(store: Store) -> Seen:
    releases = store.home / "raw" / "releases"
    labels = sorted(path.name for path in releases.glob("*"))
    kept = {store.archive_path(receipt): receipt.sha256 for label in labels for receipt in store.receipts(label)}
    return Seen(store.latest_version(), tuple(store.versions()), kept, incoming(store))


def incoming(store: Store) -> frozenset[str]:
    return frozenset(path.name for path in (store.home / "raw" / "releases").glob("*/.incoming-*"))


def require_nothing_lost(store: Store, before: Seen) -> None:
    """Fail unless LATEST is sound and no older, and all versions and archives are there, whole."""
    now = seen(store)
    assert set(before.versions) <= set(now.versions), f"versions gone: {before.versions} before, {now.versions}"
    assert before.kept.items() <= now.kept.items(), "an archive that was kept is gone"
    for path, sha256 in now.kept.items():
        assert sha256_of(path) == sha256, f"{path} is not the archive of its receipt"
    named = {path.name for path in store.curated.glob("*") if VERSION.fullmatch(path.name)}
    assert named == set(now.versions), f"versions without manifest: {sorted(named - set(now.versions))}"
    if before.latest:
        assert now.latest, "LATEST is gone"
        assert version_order(now.latest) >= version_order(before.latest), f"LATEST went back to {now.latest}"
    if now.latest:
        require_sound(store, now.latest)


def require_sound(store: Store, version: str) -> None:
    """Fail unless every byte and row of a version is as it was published."""
    folder = store.version_path(version)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    hashes = tuple(f"{path.relative_to(folder)} {sha256_of(path)}" for path in files)
    if hashes not in SOUND:
        outcome = verify_version(store, version)
        assert not outcome.problems, f"{version}: {outcome.problems}"
        SOUND.add(hashes)


def require_healed(store: Store, before: Seen, archive: Path) -> None:
    """Fail unless the last run published this archive, and left nothing of those that ended early."""
    version = store.require_version()
    assert version != before.latest, "the run published nothing"
    published = [Receipt(**entry["receipt"]).sha256 for entry in store.manifest(version)["releases"].values()]
    assert sha256_of(archive) in published, "the run published another archive"
    hidden = {path.name for path in store.curated.iterdir() if path.name.startswith(".")}
    assert hidden <= {".lock"}, f"left by runs that ended early: {sorted(hidden)}"
    assert (store.curated / "latest").resolve() == store.version_path(version), "`latest` does not lead to LATEST"
