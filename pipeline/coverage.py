"""Says how much of a published release our texts cover, and what to write next. Reads `code` alone."""

from collections import Counter
from typing import Any

from pipeline.errors import UsageError
from pipeline.lookup import Row, all_rows
from pipeline.published import Published
from schemas.codes import PAYABLE_STATUS, TEXTS

COMPLETE, PARTIAL, NONE = "complete", "partial", "none"
LISTS = ("synonyms", "specialties_are_default")
FACTS = ("hcpcs", "category", "status", "work_rvu", "descriptor")


def lacking(row: Row) -> list[str]:
    """Return which parts of a complete text a code lacks: one row of `code`."""
    absent = [text for text in TEXTS if not row[text]]
    if len(row["synonyms"]) < 2:
        absent.append("synonyms")
    if row.get("specialties_are_default"):  # versions before 2026-11 lack it
        absent.append("specialties")
    return absent


def extent(row: Row) -> str:
    """Say whether the texts on a code are complete, partial or missing."""
    if not row["description"]:
        return NONE
    return PARTIAL if lacking(row) else COMPLETE


def coverage(chosen: Published) -> list[dict[str, Any]]:
    """Return one row per category, and one for all: codes by extent, and the share of payable codes complete."""
    rows = _codes(chosen)
    categories = dict.fromkeys(row["category"] for row in rows)
    covered = [_covered(category, [row for row in rows if row["category"] == category]) for category in categories]
    return [*covered, _covered("all", rows)]


def missing(chosen: Published, category: str | None, top: int) -> list[dict[str, Any]]:
    """Return the codes to write next: payable first, then the most work, then those new in the release."""
    rows = _of_category(_codes(chosen), category)
    new = _new_codes(chosen)
    wanted = sorted(
        (row for row in rows if extent(row) != COMPLETE),
        key=lambda row: (
            row["status"] not in PAYABLE_STATUS,
            -row["work_rvu"],
            row["hcpcs"] not in new,
            row["hcpcs"],
        ),
    )
    return [
        {
            "hcpcs": row["hcpcs"],
            "category": row["category"],
            "descriptor": row["descriptor"],
            "status": row["status"],
            "work_rvu": row["work_rvu"],
            "is_new": row["hcpcs"] in new,
            "lacks": ", ".join(lacking(row)) if row["description"] else "everything",
        }
        for row in wanted[:top]
    ]


def _of_category(rows: list[Row], category: str | None) -> list[Row]:
    """Return the codes of one category, all of them for None; UsageError, with what there is, for an unknown one."""
    known = {row["category"].lower(): row["category"] for row in rows}
    if category is None:
        return rows
    if category.lower() not in known:
        raise UsageError(f"{category!r} is no category. There are: {', '.join(known.values())}.")
    return [row for row in rows if row["category"] == known[category.lower()]]


def _covered(category: str, rows: list[Row]) -> dict[str, Any]:
    extents = Counter(extent(row) for row in rows)
    payable = [row for row in rows if row["status"] in PAYABLE_STATUS]
    complete = sum(extent(row) == COMPLETE for row in payable)
    return {
        "category": category,
        "codes": len(rows),
        **{each: extents[each] for each in (COMPLETE, PARTIAL, NONE)},
        "payable_codes": len(payable),
        "payable_complete": complete,
        "payable_complete_percent": round(100 * complete / len(payable), 1) if payable else None,
    }


def _codes(chosen: Published) -> list[Row]:
    return all_rows(chosen.file("code"), [*FACTS, *TEXTS, *LISTS])


def _new_codes(chosen: Published) -> set[str]:
    """Return the codes that the release added; none for the first of a version, which is compared with nothing."""
    path = chosen.file("change")
    if not path.exists():
        return set()
    rows = all_rows(path, ["hcpcs", "field", "kind"])
    return {row["hcpcs"] for row in rows if row["field"] == "row" and row["kind"] in ("added", "revived")}
