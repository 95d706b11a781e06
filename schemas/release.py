"""`release`: what was published, and the archive it came from."""

import pandera.pandas as pa

from schemas.columns import Date, Release
from schemas.table import Table


class ReleaseTable(Table):
    """One CMS release: when it was in force and the exact archive that its rows came from."""

    release: str = Release()
    effective_from: Date = pa.Field(description="First day of service that the release prices (raw/catalog.toml)")
    effective_to: Date = pa.Field(
        nullable=True,
        description="Last day of service; empty for the newest known release and superseded ones",
    )
    superseded_by: str = pa.Field(nullable=True, description="Release that replaced this one for its whole period")
    released_on: Date = pa.Field(nullable=True, description="Date that CMS prints in PPRRVU after RELEASED")
    archive: str = pa.Field(description="File name of the archive as received")
    archive_sha256: str = pa.Field(
        str_matches=r"^[0-9a-f]{64}\Z",
        description="Hash of the archive: CMS re-issues archives under the same label",
    )
    archive_bytes: int = pa.Field(gt=0, description="Size of the archive", metadata={"unit": "bytes"})
    is_sample: bool = pa.Field(description="Cut down to HCPCS Level II rows for trying the pipeline out")
    rvu_rows: int = pa.Field(gt=0, description="Rows of `rvu`", metadata={"unit": "rows"})
    missing_tables: str = pa.Field(description="Source tables that the archive lacks, comma-separated; empty if none")

    class Config:
        """Name and key."""

        name = "release"
        unique = ["release"]
