"""Finds codes by the words that people use, in a full-text index of one published release made for the question."""

import re
import sqlite3
from math import inf
from typing import Any

from pipeline.errors import UsageError
from pipeline.lookup import Row, all_rows
from pipeline.published import Published

NAMES = ("title", "plain_language", "descriptor")
TEXTS = ("description", "clinical_context")
SCHEMA = """
CREATE VIRTUAL TABLE name USING fts5(words, code UNINDEXED, tokenize='porter unicode61');
CREATE VIRTUAL TABLE page USING fts5(words, code UNINDEXED, tokenize='porter unicode61');
"""
# What a hit counts: all words in one name of a code, all of them anywhere on its page, only some of them. FTS5's rank
# is below zero, and the lower the better.
HITS = (("name", " ", 1.0), ("page", " ", 0.3), ("page", " OR ", 0.1))


def search(chosen: Published, words: str, top: int) -> list[dict[str, Any]]:
    """Return the codes that fit the words best, by synonym, title, plain language, descriptor and description.

    The order of words, their case and the plural do not matter; a code finds itself. UsageError when there is no word
    to look for.
    """
    wanted = re.findall(r"\w+", words.lower())
    if not wanted:
        raise UsageError(f"{words!r} has no word to search for. For example: rvu search flu shot")
    rows = {
        row["hcpcs"]: row for row in all_rows(chosen.file("code"), ["hcpcs", *NAMES, *TEXTS, "synonyms", "status"])
    }
    scores = _scores(rows, wanted) | {word.upper(): -inf for word in wanted if word.upper() in rows}
    best = sorted(scores, key=lambda code: (round(scores[code], 6), code))[:top]
    return [
        {
            "hcpcs": code,
            "name": rows[code]["title"] or rows[code]["descriptor"],
            "plain_language": rows[code]["plain_language"],
            "also_known_as": ", ".join(rows[code]["synonyms"][:3]),
            "status": rows[code]["status"],
        }
        for code in best
    ]


def _scores(rows: dict[str, Row], wanted: list[str]) -> dict[str, float]:
    """Return the score of each code that has any of the words."""
    scores: dict[str, float] = {}
    with sqlite3.connect(":memory:") as index:
        index.executescript(SCHEMA)
        names = ((name, code) for code, row in rows.items() for name in _names(row))
        index.executemany("INSERT INTO name VALUES (?, ?)", names)
        pages = ((_page(row), code) for code, row in rows.items())
        index.executemany("INSERT INTO page VALUES (?, ?)", pages)
        for table, joined, weight in HITS:
            match = joined.join(f'"{word}"' for word in wanted)
            found = index.execute(f"SELECT code, rank FROM {table} WHERE {table} MATCH ?", [match])  # noqa: S608
            best: dict[str, float] = {}
            for code, rank in found:
                best[code] = min(rank, best.get(code, 0.0))
            for code, rank in best.items():
                scores[code] = scores.get(code, 0.0) + weight * rank
    return scores


def _names(row: Row) -> list[str]:
    return [row[name] for name in NAMES if row[name]] + list(row["synonyms"])


def _page(row: Row) -> str:
    return " ".join(_names(row) + [row[text] for text in TEXTS if row[text]])
