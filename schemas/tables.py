"""All published tables, in the order of the README: source tables first, then what is derived from them."""

from schemas.anesthesia import AnesthesiaTable
from schemas.category import CategoryTable
from schemas.change import ChangeTable
from schemas.code import CodeTable
from schemas.content_task import ContentTaskTable
from schemas.conversion_factor import ConversionFactorTable
from schemas.gpci import GpciTable
from schemas.locality import LocalityTable
from schemas.locality_county import LocalityCountyTable
from schemas.opps_cap import OppsCapTable
from schemas.payment import PaymentTable
from schemas.proof import ProofTable
from schemas.release import ReleaseTable
from schemas.rvu import RvuTable
from schemas.synonym import SynonymTable
from schemas.table import Table, name

# Tables that CMS prints: each has its layouts in schemas/layouts/<table>.toml.
PRINTED: dict[str, type[Table]] = {
    name(model): model for model in (RvuTable, GpciTable, LocalityCountyTable, AnesthesiaTable, OppsCapTable)
}
DERIVED: dict[str, type[Table]] = {
    name(model): model
    for model in (
        ConversionFactorTable,
        LocalityTable,
        PaymentTable,
        ProofTable,
        CodeTable,
        SynonymTable,
        CategoryTable,
        ChangeTable,
        ContentTaskTable,
        ReleaseTable,
    )
}
TABLES: dict[str, type[Table]] = PRINTED | DERIVED
