"""local: names of archives on this machine that could lead astray are refused."""

from pathlib import Path

import pytest

from pipeline.catalog import Catalog
from pipeline.errors import UsageError
from pipeline.local import find_sources


@pytest.mark.parametrize(
    "name", ["rvu25a\x1b[2J.zip", "rvu25a\nPublished.zip", "rvu25a\u202e.zip", "rvu25a\udcff.zip"],
    ids=["escape sequence", "line break", "text turned around", "no UTF-8"],
)  # fmt: skip
@pytest.mark.parametrize("stated", [[], ["RVU25A"]], ids=["by its name", "as stated"])
def test_an_archive_with_control_characters_in_its_name_is_refused_and_shown_harmless(
    name: str, stated: list[str], catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="control characters in its name") as problem:
        find_sources(catalog, [tmp_path], stated)
    assert str(problem.value).isprintable()
