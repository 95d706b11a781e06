"""Our editorial content as it lies in raw/content: one model per CSV file."""

from functools import partial

import pandas as pd
import pandera.pandas as pa

from schemas.columns import Category, Hcpcs
from schemas.table import Table

PROSE = r"^[!-~](?:[ -~]*[!-~])?\Z"  # printable ASCII: no control characters, no blanks at the ends
Prose = partial(pa.Field, str_matches=PROSE)
Sentences = partial(pa.Field, str_matches=r"^[A-Z0-9][ -~]+[.?!]\Z")


class CodesContent(Table):
    """codes.csv: our texts on one code."""

    hcpcs: str = Hcpcs()
    title: str = Prose(nullable=True, str_length={"max_value": 80}, description="Display name")
    description: str = Sentences(description="What the service is, in full sentences")
    plain_language: str = Prose(str_length={"max_value": 120}, description="How a lay person would say it")
    clinical_context: str = Sentences(description="When and by whom it is used, in full sentences")

    class Config:
        """Name and key."""

        name = "codes"
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
    specialty: str = Prose(str_length={"max_value": 60}, description="Name of the specialty")

    class Config:
        """Name and key."""

        name = "specialties"
        unique = ["hcpcs", "specialty"]


class CategoriesContent(Table):
    """categories.csv: the families of codes. The first row whose rule a code meets is its category."""

    category: str = Category()
    pattern: str = Prose(description="Regular expression that the whole code matches")
    first: str = Prose(nullable=True, description="Lowest code of a range, compared as text; empty: no bound")
    last: str = Prose(nullable=True, description="Highest code of a range, inclusive; empty: no bound")
    billing_note: str = Sentences(description="Page section: billing and documentation")

    class Config:
        """Name and key."""

        name = "categories"
        unique = ["category"]
