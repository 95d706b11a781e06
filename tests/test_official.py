"""official: CMS's payment files, written here as its record layout says, against what is published."""

from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError, RvuError, UsageError
from pipeline.official import SHOWN, Outcome, prove_payments, read_payment_file
from pipeline.store import Store
from tests.shaped import Row

Prove = Callable[..., Outcome]
PLACES = ["10112-00", "01112-05", "02102-01"]
AMOUNTS = [
    "nonfacility_fee",
    "facility_fee",
    "opps_nonfacility_fee",
    "opps_facility_fee",
    "nonfacility_therapy_fee",
    "facility_therapy_fee",
]
THERAPY_CODES = ["G0281", "G0283", "G0329"]
CAPPED_ROWS = 2  # G0130 and its technical component
BLANK: Row = {
    "year": "2025",
    "mac": "10112",
    "locality": "00",
    "hcpcs": "G0438",
    "modifier": "",
    "pctc": "0",
    "status": "A",
    "multiple_procedure": "0",
    "opps_indicator": "9",
} | dict.fromkeys(AMOUNTS, 0.0)
FACTOR = Decimal("32.3465")  # of RVU25A
TRAILER = '"TRL' + "Invented copyright statement".ljust(94)


def record(**cells: object) -> str:
    """Print one record of 130 characters, every cell in quotes (record layout PF25PC)."""
    row = BLANK | cells
    printed = {name: f"{row[name]:010.2f}" if isinstance(row[name], float) else str(row[name]) for name in row}
    order = ["year", "mac", "locality", "hcpcs", "modifier", "nonfacility_fee", "facility_fee", "filler", "pctc"]
    order += ["status", "multiple_procedure", "nonfacility_therapy_fee", "facility_therapy_fee", "opps_indicator"]
    order += ["opps_nonfacility_fee", "opps_facility_fee"]
    printed |= {"modifier": printed["modifier"].ljust(2), "filler": " "}
    return '"' + '","'.join(printed[name] for name in order) + '"'


def written(folder: Path, records: Iterable[str], *, trailer: bool = True, end: str = "\r\n") -> Path:
    """Write a payment file as CMS does: records ended by CRLF, then the trailer."""
    path = folder / "PFALL25A.TXT"
    lines = [*records, *([TRAILER] if trailer else [])]
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def therapy_fee(row: Row, setting: str) -> float:
    """Return the fee with half the practice expense, in decimal arithmetic."""
    pe, work, mp = (Decimal(str(row[name])) for name in (f"{setting}_pe_rvu", "work_rvu", "mp_rvu"))
    index = {part: Decimal(str(row[f"{part}_gpci"])) for part in ("work", "pe", "mp")}
    weighted = work * index["work"] + pe / 2 * index["pe"] + mp * index["mp"]
    exact = weighted * FACTOR
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def cms_rows(home: Path) -> list[Row]:
    """Return what CMS would print of the sample's RVU25A in PLACES: our payments, and therapy amounts of our own."""
    tables = home / "curated" / "latest"
    read = {table: pd.read_parquet(tables / table / "RVU25A.parquet") for table in ("payment", "rvu", "gpci")}
    payment = read["payment"][(read["payment"]["mac"] + "-" + read["payment"]["locality"]).isin(PLACES)]
    found = payment.merge(read["rvu"], on=["hcpcs", "modifier"], suffixes=("", "_rvu"))
    found = found.merge(read["gpci"], on=["mac", "locality"], suffixes=("", "_gpci_"))
    return [_cms_row(dict(row)) for row in found.to_dict("records")]


def _cms_row(row: Row) -> Row:
    printed = {name: row[name] for name in BLANK if name in row}
    is_therapy = row["multiple_procedure"] == "5"
    for setting in ("nonfacility", "facility"):
        printed[f"{setting}_therapy_fee"] = therapy_fee(row, setting) if is_therapy else 0.0
    is_capped = pd.notna(row["opps_facility_fee"])
    opps = {} if is_capped else {"opps_nonfacility_fee": 0.0, "opps_facility_fee": 0.0}
    return printed | {"year": "2025", "opps_indicator": "1" if is_capped else "9"} | opps


@pytest.fixture(scope="module")
def rows(sample_home: Path) -> list[Row]:
    return cms_rows(sample_home)


@pytest.fixture(scope="module")
def store(sample_home: Path) -> Store:
    """Return the sample's store, which proving only reads."""
    return Store(sample_home)


@pytest.fixture
def prove(store: Store, tmp_path: Path) -> Prove:
    """Return what writes rows as a payment file and proves it."""

    def proven(rows: Iterable[Row], release: str | None = None) -> Outcome:
        return prove_payments(store, written(tmp_path, (record(**row) for row in rows)), release)

    return proven


def in_alabama(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["mac"] == "10112"]


def counts(outcome: Outcome, count: str) -> dict[str, int]:
    return {each["amount"]: each[count] for each in outcome.amounts}


def reasons(outcome: Outcome) -> dict[str, tuple[int, str]]:
    return {each["reason"]: (each["records"], each["such as"]) for each in outcome.missing}


# Equal and different


def test_record_is_of_the_declared_length() -> None:
    assert len(record()) == 130


def test_file_of_our_own_payments_is_equal_in_every_amount(prove: Prove, rows: list[Row]) -> None:
    outcome = prove(rows)
    each, capped, therapy = len(rows), CAPPED_ROWS * len(PLACES), len(THERAPY_CODES) * len(PLACES)
    assert (outcome.release, outcome.records) == ("RVU25A", each)
    assert counts(outcome, "compared") == dict(
        zip(AMOUNTS, [each, each, capped, capped, therapy, therapy], strict=True)
    )
    assert counts(outcome, "equal") == counts(outcome, "compared")
    assert set(counts(outcome, "largest difference").values()) == {0.0}
    assert (outcome.missing, outcome.examples) == ([], [])


def test_therapy_amounts_are_lower_by_half_of_the_practice_expense(rows: list[Row]) -> None:
    """The sample holds therapy codes, and their amounts are not the fees."""
    therapy = [row for row in rows if row["multiple_procedure"] == "5"]
    assert sorted({row["hcpcs"] for row in therapy}) == THERAPY_CODES
    assert all(0 < row["nonfacility_therapy_fee"] < row["nonfacility_fee"] for row in therapy)


@pytest.mark.parametrize("cent", [0.01, -0.01], ids=["more", "less"])
@pytest.mark.parametrize("amount", AMOUNTS)
def test_one_cent_is_a_difference_of_that_amount_only(
    amount: str, cent: float, prove: Prove, rows: list[Row]
) -> None:
    changed = [row for row in rows if row[amount] > 0][-1]
    off = changed | {amount: round(changed[amount] + cent, 2)}
    outcome = prove([off if row is changed else row for row in rows])
    assert {name: number for name, number in counts(outcome, "different").items() if number} == {amount: 1}
    assert counts(outcome, "largest difference")[amount] == 0.01
    key = {name: changed[name] for name in ("mac", "locality", "hcpcs", "modifier")}
    assert outcome.examples == [key | {"amount": amount, "CMS": off[amount], "ours": changed[amount]}]


def test_amounts_that_do_not_apply_are_not_compared(prove: Prove, rows: list[Row]) -> None:
    """OPPS amounts without the indicator, and therapy amounts of other codes, may be anything."""
    plain = [row for row in in_alabama(rows) if row["opps_indicator"] == "9" and row["multiple_procedure"] != "5"]
    outcome = prove([row | dict.fromkeys(AMOUNTS[2:], 99.0) for row in plain])
    assert set(counts(outcome, "compared")) == {"nonfacility_fee", "facility_fee"}
    assert outcome.examples == []


def test_only_some_differences_are_shown_and_all_are_counted(prove: Prove, rows: list[Row]) -> None:
    fees = AMOUNTS[:2]
    outcome = prove([row | {amount: row[amount] + 1 for amount in fees} for row in rows])
    assert [counts(outcome, "different")[amount] for amount in fees] == [len(rows)] * 2
    assert [counts(outcome, "equal")[amount] for amount in fees] == [0, 0]
    assert len(outcome.examples) == SHOWN


# Not compared


@pytest.mark.parametrize(
    ("changes", "reason", "such_as"),
    [
        ({"hcpcs": "X9999"}, "code and modifier are not in RVU25A", "10112-00-X9999"),
        ({"modifier": "53"}, "code and modifier are not in RVU25A", "10112-00-G0438-53"),
        ({"locality": "77"}, "locality is not in our GPCI", "10112-77-G0438"),
        (
            {"hcpcs": "A0021", "status": "I"},
            "RVUs do not pay status I: Not valid for Medicare, another code is used",
            "10112-00-A0021",
        ),
    ],
    ids=["code", "modifier", "locality", "status"],
)
def test_record_that_we_do_not_price_is_told_with_its_reason(
    changes: Row, reason: str, such_as: str, prove: Prove, rows: list[Row]
) -> None:
    outcome = prove([*rows, BLANK | changes])
    assert reasons(outcome) == {reason: (1, such_as)}
    assert outcome.examples == []


def test_every_reason_is_counted_by_itself(prove: Prove, rows: list[Row]) -> None:
    strange = [
        BLANK | {"hcpcs": "X9999"},
        BLANK | {"hcpcs": "X9998"},
        BLANK | {"hcpcs": "A0021", "status": "I"},
        BLANK | {"hcpcs": "X9999", "locality": "77"},
        BLANK | {"hcpcs": "A4890", "status": "R"},
    ]
    outcome = prove([*rows, *strange])
    assert {reason: records for reason, (records, _) in reasons(outcome).items()} == {
        "code and modifier are not in RVU25A": 2,
        "RVUs do not pay status I: Not valid for Medicare, another code is used": 1,
        "locality is not in our GPCI": 1,
        "RVUs do not pay status R: Restricted coverage, paid by RVUs where it has any, otherwise priced by the "
        "contractor": 1,
    }
    assert counts(outcome, "equal")["nonfacility_fee"] == len(rows)


def test_records_that_cms_lacks_are_counted(prove: Prove, rows: list[Row]) -> None:
    gone = [row for row in in_alabama(rows) if row["hcpcs"] in ("G0438", "G0439")]
    outcome = prove([row for row in rows if row not in gone])
    assert reasons(outcome) == {"CMS's file does not list it": (2, "10112-00-G0438")}
    assert counts(outcome, "different")["facility_fee"] == 0


def test_localities_that_the_file_does_not_hold_are_not_missed(prove: Prove, rows: list[Row]) -> None:
    """A carrier file is of one MAC."""
    outcome = prove(in_alabama(rows))
    assert outcome.missing == []
    assert outcome.records == len(rows) // len(PLACES)


# Which release


def test_file_is_compared_with_a_release_of_its_year(prove: Prove) -> None:
    with pytest.raises(UsageError, match=r"of 2019, and no release of that year is published, only RVU25A, RVU26C"):
        prove([BLANK | {"year": "2019"}])


def test_newest_release_of_the_year_is_taken_unless_one_is_named(home: Path, rows: list[Row], tmp_path: Path) -> None:
    """The sample's release again under a later label of the year."""
    store = Store(home)
    folder = store.version_path(store.require_version())
    for path in folder.glob("*/RVU25A.parquet"):
        path.with_stem("RVU25D").hardlink_to(path)
    manifest = (folder / "manifest.json").read_text("utf-8")
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(manifest.replace('"RVU26C": {', '"RVU25D": {}, "RVU26C": {'), "utf-8")
    path = written(tmp_path, (record(**row) for row in in_alabama(rows)))
    assert prove_payments(store, path, None).release == "RVU25D"
    assert prove_payments(store, path, "rvu25a").release == "RVU25A"


def test_release_without_gpci_has_nothing_to_compare_with(prove: Prove, rows: list[Row]) -> None:
    with pytest.raises(UsageError, match="RVU26C has no GPCI, so it has no payments to compare with"):
        prove(rows, "RVU26C")


def test_unknown_release_is_told(prove: Prove, rows: list[Row]) -> None:
    with pytest.raises(UsageError, match=r"RVU19A is not in version .*rvu run RVU19A"):
        prove(rows, "RVU19A")


# Reading the file


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("trailer", [True, False], ids=["trailer", "no trailer"])
def test_records_are_read_whatever_ends_them(end: str, trailer: bool, tmp_path: Path) -> None:
    path = written(tmp_path, [record(nonfacility_fee=12.34, modifier="TC"), ""], trailer=trailer, end=end)
    [row] = read_payment_file(path).to_dict("records")
    assert row == BLANK | {"nonfacility_fee": 12.34, "modifier": "TC"}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(), record()[:-1]], r"PFALL25A\.TXT, line 2: expected a record of 130 characters, found 129"),
        ([record() + " "], r"line 1: expected a record of 130 characters, found 131"),
        (
            [record(), record(facility_fee="0000ABC.00")],
            r"column facility_fee: expected a number .*line 2: '0000ABC\.00'",
        ),
        ([record(facility_fee="-000012.00")], r"column facility_fee: expected a number .*line 1: '-000012\.00'"),
        ([record(facility_fee="          ")], r"column facility_fee: expected a number .*line 1: ''"),
        (
            [record(), record(hcpcs="G0439"), record()],
            r"year, mac, locality, hcpcs, modifier is unique: .*line 1: 2025-10112-00-G0438; line 3",
        ),
        ([record(status="Z")], r"payment_file\.status: is in the code list: 1 rows, such as line 1: 'Z'"),
        ([record(year="1999")], r"payment_file\.year.*line 1: '1999'"),
        ([record().replace('"9"', '"9X')], r"line 1, position 104: expected a blank between columns, found 'X'"),
    ],
    ids=["short", "long", "not a number", "negative", "blank", "twice", "status", "year", "shifted"],
)
def test_damaged_file_names_the_line_and_what_is_wrong(records: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_payment_file(written(tmp_path, records))


@pytest.mark.parametrize("content", ["", "\r\n", TRAILER + "\r\n"], ids=["empty", "blank", "trailer only"])
def test_file_without_records_is_told(content: str, tmp_path: Path) -> None:
    path = tmp_path / "PFALL25A.TXT"
    path.write_text(content, "ascii", newline="")
    with pytest.raises(
        DataError, match=r"PFALL25A\.TXT holds no record of 130 characters: is it the unpacked text\?"
    ):
        read_payment_file(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "PFALL25A.TXT", tmp_path):
        with pytest.raises(UsageError, match=f"{path} is not a file: expected CMS's payment file, unpacked"):
            read_payment_file(path)


def test_zip_instead_of_text_is_told_to_be_unpacked(sample_archives: dict[str, Path]) -> None:
    for path in sample_archives.values():
        with pytest.raises(RvuError, match=rf"{path.name}.*unpack"):
            read_payment_file(path)


ODD = st.sampled_from(
    [b"", b"\x00", b"\n", b"\r", b"\x1a", b" ", b'"', b",", b"A", b"9", b"\xe9", b"\xc3\xa9", b"\xff"]
)
WHOLE = "\r\n".join([record(), record(hcpcs="G0130", modifier="TC", opps_indicator="1"), TRAILER, ""]).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 2), ODD), min_size=1, max_size=3))
def test_file_with_any_damage_is_read_or_refused_without_a_traceback(
    tmp_path: Path, damages: list[tuple[int, int, bytes]]
) -> None:
    content = WHOLE
    for at, width, odd in damages:
        content = content[:at] + odd + content[at + width :]
    path = tmp_path / "PFALL25A.TXT"
    path.write_bytes(content)
    try:
        rows = read_payment_file(path)
    except RvuError as problem:
        assert "PFALL25A.TXT" in str(problem)
    else:
        assert 1 <= len(rows) <= 2
