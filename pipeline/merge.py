"""Joins the rows of a release with our content, one row per code, and accounts for what did not meet."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from pipeline.content import Content
from pipeline.errors import DataError
from schemas.columns import Date, TextList


@dataclass(frozen=True)
class Accounting:
    """What a merge did: codes with and without content, and content whose code the release does not have."""

    matched: int
    codes_without_content: int
    content_without_code: tuple[str, ...]


def one_row_per_code(rvu: pd.DataFrame) -> pd.DataFrame:
    """Return each code's unmodified row, or its first row where only modified ones are printed (86153).

    `modifiers` lists all that are printed. Rows must be sorted by hcpcs and modifier.
    """
    rows = rvu.drop_duplicates("hcpcs").reset_index(drop=True)
    return rows.assign(modifiers=_text_lists(rows["hcpcs"], rvu["hcpcs"], rvu["modifier"]))


def coding_system(hcpcs: pd.Series) -> pd.Series:
    """Name the code set of each code: D codes are the ADA's, other letters CMS's, all else is CPT."""
    systems = pd.Series("CPT", index=hcpcs.index, dtype="str")
    systems = systems.mask(hcpcs.str.fullmatch(r"[A-Z].*"), "HCPCS Level II")
    return systems.mask(hcpcs.str.startswith("D"), "CDT")


def assign_categories(hcpcs: pd.Series, categories: pd.DataFrame) -> pd.Series:
    """Return the category of each code: the first rule of categories.csv that it meets.

    DataError when a code meets none, since every aggregate would silently lack it.
    """
    assigned = pd.Series(pd.NA, index=hcpcs.index, dtype="str")
    for rule in reversed(categories.to_dict("records")):
        fits = hcpcs.str.fullmatch(rule["pattern"])
        if pd.notna(rule["first"]):
            fits &= hcpcs >= rule["first"]
        if pd.notna(rule["last"]):
            fits &= hcpcs <= rule["last"]
        assigned = assigned.mask(fits, rule["category"])
    if assigned.isna().any():
        homeless = ", ".join(hcpcs[assigned.isna()].head(5))
        raise DataError(
            f"{assigned.isna().sum()} codes are in no category, such as {homeless}. "
            "Add a rule to raw/content/categories.csv."
        )
    return assigned


def merge_content(codes: pd.DataFrame, content: Content) -> tuple[pd.DataFrame, Accounting]:
    """Add our texts, synonyms and specialties to one row per code; nulls and empty lists where we have none.

    `codes` needs its category, whose specialties stand in where we name none for the code.
    """
    texts = in_force(content.codes, str(codes["release"].iloc[0]))
    texts = texts.assign(since=texts["since"].mask(texts["since"] == ""))
    texts = texts.rename(columns={"since": "meaning_since", "until": "meaning_until"})
    merged = codes.merge(texts, on="hcpcs", how="left", validate="one_to_one")
    merged = merged.assign(reviewed=pd.to_datetime(merged["reviewed"]).astype(Date))
    merged = _with_specialties(_with_synonyms(merged, content), content)
    absent = content.codes.loc[~_is_among(content.codes["hcpcs"], codes["hcpcs"]), "hcpcs"].drop_duplicates()
    matched = int(merged["description"].notna().sum())
    return merged, Accounting(matched, len(codes) - matched, tuple(absent))


def unknown_codes(absent: Iterable[Iterable[str]], *, is_sample: bool) -> list[str]:
    """Return codes that we describe and no release has, from those that each lacks.

    A sample, which leaves out what others own, can speak for HCPCS Level II only.
    """
    sets = [set(codes) for codes in absent]
    unknown = sorted(set.intersection(*sets)) if sets else []
    return [code for code in unknown if not is_sample or (code[0].isalpha() and code[0] != "D")]


def in_force(texts: pd.DataFrame, release: str) -> pd.DataFrame:
    """Return the texts on what codes mean in a release; labels of releases sort in time order."""
    return texts[~(texts["since"] > release) & ~(texts["until"] < release)]


def with_category_texts(categories: pd.DataFrame, content: Content) -> pd.DataFrame:
    """Add our texts on each category to its aggregates, and the specialties that stand in for those of its codes."""
    texts = content.categories[["category", "title", "description", "billing_note"]]
    defaults = content.category_specialties
    merged = categories.merge(texts, on="category", how="left", validate="one_to_one")
    return merged.assign(
        default_specialties=_text_lists(merged["category"], defaults["category"], defaults["specialty"])
    )


def synonym_rows(codes: pd.DataFrame) -> pd.DataFrame:
    """Return release, hcpcs, synonym: one row per synonym of the release's codes."""
    rows = codes[["release", "hcpcs", "synonyms"]].explode("synonyms").dropna(subset="synonyms")
    return rows.rename(columns={"synonyms": "synonym"}).astype({"synonym": "str"}).reset_index(drop=True)


def _with_synonyms(codes: pd.DataFrame, content: Content) -> pd.DataFrame:
    """Add the synonyms of codes that we describe: those of a former meaning belong to no other."""
    rows = content.synonyms[_is_among(content.synonyms["hcpcs"], _described(codes))]
    return codes.assign(synonyms=_text_lists(codes["hcpcs"], rows["hcpcs"], rows["synonym"]))


def _with_specialties(codes: pd.DataFrame, content: Content) -> pd.DataFrame:
    """Add the specialties of codes that we describe, else those of their category, and which it is."""
    own, defaults = content.specialties, content.category_specialties
    own = own[_is_among(own["hcpcs"], _described(codes))]
    is_default = ~_is_among(codes["hcpcs"], own["hcpcs"])
    stated = _text_lists(codes["hcpcs"], own["hcpcs"], own["specialty"])
    usual = _text_lists(codes["category"], defaults["category"], defaults["specialty"])
    return codes.assign(specialties=stated.mask(is_default, usual), specialties_are_default=is_default)


def _described(codes: pd.DataFrame) -> pd.Series:
    return codes.loc[codes["description"].notna(), "hcpcs"]


def _is_among(codes: pd.Series, others: pd.Series) -> "pd.Series[bool]":
    """Tell which codes are among others; pandas takes four times as long for texts in Arrow's memory."""
    return codes.astype(object).isin(set(others.to_numpy(object)))


def _text_lists(keys: pd.Series, owners: pd.Series, texts: pd.Series) -> pd.Series:
    """Return for each key the list of its texts, in their order; empty where it has none."""
    lists: dict[str, list[str]] = {}
    for owner, text in zip(owners.to_numpy(object), texts.to_numpy(object), strict=True):
        lists.setdefault(owner, []).append(text)
    found = [lists.get(key, []) for key in keys.to_numpy(object)]
    return pd.Series(found, index=keys.index, dtype=TextList)
