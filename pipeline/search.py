"""Finds codes by the words that people use, in the full-text index of a published release."""

import re
import sqlite3
from contextlib import closing
from math import inf
from typing import Any

from pipeline.errors import UsageError
from pipeline.published import Published
from pipeline.search_index import open_index
from schemas.codes import PAYABLE_STATUS

# What a hit counts: all words in one name of a code, all of them anywhere in our texts on it, only some of them in
# either. FTS5's rank is below zero, and the lower the better.
HITS = (("name", " ", 1.0), ("page", " ", 0.3), ("name", " OR ", 0.1), ("page", " OR ", 0.05))
# Who searches rarely means a code that only reports a quality measure, and more often one that is paid.
LIKELY = dict.fromkeys(PAYABLE_STATUS, 1.2) | {"M": 0.7}


def search(chosen: Published, words: str, top: int) -> list[dict[str, Any]]:
    """Return the codes that fit the words best, by synonym, title, plain language, descriptor and our texts.

    The order of words, their case and the plural do not matter; a code finds itself. UsageError when there is no word
    to look for.
    """
    wanted = re.findall(r"\w+", words.lower())
    if not wanted:
        raise UsageError(f"{words!r} has no word to search for. For example: rvu search flu shot")
    with closing(open_index(chosen)) as index:
        index.row_factory = sqlite3.Row
        codes = {row["hcpcs"]: dict(row) for row in index.execute("SELECT * FROM code")}
        scores = {
            code: score * LIKELY.get(codes[code]["status"], 1.0) for code, score in _scores(index, wanted).items()
        }
    scores |= {word.upper(): -inf for word in wanted if word.upper() in codes}
    best = sorted(scores, key=lambda code: (round(scores[code], 6), code))
    return [codes[code] for code in best[:top]]


def _scores(index: sqlite3.Connection, wanted: list[str]) -> dict[str, float]:
    """Return the score of each code that has any of the words."""
    scores: dict[str, float] = {}
    for table, joined, weight in HITS:
        match = joined.join(f'"{word}"' for word in wanted)
        best: dict[str, float] = {}
        for code, rank in index.execute(f"SELECT hcpcs, rank FROM {table} WHERE {table} MATCH ?", [match]):  # noqa: S608
            best[code] = min(rank, best.get(code, 0.0))
        for code, rank in best.items():
            scores[code] = scores.get(code, 0.0) + weight * rank
    return scores
