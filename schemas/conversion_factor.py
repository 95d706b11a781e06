"""`conversion_factor`: dollars per RVU, and per anesthesia unit."""

import pandera.pandas as pa

from schemas.columns import AnesthesiaFactor, Basis, ConversionFactor, Release
from schemas.table import Table


class ConversionFactorTable(Table):
    """Conversion factor of one release for one basis: printed on every row of PPRRVU, or declared in the catalog."""

    release: str = Release()
    basis: str = Basis()
    conversion_factor: float = ConversionFactor(description="Dollars paid per RVU, before geographic adjustment")
    work_adjustor: float = pa.Field(
        gt=0,
        le=1,
        description="Budget neutrality adjustor: multiplies the work RVU, rounded to two decimals, before it is "
        "priced. 0.8994 in 2007, 0.8806 in 2008, else 1",
        metadata={"unit": "multiplier", "decimals": 4},
    )
    is_printed: bool = pa.Field(
        description="The archive prints the factor; otherwise it lacks the member and raw/catalog.toml declares it"
    )
    national_anesthesia_factor: float = AnesthesiaFactor(
        nullable=True, description="National anesthesia factor, from the header of ANES where CMS prints it"
    )

    class Config:
        """Name and key."""

        name = "conversion_factor"
        unique = ["release", "basis"]
