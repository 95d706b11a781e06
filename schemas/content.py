"""Our editorial content as it lies in raw/content: one model per CSV file.

Texts are printable ASCII with straight quotes, so that every tool shows and finds them alike.
"""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.columns import Category, Hcpcs
from schemas.table import Table

# Printable ASCII without control characters, blanks at the ends, two blanks in a row, HTML or Markdown code. What
# begins with one of = + - @ a spreadsheet would carry out as a formula.
PROSE = r"^(?![=+@-])(?!.*(?:[<>`]|  |&[a-z]+;))[!-~](?:[ -~]*[!-~])?\Z"
SENTENCE = r"[A-Z0-9'\"](?:[^.?!]|[.?!](?! [A-Z0-9'\"])(?!\Z))+[.?!]"  # "H. pylori" ends none
RELEASE = r"RVU[0-9]{2}[A-D]R?"
Prose = partial(pa.Field, str_matches=PROSE)


def is_sentences(texts: pd.Series, least: int, most: int) -> "pd.Series[bool]":
    """Tell which texts are that many sentences: a capital or number first, a full stop, one blank between."""
    further = f"{{{least - 1},{most - 1}}}"
    return texts.str.fullmatch(f"{SENTENCE}(?: {SENTENCE}){further}")


class CodesContent(Table):
    """codes.csv: our texts on one code. A code whose meaning changed has a row for each meaning."""

    hcpcs: str = Hcpcs()
    since: str = pa.Field(
        str_matches=rf"^({RELEASE})?\Z", description="First release in which the code means this; empty: always did"
    )
    until: str = pa.Field(
        nullable=True,
        str_matches=rf"^{RELEASE}\Z",
        description="Last release in which the code means this; empty: still does",
    )
    title: str = Prose(nullable=True, str_length={"max_value": 80}, description="Display name")
    description: str = Prose(str_length={"min_value": 40, "max_value": 400}, description="What the service is")
    plain_language: str = Prose(
        str_length={"min_value": 4, "max_value": 120}, description="How a lay person would say it"
    )
    clinical_context: str = Prose(
        str_length={"min_value": 60, "max_value": 520}, description="When and by whom it is used"
    )
    reviewed: str = pa.Field(
        nullable=True,
        str_matches=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z",
        description="Day on which a clinician or coder found the texts right; empty: nobody has yet",
    )
    source_note: str = Prose(
        nullable=True, str_length={"max_value": 200}, description="Source of a fact in the texts"
    )

    @pa.dataframe_check(name="description is one or two full sentences")
    def describes(cls, df: pd.DataFrame) -> pd.Series:
        """A page shows it as a paragraph of its own."""
        return is_sentences(df["description"], 1, 2)

    @pa.dataframe_check(name="clinical_context is one to three full sentences")
    def explains(cls, df: pd.DataFrame) -> pd.Series:
        """A page shows it as a paragraph of its own."""
        return is_sentences(df["clinical_context"], 1, 3)

    @pa.dataframe_check(name="title and plain_language are names, without a full stop")
    def names(cls, df: pd.DataFrame) -> pd.Series:
        """Pages put them in the middle of a sentence."""
        return ~df["title"].fillna("").str.endswith(".") & ~df["plain_language"].str.endswith(".")

    @pa.dataframe_check(name="reviewed is a day of the calendar")
    def is_reviewed_on_a_day(cls, df: pd.DataFrame) -> pd.Series:
        """It becomes a date in `code`."""
        return df["reviewed"].isna() | pd.to_datetime(df["reviewed"], format="%Y-%m-%d", errors="coerce").notna()

    @pa.dataframe_check(name="meanings of one code do not overlap")
    def one_meaning_at_a_time(cls, df: pd.DataFrame) -> pd.Series:
        """A release must find one row at most; labels of releases sort in time order."""
        spans = df[["hcpcs", "since"]].assign(until=df["until"].fillna("~")).sort_values(["hcpcs", "since"])
        before = spans.groupby("hcpcs")["until"].shift()
        fits = (before.isna() | (spans["since"] > before)) & (spans["since"] <= spans["until"])
        return fits.reindex(df.index)

    class Config:
        """Name and key."""

        name = "codes"
        unique = ["hcpcs", "since"]


class PatternsContent(Table):
    """patterns.csv: texts for a regular family of codes, with gaps such as {topic} to be filled in."""

    pattern: str = Prose(description="Name of the pattern")
    title: str = Prose(description="Display name")
    description: str = Prose(description="What the service is")
    plain_language: str = Prose(description="How a lay person would say it")
    clinical_context: str = Prose(description="When and by whom it is used")

    class Config:
        """Name and key."""

        name = "patterns"
        unique = ["pattern"]


class PatternCodesContent(Table):
    """pattern_codes.csv: the codes of each pattern, with what is filled in for each."""

    hcpcs: str = Hcpcs()
    pattern: str = Prose(description="Name of the pattern")
    name: str = Prose(description="Display name of the code")
    topic: str = Prose(description="What it shares with few other codes, such as a measure or a field")
    finding: str = Prose(nullable=True, description="What the code says, as a clause")
    plain: str = Prose(nullable=True, description="The same as a lay person would say it")
    goal: str = Prose(nullable=True, description="What the measure wants")

    class Config:
        """Name and key."""

        name = "pattern_codes"
        unique = ["hcpcs"]


class SynonymsContent(Table):
    """synonyms.csv: what people type for a code, most useful first."""

    hcpcs: str = Hcpcs()
    synonym: str = Prose(str_length={"min_value": 2, "max_value": 80}, description="Other name")

    @pa.dataframe_check(name="synonym is unique within its code, whatever its case")
    def unique_within_code(cls, df: pd.DataFrame) -> pd.Series:
        """Two spellings that differ in case alone are one synonym."""
        return ~df.assign(synonym=df["synonym"].str.lower()).duplicated(["hcpcs", "synonym"])

    class Config:
        """Name and key."""

        name = "synonyms"
        unique = ["hcpcs", "synonym"]


class SpecialtiesContent(Table):
    """specialties.csv: specialties that use a code, most typical first."""

    hcpcs: str = Hcpcs()
    specialty: str = Prose(description="Name of the specialty, one of specialty_names.csv")

    class Config:
        """Name and key."""

        name = "specialties"
        unique = ["hcpcs", "specialty"]


class SpecialtyNamesContent(Table):
    """specialty_names.csv: the closed list of specialties."""

    specialty: str = Prose(str_length={"max_value": 60}, description="Name of the specialty")
    cms_specialty_code: str = pa.Field(
        nullable=True,
        str_matches=r"^[0-9A-Z]{2}\Z",
        description="CMS's code of the nearest specialty on claims (Claims Processing Manual, chapter 26, 10.8)",
    )

    class Config:
        """Name and key."""

        name = "specialty_names"
        unique = ["specialty"]


class CategoriesContent(Table):
    """categories.csv: the families of codes. The first row whose rule a code meets is its category."""

    category: str = Category()
    pattern: str = Prose(description="Regular expression that the whole code matches")
    first: str = Prose(nullable=True, description="Lowest code of a range, compared as text; empty: no bound")
    last: str = Prose(nullable=True, description="Highest code of a range, inclusive; empty: no bound")
    title: str = Prose(str_length={"max_value": 80}, description="Name of the family in full")
    description: str = Prose(description="What the codes of the family have in common, a paragraph")
    billing_note: str = Prose(description="Page section: billing and documentation")

    @pa.dataframe_check(name="description and billing_note are paragraphs of two to five full sentences")
    def are_paragraphs(cls, df: pd.DataFrame) -> pd.Series:
        """Pages show both as they are."""
        return is_sentences(df["description"], 2, 5) & is_sentences(df["billing_note"], 2, 5)

    class Config:
        """Name and key."""

        name = "categories"
        unique = ["category"]


class CategorySpecialtiesContent(Table):
    """category_specialties.csv: who uses the codes of a family for which specialties.csv says nothing."""

    category: str = Category()
    specialty: str = Prose(description="Name of the specialty, one of specialty_names.csv")

    class Config:
        """Name and key."""

        name = "category_specialties"
        unique = ["category", "specialty"]


class AbbreviationsContent(Table):
    """abbreviations.csv: how CMS shortens words in its descriptors, for comparing texts with them."""

    abbreviation: str = pa.Field(str_matches=r"^[a-z0-9]+\Z", description="As CMS writes it, in small letters")
    words: str = pa.Field(
        str_matches=r"^[a-z0-9]+( [a-z0-9]+)*\Z", description="What it stands for, in small letters"
    )

    class Config:
        """Name and key."""

        name = "abbreviations"
        unique = ["abbreviation"]
