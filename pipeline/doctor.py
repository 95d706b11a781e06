"""Examines an installation: what each check finds, whether that is a problem, and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.errors import DataError, MachineError, RvuError
from pipeline.store import Store


@dataclass(frozen=True)
class Diagnosis:
    """What a check found. `exit_code` is that of the kind of problem, and 0 for what is no problem."""

    state: str
    found: str
    to_do: str = ""
    exit_code: int = 0


# A check is called after what it looks at; one that raises has found a problem as well.
Check = Callable[[Store], Diagnosis]


def ok(found: str) -> Diagnosis:
    """Return that all is well."""
    return Diagnosis("ok", found)


def warning(found: str, to_do: str) -> Diagnosis:
    """Return something to look into, with which runs can do their work."""
    return Diagnosis("warning", found, to_do)


def problem(kind: type[RvuError], found: str, to_do: str) -> Diagnosis:
    """Return something that is broken."""
    return Diagnosis("problem", found, to_do, kind.exit_code)


def examine(store: Store, checks: Iterable[Check]) -> dict[str, Diagnosis]:
    """Return what each check found, by its name."""
    return {check.__name__.replace("_", " "): _diagnosis(store, check) for check in checks}


def _diagnosis(store: Store, check: Check) -> Diagnosis:
    """Return what a check found, whatever happens in it: the others must be told as well."""
    try:
        return check(store)
    except MachineError as found:
        return problem(MachineError, str(found), "")
    except RvuError as found:
        return problem(DataError, str(found), "")
    except OSError as found:
        return problem(MachineError, f"{found.filename}: {found.strerror}", "Restore it, or make it readable.")
    except Exception as found:
        name = type(found).__name__
        return problem(DataError, f"the check itself failed: {name}: {found}", "Correct or restore what it reads.")
