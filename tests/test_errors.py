"""errors: what a message quotes from outside cannot drive a terminal."""

import pickle

import pytest

from pipeline.errors import DataError, printable


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("\x07\x08\r\t\0", r"\x07\x08\r\t\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028", r"\u2028"),
        ("\udcff", r"\udcff"),
        ("Ménière, 'two'\nlines \\x1b", "Ménière, 'two'\nlines \\x1b"),
    ],
)
def test_a_message_shows_control_characters_instead_of_sending_them(quoted: str, shown: str) -> None:
    assert str(DataError(f"{quoted} is no member")) == f"{shown} is no member"


def test_a_message_stays_the_same_when_it_is_told_again_or_crosses_a_process() -> None:
    problem = DataError("\x1b[2J")
    assert str(DataError(str(problem))) == str(pickle.loads(pickle.dumps(problem))) == printable("\x1b[2J")  # noqa: S301
