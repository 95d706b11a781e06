"""Every archive under RVU_RELEASES reads as it did: counts, warnings and a fingerprint of each source table.

`RVU_RELEASES=... python -m tests.test_conformance` rewrites the golden file after a change that is meant. It holds
numbers and hashes only, no text of CMS.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.build import build_source
from pipeline.catalog import Catalog, label_in_name, load_catalog
from pipeline.store import PROJECT, Receipt, sha256_of

GOLDEN = PROJECT / "tests" / "golden" / "conformance.json"


def fingerprint(rows: pd.DataFrame) -> str:
    """Return a hash of a table's values, whatever writes or orders them."""
    return f"{pd.util.hash_pandas_object(rows, index=False).sum():016x}"


def conformance(label: str, path: Path, catalog: Catalog) -> dict[str, Any]:
    """Build the source tables of an archive; return what must not change unnoticed."""
    receipt = Receipt(label, path.name, sha256_of(path), path.stat().st_size, "now")
    built = build_source(path, receipt, catalog[label])
    printed = {table: rows for table, rows in built.tables.items() if table not in ("release", "proof")}
    return {
        "tables": {table: [len(rows), fingerprint(rows)] for table, rows in printed.items()},
        "proof": {row["proof"]: [row["compared"], row["equal"]] for row in built.tables["proof"].to_dict("records")},
        "warnings": sorted(f"{each.table}.{each.column}: {each.rule}: {each.count}" for each in built.findings),
    }


def test_every_archive_reads_as_it_did(real_archives: dict[str, Path], catalog: Catalog) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    assert set(real_archives) <= set(golden), "new archives: rewrite the golden file"
    for label, path in real_archives.items():
        assert conformance(label, path, catalog) == golden[label], label


def main() -> None:
    catalog = load_catalog(PROJECT / "raw" / "catalog.toml")
    found = {str(label_in_name(catalog, path.name)): path for path in Path(os.environ["RVU_RELEASES"]).rglob("*.zip")}
    golden = {label: conformance(label, found[label], catalog) for label in catalog if label in found}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", "utf-8")
    sys.stdout.write(f"{len(golden)} archives\n")


if __name__ == "__main__":
    main()
