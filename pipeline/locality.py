"""Says what each MAC and locality number means in a release, from its GPCI and county tables."""

import pandas as pd

KEY = ["release", "mac", "locality"]


def localities(gpci: pd.DataFrame, counties: pd.DataFrame | None) -> pd.DataFrame:
    """Return release, mac, locality, state, locality_name, counties: one row per locality of GPCI."""
    named = gpci[[*KEY, "state", "locality_name"]]
    if counties is None:
        return named.assign(counties=pd.Series(pd.NA, index=named.index, dtype="str"))
    joined = counties.groupby(KEY, sort=False)["counties"].agg("; ".join).reset_index()
    return named.merge(joined, on=KEY, how="left").astype({"counties": "str"})
