"""Says what moved between two published releases, for people: counts, status changes, gainers and losers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.change import changes
from pipeline.errors import UsageError
from pipeline.parquet import read_pairs, read_table
from pipeline.published import Published
from pipeline.rows import records
from schemas.rvu import ROW
from schemas.tables import TABLES

Rows = list[dict[str, Any]]
PAYMENT = "nonfacility_national_payment"
AMOUNTS = {"number_before": "before", "number_after": "after", "difference": "dollars", "percent": "percent"}


@dataclass(frozen=True)
class Movement:
    """What differs between two releases; `found` is shaped like `change`, and `titles` names the codes."""

    found: pd.DataFrame
    titles: dict[str, str]

    @property
    def changes(self) -> Rows:
        """Return every change."""
        return _records(self.found)

    @property
    def summary(self) -> Rows:
        """Return how many rows came and went, and how many changed in each column, most often first."""
        counts = self.found.groupby(["kind", "field"], sort=False).size().rename("rows").reset_index()
        return _records(counts.sort_values("rows", ascending=False, kind="stable"))

    @property
    def statuses(self) -> Rows:
        """Return how many rows went from one status to another."""
        changed = self.found[(self.found["field"] == "status") & (self.found["kind"] == "changed")]
        pairs = changed.groupby(["before", "after"]).agg(rows=("hcpcs", "size"), codes=("hcpcs", _first_few))
        return _records(pairs.sort_values("rows", ascending=False).reset_index())

    def gainers(self, top: int) -> Rows:
        """Return the codes whose payment rises most, in dollars."""
        return self._payments(ascending=False)[:top]

    def losers(self, top: int) -> Rows:
        """Return the codes whose payment falls most, in dollars."""
        return self._payments(ascending=True)[:top]

    def _payments(self, *, ascending: bool) -> Rows:
        moved = self.found[(self.found["field"] == PAYMENT) & self.found["difference"].notna()]
        moved = moved[(moved["difference"] < 0) == ascending].sort_values(
            ["difference", "hcpcs", "modifier"], ascending=[ascending, True, True]
        )
        shown = moved.assign(title=moved["hcpcs"].map(self.titles))[["hcpcs", "modifier", "title", *AMOUNTS]]
        return _records(shown.rename(columns=AMOUNTS))


def movement(before: Published, after: Published, category: str | None) -> Movement:
    """Compare two releases, or the codes of one category of either; UsageError for a category that none has."""
    names = ["hcpcs", "category", "title", "descriptor"]
    codes = pd.concat([read_table(each.file("code"), TABLES["code"], names) for each in (before, after)])
    if category and category not in set(codes["category"]):
        raise UsageError(f"There is no category {category!r}. There is: {', '.join(sorted(set(codes['category'])))}.")
    old, new = (read_table(each.file("rvu"), TABLES["rvu"]) for each in (before, after))
    older = before.labels[: before.labels.index(before.release)]
    seen = {row for label in older for row in read_pairs(before.file("rvu", label), *ROW)}
    found = changes(before.release, old, after.release, new, seen)
    if category:
        found = found[found["hcpcs"].isin(codes.loc[codes["category"] == category, "hcpcs"])]
    titles = codes["title"].fillna(codes["descriptor"])
    return Movement(found, dict(zip(codes["hcpcs"], titles, strict=True)))


def _records(frame: pd.DataFrame) -> Rows:
    """Return rows with None for what is empty, as JSON has it."""
    return records(frame.astype(object).where(frame.notna(), None))


def _first_few(codes: pd.Series) -> str:
    return ", ".join(codes.head(4)) + (" ..." if len(codes) > 4 else "")
