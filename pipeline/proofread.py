"""Checks the content that lies in raw/ as a whole, also against every published release: `rvu content check`."""

from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from pipeline.content import Content, load_content
from pipeline.editorial import flaws, reading_grade
from pipeline.lookup import all_rows
from pipeline.merge import merge_content, unknown_codes
from pipeline.originality import copied
from pipeline.published import Published, published_release
from pipeline.store import Store
from pipeline.validate import Finding

HARDEST = 5
DISTINCT = ["hcpcs", "descriptor", "meaning_since"]


@dataclass(frozen=True)
class Proofread:
    """What was found, how hard the plain words are to read, and what all of it was compared with."""

    findings: list[Finding]
    reading: dict[str, Any]
    summary: str


def proofread(store: Store) -> Proofread:
    """Check all content; DataError when it breaks a rule of its own, UsageError when nothing is published yet."""
    content = load_content(store.declared("content"))
    chosen = published_release(store)
    findings = flaws(content) + _against_releases(content, chosen)
    codes = content.codes["hcpcs"].nunique()
    summary = (
        f"{len(content.codes):,} texts and {len(content.synonyms):,} synonyms on {codes:,} codes, compared with "
        f"{', '.join(chosen.labels)} of version {chosen.version}: {len(findings)} findings"
    )
    return Proofread(findings, _reading(content), summary)


def _against_releases(content: Content, chosen: Published) -> list[Finding]:
    """Report what repeats a descriptor of any release, and codes that no release has."""
    merged, absent = [], []
    for label in chosen.labels:
        rows = all_rows(chosen.file("code", label), ["release", "hcpcs", "category", "descriptor"])
        codes, accounting = merge_content(pd.DataFrame(rows), content)
        merged.append(codes[codes["description"].notna()])
        absent.append(accounting.content_without_code)
    distinct = pd.concat(merged).drop_duplicates(DISTINCT)
    is_sample = chosen.store.manifest(chosen.version)["is_sample"]
    return copied(distinct, content.abbreviations) + _of_no_release(unknown_codes(absent, is_sample=is_sample))


def _of_no_release(unknown: list[str]) -> list[Finding]:
    """Report codes that no published release has. A run only warns of them: it may hold one old release alone."""
    reason = "misspelled, or of a release that is not published here"
    rule = "is a code of some published release"
    return [Finding("content", "hcpcs", rule, "warning", len(unknown), tuple(unknown), reason)] if unknown else []


def _reading(content: Content) -> dict[str, Any]:
    """Return the median grade of plain_language, and the texts that are hardest to read."""
    texts = content.codes.set_index("hcpcs")["plain_language"]
    grades = sorted(((reading_grade(text), str(code), text) for code, text in texts.items()), reverse=True)
    return {
        "median_grade": median(grade for grade, *_ in grades),
        "hardest": [{"hcpcs": code, "grade": grade, "text": text} for grade, code, text in grades[:HARDEST]],
    }
