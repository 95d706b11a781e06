"""`anesthesia`: anesthesia conversion factors by locality."""

from schemas.columns import AnesthesiaFactor, Locality, LocalityName, Mac, Release
from schemas.table import Table


class AnesthesiaTable(Table):
    """Anesthesia conversion factor of one payment locality in one release (ANES)."""

    release: str = Release()
    mac: str = Mac()
    locality: str = Locality()
    locality_name: str = LocalityName()
    anesthesia_conversion_factor: float = AnesthesiaFactor(
        description="Paid per unit: (base units + time units) x this factor"
    )

    qualifying_apm_anesthesia_factor: float = AnesthesiaFactor(
        nullable=True,
        description="The same for qualifying APM participants, from 2026; the other is then everyone else's",
    )

    class Config:
        """Name and key."""

        name = "anesthesia"
        unique = ["release", "mac", "locality"]
