"""Problems that a user can act on; each names the thing, what was expected, what was found, the next step."""


class RvuError(Exception):
    """A problem with a clear message, shown without a traceback; `exit_code` is the process's."""

    exit_code = 1


class DataError(RvuError):
    """CMS's data or our content is not what is declared."""


class UsageError(RvuError):
    """The command asks for something that does not exist or does not fit together."""

    exit_code = 2


class MachineError(RvuError):
    """The machine does not let us: network, disk, permissions, acceptance."""

    exit_code = 3


PROBLEMS = {problem.__name__: problem for problem in (DataError, UsageError, MachineError)}


def kind_of(problem: RvuError) -> str:
    """Return the name in PROBLEMS of a problem, which may be of a kind derived from those."""
    return next(name for name, known in PROBLEMS.items() if isinstance(problem, known))
