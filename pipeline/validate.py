"""Judges typed frames by their pandera models and by the rules that span tables; changes nothing."""

from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import pandas as pd
import pandera.pandas as pa

from pipeline.compare import difference
from pipeline.conform import Repair
from pipeline.errors import DataError
from schemas.codes import PAYABLE_STATUS
from schemas.gpci import PLACE
from schemas.rvu import RvuTable
from schemas.table import Table, compiled, name, primary_key

SHOWN = 3  # examples of a rule on rows; other checks may give more,
DESCRIBED = 10  # of which a message shows these
# A quarter adds 0 to 200 of about 18,000 rows and three years added 7 %; CMS once cut a file in half.
LEAST_ROWS, MOST_ROWS = 0.8, 1.25
IN_GPCI, NOT_TWICE = "is in gpci", "row is not printed twice"
# What CMS's files are known to break, by table and rule: a warning with its reason.
KNOWN = {
    ("opps_cap", IN_GPCI): "known: CMS prints Southern California's localities under Northern California's MAC 01112 "
    "as well",
    ("locality_county", NOT_TWICE): "known: CMS prints Missouri's REST OF STATE once for each of its two carriers",
}
PROVEN_SINCE = date(2020, 1, 1)  # the rules on rows held on every release from here on


@dataclass(frozen=True)
class Finding:
    """One rule that rows broke: how many, the first with their lines in the source, and why that may be."""

    table: str
    column: str
    rule: str
    severity: str
    count: int
    examples: tuple[str, ...]
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON takes it."""
        return asdict(self) | {"examples": list(self.examples)}


@dataclass(frozen=True)
class Agreement:
    """Rows that two members of an archive both print, for the table `proof`: how many there are, and are equal."""

    proof: str
    rows: int
    equal: int
    told: str = ""


def judge(frame: pd.DataFrame, model: type[Table]) -> list[Finding]:
    """Check a typed frame against its model, all rules at once; the index must be lines of the source.

    A column of categories of text is judged as text, which is quick: rules run on each text once.
    """
    schema = deepcopy(compiled(model))
    for column in frame.columns[frame.dtypes == "category"]:
        if frame[column].cat.categories.dtype == "str":
            schema.columns[column].dtype = frame[column].dtype
    declared = _checks_by_name(deepcopy(schema))
    for check in _checks_by_name(schema).values():
        check.raise_warning = False  # so that pandera counts warnings as it counts errors
    try:
        schema.validate(frame, lazy=True, inplace=True)  # nothing is coerced, so nothing is copied
    except pa.errors.SchemaErrors as problems:
        cases = problems.failure_cases
        of_rows = cases["schema_context"] == "DataFrameSchema"
        cases = cases.assign(column=cases["column"].where(~of_rows, ""), check=cases["check"].astype(str))
        cases = cases.drop_duplicates(["column", "check", "index"])
        groups = cases.groupby(["column", "check"], sort=False)
        return [
            Finding(
                name(model),
                str(column),
                _rule_name(model, str(check)),
                _severity(declared.get((column, check))),
                len(group),
                _examples(frame, model, group.head(SHOWN)),
                _reason(declared.get((column, check))),
            )
            for (column, check), group in groups
        ]
    return []


def softened(findings: list[Finding]) -> list[Finding]:
    """Make rules on rows, other than unique keys, warnings: for releases on which nobody has proven them yet."""
    return [
        replace(finding, severity="warning", reason=f"not proven on releases before 2020. {finding.reason}".strip())
        if not finding.column and not finding.rule.endswith(" is unique")
        else finding
        for finding in findings
    ]


def repaired(table: str, repairs: list[Repair]) -> list[Finding]:
    """Report what conform repaired."""
    return [
        Finding(table, repair.column, repair.what, "warning", repair.count, repair.examples[:SHOWN])
        for repair in repairs
    ]


def repeated(table: str, lines: pd.Index) -> list[Finding]:
    """Report rows that were left out because they repeat another one in every cell."""
    if lines.empty:
        return []
    examples = tuple(f"line {line}" for line in lines[:SHOWN])
    return [Finding(table, "", NOT_TWICE, "warning", len(lines), examples, KNOWN.get((table, NOT_TWICE), ""))]


def known_localities(table: str, frame: pd.DataFrame, gpci: pd.DataFrame) -> list[Finding]:
    """Report rows whose MAC and locality have no GPCI: they cannot be priced, or the join is wrong."""
    known = pd.MultiIndex.from_frame(gpci[PLACE])
    places = pd.MultiIndex.from_frame(frame[PLACE])
    unknown = frame[~places.isin(known)]
    if unknown.empty:
        return []
    distinct = unknown.drop_duplicates(PLACE)
    examples = tuple(f"line {row.Index}: {row.mac}-{row.locality}" for row in distinct.head(SHOWN).itertuples())
    reason = KNOWN.get((table, IN_GPCI), "")
    return [Finding(table, "locality", IN_GPCI, "warning" if reason else "error", len(unknown), examples, reason)]


def same_states(counties: pd.DataFrame, gpci: pd.DataFrame) -> list[Finding]:
    """Report localities whose state differs between the two tables: LOCCO prints a state on its first row only.

    Names are compared with abbreviations by which go together most often in the same release.
    """
    both = counties.merge(gpci[[*PLACE, "state"]], on=PLACE, suffixes=("", "_short"))
    both = both.dropna(subset=["state", "state_short"])
    if both.empty:
        return []
    usual = both.groupby("state_short")["state"].agg(lambda names: names.mode().iloc[0])
    wrong = both[both["state"] != both["state_short"].map(usual)]
    if wrong.empty:
        return []
    examples = tuple(f"{row.mac}-{row.locality}: {row.state}, not {row.state_short}" for row in wrong.itertuples())
    return [Finding("locality_county", "state", "is the state in gpci", "error", len(wrong), examples[:SHOWN])]


def agreement(complete: pd.DataFrame, partial: pd.DataFrame) -> tuple[list[Finding], Agreement]:
    """Report rows of the QPP member that nonQPP lacks, or that differ in more than the pricing indicator."""
    key = primary_key(RvuTable)
    shared = partial.merge(complete, on=key, how="left", suffixes=("", "_complete"), indicator=True)
    differs = shared["_merge"] == "left_only"
    for column in [column for column in partial if column not in (*key, "pricing_indicator")]:
        ours, theirs = shared[column], shared[f"{column}_complete"]
        differs |= ~((ours == theirs) | (ours.isna() & theirs.isna())).fillna(value=False)
    wrong = int(differs.sum())
    if not wrong:
        return [], Agreement("bases", len(partial), len(partial))
    examples = tuple(shared.loc[differs, "hcpcs"].head(SHOWN))
    compared = Agreement("bases", len(partial), len(partial) - wrong, f"Different: {wrong}, such as {examples[0]}.")
    return [Finding("rvu", "", "QPP and nonQPP members agree", "error", wrong, examples)], compared


def payable_in_both(complete: pd.DataFrame, partial: pd.DataFrame) -> list[Finding]:
    """Report payable rows of nonQPP that QPP lacks: it may leave out only what RVUs do not pay."""
    payable = complete[complete["status"].isin(PAYABLE_STATUS) & (complete["facility_total_rvu"] > 0)]
    key = ["hcpcs", "modifier"]
    absent = payable[~pd.MultiIndex.from_frame(payable[key]).isin(pd.MultiIndex.from_frame(partial[key]))]
    if absent.empty:
        return []
    examples = tuple(absent["hcpcs"].head(SHOWN))
    return [Finding("rvu", "", "QPP member has every payable code", "error", len(absent), examples)]


def siblings(
    model: type[Table], rows: pd.DataFrame, other: pd.DataFrame, member: str
) -> tuple[list[Finding], Agreement]:
    """Report how another format of a table differs from the one that is used, by the columns that both print."""
    table = name(model)
    shared = [column for column in rows.columns if column in other.columns]
    key = [column for column in primary_key(model) if column in shared]
    found = difference(rows[shared].drop_duplicates(key), other[shared].drop_duplicates(key), key)
    count = found.added + found.removed + found.changed
    equal = found.common - found.changed
    if not count:
        return [], Agreement("formats", equal, equal)
    told = (
        f"{member}: {found.removed} rows missing, {found.added} more, {found.changed} changed"
        + (f" in {', '.join(found.columns[:4])}" if found.columns else ""),
        *(f"such as {example}" for example in found.examples[:2]),
    )
    finding = Finding(table, "", "other formats agree with the one used", "warning", count, told)
    return [finding], Agreement("formats", equal + count, equal, f"{told[0]}.")


def row_count(rows: int, neighbor: str, neighbor_rows: int) -> list[Finding]:
    """Report a release that is far shorter or longer than the one before it."""
    if LEAST_ROWS * neighbor_rows <= rows <= MOST_ROWS * neighbor_rows:
        return []
    rule = f"between {LEAST_ROWS:.0%} and {MOST_ROWS:.0%} of the rows of {neighbor}"
    return [Finding("rvu", "", rule, "error", 1, (f"{rows} rows, {neighbor} has {neighbor_rows}",))]


def stop_on_errors(release: str, findings: list[Finding]) -> None:
    """Raise DataError that lists every finding of severity error."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        listed = "\n".join(f"  {describe(finding)}" for finding in errors)
        raise DataError(
            f"{release}: {len(errors)} rules are broken, so it is not published:\n{listed}\n"
            "If the archive is damaged, pull it again; if CMS changed its practice, change the rule in schemas/; "
            "our own texts lie in raw/content/."
        )


def describe(finding: Finding) -> str:
    """Return a finding in one line."""
    place = f"{finding.table}.{finding.column}" if finding.column else finding.table
    return f"{place}: {finding.rule}: {finding.count} rows, such as {'; '.join(finding.examples[:DESCRIBED])}"


def _checks_by_name(schema: pa.DataFrameSchema) -> dict[tuple[str, str], pa.Check]:
    """Return all checks by column, empty for rules on rows, and by the name that pandera reports."""
    checks = {("", str(check.error or check.name)): check for check in schema.checks}
    for column in schema.columns.values():
        checks |= {(column.name, str(check.error or check.name)): check for check in column.checks}
    return checks


def _severity(check: pa.Check | None) -> str:
    return "warning" if check is not None and check.raise_warning else "error"


def _reason(check: pa.Check | None) -> str:
    return str(check.description or "") if check is not None else ""


def _rule_name(model: type[Table], check: str) -> str:
    if check == "multiple_fields_uniqueness":
        return f"{', '.join(primary_key(model))} is unique"
    return "is in the code list" if check.startswith("isin(") else check


def _examples(frame: pd.DataFrame, model: type[Table], cases: pd.DataFrame) -> tuple[str, ...]:
    """Return the first failures with their line: the key of a row, or the text of a cell."""
    return tuple(
        _example(frame, model, column, line, found)
        for column, line, found in zip(cases["column"], cases["index"], cases["failure_case"], strict=True)
    )


def _example(frame: pd.DataFrame, model: type[Table], column: str, line: Any, found: object) -> str:
    if pd.isna(line):
        return str(found)
    if column:
        return f"line {line}: {found!r}"
    row = frame.loc[line]
    key = "-".join(str(row[part]) for part in primary_key(model) if part != "release" and str(row[part]))
    return f"line {line}: {key}"
