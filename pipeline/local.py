"""Finds the archives that lie on this machine, and which release each one is."""

from pathlib import Path

from pipeline.catalog import Catalog, find_release, label_in_name
from pipeline.errors import UsageError


def find_sources(catalog: Catalog, paths: list[Path], wanted: list[str]) -> dict[str, Path]:
    """Return label to path for zips, folders of zips and unpacked archives; only `wanted` ones if any are named.

    UsageError when a path holds no archive, a name says no release, or two archives say the same one.
    """
    wanted = [find_release(catalog, label).label for label in wanted]
    archives = [_well_named(archive) for path in paths for archive in _archives(path)]
    if len(archives) == 1 and len(wanted) == 1:
        return {wanted[0]: archives[0]}
    found: dict[str, Path] = {}
    for archive in archives:
        label = label_in_name(catalog, archive.name)
        if label is None:
            raise UsageError(
                f"{archive} does not say which release it is. Name the release: rvu run RVU25A --from {archive}"
            )
        if wanted and label not in wanted:
            continue
        if label in found:
            raise UsageError(f"{found[label]} and {archive} are both {label}. Name one of them with --from.")
        found[label] = archive
    if missing := [label for label in wanted if label not in found]:
        searched = ", ".join(map(str, paths))
        raise UsageError(f"{', '.join(missing)} is not among the {len(archives)} archives in {searched}.")
    return found


def _well_named(archive: Path) -> Path:
    """Refuse a name that could lead astray on a terminal, in a log or in CHANGES.md."""
    if not archive.name.isprintable():
        raise UsageError(
            f"{str(archive)!r} has invisible or control characters in its name. Rename it and run again."
        )
    return archive


def _archives(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    if path.is_file():
        return [path]
    if any(member.name.upper().startswith("PPRRVU") for member in path.iterdir()):
        return [path]
    zips = sorted(path.rglob("*.[zZ][iI][pP]"))
    if not zips:
        raise UsageError(f"{path} holds neither a zip nor an unpacked archive (no file named PPRRVU...).")
    return zips
