"""Says what moved between two published releases, for people: counts, status changes, gainers and losers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.change import changes
from pipeline.errors import UsageError
from pipeline.parquet import read_table
from pipeline.published import Published
from schemas.tables import TABLES

Rows = list[dict[str, Any]]
PAYMENT = "nonfacility_national_payment"


@dataclass(frozen=True)
class Movement:
    """What differs between two releases; `found` is shaped like `change`, and `titles` names the codes."""

    found: pd.DataFrame
    titles: dict[str, str]

    @property
    def changes(self) -> Rows:
        """Return every change."""
        plain = self.found.astype(object)
        return _records(plain.where(self.found.notna(), None))

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
        return [
            {
                "hcpcs": row["hcpcs"],
                "modifier": row["modifier"],
                "title": self.titles.get(row["hcpcs"], ""),
                "before": row["number_before"],
                "after": row["number_after"],
                "dollars": row["difference"],
                "percent": row["percent"],
            }
            for row in moved.to_dict("records")
        ]


def movement(before: Published, after: Published, category: str | None) -> Movement:
    """Compare two releases, or the codes of one category of either; UsageError for a category that none has."""
    names = ["hcpcs", "category", "title", "descriptor"]
    codes = pd.concat([read_table(each.file("code"), TABLES["code"], names) for each in (before, after)])
    if category and category not in set(codes["category"]):
        raise UsageError(f"There is no category {category!r}. There is: {', '.join(sorted(set(codes['category'])))}.")
    chosen = codes[codes["category"] == category] if category else codes
    old, new = (read_table(each.file("rvu"), TABLES["rvu"]) for each in (before, after))
    old, new = (rvu[rvu["hcpcs"].isin(chosen["hcpcs"])] for rvu in (old, new))
    titles = chosen["title"].fillna(chosen["descriptor"])
    return Movement(changes(before.release, old, after.release, new), dict(zip(chosen["hcpcs"], titles, strict=True)))


def _records(frame: pd.DataFrame) -> Rows:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _first_few(codes: pd.Series) -> str:
    return ", ".join(codes.head(4)) + (" ..." if len(codes) > 4 else "")
