"""`conversion_factor`: dollars per RVU, and per anesthesia unit."""

from schemas.columns import AnesthesiaFactor, Basis, ConversionFactor, Release
from schemas.table import Table


class ConversionFactorTable(Table):
    """Conversion factor of one release for one basis, as printed on every row of PPRRVU."""

    release: str = Release()
    basis: str = Basis()
    conversion_factor: float = ConversionFactor(description="Dollars paid per RVU, before geographic adjustment")
    national_anesthesia_factor: float = AnesthesiaFactor(
        nullable=True, description="National anesthesia factor, from the header of ANES where CMS prints it"
    )

    class Config:
        """Name and key."""

        name = "conversion_factor"
        unique = ["release", "basis"]
