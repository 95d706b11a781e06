"""Problems that a user can act on; each names the thing, what was expected, what was found, the next step."""


class RvuError(Exception):
    """A problem with a clear message, shown without a traceback; `exit_code` is the process's.

    Messages quote what comes from outside, so nothing in them can drive a terminal or hide in a log.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class DataError(RvuError):
    """CMS's data or our content is not what is declared."""


class UsageError(RvuError):
    """The command asks for something that does not exist or does not fit together."""

    exit_code = 2


class MachineError(RvuError):
    """The machine does not let us: network, disk, permissions, acceptance."""

    exit_code = 3


class OutrunError(MachineError):
    """Another publisher was faster: what was made has to be made again from what is the latest version now."""


PROBLEMS = {problem.__name__: problem for problem in (DataError, UsageError, OutrunError, MachineError)}


def printable(text: str) -> str:
    """Return a text with its control and other invisible characters, but for line ends, as escapes."""
    letters = (letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)
    return "".join(letters)


def kind_of(problem: RvuError) -> str:
    """Return the name in PROBLEMS of a problem, which may be of a kind derived from those."""
    return next(name for name, known in PROBLEMS.items() if isinstance(problem, known))
