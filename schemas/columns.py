"""Column types shared by all tables: each described once, with its unit, width and code list.

Metadata keys, all optional, which the rest of the pipeline derives things from:

`unit`       printed in the data dictionary and in the Parquet field
`width`      digits that CMS prints; an identifier that lost its leading zeros is padded to it
`decimals`   places that CMS prints; a number with more is not what the column holds
`codes`      code list with its meanings (CMS, record layout of RVU25A)
`printed`    how CMS prints a flag: printed text to boolean
`footnotes`  marks that CMS appends to a name
"""

from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

from schemas.codes import BASIS, MODIFIER, SETTING_FLAG, STATUS

TextList = pd.ArrowDtype(arrow.list_(arrow.string()))
QuestionList = pd.ArrowDtype(arrow.list_(arrow.struct([("question", arrow.string()), ("answer", arrow.string())])))
Date = pd.ArrowDtype(arrow.timestamp("ms"))
OptionalCount = pd.ArrowDtype(arrow.int64())


def coded(meanings: dict[str, str], width: int | None = None) -> "partial[Any]":
    """Make the column type of a code list; `width` pads codes whose leading zeros were lost."""
    return partial(pa.Field, isin=list(meanings), metadata={"codes": meanings} | ({"width": width} if width else {}))


def reported(column_type: "partial[Any]") -> "partial[Any]":
    """Make an unknown code a warning: CMS adds codes to these lists, and no payment depends on them."""
    return partial(column_type, raise_warning=True)


Text = partial(pa.Field)
Count = partial(pa.Field, ge=0, metadata={"unit": "codes"})
Share = partial(pa.Field, ge=0, le=1, nullable=True, metadata={"unit": "share of 1"})

Release = partial(
    pa.Field,
    str_matches=r"^(RVU|PRREV)[0-9]{2}[A-Z][A-Z0-9_]*\Z",
    description="CMS release that the row belongs to, such as RVU26A",
)
Hcpcs = partial(
    pa.Field,
    str_matches=r"^[A-Z0-9]{5}\Z",
    description="HCPCS code: CPT, CDT or HCPCS Level II; text, leading zeros matter",
    metadata={"width": 5},
)
Modifier = partial(
    coded(MODIFIER), description="Modifier that splits or reduces the service; empty when there is none"
)
Status = partial(coded(STATUS), description="How Medicare treats the code; RVUs are used for A, R and T only")
Descriptor = partial(
    pa.Field,
    str_length={"max_value": 60},
    description="CMS's short text. CPT descriptors are copyright of the AMA, those of D codes of the ADA",
)
Rvu = partial(pa.Field, ge=0, lt=1000, metadata={"unit": "RVU", "decimals": 2})
Percentage = partial(pa.Field, ge=0, le=1, metadata={"unit": "share of 1", "decimals": 2})
NotApplicable = partial(pa.Field, metadata={"printed": SETTING_FLAG})
Mac = partial(
    pa.Field,
    str_matches=r"^[0-9]{5}\Z",
    description="Medicare administrative contractor (before 2008: carrier) number",
    metadata={"width": 5},
)
Locality = partial(
    pa.Field,
    str_matches=r"^[0-9]{2}\Z",
    description="Payment locality within the MAC; unique only together with `mac`",
    metadata={"width": 2},
)
LocalityName = partial(
    pa.Field,
    str_length={"min_value": 1},
    description="Name of the locality, without CMS's footnote marks",
    metadata={"footnotes": "*"},
)
Gpci = partial(pa.Field, gt=0, lt=10, metadata={"unit": "index, 1.000 = national", "decimals": 3})
Dollars = partial(pa.Field, ge=0, lt=10_000_000, metadata={"unit": "US dollars", "decimals": 2})
Basis = partial(coded(BASIS), description="Whom the conversion factor applies to")
ConversionFactor = partial(pa.Field, gt=0, lt=1000, metadata={"unit": "US dollars per RVU", "decimals": 4})
AnesthesiaFactor = partial(
    pa.Field, gt=0, lt=1000, metadata={"unit": "US dollars per anesthesia unit", "decimals": 6}
)
Category = partial(pa.Field, str_length={"min_value": 1}, description="Family of codes, of raw/content")
