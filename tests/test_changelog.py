"""changelog: what comes from outside is quoted, never carried out, wherever CHANGES.md is shown."""

import pytest

from pipeline.changelog import quoted


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("rvu25a-updated-01_10_2025.zip", "`rvu25a-updated-01_10_2025.zip`"),
        ("[free](https://evil.example).zip", "`[free](https://evil.example).zip`"),
        ("<script>alert(1)</script>.zip", "`<script>alert(1)</script>.zip`"),
        ("a` <b>|` ``.zip", "`a' <b>|' ''.zip`"),
        ("a\n\n# Heading\x1b[2J.zip", r"`a # Heading\x1b[2J.zip`"),
    ],
)
def test_a_name_is_one_code_span_on_one_line(name: str, shown: str) -> None:
    assert quoted(name) == shown
