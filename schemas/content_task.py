"""`content_task`: what a release gives our editors to do."""

import pandas as pd
import pandera.pandas as pa

from schemas.codes import CONTENT_TASK
from schemas.columns import Hcpcs, Release, coded
from schemas.table import Table


class ContentTaskTable(Table):
    """One code on which a release makes our texts wrong or wanting, against the release before it.

    The first release of a version has no tasks: `rvu content missing` lists what is not written yet.
    """

    release: str = Release()
    hcpcs: str = Hcpcs()
    task: str = coded(CONTENT_TASK)(description="What is to be done, and why")
    previous_release: str = pa.Field(description="Release that it is compared with: the one before in this version")
    descriptor_before: str = pa.Field(nullable=True, description="CMS's text before; empty for a new code")
    descriptor_after: str = pa.Field(
        nullable=True, description="CMS's text in this release; empty where the code is gone"
    )

    @pa.dataframe_check(name="a new code has no descriptor before, a deleted one none after")
    def descriptors_fit(cls, df: pd.DataFrame) -> pd.Series:
        """CMS never leaves a descriptor empty."""
        return (df["descriptor_before"].isna() == (df["task"] == "write")) & (
            df["descriptor_after"].isna() == (df["task"] == "retire")
        )

    class Config:
        """Name and key."""

        name = "content_task"
        unique = ["release", "hcpcs", "task"]
