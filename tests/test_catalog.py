from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.catalog import (
    Catalog,
    Release,
    find_release,
    index_page,
    label_in_name,
    load_catalog,
    newest_release,
)
from pipeline.errors import DataError, UsageError
from pipeline.store import Store
from tests.shaped import ROOT

CATALOG = load_catalog(ROOT / "raw/catalog.toml")
ONE_DAY = timedelta(days=1)


def in_force(catalog: Catalog, day: date) -> list[str]:
    return [release.label for release in catalog.values() if release.in_force(day)]


def lasting() -> list[Release]:
    return [release for release in CATALOG.values() if release.superseded_by is None]


# When a release is in force


def test_a_release_ends_the_day_before_the_next_one_begins() -> None:
    for earlier, later in pairwise(lasting()):
        assert earlier.effective_to is not None
        assert earlier.effective_from <= earlier.effective_to
        assert earlier.effective_to + ONE_DAY == later.effective_from


def test_the_newest_release_has_no_end() -> None:
    assert lasting()[-1].effective_to is None


def test_exactly_one_release_is_in_force_on_the_first_and_the_last_day_of_each() -> None:
    for release in lasting():
        assert in_force(CATALOG, release.effective_from) == [release.label]
        assert release.effective_to is None or in_force(CATALOG, release.effective_to) == [release.label]


def test_a_superseded_release_is_never_in_force_and_names_a_lasting_one() -> None:
    superseded = [release for release in CATALOG.values() if release.superseded_by]

    assert superseded
    for release in superseded:
        assert release.effective_to is None
        assert not release.in_force(release.effective_from)
        assert release.superseded_by in {other.label for other in lasting()}


@pytest.mark.parametrize(
    ("day", "label"),
    [
        (date(2003, 2, 28), None),
        (date(2003, 3, 1), "RVU03A"),
        (date(2006, 2, 1), "RVU06AR2"),
        (date(2010, 6, 15), "RVU10C_PCT22"),
        (date(2012, 2, 29), "RVU12AR"),
        (date(2012, 3, 15), "RVU12M"),
        (date(2012, 4, 1), "RVU12B"),
        (date(2024, 3, 8), "RVU24A"),
        (date(2024, 3, 9), "RVU24AR"),
        (date(2024, 4, 1), "RVU24B"),
        (date(2025, 1, 1), "RVU25A"),
        (date(2025, 3, 31), "RVU25A"),
        (date(2026, 7, 1), "RVU26C"),
    ],
)
def test_the_release_of_a_day(day: date, label: str | None) -> None:
    assert in_force(CATALOG, day) == ([label] if label else [])


@pytest.mark.parametrize(
    ("today", "label"),
    [(date(2024, 3, 8), "RVU24A"), (date(2024, 3, 9), "RVU24AR"), (date(2010, 7, 2), "RVU10C_PCT22")],
)
def test_the_newest_release_is_the_one_in_force_today(today: date, label: str) -> None:
    assert newest_release(CATALOG, today).label == label


def test_long_after_the_last_known_release_that_one_is_the_newest() -> None:
    assert newest_release(CATALOG, date(2099, 1, 1)) == lasting()[-1]


def test_a_release_added_at_the_end_ends_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    text = (ROOT / "raw/catalog.toml").read_text("utf-8")
    path.write_text(f'{text}\n[[release]]\nlabel = "RVU99A"\neffective_from = 2099-01-01\narchives = []\n', "utf-8")

    catalog = load_catalog(path)

    assert catalog[lasting()[-1].label].effective_to == date(2098, 12, 31)
    assert catalog["RVU99A"] == Release("RVU99A", date(2099, 1, 1))


# What was found since


def block(label: str, day: str, *urls: str) -> str:
    return f'[[release]]\nlabel = "{label}"\neffective_from = {day}\narchives = {list(urls)}\n'


def with_found(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "found.toml"
    path.write_text(text, "utf-8")
    return load_catalog(ROOT / "raw/catalog.toml", path)


def test_a_release_found_takes_its_place_in_time_order(tmp_path: Path) -> None:
    catalog = with_found(tmp_path, block("RVU99A", "2099-01-01") + block("RVU09D", "2009-10-01"))

    assert list(catalog)[-1] == "RVU99A"
    assert catalog["RVU09C"].effective_to == date(2009, 9, 30)
    assert catalog["RVU09D"].effective_to == date(2009, 12, 31)
    assert catalog["RVU09D"].factors_in_force()["standard"].conversion_factor == 36.0666


def test_archives_found_come_after_those_known_each_once_and_nothing_else_changes(tmp_path: Path) -> None:
    known = CATALOG["RVU24B"]
    url = "https://www.cms.gov/files/zip/rvu24b-again.zip"
    catalog = with_found(
        tmp_path, block("RVU24B", "2001-01-01", *known.archives, url) + block("RVU24B", "2001-01-01", url)
    )

    assert catalog == CATALOG | {"RVU24B": replace(known, archives=(*known.archives, url))}


def test_what_the_catalog_came_to_know_does_no_harm_in_the_found_file(tmp_path: Path) -> None:
    known = CATALOG["RVU26B"]
    text = block(known.label, str(known.effective_from), *known.archives)

    assert with_found(tmp_path, text) == with_found(tmp_path, "") == CATALOG


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[release]", "Expected"),
        ("\xff", "utf-8"),
        ("[release]\nlabel = 'RVU99A'", "TypeError"),
        ("release = 1", "TypeError"),
        ("[[release]]\nlabel = 'RVU99A'\narchives = []", "KeyError: 'effective_from'"),
        (block("../../x", "2099-01-01"), "'../../x' is not a label"),
        (block("RVU99A", "'2099-01-01'"), "effective_from of RVU99A is not a day"),
        (block("RVU99A", "2099-01-01T00:00:00"), "effective_from of RVU99A is not a day"),
        (block("RVU99A", "2099-01-01").replace("[]", "'https://www.cms.gov/rvu99a.zip'"), "is not a list"),
        (block("RVU99A", "2099-01-01", "https://www.cms.gov/files/zip/..%2fx"), "cannot be the name of an archive"),
        (block("RVU99A", "2099-01-01", "https://[www.cms.gov/rvu99a.zip"), "ValueError"),
        (block("RVU99A", "2099-01-01") + "replaced_by = 'RVU99AR'", "unexpected keyword argument 'replaced_by'"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong_and_what_to_do(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "found.toml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(DataError) as error:
        load_catalog(ROOT / "raw/catalog.toml", path)

    assert str(error.value).startswith(f"{path} cannot be read (")
    assert reason in str(error.value)
    assert "Correct it; found.toml may also be removed" in str(error.value)


def test_a_home_reads_its_own_found_file_after_the_catalog(tmp_path: Path) -> None:
    store = Store(tmp_path)

    assert store.catalogs == (ROOT / "raw/catalog.toml",)
    store.found.parent.mkdir()
    store.found.touch()
    assert store.catalogs == (ROOT / "raw/catalog.toml", tmp_path / "raw/found.toml")


# What the committed catalog says


def test_the_list_of_releases_is_on_cms_s_site() -> None:
    assert index_page(ROOT / "raw/catalog.toml").startswith("https://www.cms.gov/")


def test_releases_are_listed_in_time_order_each_once() -> None:
    days = [release.effective_from for release in CATALOG.values()]
    text = (ROOT / "raw/catalog.toml").read_text("utf-8")

    assert days == sorted(days)
    assert text.count("[[release]]") == len(CATALOG)


def test_archives_are_cms_addresses_of_zips() -> None:
    archives = [address for release in CATALOG.values() for address in release.archives]

    assert len(archives) == len(set(archives))
    assert all(address.startswith("https://www.cms.gov/") and address.endswith(".zip") for address in archives)


# Which release a name says


@pytest.mark.parametrize("label", ["RVU25A", "rvu25a", "Rvu25A"])
def test_a_label_is_found_in_any_letter_case(label: str) -> None:
    assert find_release(CATALOG, label).label == "RVU25A"


def test_an_unknown_label_is_an_error_that_says_what_is_known_and_how_to_add_it() -> None:
    with pytest.raises(UsageError) as error:
        find_release(CATALOG, "rvu31a")

    text = str(error.value)
    assert f"rvu31a is not in raw/catalog.toml, whose newest release is {list(CATALOG)[-1]}." in text
    assert "Known labels: rvu releases." in text
    assert 'append a [[release]] block with label = "RVU31A"' in text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("rvu25a-updated-01_10_2025.zip", "RVU25A"),
        ("RVU24AR.zip", "RVU24AR"),
        ("RVU24A.zip", "RVU24A"),
        ("rvu03_a.zip", "RVU03A"),
        ("rvu05a_r.zip", "RVU05AR"),
        ("RVU10C_PCT22.zip", "RVU10C_PCT22"),
        ("RVU10C_PCT0.zip", "RVU10C_PCT0"),
        ("prrev05d.zip", "PRREV05D"),
        ("rvu06ar2.zip", "RVU06AR2"),
        ("rvu12b-.zip", "RVU12B"),
        ("RVU25A", "RVU25A"),
        ("RVU25A (1).zip", "RVU25A"),
        ("notes.zip", None),
        ("my-rvu25a.zip", None),
        ("rvu25ab.zip", None),
        ("rvu31a.zip", None),
        ("", None),
    ],
)
def test_a_file_name_says_its_release(name: str, label: str | None) -> None:
    assert label_in_name(CATALOG, name) == label


@pytest.mark.parametrize("label", CATALOG)
def test_the_archives_of_a_release_are_recognized_by_their_names(label: str) -> None:
    """A browser saves a slash inside a file name as an underscore."""
    for address in CATALOG[label].archives:
        name = address.partition("/downloads/")[2] or address.partition("/zip/")[2]
        assert label_in_name(CATALOG, name.replace("/", "_")) == label


# Conversion factors


@pytest.mark.parametrize(
    ("label", "factors"),
    [
        ("RVU03A", {"standard": 36.7856}),
        ("RVU10AR1", {"standard": 36.0791}),
        ("RVU10C_PCT22", {"standard": 36.8729}),  # retroactive to June, before the release of July
        ("RVU15B", {"standard": 35.7547}),
        ("RVU15C", {"standard": 35.9335}),
        ("RVU24A", {"standard": 32.7442}),
        ("RVU24AR", {"standard": 33.2875}),
        ("RVU25D", {"standard": 32.3465}),
        ("RVU26D", {"nonqualifying_apm": 33.4009, "qualifying_apm": 33.5675}),
    ],
)
def test_a_release_is_priced_by_the_factors_of_its_first_day(
    label: str, factors: dict[str, float], catalog: Catalog
) -> None:
    in_force = catalog[label].factors_in_force()
    assert {basis: each.conversion_factor for basis, each in in_force.items()} == factors


def test_work_is_adjusted_in_2007_and_2008_only(catalog: Catalog) -> None:
    adjustors = {
        release.effective_from.year: factor.work_adjustor
        for release in catalog.values()
        for factor in release.factors_in_force().values()
        if factor.work_adjustor != 1
    }
    assert adjustors == {2007: 0.8994, 2008: 0.8806}


def test_factors_of_a_basis_follow_each_other_without_gap_or_overlap(catalog: Catalog) -> None:
    declared = {factor for release in catalog.values() for factor in release.factors}
    for basis in {factor.basis for factor in declared}:
        periods = sorted((each.since, each.until) for each in declared if each.basis == basis)
        assert all(before[1] + timedelta(days=1) == after[0] for before, after in pairwise(periods)), basis
        assert all(since <= until for since, until in periods)


def test_every_release_of_the_catalog_has_a_declared_factor(catalog: Catalog) -> None:
    assert not [label for label, release in catalog.items() if not release.factors_in_force()]
