"""cli_fees: rvu price, rvu diff and rvu prove as people type and read them."""

import csv
import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.build import build_source
from pipeline.catalog import Catalog
from pipeline.cli import app
from pipeline.parquet import read_table, write_table
from pipeline.store import Store, table_file
from schemas.tables import TABLES
from tests.shaped import NO_RVUS, Row, frame, row
from tests.test_build import receipt_of
from tests.test_cli import loaded_by, rvu
from tests.test_official import BLANK, cms_rows, record, written

PRICE_COLUMNS = [
    "modifier",
    "locality",
    "state",
    "name",
    "setting",
    "NA",
    "fee",
    "OPPS amount",
    "payment",
    "limiting charge",
]
DOLLARS = PRICE_COLUMNS[6:]
OF_2025 = ["--release", "RVU25A"]


def printed(*arguments: str) -> Any:
    """Run a command with --json; return what it prints, which must be JSON that any program reads."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=not_json)


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def tables(text: str) -> list[list[Row]]:
    """Return the tables of a text, each as rows of texts by column; a cell that wraps is joined."""
    found: list[list[Row]] = []
    names: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[┃│]", line)[1:-1]]
        if line.startswith("┃"):
            names = cells
            found.append([])
        elif line.startswith("│"):
            found[-1].append(dict(zip(names, cells, strict=True)))
    return found


def table(text: str) -> list[Row]:
    [found] = tables(text)
    return found


def published(home: Path, name: str, label: str) -> pd.DataFrame:
    return pd.read_parquet(home / "curated" / "latest" / name / f"{label}.parquet")


def replace_table(home: Path, name: str, label: str, rows: pd.DataFrame) -> None:
    """Write a table anew; the old file is shared with other homes, so it is not written into."""
    path = home / "curated" / "latest" / name / f"{label}.parquet"
    path.unlink()
    write_table(rows, TABLES[name], path)


@pytest.fixture
def anesthesia_home(home: Path) -> Path:
    """Return a home whose releases hold one anesthesia code; the sample has none."""
    for label in ("RVU25A", "RVU26C"):
        before = read_table(home / "curated" / "latest" / "rvu" / f"{label}.parquet", TABLES["rvu"])
        unpriced = {"nonfacility_national_payment": None, "facility_national_payment": None}
        added = frame("rvu", row("rvu", release=label, hcpcs="G0006", status="J", **NO_RVUS, **unpriced))
        replace_table(home, "rvu", label, pd.concat([before, added], ignore_index=True))
    return home


# rvu price: where


def test_price_shows_the_nation_and_the_locality_in_both_settings(home: Path) -> None:
    code, text = rvu("price", "G0283", *OF_2025, "--locality", "10112-00")
    assert code == 0
    assert "G0283 in RVU25A at $32.3465 per RVU (standard)" in text
    assert [(each["locality"], each["state"], each["name"], each["setting"]) for each in table(text)] == [
        ("", "", "National, all indices 1", "nonfacility"),
        ("", "", "National, all indices 1", "facility"),
        ("10112-00", "AL", "ALABAMA", "nonfacility"),
        ("10112-00", "AL", "ALABAMA", "facility"),
    ]


def test_price_table_and_json_hold_the_published_payments(home: Path) -> None:
    arguments = ["price", "G0130", *OF_2025, "--locality", "10112-00"]
    payment = published(home, "payment", "RVU25A").set_index(["hcpcs", "mac", "locality", "modifier"])
    found = printed(*arguments)
    assert [list(each) for each in found] == [PRICE_COLUMNS] * 12
    for each in found:
        if each["locality"]:
            known = payment.loc["G0130", "10112", "00", each["modifier"]]
            fee, opps = known[f"{each['setting']}_fee"], known[f"opps_{each['setting']}_fee"]
            assert (each["fee"], each["payment"]) == (fee, known[f"{each['setting']}_payment"])
            assert each["OPPS amount"] == (None if pd.isna(opps) else opps)
            assert each["limiting charge"] == pytest.approx(each["payment"] * 1.0925, abs=0.00501)
            assert each["NA"] == known[f"{each['setting']}_na"]


def test_price_table_shows_the_numbers_of_the_json(home: Path) -> None:
    arguments = ["price", "G0130", *OF_2025, "--locality", "10112-00"]
    shown = table(rvu(*arguments)[1])
    for line, each in zip(shown, printed(*arguments), strict=True):
        assert line["NA"] == ("yes" if each["NA"] else "")
        for name in DOLLARS:
            assert line[name] == ("" if each[name] is None else f"{each[name]:,.2f}")
        assert [line["modifier"], line["locality"], line["setting"]] == [
            each["modifier"],
            each["locality"],
            each["setting"],
        ]


@pytest.mark.parametrize("state", ["HI", "hi", "Hi"])
def test_price_takes_a_state_in_any_letter_case(state: str, home: Path) -> None:
    found = printed("price", "g0438", *OF_2025, "--state", state, "--setting", "facility")
    assert [(each["locality"], each["state"], each["setting"]) for each in found] == [
        ("", None, "facility"),
        ("01212-01", "HI", "facility"),
    ]


def test_price_of_a_state_holds_all_its_localities(home: Path) -> None:
    found = printed("price", "G0438", *OF_2025, "--state", "TX", "--setting", "nonfacility")
    numbers = [f"04412-{number}" for number in ("09", "11", "15", "18", "20", "28", "31", "99")]
    assert [each["locality"] for each in found] == ["", *numbers]


def test_price_without_a_place_holds_every_locality(home: Path) -> None:
    assert len(printed("price", "G0438", *OF_2025)) == 2 * (1 + 109)


@pytest.mark.parametrize("setting", ["facility", "nonfacility"])
def test_price_of_one_setting_leaves_the_other_out(setting: str, home: Path) -> None:
    found = printed("price", "G0438", *OF_2025, "--state", "AL", "--setting", setting)
    assert {each["setting"] for each in found} == {setting}


def test_price_shows_all_modifiers_or_the_one_named(home: Path) -> None:
    place = [*OF_2025, "--state", "AL", "--setting", "facility"]
    assert [each["modifier"] for each in printed("price", "G0130", *place)] == ["", "", "26", "26", "TC", "TC"]
    assert [each["modifier"] for each in printed("price", "G0130", *place, "--modifier", "26")] == ["26", "26"]


def test_payment_is_the_opps_amount_where_the_cap_binds(home: Path) -> None:
    """No cap of the sample binds, so one is lowered."""
    path = home / "curated" / "latest" / "rvu" / "RVU25A.parquet"
    rows = read_table(path, TABLES["rvu"])
    rows.loc[(rows["hcpcs"] == "G0130") & (rows["modifier"] == "TC"), "opps_facility_pe_rvu"] = 0.25
    replace_table(home, "rvu", "RVU25A", rows)
    arguments = ["price", "G0130", *OF_2025, "--modifier", "TC", "--setting", "facility", "--state", "AL"]
    national = printed(*arguments)[0]
    assert (national["fee"], national["OPPS amount"], national["payment"]) == (26.20, 9.38, 9.38)
    assert rvu(*arguments, "--explain")[1].count("the cap binds") == 2


# rvu price: when and for whom


@pytest.mark.parametrize(
    ("when", "title"),
    [
        (["--on", "2025-01-01"], "G0438 in RVU25A at $32.3465 per RVU (standard)"),
        (["--on", "2025-03-31"], "G0438 in RVU25A at $32.3465"),
        (["--on", "2026-08-15"], "G0438 in RVU26C at $33.4009 per RVU (nonqualifying_apm)"),
        ([], "G0438 in RVU26C at $33.4009"),
        (["--release", "rvu25a"], "G0438 in RVU25A at $32.3465"),
    ],
)
def test_price_is_of_the_release_in_force_that_day_or_the_newest(when: list[str], title: str, home: Path) -> None:
    code, text = rvu("price", "G0438", *when)
    assert code == 0
    assert title in text


def test_release_without_gpci_is_priced_nationally(home: Path) -> None:
    found = printed("price", "G0438", "--release", "RVU26C")
    assert [(each["name"], each["setting"], each["fee"]) for each in found] == [
        ("National, all indices 1", "nonfacility", 174.35),
        ("National, all indices 1", "facility", 174.35),
    ]


def test_qualifying_participants_have_their_own_national_amounts_in_2026(home: Path) -> None:
    known = published(home, "rvu", "RVU26C").set_index(["hcpcs", "modifier"])
    for hcpcs in ("G0438", "G0130", "Q4101"):
        for each in printed("price", hcpcs, "--basis", "qualifying_apm"):
            column = f"qualifying_apm_{each['setting']}_national_payment"
            assert each["fee"] == known.at[(hcpcs, each["modifier"]), column]
    code, text = rvu("price", "G0438", "--basis", "qualifying_apm", "--explain")
    assert code == 0
    assert "G0438 in RVU26C at $33.5675 per RVU (qualifying_apm)" in text
    assert "5.22000 x $33.5675 = 175.222350000, rounded once = $175.22" in text


# rvu price: --explain


def test_explain_spells_out_the_nation_and_the_place(home: Path) -> None:
    place = [*OF_2025, "--locality", "10112-00", "--setting", "nonfacility"]
    code, text = rvu("price", "G0283", *place, "--explain")
    assert code == 0
    plain = " ".join(text.split())
    assert "G0283, National, all indices 1, nonfacility, RVU25A work 0.18 x 1.000" in plain
    assert "G0283, 10112-00 ALABAMA, nonfacility, RVU25A work 0.18 x 1.000" in plain
    known = published(home, "payment", "RVU25A").query("hcpcs == 'G0283' and mac == '10112'")
    fee = known["nonfacility_fee"].item()
    assert re.findall(r"rounded once = \$([0-9.]+)", plain)[-1] == f"{fee:.2f}"


def test_explain_names_the_modifier(home: Path) -> None:
    _, text = rvu("price", "G0130", *OF_2025, "--modifier", "TC", "--state", "AL", "--explain")
    assert "\nG0130 TC, 10112-00 ALABAMA, facility, RVU25A\n" in text


def test_explain_without_a_place_is_of_the_nation_only(home: Path) -> None:
    """109 localities in two settings are a wall of text."""
    _, text = rvu("price", "G0438", *OF_2025, "--explain")
    assert text.count("rounded once") == 2
    assert len(table(text)) > 200


def test_explain_does_not_spoil_the_json(home: Path) -> None:
    arguments = ["price", "G0438", *OF_2025, "--state", "AL"]
    assert printed(*arguments, "--explain") == printed(*arguments)


# rvu price: anesthesia


def test_anesthesia_shows_units_and_payments_of_a_place(anesthesia_home: Path) -> None:
    arguments = ["price", "G0006", *OF_2025, "--base-units", "4", "--minutes", "47", "--state", "al"]
    assert printed(*arguments) == [
        {"locality": "10112-00", "state": "AL", "name": "ALABAMA", "per unit": 19.31, "units": 7.1, "payment": 137.1}
    ]
    [line] = table(rvu(*arguments)[1])
    assert (line["per unit"], line["units"], line["payment"]) == ("19.31", "7.10", "137.10")


def test_anesthesia_without_units_shows_factors_and_asks_for_them(anesthesia_home: Path) -> None:
    done = CliRunner().invoke(app, ["price", "G0006", *OF_2025, "--json"])
    assert done.exit_code == 0
    factors = published(anesthesia_home, "anesthesia", "RVU25A")["anesthesia_conversion_factor"].tolist()
    assert [each["per unit"] for each in json.loads(done.stdout)] == factors
    assert "Add --base-units, which CMS lists elsewhere, and --minutes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*OF_2025, "--state", "ZZ"], "RVU25A has no locality ZZ"),
        ([*OF_2025, "--state", "AL", "--locality", "10112-00"], "exclude each other"),
        (["--state", "AL"], "The archive of RVU26C has no anesthesia, so localities cannot be priced"),
        ([*OF_2025, "--modifier", "26"], "G0006 is not printed with modifier 26"),
        ([*OF_2025, "--minutes", "-1"], "greater than or equal to 0"),
    ],
)
def test_wrong_questions_on_anesthesia_are_explained(
    arguments: list[str], message: str, anesthesia_home: Path
) -> None:
    code, text = rvu("price", "G0006", *arguments)
    assert (code, message in text) == (2, True), text


# rvu price: mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["G0438", "--modifier", "27"], "--modifier 27: expected 26 or TC or 53"),
        (["G0438", "--modifier", "26"], "G0438 is not printed with modifier 26 in RVU26C, only with: none"),
        (["G0438", "--setting", "office"], "--setting office: expected nonfacility or facility"),
        (["G0438", "--basis", "standard"], "--basis standard: RVU26C has nonqualifying_apm or qualifying_apm"),
        (["G0438", *OF_2025, "--basis", "apm"], "--basis apm: RVU25A has standard"),
        (["G0438", "--on", "1.3.2025"], "'1.3.2025' is not a date: expected YYYY-MM-DD"),
        (["G0438", "--on", "2025-02-30"], "'2025-02-30' is not a date: expected YYYY-MM-DD"),
        (["G0438", "--on", "1995-01-01"], "was in force on 1995-01-01. See: rvu releases"),
        (["G0438", "--on", "2025-05-01"], "RVU25B, which priced 2025-05-01, is not in version"),
        (["G0438", "--on", "2025-05-01"], "To add it: rvu run RVU25B"),
        (["G0438", "--release", "RVU19A"], "RVU19A is not in version"),
        (["G0438", "--state", "CA"], "The archive of RVU26C has no gpci, so localities cannot be priced"),
        (["G0438", "--locality", "01112-05"], "Name another release with --release, or a day with --on"),
        (["G0438", *OF_2025, "--state", "CA", "--locality", "01112-05"], "--locality and --state exclude each other"),
        (["G0438", *OF_2025, "--state", "California"], "RVU25A has no locality California. It has: AK, AL"),
        (["G0438", *OF_2025, "--locality", "01112-00"], "RVU25A has no locality 01112-00. It has: "),
        (["X9999"], "X9999 is not in RVU26C of version"),
        (["g6001"], "G6001 is not in RVU26C of version"),
        (["g6001"], "It is in RVU25A: add --release RVU25A"),
        (["A0021"], "RVUs do not pay A0021 in RVU26C: status I, Not valid for Medicare, another code is used"),
    ],
)
def test_wrong_price_questions_say_what_to_do(arguments: list[str], message: str, home: Path) -> None:
    code, text = rvu("price", *arguments)
    assert (code, message in text) == (2, True), text


# rvu diff


def moved(home: Path) -> pd.DataFrame:
    """Return the national non-facility amounts of rows that both releases pay, largest gain first."""
    key, amount = ["hcpcs", "modifier"], "nonfacility_national_payment"
    both = published(home, "rvu", "RVU25A").merge(published(home, "rvu", "RVU26C"), on=key, suffixes=("", "_after"))
    dollars = (both[f"{amount}_after"] - both[amount]).round(2)
    found = both.assign(dollars=dollars)[dollars.notna() & (dollars != 0)]
    return found.sort_values("dollars", ascending=False)


def test_diff_names_the_largest_gainers_and_losers(home: Path) -> None:
    code, text = rvu("diff", "RVU25A", "RVU26C", "--top", "3")
    assert code == 0
    *_, gainers, losers = tables(text)
    known = moved(home)
    assert [each["hcpcs"] for each in gainers] == known["hcpcs"].head(3).tolist()
    assert [each["dollars"] for each in gainers] == [f"{each:,.2f}" for each in known["dollars"].head(3)]
    assert [each["hcpcs"] for each in losers] == known["hcpcs"].tail(3).tolist()[::-1]
    assert [each["dollars"] for each in losers] == [f"{each:,.2f}" for each in known["dollars"].tail(3)[::-1]]
    first = known.iloc[0]
    assert gainers[0]["before"] == f"{first['nonfacility_national_payment']:,.2f}"
    assert gainers[0]["after"] == f"{first['nonfacility_national_payment_after']:,.2f}"
    share = first["dollars"] / first["nonfacility_national_payment"]
    assert gainers[0]["percent"] == f"{share:.2%}".rstrip("%")
    titles = published(home, "code", "RVU26C").set_index("hcpcs")["title"]
    assert gainers[0]["title"] in (titles[first["hcpcs"]], first["descriptor"])


def test_diff_counts_rows_that_come_and_go_and_status_changes(home: Path) -> None:
    summary, statuses, *_ = tables(rvu("diff", "rvu25a", "rvu26c")[1])
    old, new = (published(home, "rvu", label).set_index(["hcpcs", "modifier"]) for label in ("RVU25A", "RVU26C"))
    counts = {(each["kind"], each["field"]): int(each["rows"]) for each in summary}
    assert counts["added", "row"] == len(new.index.difference(old.index))
    assert counts["deleted", "row"] == len(old.index.difference(new.index))
    common = old.index.intersection(new.index)
    pairs = (old.loc[common, "status"] + new.loc[common, "status"]).value_counts()
    known = {(pair[0], pair[1]): count for pair, count in pairs.items() if pair[0] != pair[1]}
    assert {(each["before"], each["after"]): int(each["rows"]) for each in statuses} == known
    assert counts["changed", "status"] == sum(known.values())


@pytest.mark.parametrize(("arguments", "shown"), [([], 10), (["--top", "1"], 1), (["--top", "25"], 25)])
def test_diff_shows_as_many_as_asked_for(arguments: list[str], shown: int, home: Path) -> None:
    *_, gainers, losers = tables(rvu("diff", "RVU25A", "RVU26C", *arguments)[1])
    assert (len(gainers), len(losers)) == (shown, shown)


def test_diff_of_a_category_is_of_its_codes_only(home: Path) -> None:
    text = rvu("diff", "RVU25A", "RVU26C", "--category", "P Codes")[1]
    assert "RVU25A to RVU26C, P Codes" in text
    assert "Largest gains of national non-facility payment: none." in text
    assert [each["hcpcs"] for each in tables(text)[-1]] == ["P3001"]
    changes = printed("diff", "RVU25A", "RVU26C", "--category", "J Codes")
    assert {each["hcpcs"][0] for each in changes} == {"J"}


def test_diff_json_is_every_change_as_the_table_change_holds_it(home: Path) -> None:
    changes = printed("diff", "RVU25A", "RVU26C")
    known = published(home, "change", "RVU26C")
    assert len(changes) == len(known)
    assert list(changes[0]) == list(known.columns)
    key = ["hcpcs", "modifier", "field"]
    ours = pd.DataFrame(changes).sort_values(key)
    assert ours["difference"].sum() == pytest.approx(known["difference"].sum())
    assert ours[key].values.tolist() == known.sort_values(key)[key].values.tolist()
    assert {each["previous_release"] for each in changes} == {"RVU25A"}


def test_diff_backwards_turns_gains_into_losses(home: Path) -> None:
    *_, gainers, _ = tables(rvu("diff", "RVU25A", "RVU26C", "--top", "5")[1])
    *_, losers = tables(rvu("diff", "RVU26C", "RVU25A", "--top", "5")[1])
    assert [(each["hcpcs"], "-" + each["dollars"]) for each in gainers] == [
        (each["hcpcs"], each["dollars"]) for each in losers
    ]


def test_release_differs_in_nothing_from_itself(home: Path) -> None:
    code, text = rvu("diff", "RVU25A", "RVU25A")
    assert code == 0
    assert [line.endswith(": none.") for line in text.splitlines()] == [True] * 4
    assert printed("diff", "RVU25A", "RVU25A") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RVU25A", "RVU19A"], "RVU19A is not in version"),
        (["RVU19A", "RVU25A"], "which holds RVU25A, RVU26C. To add it: rvu run RVU19A"),
        (["RVU25A", "RVU26C", "--category", "Z Codes"], "There is no category 'Z Codes'. There is: A Codes, G Codes"),
        (["RVU25A", "RVU26C", "--top", "0"], "greater than or equal to 1"),
        (["RVU25A"], "Missing argument"),
    ],
)
def test_wrong_diff_questions_say_what_to_do(arguments: list[str], message: str, home: Path) -> None:
    code, text = rvu("diff", *arguments)
    assert (code, message in text) == (2, True), text


# rvu prove


def payments_file(home: Path, folder: Path, **changes: object) -> str:
    """Write what CMS would print of the sample, with changes to its first record."""
    first, *others = cms_rows(home)
    return str(written(folder, (record(**each) for each in (first | changes, *others))))


def test_prove_of_equal_payments_succeeds(home: Path, tmp_path: Path) -> None:
    path, records = payments_file(home, tmp_path), str(len(cms_rows(home)))
    code, text = rvu("prove", "--payments", path)
    assert code == 0
    assert f"PFALL25A.TXT against RVU25A: {records} records" in text
    assert [(each["amount"], each["equal"], each["different"]) for each in table(text)] == [
        ("nonfacility_fee", records, "0"),
        ("facility_fee", records, "0"),
        ("opps_nonfacility_fee", "6", "0"),
        ("opps_facility_fee", "6", "0"),
        ("nonfacility_therapy_fee", "9", "0"),
        ("facility_therapy_fee", "9", "0"),
    ]
    assert "Not compared, by reason: none." in text
    assert "Different: none." in text


def test_prove_of_a_difference_shows_it_and_fails(home: Path, tmp_path: Path) -> None:
    first = cms_rows(home)[0]
    path = payments_file(home, tmp_path, facility_fee=first["facility_fee"] + 0.01)
    code, text = rvu("prove", "--payments", path, "--release", "RVU25A")
    assert code == 1
    compared, examples = tables(text)
    assert [each["different"] for each in compared] == ["0", "1", "0", "0", "0", "0"]
    [example] = examples
    assert (example["hcpcs"], example["amount"]) == (first["hcpcs"], "facility_fee")
    assert (example["CMS"], example["ours"]) == (
        f"{first['facility_fee'] + 0.01:.2f}",
        f"{first['facility_fee']:.2f}",
    )
    assert "rvu: PFALL25A.TXT differs from RVU25A" in text
    assert "name the release that it is of with --release" in text


def test_prove_tells_why_records_are_not_compared(home: Path, tmp_path: Path) -> None:
    extra = [BLANK | {"hcpcs": "X9999"}, BLANK | {"hcpcs": "A0021", "status": "I"}]
    rows = [each for each in cms_rows(home) if each["hcpcs"] != "G0438"]
    path = written(tmp_path, (record(**each) for each in rows + extra))
    code, text = rvu("prove", "--payments", str(path))
    assert code == 0
    assert [(each["reason"], each["records"], each["such as"]) for each in tables(text)[1]] == [
        ("code and modifier are not in RVU25A", "1", "10112-00-X9999"),
        (
            "RVUs do not pay status I: Not valid for Medicare, another code is used",
            "1",
            "10112-00-A0021",
        ),
        ("CMS's file does not list it", "3", "01112-05-G0438"),
    ]


def test_prove_json_holds_the_whole_outcome_and_fails_on_a_difference(home: Path, tmp_path: Path) -> None:
    path = payments_file(home, tmp_path)
    outcome = printed("prove", "--payments", path)
    assert list(outcome) == ["release", "records", "amounts", "missing", "examples"]
    path = payments_file(home, tmp_path, nonfacility_fee=1.0)
    done = CliRunner().invoke(app, ["prove", "--payments", path, "--json"])
    assert done.exit_code == 1
    assert [each["different"] for each in json.loads(done.stdout)["amounts"]] == [1, 0, 0, 0, 0, 0]
    assert "differs from RVU25A" in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"opps_indicator": "1", "opps_nonfacility_fee": 9.0, "opps_facility_fee": 9.0},
        {"multiple_procedure": "5", "nonfacility_therapy_fee": 9.0, "facility_therapy_fee": 9.0},
    ],
    ids=["OPPS cap", "therapy"],
)
def test_amounts_that_only_cms_has_are_different_and_empty_on_our_side(
    changes: Row, home: Path, tmp_path: Path
) -> None:
    path = payments_file(home, tmp_path, **changes)
    done = CliRunner().invoke(app, ["prove", "--payments", path, "--json"])
    assert done.exit_code == 1
    examples = json.loads(done.stdout, parse_constant=not_json)["examples"]
    assert [(each["CMS"], each["ours"]) for each in examples] == [(9.0, None), (9.0, None)]


@pytest.mark.parametrize(
    ("content", "exit_code", "message"),
    [
        (b"", 1, "holds no record of 130 characters: is it the unpacked text?"),
        (record().encode()[:-1], 1, "line 1: expected a record of 130 characters, found 129"),
        (record(facility_fee="0000ABC.00").encode(), 1, "line 1: '0000ABC.00'"),
        (record().encode() + b"\r\n" + record().encode(), 1, "is unique"),
        (record(year="2019").encode(), 2, "The file is of 2019, and no release of that year is published"),
        (record(year="2026").encode(), 2, "The archive of RVU26C has no GPCI"),
    ],
    ids=["empty", "short", "not a number", "twice", "other year", "no GPCI"],
)
def test_wrong_payment_files_are_explained(
    content: bytes, exit_code: int, message: str, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "PFALL.TXT"
    path.write_bytes(content)
    code, text = rvu("prove", "--payments", str(path))
    assert (code, message in text) == (exit_code, True), text


def test_missing_payment_file_and_unknown_release_are_explained(home: Path, tmp_path: Path) -> None:
    code, text = rvu("prove", "--payments", "no-such.txt")
    assert (code, "no-such.txt is not a file: expected CMS's payment file, unpacked" in text) == (2, True)
    code, text = rvu("prove", "--payments", payments_file(home, tmp_path), "--release", "RVU19A")
    assert (code, "RVU19A is not in version" in text) == (2, True)


def test_zip_instead_of_the_text_is_refused_without_a_traceback(home: Path, sample_archives: dict[str, Path]) -> None:
    code, text = rvu("prove", "--payments", str(sample_archives["RVU26C"]))
    assert code in (1, 2)
    assert text.startswith("rvu: rvu26c.zip")


# What the commands load


@pytest.mark.parametrize("command", ["price", "diff", "prove"])
def test_help_of_money_commands_shows_an_example(command: str) -> None:
    code, text = rvu(command, "--help")
    assert code == 0
    assert f"rvu {command} " in text.partition("Example")[2]


@pytest.mark.parametrize(
    ("command", "loaded"),
    [(["price", "G0438", "--explain"], set()), (["diff", "RVU25A", "RVU26C"], {"pandas"})],
    ids=["price", "diff"],
)
def test_money_commands_do_not_load_prefect(command: list[str], loaded: set[str], sample_home: Path) -> None:
    assert loaded_by(command, sample_home) == loaded


def test_prove_does_not_load_prefect(sample_home: Path, tmp_path: Path) -> None:
    assert loaded_by(["prove", "--payments", payments_file(sample_home, tmp_path)], sample_home) == {"pandas"}


# CMS's own amounts


@pytest.fixture(scope="module")
def real_home(real_archives: dict[str, Path], catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that holds the source tables of the real RVU25A as a version, built without a flow."""
    if "RVU25A" not in real_archives:
        pytest.skip("RVU_RELEASES holds no RVU25A")
    built = build_source(real_archives["RVU25A"], receipt_of("RVU25A", real_archives["RVU25A"]), catalog["RVU25A"])
    store = Store(tmp_path_factory.mktemp("real-home"))
    version = store.next_version(date(2026, 1, 1))
    for name, rows in built.tables.items():
        write_table(rows, TABLES[name], table_file(store.version_path(version), name, "RVU25A"))
    (store.version_path(version) / "manifest.json").write_text('{"releases": {"RVU25A": {}}}', "utf-8")
    (store.curated / "LATEST").write_text(version, "utf-8")
    return store.home


@pytest.fixture
def official_payments() -> list[Row]:
    """Return amounts copied by hand from CMS's carrier files."""
    path = Path(os.environ["RVU_RELEASES"]).parent / "examples" / "official_payments.csv"
    if not path.exists():
        pytest.skip(f"{path} with CMS's own amounts is absent")
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_amounts_of_cms_own_files_come_out_to_the_cent(
    real_home: Path, official_payments: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_HOME", str(real_home))
    assert {each["release"] for each in official_payments} == {"RVU25A"}
    rows = (
        {name: each[name] for name in ("mac", "locality", "hcpcs", "modifier")}
        | {f"{setting}_fee": float(each[f"{setting}_dollars"]) for setting in ("nonfacility", "facility")}
        for each in official_payments
    )
    outcome = printed("prove", "--payments", str(written(tmp_path, (record(**each) for each in rows))))
    assert len(official_payments) == outcome["records"] == 57
    assert [(each["amount"], each["equal"], each["different"]) for each in outcome["amounts"]] == [
        ("nonfacility_fee", 57, 0),
        ("facility_fee", 57, 0),
    ]
    assert [each["reason"] for each in outcome["missing"]] == ["CMS's file does not list it"]


def test_price_of_a_real_code_is_cms_own_amount(
    real_home: Path, official_payments: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVU_HOME", str(real_home))
    for each in official_payments[:3] + official_payments[-3:]:
        place = ["--locality", f"{each['mac']}-{each['locality']}"]
        found = printed("price", each["hcpcs"], *place, "--on", "2025-02-03")
        here = {line["setting"]: line["fee"] for line in found if line["locality"] and not line["modifier"]}
        assert here == {name: float(each[f"{name}_dollars"]) for name in ("nonfacility", "facility")}


def test_real_anesthesia_code_is_paid_by_units(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVU_HOME", str(real_home))
    units = ["--base-units", "4", "--minutes", "47", "--locality", "10112-00"]
    [found] = printed("price", "00142", *units)
    assert (found["name"], found["per unit"], found["units"], found["payment"]) == ("ALABAMA", 19.31, 7.1, 137.1)
