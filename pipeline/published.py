"""Chooses what a reading command is about: the latest version, and one of its releases by label or by date."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.catalog import load_catalog
from pipeline.errors import UsageError
from pipeline.lookup import rows_of_code
from pipeline.store import Store, table_file


@dataclass(frozen=True)
class Published:
    """One release of one version; `labels` are all releases of the version, oldest first."""

    store: Store
    version: str
    release: str
    labels: tuple[str, ...]

    def file(self, table: str, release: str | None = None) -> Path:
        """Return where a table of the release lies; not every release has every table."""
        return table_file(self.store.version_path(self.version), table, release or self.release)


def published_release(store: Store, release: str | None = None, on: str | None = None) -> Published:
    """Return a release of the latest version: the one named, the one in force on a day, or the newest.

    UsageError, with what there is, when the version does not hold it.
    """
    if release and on:
        raise UsageError("--release and --on exclude each other: a day has one release.")
    version = store.require_version()
    labels = tuple(store.manifest(version)["releases"])
    label = release.upper() if release else _in_force(store, on) if on else labels[-1]
    if label not in labels:
        wanted = f"{label}, which priced {on}," if on else label
        raise UsageError(
            f"{wanted} is not in version {version}, which holds {', '.join(labels)}. To add it: rvu run {label}"
        )
    return Published(store, version, label, labels)


def not_found(chosen: Published, table: str, code: str) -> UsageError:
    """Return the problem that a table of the release lacks a code, with the releases that have it."""
    holders = [label for label in chosen.labels if rows_of_code(chosen.file(table, label), code)]
    hint = f"It is in {', '.join(holders)}: add --release {holders[-1]}" if holders else "Check the spelling"
    return UsageError(f"{code} is not in {chosen.release} of version {chosen.version}. {hint}.")


def day(text: str) -> date:
    """Return a date; UsageError unless it is YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date: expected YYYY-MM-DD.") from None


def _in_force(store: Store, on: str) -> str:
    known = load_catalog(*store.catalogs).values()
    found = [release.label for release in known if release.in_force(day(on))]
    if not found:
        raise UsageError(f"No release of raw/catalog.toml was in force on {on}. See: rvu releases")
    return found[0]
