"""Judges our texts as texts: near-duplicates, spelling, and how hard the plain words are to read."""

import re
from collections import Counter
from functools import cache
from itertools import combinations

from pyphen import Pyphen
from spellchecker import SpellChecker

from pipeline.content import Content
from pipeline.errors import DataError
from pipeline.originality import runs, significant_words
from pipeline.validate import SHOWN, Finding, describe
from schemas.codes import TEXTS

MOST_ALIKE = 0.5  # of the runs of three significant words of the shorter text
TOLD_APART = ("description", "clinical_context")
WORD = re.compile(r"[A-Za-z][A-Za-z']+")
SENTENCE_END = re.compile(r"[.?!](?= [A-Z0-9]|\Z)")


def flaws(content: Content) -> list[Finding]:
    """Report texts that say nearly the same of two codes, and words that no dictionary knows."""
    return near_duplicates(content) + misspelled(content)


def require_sound(content: Content) -> list[Finding]:
    """Return the warnings; DataError, naming codes, when a flaw is more than that."""
    found = flaws(content)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        listed = "\n".join(f"  {describe(finding)}" for finding in errors)
        raise DataError(f"The content breaks {len(errors)} rules:\n{listed}\nCorrect these texts in raw/content.")
    return found


def near_duplicates(content: Content) -> list[Finding]:
    """Report codes with nearly the same description or context as another; a pattern's may be alike."""
    written = content.codes[content.codes["authored_by"] == "editor"]
    findings = []
    for column in TOLD_APART:
        found = _alike(dict(zip(written["hcpcs"], written[column], strict=True)), content.abbreviations)
        if found:
            rule = f"shares at most {MOST_ALIKE:.0%} of its wording with another code's"
            findings.append(Finding("content", column, rule, "error", len(found), tuple(found[:SHOWN])))
    return findings


def misspelled(content: Content) -> list[Finding]:
    """Report words that neither the library's English dictionary nor words.txt has.

    A warning: a new edition of the dictionary must not stop a release. Acronyms and names with a capital inside are
    left out.
    """
    cells = [(column, content.codes["hcpcs"], content.codes[column]) for column in TEXTS]
    cells.append(("synonyms", content.synonyms["hcpcs"], content.synonyms["synonym"]))
    findings = []
    for column, codes, texts in cells:
        words = {word: code for code, text in zip(codes, texts.fillna(""), strict=True) for word in _words(text)}
        unknown = sorted(_dictionary().unknown(words.keys() - content.words))
        if unknown:
            examples = tuple(f"{words[word]}: {word}" for word in unknown)
            rule = "has words of a dictionary only"
            findings.append(Finding("content", column, rule, "warning", len(unknown), examples))
    return findings


def reading_grade(text: str) -> float:
    """Return the Flesch-Kincaid grade: the years of school, in the United States, that reading a text takes."""
    words = WORD.findall(text) or [""]
    syllables = sum(len(_hyphens().positions(word)) + 1 for word in words)
    sentences = max(1, len(SENTENCE_END.findall(text)))
    return round(0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59, 1)


def _alike(texts: dict[str, str], abbreviations: dict[str, str]) -> list[str]:
    """Return pairs of codes whose texts have too many runs of words in common."""
    wording = {code: runs(significant_words(text, abbreviations)) for code, text in texts.items()}
    holders: dict[tuple[str, ...], list[str]] = {}
    for code, found in wording.items():
        for run in found:
            holders.setdefault(run, []).append(code)
    shared = Counter(pair for codes in holders.values() for pair in combinations(codes, 2))
    shares = {pair: count / min(len(wording[code]) for code in pair) for pair, count in shared.items()}
    return [f"{one} and {other}: {share:.0%}" for (one, other), share in shares.items() if share > MOST_ALIKE]


def _words(text: str) -> set[str]:
    """Return the words of a text that a dictionary could know, in small letters."""
    found = (word.strip("'").removesuffix("'s") for word in WORD.findall(text))
    return {word.lower() for word in found if len(word) > 2 and word[1:].islower()}


@cache
def _dictionary() -> SpellChecker:
    return SpellChecker(distance=1)


@cache
def _hyphens() -> Pyphen:
    return Pyphen(lang="en_US")
