"""Dollars from relative values, in scaled integers: RVU x 100, factor x 10,000, half up at the cent."""

import pandas as pd

from schemas.columns import PAYABLE_STATUS

CENTS_OF_PRODUCT = 10_000  # hundredths of an RVU x ten-thousandths of a dollar = millionths; 10,000 make a cent


def national_payment(rows: pd.DataFrame, total: str, conversion_factor: float) -> pd.Series:
    """Return dollars for the column of total RVUs with all GPCIs 1, rounded once, half up, to the cent.

    Empty for rows that Medicare does not pay by RVUs: status other than A, R, T, or no RVUs
    (CMS, RVU25A record layout: "Only RVUs associated with status codes A, R, or T are used").
    The product stays below 10^5 x 10^7, far inside 64 bits.
    """
    hundredths = (rows[total] * 100).round().astype("int64")
    factor = round(conversion_factor * 10_000)
    cents = (hundredths * factor + CENTS_OF_PRODUCT // 2) // CENTS_OF_PRODUCT
    paid = rows["status"].isin(PAYABLE_STATUS) & (hundredths > 0)
    return (cents / 100).where(paid)
