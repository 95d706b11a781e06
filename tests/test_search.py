import csv
from pathlib import Path

import pytest

from pipeline.catalog import Catalog
from pipeline.content import Content
from pipeline.errors import UsageError
from pipeline.merge import in_force
from pipeline.parquet import write_table
from pipeline.published import Published
from pipeline.search import search
from pipeline.store import Store, table_file
from schemas.codes import TEXTS
from schemas.tables import TABLES
from tests.shaped import ROOT, row
from tests.test_build import build
from tests.test_coverage import published

SEARCHES = list(csv.DictReader((ROOT / "tests/golden/searches.csv").read_text("utf-8").splitlines()))
CODES = [
    row("code", hcpcs="G0001", title="Group talk therapy", synonyms=["group therapy", "talk group"]),
    row("code", hcpcs="G0002", title="Speech therapy", plain_language="speech therapy in a small group"),
    row("code", hcpcs="G0003", title=None, descriptor="Knee scope", synonyms=[], description=None),
    row("code", hcpcs="G0004", title="Something else", description="A group of people has therapy, among much else."),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep indices away from the user's own."""
    monkeypatch.setenv("RVU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory.mktemp("search"), CODES)


def codes(chosen: Published, words: str, top: int = 10) -> list[str]:
    return [found["hcpcs"] for found in search(chosen, words, top)]


@pytest.mark.parametrize(
    "words", ["group therapy", "therapy group", "GROUP Therapies", "group-therapy!", "groups therapy"]
)
def test_order_case_plural_and_punctuation_do_not_matter(chosen: Published, words: str) -> None:
    assert codes(chosen, words) == ["G0001", "G0002", "G0004"]


def test_a_code_is_found_by_its_descriptor_where_we_have_no_text(chosen: Published) -> None:
    (found,) = search(chosen, "knee scopes", 10)

    assert found == {
        "hcpcs": "G0003",
        "name": "Knee scope",
        "plain_language": "made-up visit",
        "also_known_as": "",
        "status": "A",
    }


def test_a_code_finds_itself_first(chosen: Published) -> None:
    assert codes(chosen, "g0004")[0] == "G0004"
    assert codes(chosen, "group therapy G0004")[0] == "G0004"


def test_codes_with_some_of_the_words_come_last(chosen: Published) -> None:
    assert codes(chosen, "speech therapy")[0] == "G0002"
    assert set(codes(chosen, "speech therapy")) == {"G0001", "G0002", "G0004"}


def test_no_hit_is_an_empty_answer_and_top_cuts(chosen: Published) -> None:
    assert codes(chosen, "submarine") == []
    assert codes(chosen, "group therapy", top=1) == ["G0001"]


@pytest.mark.parametrize("words", ['"', "group OR therapy", "name: x*", "a AND NOT b", "(", "x' --", "NEAR(a b)"])
def test_what_looks_like_a_query_language_is_words(chosen: Published, words: str) -> None:
    if words in ('"', "("):
        with pytest.raises(UsageError, match="has no word to search for"):
            codes(chosen, words)
    else:
        assert isinstance(codes(chosen, words), list)


# The index


def test_the_index_is_made_once_and_used_again(chosen: Published, cache: Path) -> None:
    first = codes(chosen, "group therapy")
    (kept,) = cache.iterdir()
    made = kept.stat().st_mtime_ns

    assert codes(chosen, "group therapy") == first
    assert (kept.stat().st_mtime_ns, [kept]) == (made, list(cache.iterdir()))


def test_other_codes_have_another_index(tmp_path: Path, cache: Path) -> None:
    assert codes(published(tmp_path, CODES[:1]), "therapy") == ["G0001"]
    assert set(codes(published(tmp_path, CODES[:2]), "therapy")) == {"G0001", "G0002"}
    assert len(list(cache.iterdir())) == 2


def test_no_more_than_four_indices_are_kept(tmp_path: Path, cache: Path) -> None:
    for number in range(6):
        codes(published(tmp_path, [row("code", title=f"Visit {number}")]), "visit")

    assert len(list(cache.iterdir())) == 4


def test_a_cache_that_cannot_be_written_is_done_without(
    chosen: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RVU_CACHE", str(tmp_path / "file" / "cache"))

    assert codes(chosen, "group therapy")[0] == "G0001"


# The searches that people type, in golden/searches.csv with the code that they mean


def missed(chosen: Published) -> dict[str, list[str]]:
    """Return the searches that do not show their code among the first three, with what they show."""
    shown = {each["words"]: codes(chosen, each["words"], 3) for each in SEARCHES}
    return {each["words"]: shown[each["words"]] for each in SEARCHES if each["hcpcs"] not in shown[each["words"]]}


def test_of_sixty_searches_55_show_their_code_among_the_texts_of_ours(tmp_path: Path, content: Content) -> None:
    texts = in_force(content.codes, "RVU26C").set_index("hcpcs")[list(TEXTS)]
    synonyms = content.synonyms.groupby("hcpcs")["synonym"].agg(list)
    rows = [
        row("code", hcpcs=code, descriptor="", synonyms=synonyms.get(code, []), **text)
        for code, text in texts.to_dict("index").items()
    ]

    assert len(SEARCHES) == 60
    assert len(missed(published(tmp_path, rows))) <= 5


def test_of_sixty_searches_55_show_their_code_among_all_of_a_release(
    tmp_path: Path, real_archives: dict[str, Path], catalog: Catalog, content: Content
) -> None:
    tables = build(real_archives["RVU26C"], "RVU26C", catalog, content).tables
    write_table(tables["code"], TABLES["code"], table_file(tmp_path / "curated/1", "code", "RVU26C"))

    assert len(missed(Published(Store(tmp_path), "1", "RVU26C", ("RVU26C",)))) <= 5
