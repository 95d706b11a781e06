"""Renders the reference page of a code from its one row of `code`, section by section, as plain text."""

import textwrap
from collections.abc import Mapping
from typing import Any

WIDTH = 100


def sections(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return headings and texts in the order of the page; sections without content are left out."""
    title = row["title"] or row["descriptor"]
    faq = "\n\n".join(f"{each['question']}\n{each['answer']}" for each in row["faq"])
    usual = " (usual in the category)" if row.get("specialties_are_default") else ""
    found = [
        (f"{row['hcpcs']} {title}", f"{row['category']}\nCMS: {row['descriptor']}"),
        ("Also known as", ", ".join(row["synonyms"])),
        ("Description", row["description"]),
        ("In plain language", row["plain_language"]),
        ("Clinical context", row["clinical_context"]),
        ("RVU information", row["rvu_information"]),
        ("Billing and documentation", row["billing_documentation"]),
        ("How this code compares", row["comparison"]),
        (f"Specialties{usual}", ", ".join(row["specialties"])),
        ("Frequently asked questions", faq),
        ("Sources", row["attribution"]),
    ]
    return [(heading, text) for heading, text in found if text]


def render(row: Mapping[str, Any]) -> str:
    """Return the page as text, wrapped for a terminal."""
    return "\n\n".join(f"{heading}\n{_wrapped(text)}" for heading, text in sections(row))


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  ") for line in text.splitlines()
    )
