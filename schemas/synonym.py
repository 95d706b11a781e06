"""`synonym`: what people type when they look for a code."""

import pandera.pandas as pa

from schemas.columns import Hcpcs, Release
from schemas.table import Table


class SynonymTable(Table):
    """One synonym of one code in one release, for search."""

    release: str = Release()
    hcpcs: str = Hcpcs()
    synonym: str = pa.Field(str_length={"min_value": 2}, description="Other name of the service, ours")

    class Config:
        """Name and key."""

        name = "synonym"
        unique = ["release", "hcpcs", "synonym"]
