"""Summarizes the codes of a release by category; every code counts once."""

import pandas as pd

from schemas.codes import PAYABLE_STATUS, STATUS_CLASS

MEASURES = ("work_rvu", "nonfacility_total_rvu", "facility_total_rvu")
QUANTILES = {"p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}


def category_aggregates(
    codes: pd.DataFrame, previous_release: str | None, previous: pd.DataFrame | None
) -> pd.DataFrame:
    """Return one row per category from one row per code, both with `category`.

    `previous` holds `hcpcs` and `category` of the release before, None for the first one.
    """
    counted = codes[["category", "status", "description", "nonfacility_pe_rvu", "facility_pe_rvu", *MEASURES]]
    rows = [_summary(str(category), group) for category, group in counted.groupby("category")]
    summary = pd.DataFrame(rows)
    fractions = summary.columns[summary.columns.str.contains("_share$|_nonzero_(?!n$)")]
    summary = summary.astype(dict.fromkeys(fractions, "float64"))
    movement = _movement(codes, previous) if previous is not None else pd.DataFrame({"category": summary["category"]})
    merged = summary.merge(movement, on="category", how="left")
    for column in ("codes_added", "codes_removed"):
        counts = merged[column].fillna(0) if previous is not None else pd.Series(None, index=merged.index)
        merged[column] = counts.astype("int64[pyarrow]")
    return merged.assign(
        release=codes["release"].iloc[0],
        previous_release=pd.Series(previous_release, index=merged.index, dtype="str"),
    )


def compare_with_category(codes: pd.DataFrame, categories: pd.DataFrame) -> pd.DataFrame:
    """Add to each code its category's counts and shares, and its rank by work RVU among payable codes."""
    facts = {
        "codes": "category_codes",
        "payable_codes": "category_payable_codes",
        "zero_work_share": "category_zero_work_share",
        "payable_zero_work_share": "category_payable_zero_work_share",
        "work_rvu_nonzero_n": "category_work_codes",
    }
    merged = codes.merge(
        categories[["category", *facts]].rename(columns=facts),
        on="category",
        how="left",
        validate="many_to_one",
    )
    ranked = merged[merged["status"].isin(PAYABLE_STATUS) & (merged["work_rvu"] > 0)]
    rank = ranked.groupby("category")["work_rvu"].rank(method="min", ascending=False)
    return merged.assign(category_work_rank=rank.reindex(merged.index).astype("int64[pyarrow]"))


def _summary(category: str, codes: pd.DataFrame) -> dict[str, object]:
    payable = codes[codes["status"].isin(PAYABLE_STATUS)]
    no_work = payable[payable["work_rvu"] == 0]
    has_pe = (no_work["nonfacility_pe_rvu"] > 0) | (no_work["facility_pe_rvu"] > 0)
    zero_work = int((codes["work_rvu"] == 0).sum())
    described = int(codes["description"].notna().sum())
    summary: dict[str, object] = {"category": category, "codes": len(codes)}
    counts = codes["status"].value_counts()
    summary |= {
        f"{name}_codes": sum(int(counts.get(status, 0)) for status in of) for name, of in STATUS_CLASS.items()
    }
    summary |= {
        "zero_work_codes": zero_work,
        "zero_work_share": zero_work / len(codes),
        "payable_zero_work_codes": len(no_work),
        "payable_zero_work_share": len(no_work) / len(payable) if len(payable) else None,
        "payable_zero_work_with_pe_codes": int(has_pe.sum()),
        "described_codes": described,
        "described_share": described / len(codes),
    }
    for measure in MEASURES:
        summary |= _distribution(measure, payable[measure])
    return summary


def _distribution(measure: str, rvus: pd.Series) -> dict[str, object]:
    """Return n, mean, quantiles and maximum of the values above zero; summed in hundredths, so exactly."""
    hundredths = (rvus[rvus > 0] * 100).round().astype("int64")
    n = len(hundredths)
    values = {"mean": float(hundredths.mean()), "max": float(hundredths.max())}
    values |= dict(zip(QUANTILES, hundredths.quantile(list(QUANTILES.values())), strict=True))
    rounded = {name: round(value / 100, 4) if n else None for name, value in values.items()}
    return {f"{measure}_nonzero_n": n} | {f"{measure}_nonzero_{name}": value for name, value in rounded.items()}


def _movement(codes: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """Count the codes that appeared and disappeared, each in its own category."""
    added = codes.loc[~codes["hcpcs"].isin(previous["hcpcs"]), "category"].value_counts()
    removed = previous.loc[~previous["hcpcs"].isin(codes["hcpcs"]), "category"].value_counts()
    counts = pd.DataFrame({"codes_added": added, "codes_removed": removed})
    return counts.rename_axis("category").reset_index()
