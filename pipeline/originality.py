"""Measures how far our texts repeat CMS's wording: descriptors of CPT and CDT are not ours to publish as our own.

The measure is the share of a descriptor's runs of three significant words that a text has too, in the same order.
Words count as the same when their first four letters are, once CMS's abbreviations are spelled out: `psyc` and
`psychiatric` are one word, as singular and plural are.
"""

import re
from collections.abc import Mapping
from functools import cache

import pandas as pd

from pipeline.rows import records
from pipeline.validate import SHOWN, Finding
from schemas.codes import TEXTS

WORD = re.compile("[a-z0-9]+")
RUN = 3  # words
STEM = 4  # letters
MOST_SHARED = 0.5  # of a descriptor's runs; of a descriptor with five words a text may have one of three
NAMES = ("title", "plain_language", "synonyms")
REPEATS = f"repeats at most {MOST_SHARED:.0%} of CMS's descriptor"
IS_COPY = "is not CMS's descriptor"
UNMARKED = re.compile(  # words without a meaning of their own
    r"a|all|an|and|any|are|as|at|be|by|each|for|from|has|her|his|if|in|into|is|it|"
    r"its|more|no|not|of|on|one|or|other|per|than|that|the|their|they|this|to|two|up|"
    r"was|when|which|who|with|without"
)
Abbreviations = Mapping[str, str]


def significant_words(text: str, abbreviations: Abbreviations) -> tuple[str, ...]:
    """Return the stems of the words that carry meaning, in their order, abbreviations spelled out."""
    spelled = (abbreviations.get(word, word) for word in WORD.findall(text.lower()))
    return tuple(stem for words in spelled for word in words.split() if (stem := _stem(word)))


def overlap(text: tuple[str, ...], descriptor: tuple[str, ...]) -> float:
    """Return the share of a descriptor's runs of words that a text has, 0 to 1; 0 for one too short to have any."""
    wanted = runs(descriptor)
    return len(wanted & runs(text)) / len(wanted) if wanted else 0.0


def copied(codes: pd.DataFrame, abbreviations: Abbreviations) -> list[Finding]:
    """Report our texts that repeat the `descriptor` of their code too far, and names that are nothing else.

    `codes` has one row per code, with our texts and `synonyms`.
    """
    written = codes.loc[codes["description"].notna(), ["hcpcs", "descriptor", "synonyms", *TEXTS]]
    wrong: dict[tuple[str, str], list[str]] = {}
    for row in records(written.assign(title=written["title"].fillna(""))):
        theirs = significant_words(row["descriptor"], abbreviations)
        for column in TEXTS:
            share = overlap(significant_words(row[column], abbreviations), theirs)
            if share > MOST_SHARED:
                wrong.setdefault((column, REPEATS), []).append(f"{row['hcpcs']}: {share:.0%}")
        for column in NAMES:
            names = row[column] if column == "synonyms" else [row[column]]
            if _bare(row["descriptor"]) in map(_bare, names):
                wrong.setdefault((column, IS_COPY), []).append(row["hcpcs"])
    return [
        Finding("content", column, rule, "error", len(found), tuple(found[:SHOWN]))
        for (column, rule), found in wrong.items()
    ]


@cache
def _stem(word: str) -> str:
    """Return what words are compared by; empty for those without a meaning of their own."""
    is_marked = (len(word) > 1 or word.isdigit()) and not UNMARKED.fullmatch(word)
    return word[:STEM] if is_marked else ""


def runs(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return every run of neighboring words."""
    return {words[start : start + RUN] for start in range(len(words) - RUN + 1)}


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
