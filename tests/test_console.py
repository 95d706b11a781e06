"""console: what CMS prints is shown as it is."""

import pytest

from pipeline.console import print_rows


def test_square_brackets_and_colons_in_a_descriptor_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"descriptor": "Test [red] of :heart: [/bold]"}], as_json=False)
    assert "Test [red] of :heart: [/bold]" in capsys.readouterr().out
