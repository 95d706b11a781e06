import re
from datetime import date

import pytest

from pipeline.errors import DataError
from pipeline.layouts import NOT_KEPT, Layout, PrintedColumn, layouts_in_force, load_layouts
from schemas.table import columns
from schemas.tables import PRINTED
from tests.shaped import LAYOUT_IDS, LAYOUTS, declared_columns, header_text

# Names that CMS gave to members, by table and by what they hold.
NAMES = [
    ("rvu", date(2020, 10, 1), "PPRRVU20_V0618.csv", "standard"),
    ("rvu", date(2022, 1, 1), "PPRRVU22_JAN.csv", "standard"),
    ("rvu", date(2025, 10, 1), "PPRRVU2025_Oct.csv", "standard"),
    ("rvu", date(2026, 1, 1), "PPRRVU2026_Jan_nonQPP.csv", "nonqualifying_apm"),
    ("rvu", date(2026, 1, 1), "PPRRVU2026_Jan_QPP.csv", "qualifying_apm"),
    ("rvu", date(2026, 1, 1), "PPRRVU2026_JAN_NONQPP.CSV", "nonqualifying_apm"),
    ("gpci", date(2025, 1, 1), "GPCI2025.csv", ""),
    ("locality_county", date(2025, 1, 1), "25LOCCO.csv", ""),
    ("anesthesia", date(2025, 1, 1), "ANES2025.csv", ""),
    ("opps_cap", date(2025, 1, 1), "OPPSCAP_JAN.csv", ""),
    *((table, date(2025, 1, 1), "RVU25A.pdf", None) for table in PRINTED),
    *((table, date(2025, 1, 1), "PF25PC.docx", None) for table in PRINTED),
]

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_IDS)


@each_layout
def test_a_layout_names_only_declared_columns_and_each_once(layout: Layout) -> None:
    names = [column.name for column in layout.columns if column.name != NOT_KEPT]

    assert set(names) <= set(declared_columns(layout.table))
    assert len(set(names)) == len(names)
    assert set(layout.fill_down) <= set(names)


@each_layout
def test_a_layout_prints_every_column_that_may_not_be_empty(layout: Layout) -> None:
    required = {column.name for column in columns(PRINTED[layout.table]).values() if not column.nullable}

    assert required - {"release"} <= set(layout.kept)


@each_layout
def test_a_layout_accepts_its_own_header_of_the_release_year_only(layout: Layout) -> None:
    for column in layout.columns:
        for header in column.headers:
            assert column.match(header_text(header), 2025)
        assert ("{year}" in column.headers[0]) == (column.match(header_text(column.headers[0]), 2024) is None)


@pytest.mark.parametrize("table", PRINTED)
def test_eras_are_listed_oldest_first(table: str) -> None:
    eras = [layout.since for layout in LAYOUTS if layout.table == table]

    assert eras == sorted(eras)


@pytest.mark.parametrize(("table", "day", "name", "holds"), NAMES)
def test_a_member_name_says_what_it_holds(table: str, day: date, name: str, holds: str | None) -> None:
    fits = {
        part
        for layout in layouts_in_force(table, day)
        for part, pattern in layout.members.items()
        if re.search(pattern, name, re.IGNORECASE)
    }
    assert fits == (set() if holds is None else {holds})


def test_an_era_holds_until_the_day_before_the_next_one() -> None:
    last_of_2025 = layouts_in_force("rvu", date(2025, 12, 31))
    first_of_2026 = layouts_in_force("rvu", date(2026, 1, 1))

    assert last_of_2025[0].since == date(2020, 1, 1)
    assert first_of_2026[0].since == date(2026, 1, 1)


def test_the_verified_variant_of_an_era_comes_first() -> None:
    assert [layout.verified for layout in layouts_in_force("rvu", date(2025, 1, 1))][:2] == [True, False]


def test_the_pricing_indicator_is_printed_since_2026() -> None:
    assert "pricing_indicator" not in layouts_in_force("rvu", date(2025, 10, 1))[0].kept
    assert "pricing_indicator" in layouts_in_force("rvu", date(2026, 1, 1))[0].kept


def test_a_release_before_the_first_era_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(DataError) as error:
        layouts_in_force("gpci", date(1999, 10, 1))

    text = str(error.value)
    assert "No layout of gpci" in text
    assert "1999-10-01" in text
    assert f"the first holds since {load_layouts('gpci')[0].since}" in text
    assert "Add a [[layout]] block to schemas/layouts/gpci.toml" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("National Anes CF of 20.3178", {"national_anesthesia_factor": "20.3178"}),
        ("National Anes CF of 20.599835", {"national_anesthesia_factor": "20.599835"}),
        ("National Anes CF", {}),
        ("National Anes CF of", None),
        ("National Anes CF of about 20", None),
        ("Local Anes CF of 20.3178", None),
    ],
)
def test_a_number_in_a_header_is_kept(text: str, kept: dict[str, str] | None) -> None:
    column = PrintedColumn("x", ("National Anes CF of {national_anesthesia_factor}", "National Anes CF"))
    found = column.match(text, 2025)

    if kept is None:
        assert found is None
    else:
        assert found is not None
        assert found.groupdict() == kept


def test_a_header_is_text_and_not_a_pattern() -> None:
    column = PrintedColumn("x", ("Contractor (MAC).",))

    assert column.match("Contractor (MAC).", 2025)
    assert not column.match("Contractor MACx", 2025)
    assert not column.match("Contractor (MAC)x", 2025)


def test_a_column_under_a_dash_is_read_and_not_kept() -> None:
    layout = Layout("x", date(2025, 1, 1), True, {"": "x"}, (PrintedColumn("a", ("A",)), PrintedColumn("-", ("B",))))

    assert layout.kept == ["a"]
