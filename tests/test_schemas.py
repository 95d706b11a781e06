import re
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from pipeline.validate import judge
from schemas.codes import BASIS, CODING_SYSTEM, GLOBAL_DAYS, MODIFIER, PCTC, STATUS, STATUS_CLASS
from schemas.table import Column, about, columns, compiled, primary_key
from schemas.tables import TABLES
from tests.shaped import CONTENT, MODELS, NO_RVUS, RVU_ROWS, Row, frame, row, with_rvus

Key = tuple[str, str]
Changes = dict[Key, Row | None]  # of RVU_ROWS, by code and modifier; None leaves the row out

ERROR, WARNING = "error", "warning"

# Changes that break exactly one rule of `rvu`.
RVU_COUNTEREXAMPLES: list[tuple[str, str, Changes]] = [
    ("total = work + PE + MP", ERROR, {("G0002", ""): {"facility_total_rvu": 1.51}}),
    ("total = work + PE + MP", ERROR, {("G0002", ""): {"nonfacility_total_rvu": 2.72}}),
    ("RVUs have at most two decimals", ERROR, {("G0002", ""): {"work_rvu": 0.971}}),
    ("RVUs have at most two decimals", ERROR, {("G0002", ""): {"facility_total_rvu": 1.5000001}}),
    ("TC has 26 and global rows", ERROR, {("G0001", "26"): None}),
    ("53 has a global row", ERROR, {("G0003", ""): None}),
    ("status A: global = 26 + TC", ERROR, {("G0001", "26"): with_rvus(1.01, 0.4, 0.4, 0.06)}),
    ("status A: global = 26 + TC", ERROR, {("G0001", "TC"): with_rvus(0.0, 1.6, 1.6, 0.05)}),
    (
        "technical components have no work",
        ERROR,
        {("G0001", "26"): with_rvus(0.99, 0.4, 0.4, 0.06), ("G0001", "TC"): with_rvus(0.01, 1.6, 1.6, 0.04)},
    ),
    ("technical components have no work", ERROR, {("G0002", ""): {"pctc": "3"}}),
    ("non-facility NA copies the facility PE", ERROR, {("G0002", ""): {"nonfacility_na": True}}),
    ("status A and T have RVUs", ERROR, {("G0002", ""): NO_RVUS}),
    ("status A and T have RVUs", ERROR, {("G0008", ""): NO_RVUS}),
    *(
        ("status C, E, J, M and P have no RVUs", ERROR, {("G0007", ""): {"status": status}})
        for status in ("C", "E", "J", "M", "P")
    ),
    ("multiple procedure 3 has an endoscopic base in the file", ERROR, {("G0003", ""): {"endoscopic_base": "G0009"}}),
    ("multiple procedure 3 has an endoscopic base in the file", ERROR, {("G0003", ""): {"endoscopic_base": None}}),
    ("multiple procedure 3 has an endoscopic base in the file", ERROR, {("G0003", ""): {"multiple_procedure": "2"}}),
    ("surgical shares sum to 0 or 1", ERROR, {("G0004", ""): {"postoperative_share": 0.1}}),
    ("surgical shares sum to 0 or 1", ERROR, {("G0004", ""): {"global_days": "000"}}),
    (
        "OPPS fields only on global and TC rows, same in both settings",
        ERROR,
        {("G0001", "26"): {"opps_nonfacility_pe_rvu": 0.5, "opps_facility_pe_rvu": 0.5}},
    ),
    ("OPPS fields only on global and TC rows, same in both settings", ERROR, {("G0001", "26"): {"opps_mp_rvu": 0.1}}),
    (
        "OPPS fields only on global and TC rows, same in both settings",
        ERROR,
        {("G0001", "TC"): {"opps_nonfacility_pe_rvu": 0.5, "opps_facility_pe_rvu": 0.4}},
    ),
    ("hcpcs is four digits with one letter or digit at either end", WARNING, {("G0002", ""): {"hcpcs": "GXXX1"}}),
    ("descriptor is not empty", WARNING, {("G0002", ""): {"descriptor": ""}}),
    ("+ marks RVUs that are not used", WARNING, {("G0007", ""): {"not_used_for_medicare": False}}),
    ("+ marks RVUs that are not used", WARNING, {("G0002", ""): {"not_used_for_medicare": True}}),
    ("+ marks RVUs that are not used", WARNING, {("G0005", ""): {"not_used_for_medicare": True}}),
    ("facility NA copies the non-facility PE", WARNING, {("G0002", ""): {"facility_na": True}}),
    ("26 has a TC row", WARNING, {("G0001", "TC"): None}),
    ("26 has a global row", WARNING, {("G0001", ""): None, ("G0001", "TC"): None, ("G0001", "26"): {"pctc": "6"}}),
    (
        "status A with global days 010 or 090 has shares",
        WARNING,
        {("G0004", ""): {"preoperative_share": 0.0, "intraoperative_share": 0.0, "postoperative_share": 0.0}},
    ),
    (
        "not NA in both settings",
        WARNING,
        {("G0002", ""): {"nonfacility_na": True, "facility_na": True} | with_rvus(0.97, 0.43, 0.43, 0.1)},
    ),
    (
        "status A: non-facility PE is not below facility PE",
        WARNING,
        {("G0002", ""): with_rvus(0.97, 0.42, 0.43, 0.1)},
    ),
]
SENTENCES = "description is one or two full sentences"
CONTEXT = "clinical_context is one to three full sentences"
NAMES = "title and plain_language are names, without a full stop"
MEANINGS = "meanings of one code do not overlap"
OTHER_COUNTEREXAMPLES: list[tuple[str, str, str, list[Row]]] = [
    ("opps_cap", "facility price = non-facility price", WARNING, [row("opps_cap", facility_price=51.49)]),
    ("payment", "payment = lower of fee and OPPS amount", ERROR, [row("payment", nonfacility_payment=45.72)]),
    ("proof", "equal are among those compared", ERROR, [row("proof", equal=27)]),
    ("proof", "what is not equal is explained", ERROR, [row("proof", explanation=None)]),
    ("change", "only whole rows come, come back and go", ERROR, [row("change", kind="added")]),
    ("category", "status classes make up the category", ERROR, [row("category", codes=5)]),
    (
        "synonyms",
        "synonym is unique within its code, whatever its case",
        ERROR,
        [row("synonyms"), row("synonyms", synonym="Made-Up Visit")],
    ),
    *(
        ("codes", rule, ERROR, [row("codes", hcpcs="G0001"), row("codes", **changes)])
        for rule, changes in (
            (SENTENCES, {"description": "One ends here. Two ends here as well. Three is one too many."}),
            (SENTENCES, {"description": "A sentence that goes on and on but has no end"}),
            (SENTENCES, {"description": "a sentence that does not begin with a capital letter."}),
            (CONTEXT, {"clinical_context": "One ends here. Two ends here. Three ends here. Four is one too many."}),
            (NAMES, {"title": "Invented visit."}),
            (NAMES, {"plain_language": "made-up visit."}),
            ("reviewed is a day of the calendar", {"reviewed": "2026-02-30"}),
            (MEANINGS, {"since": "RVU25A", "until": "RVU24D"}),
        )
    ),
    ("codes", MEANINGS, ERROR, [row("codes", until="RVU25A"), row("codes", since="RVU25A")]),
    ("codes", MEANINGS, ERROR, [row("codes"), row("codes", since="RVU25A")]),
    *(
        ("categories", "description and billing_note are paragraphs of two to five full sentences", ERROR, [each])
        for each in (
            row("categories", description="One sentence is no paragraph."),
            row("categories", billing_note="One. Two. Three. Four. Five. Six."),
        )
    ),
    *(
        ("content_task", "a new code has no descriptor before, a deleted one none after", ERROR, [each])
        for each in (
            row("content_task", task="write"),
            row("content_task", task="retire"),
            row("content_task", descriptor_before=None),
            row("content_task", descriptor_after=None),
        )
    ),
]

# What breaks a check of a column, by the check's kind.
WRONG_VALUES = {
    "isin": "?",
    "str_matches": f" {'?' * 59}",  # of a length that all texts may have
    "greater_than": 0.0,
    "greater_than_or_equal_to": -1,
    "less_than": 10_000_000.0,
    "less_than_or_equal_to": 1.01,
}

each_model = pytest.mark.parametrize("table", MODELS)


def changed_release(changes: Changes) -> list[Row]:
    """Return RVU_ROWS with some rows changed or left out."""
    rows = [(each, changes.get((each["hcpcs"], each["modifier"]), {})) for each in RVU_ROWS]
    assert sum(change != {} for _, change in rows) == len(changes)
    return [each | change for each, change in rows if change is not None]


def rules_of_rows(table: str) -> dict[str, str]:
    """Return the severity of each rule on rows, by its name."""
    return {
        str(check.error or check.name): WARNING if check.raise_warning else ERROR
        for check in compiled(MODELS[table]).checks
    }


def column_checks(table: str, rank: int) -> dict[str, pa.Check]:
    """Return the first, second or third check of each column that has as many."""
    schemas = compiled(MODELS[table]).columns
    return {column: schema.checks[rank] for column, schema in schemas.items() if len(schema.checks) > rank}


def wrong_value(check: pa.Check) -> Any:
    """Return a value that breaks the check."""
    if check.name == "str_length":
        longest = check.statistics["max_value"]
        return "x" * (longest + 1) if longest else "x" * (check.statistics["min_value"] - 1)
    return WRONG_VALUES[str(check.name)]


def with_cells(table: str, cells: Row) -> pd.DataFrame:
    """Return the valid frame, cells of its first row changed."""
    valid = RVU_ROWS if table == "rvu" else [row(table)]
    return frame(table, valid[0] | cells, *valid[1:])


def rule_name(check: pa.Check) -> str:
    return "is in the code list" if check.name == "isin" else str(check.error)


# What holds of every model


@each_model
def test_the_valid_frame_breaks_no_rule(table: str) -> None:
    assert judge(frame(table), MODELS[table]) == []


@each_model
def test_every_column_is_described_and_in_snake_case(table: str) -> None:
    for column in columns(MODELS[table]).values():
        assert column.description, column.name
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column.name)


@each_model
def test_a_key_is_made_of_columns_that_are_never_empty(table: str) -> None:
    declared = columns(MODELS[table])

    assert primary_key(MODELS[table])
    assert not any(declared[part].nullable for part in primary_key(MODELS[table]))


@pytest.mark.parametrize("table", TABLES)
def test_every_published_table_says_what_a_row_is_and_belongs_to_a_release(table: str) -> None:
    assert about(TABLES[table]).endswith(".")
    assert primary_key(TABLES[table])[0] == "release"


@pytest.mark.parametrize("table", CONTENT)
def test_content_belongs_to_no_release(table: str) -> None:
    assert "release" not in columns(CONTENT[table])


@each_model
def test_numbers_say_their_unit_and_printed_numbers_their_decimals(table: str) -> None:
    for column in columns(MODELS[table]).values():
        if column.frame_dtype in ("float64", "int64"):
            assert column.metadata.get("unit"), column.name


@each_model
def test_every_rule_on_rows_has_a_counterexample(table: str) -> None:
    tried = {("rvu", rule, severity) for rule, severity, _ in RVU_COUNTEREXAMPLES} | {
        (of, rule, severity) for of, rule, severity, _ in OTHER_COUNTEREXAMPLES
    }

    declared = {(table, rule, severity) for rule, severity in rules_of_rows(table).items()}
    assert {case for case in tried if case[0] == table} == declared


# Counterexamples


@pytest.mark.parametrize(("rule", "severity", "changes"), RVU_COUNTEREXAMPLES)
def test_rows_of_rvu_that_break_a_rule_break_that_one_only(rule: str, severity: str, changes: Changes) -> None:
    findings = judge(frame("rvu", *changed_release(changes)), MODELS["rvu"])

    assert [(finding.rule, finding.severity, finding.column) for finding in findings] == [(rule, severity, "")]


@pytest.mark.parametrize(("table", "rule", "severity", "rows"), OTHER_COUNTEREXAMPLES)
def test_rows_that_break_a_rule_break_that_one_only(table: str, rule: str, severity: str, rows: list[Row]) -> None:
    findings = judge(frame(table, *rows), MODELS[table])

    assert [(finding.table, finding.rule, finding.severity) for finding in findings] == [(table, rule, severity)]


@pytest.mark.parametrize("rank", [0, 1])
@each_model
def test_a_cell_that_breaks_a_check_of_its_column_breaks_that_one_only(table: str, rank: int) -> None:
    checks = column_checks(table, rank)

    findings = judge(
        with_cells(table, {column: wrong_value(check) for column, check in checks.items()}), MODELS[table]
    )

    expected = [
        (column, rule_name(check), WARNING if check.raise_warning else ERROR, 1) for column, check in checks.items()
    ]
    of_columns = [finding for finding in findings if finding.column]
    assert [(each.column, each.rule, each.severity, each.count) for each in of_columns] == expected
    assert not column_checks(table, 2)  # or the ranks above miss some


@each_model
def test_an_empty_cell_is_an_error_unless_the_column_may_be_empty(table: str) -> None:
    kinds = {column.name: column.frame_dtype for column in columns(MODELS[table]).values()}
    empty = {column: None for column, kind in kinds.items() if kind not in ("bool", "int64")}  # which cannot be

    findings = judge(with_cells(table, empty), MODELS[table])

    required = {column.name for column in columns(MODELS[table]).values() if not column.nullable}
    assert {(each.column, each.rule, each.severity) for each in findings if each.column} == {
        (column, "not_nullable", ERROR) for column in required & set(empty)
    }


@each_model
def test_a_row_twice_is_an_error_that_names_the_key(table: str) -> None:
    twice = frame(table, row(table), row(table))

    rule = f"{', '.join(primary_key(MODELS[table]))} is unique"
    assert (rule, ERROR, 2) in {
        (finding.rule, finding.severity, finding.count) for finding in judge(twice, MODELS[table])
    }


@each_model
def test_a_model_allows_its_columns_in_their_order_only(table: str) -> None:
    schema = compiled(MODELS[table])

    assert (schema.strict, schema.ordered, schema.coerce) == (True, True, False)


def test_a_missing_column_a_further_one_and_another_order_are_errors() -> None:
    valid = frame("gpci")
    last = valid.columns[-1]

    for wrong in (valid.drop(columns=last), valid.assign(further=1), valid[[last, *valid.columns[:-1]]]):
        assert ERROR in {finding.severity for finding in judge(wrong, MODELS["gpci"])}


def test_a_model_converts_nothing() -> None:
    findings = judge(frame("gpci").astype({"pe_gpci": "str"}), MODELS["gpci"])

    assert (findings[0].column, findings[0].rule, findings[0].severity) == ("pe_gpci", "dtype('float64')", ERROR)


# What the rules must let pass


@pytest.mark.parametrize(
    "changes",
    [
        {("G0001", ""): {"status": "C"} | NO_RVUS, ("G0001", "TC"): {"status": "C"} | NO_RVUS},
        {("G0002", ""): {"nonfacility_na": True} | with_rvus(0.97, 0.43, 0.43, 0.1)},
        {("G0002", ""): {"status": "R"} | NO_RVUS},
        {("G0007", ""): {"not_used_for_medicare": False} | NO_RVUS},
        {("G0001", "TC"): {"opps_nonfacility_pe_rvu": 0.5, "opps_facility_pe_rvu": 0.5, "opps_mp_rvu": 0.01}},
        {("G0001", ""): {"opps_nonfacility_pe_rvu": 0.5, "opps_facility_pe_rvu": 0.5, "opps_mp_rvu": 0.01}},
        {("G0007", ""): {"status": "X"}},
    ],
    ids=["priced 26 of C", "NA", "R unpriced", "N unpriced", "OPPS of TC", "OPPS of global", "X with RVUs"],
)
def test_what_cms_does_print_passes(changes: Changes) -> None:
    assert judge(frame("rvu", *changed_release(changes)), MODELS["rvu"]) == []


@pytest.mark.parametrize(
    ("table", "column", "meanings"),
    [
        ("rvu", "status", STATUS),
        ("rvu", "pctc", PCTC),
        ("rvu", "global_days", GLOBAL_DAYS),
        ("opps_cap", "modifier", MODIFIER),
        ("code", "coding_system", CODING_SYSTEM),
        ("conversion_factor", "basis", BASIS),
    ],
)
def test_every_code_of_a_list_passes(table: str, column: str, meanings: dict[str, str]) -> None:
    findings = judge(frame(table, *(row(table, **{column: code}) for code in meanings)), MODELS[table])

    assert not [finding for finding in findings if finding.column]


def test_every_status_is_in_exactly_one_class() -> None:
    classed = [status for of in STATUS_CLASS.values() for status in of]

    assert sorted(classed) == sorted(STATUS)


def test_the_types_of_a_frame_and_of_parquet_agree() -> None:
    kinds = {"float64": "double", "bool": "bool", "int64": "int64", "str": "string"}

    def agree(column: Column) -> bool:
        return str(column.arrow_type) == kinds.get(str(column.frame_dtype), str(column.arrow_type))

    assert all(agree(column) for model in MODELS.values() for column in columns(model).values())
