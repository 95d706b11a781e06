"""What the doctor checks on the machine: Python, packages, permissions, disk, Prefect, and the licence."""

import json
import os
import platform
import shutil
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, version

import httpx
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.bucket import latest_version
from pipeline.doctor import Check, Diagnosis, ok, problem, warning
from pipeline.errors import MachineError
from pipeline.store import Store, is_remote

SCARCE = 5 * 10**9  # bytes: room for a backfill of all releases that CMS ever published
PATIENCE = 5.0  # seconds
INSTALL = "Install what is declared: pip install --constraint constraints.txt --editable ."


def python(_: Store) -> Diagnosis:
    """Compare the Python that runs with the one that the project declares."""
    wanted, found = _declared()["Requires-Python"], platform.python_version()
    if SpecifierSet(wanted).contains(found, prereleases=True):
        return ok(f"{found}, expected {wanted}")
    return problem(MachineError, f"{found}, expected {wanted}", "Make the environment anew with another Python.")


def packages(_: Store) -> Diagnosis:
    """Compare the packages that are installed with those that the project declares."""
    requirements = [Requirement(text) for text in _declared().get_all("Requires-Dist") or []]
    needed = [each for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})]
    found = {each.name: _installed(each.name) for each in needed}
    wrong = [
        f"{each.name} {found[each.name] or 'is missing'}, expected {each.specifier}"
        for each in needed
        if not (installed := found[each.name]) or not each.specifier.contains(installed, prereleases=True)
    ]
    if wrong:
        return problem(MachineError, "; ".join(wrong), INSTALL)
    return ok(", ".join(f"{name} {installed}" for name, installed in sorted(found.items())))


def write_access(store: Store) -> Diagnosis:
    """Write where archives and versions are kept."""
    store.try_writing()
    return ok(f"{store.raw} and {store.curated} can be written")


def disk_space(store: Store) -> Diagnosis:
    """Look at the free space of the disks that hold archives and versions."""
    free = {folder: shutil.disk_usage(folder).free for folder in (store.raw, store.curated)}
    fullest = min(free, key=lambda folder: free[folder])
    found = f"{free[fullest] / 1e9:,.1f} GB free for {fullest}"
    if free[fullest] < SCARCE:
        return warning(found, "Free some: rvu prune --keep 5. A release takes 20 to 30 MB, a version what differs.")
    return ok(found)


def prefect(_: Store) -> Diagnosis:
    """Ask the Prefect server, if one is named, how it is."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return ok("PREFECT_API_URL is not set: each run starts Prefect's embedded server")
    to_do = "Start it (prefect server start), correct PREFECT_API_URL (http://HOST:4200/api), or unset it."
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL) as reason:
        return problem(MachineError, f"{url} does not answer: {reason}", to_do)
    if answer.is_success:
        return ok(f"{url} answers")
    return problem(MachineError, f"{url}/health answered {answer.status_code} {answer.reason_phrase}", to_do)


def licence(store: Store) -> Diagnosis:
    """See whether someone accepted what CMS asks to accept before a download."""
    if not store.license_record.exists():
        to_do = "Before the first pull from CMS, not for the sample: rvu run --accept-license"
        return warning("the licences of CMS's archives are not accepted", to_do)
    record = json.loads(store.license_record.read_text("utf-8"))
    return ok(f"accepted by {record['accepted_by']} at {record['accepted_at']}")


def object_store(store: Store) -> Diagnosis:
    """Ask the object store, where there is one, for the latest version."""
    if not is_remote(store.curated_place):
        return ok("RVU_CURATED names none: versions lie on this machine")
    return ok(f"{store.curated_place} answers; its latest version is {latest_version(store)}")


CHECKS: tuple[Check, ...] = (python, packages, write_access, disk_space, object_store, prefect, licence)


def _declared() -> PackageMetadata:
    """Return what the project declares about itself, as it was installed."""
    try:
        return metadata("rvu")
    except PackageNotFoundError:
        raise MachineError(f"rvu is not installed in this Python. {INSTALL}") from None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
