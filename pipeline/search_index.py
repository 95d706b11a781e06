"""Makes a full-text index of one published release, and keeps it in the user's cache for the next question."""

import hashlib
import os
import sqlite3
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.lookup import Row, all_rows
from pipeline.published import Published
from pipeline.store import sha256_of, unused_name
from schemas.codes import TEXTS

NAMES = ("title", "plain_language", "descriptor")
KEPT = 4  # indices in the cache, of some 7 MB each
SCHEMA = """
CREATE TABLE code (hcpcs PRIMARY KEY, name, plain_language, also_known_as, status);
CREATE VIRTUAL TABLE name USING fts5(words, hcpcs UNINDEXED, tokenize='porter unicode61');
CREATE VIRTUAL TABLE page USING fts5(words, hcpcs UNINDEXED, tokenize='porter unicode61');
"""


def open_index(chosen: Published) -> sqlite3.Connection:
    """Return the index of a release: kept, made now and kept, or made in memory where the cache cannot be written.

    `code` has a row per code, `name` one per name of a code, `page` one per code that we describe.
    """
    path = _cached(chosen)
    if not path.exists():
        try:
            _keep(chosen, path)
        except (OSError, sqlite3.OperationalError):
            return _fill(sqlite3.connect(":memory:"), chosen)
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def _cached(chosen: Published) -> Path:
    """Return where the index lies, named by all that it depends on: the bytes of `code`, and this module."""
    made_of = sha256_of(chosen.file("code")) + sha256_of(Path(__file__))
    folder = os.environ.get("RVU_CACHE") or user_cache_path("rvu")
    return Path(folder) / f"search-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.sqlite"


def _keep(chosen: Published, path: Path) -> None:
    """Make the index beside its place and move it there whole; forget the oldest ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unused_name(path.parent, ".search-")
    try:
        _fill(sqlite3.connect(unfinished), chosen).close()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    found = sorted(path.parent.glob("search-*.sqlite"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in found[KEPT:]:
        old.unlink(missing_ok=True)


def _fill(index: sqlite3.Connection, chosen: Published) -> sqlite3.Connection:
    """Index every name of every code, and all that we say about one."""
    rows = all_rows(chosen.file("code"), ["hcpcs", *TEXTS, "descriptor", "synonyms", "status"])
    index.executescript(SCHEMA)
    index.executemany("INSERT INTO code VALUES (?, ?, ?, ?, ?)", map(_facts, rows))
    names = ((name, row["hcpcs"]) for row in rows for name in _names(row))
    index.executemany("INSERT INTO name VALUES (?, ?)", names)
    pages = ((_page(row), row["hcpcs"]) for row in rows if row["description"])
    index.executemany("INSERT INTO page VALUES (?, ?)", pages)
    index.commit()
    return index


def _facts(row: Row) -> tuple[str, ...]:
    name = row["title"] or row["descriptor"]
    return row["hcpcs"], name, row["plain_language"] or "", ", ".join(row["synonyms"][:3]), row["status"]


def _names(row: Row) -> list[str]:
    return [row[name] for name in NAMES if row[name]] + list(row["synonyms"])


def _page(row: Row) -> str:
    return " ".join(_names(row) + [row[text] for text in TEXTS if text not in NAMES and row[text]])
