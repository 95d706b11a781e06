"""Makes `proof`: how many of CMS's own figures come out in a release, and in words why others do not."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from pipeline.cap import Proof, cap_proofs
from pipeline.catalog import Release
from pipeline.validate import Agreement, Finding
from schemas.proof import PROOF, ProofTable
from schemas.rvu import COMPONENTS, has_shares, share_totals, split_differences, total_differences
from schemas.table import columns

Tables = dict[str, pd.DataFrame]
FEW = 4  # codes that an explanation names
RULE = "CMS's own figures come out"
TOLD_BY_RULES = ("totals", "split", "surgical_shares", "bases", "formats")  # a rule reports each of their gaps

# Tests whose component codes split them (PC/TC indicator 4), found in CMS's files of 2020 to 2026.
COMPONENT_CODES = {
    "77089": ("77090", "77091", "77092"),
    "93000": ("93005", "93010"),
    "93015": ("93016", "93017", "93018"),
    "93040": ("93041", "93042"),
    "93224": ("93225", "93226", "93227"),
    "93241": ("93242", "93243", "93244"),
    "93245": ("93246", "93247", "93248"),
    "93268": ("93270", "93271", "93272"),
    "93784": ("93786", "93788", "93790"),
    "94014": ("94015", "94016"),
    "94774": ("94775", "94776", "94777"),
    "96931": ("96932", "96933"),
    "96934": ("96935", "96936"),
    "G0403": ("G0404", "G0405"),
}


def proofs(release: Release, tables: Tables, agreements: Iterable[Agreement]) -> pd.DataFrame:
    """Return `proof`: what could be compared in this release, in the order of PROOF."""
    found = [*_rvu_proofs(tables["rvu"]), *_agreement_proofs(agreements), *_factor_proof(release, tables)]
    if "payment" in tables and "opps_cap" in tables:
        found += cap_proofs(release, tables)
    compared = sorted(
        (each for each in found if each.compared or each.not_compared),
        key=lambda proof: list(PROOF).index(proof.proof),
    )
    frame = pd.DataFrame([{"release": release.label} | vars(proof) for proof in compared])
    return frame.astype({name: column.frame_dtype for name, column in columns(ProofTable).items()})


def unproven(proof: pd.DataFrame) -> list[Finding]:
    """Return a warning for every proof that does not come out; it is told, and stops nothing."""
    gaps = proof[(proof["equal"] < proof["compared"]) & ~proof["proof"].isin(TOLD_BY_RULES)]
    return [
        Finding("proof", row["proof"], RULE, "warning", row["compared"] - row["equal"], (), row["explanation"])
        for row in gaps.to_dict("records")
    ]


def _rvu_proofs(rvu: pd.DataFrame) -> list[Proof]:
    """Add up what PPRRVU prints both in parts and as a whole."""
    shares = (share_totals(rvu) - 100).to_frame().set_index(rvu["hcpcs"])[has_shares(rvu).to_numpy()]
    return [
        _sums("totals", total_differences(rvu)),
        _sums("split", split_differences(rvu)),
        _sums("component_codes", _component_differences(rvu)),
        _sums("opps_split", _opps_differences(rvu)),
        _sums("surgical_shares", shares),
    ]


def _sums(proof: str, differences: pd.DataFrame) -> Proof:
    """Judge differences in hundredths: a row per code, a column per figure."""
    wrong = differences.index[(differences != 0).any(axis=1)]
    named = ", ".join(wrong.unique()[:FEW])
    told = f"CMS prints parts that do not add up: {len(wrong)} rows, such as {named}."
    return Proof(
        proof,
        compared=differences.size,
        equal=int((differences == 0).sum().sum()),
        largest_difference=float(differences.abs().max().max()) / 100 if differences.size else float("nan"),
        explanation=told if len(wrong) else None,
    )


def _component_differences(rvu: pd.DataFrame) -> pd.DataFrame:
    """Return the sum of the component codes less the whole, where all of them have RVUs."""
    tests = {code for whole, parts in COMPONENT_CODES.items() for code in (whole, *parts)}
    of_tests = rvu[rvu["hcpcs"].isin(tests) & (rvu["modifier"] == "") & (rvu["nonfacility_total_rvu"] > 0)]
    printed = (of_tests.set_index("hcpcs")[COMPONENTS] * 100).round()
    complete = {whole: parts for whole, parts in COMPONENT_CODES.items() if {whole, *parts} <= set(printed.index)}
    rows = {whole: printed.loc[list(parts)].sum() - printed.loc[whole] for whole, parts in complete.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=COMPONENTS)


def _opps_differences(rvu: pd.DataFrame) -> pd.DataFrame:
    """Return the OPPS practice expense of TC plus the ordinary one of 26, less that of a whole that has one."""
    of = {modifier: rvu[rvu["modifier"] == modifier].set_index("hcpcs") for modifier in ("", "26", "TC")}
    capped = of[""].index[of[""]["opps_nonfacility_pe_rvu"] > 0]
    capped = capped.intersection(of["26"].index).intersection(of["TC"].index)
    whole, technical = (of[modifier].loc[capped, "opps_nonfacility_pe_rvu"] * 100 for modifier in ("", "TC"))
    professional = of["26"].loc[capped, "nonfacility_pe_rvu"] * 100
    difference: pd.Series = (technical + professional - whole).round()
    return difference.to_frame()


def _agreement_proofs(agreements: Iterable[Agreement]) -> list[Proof]:
    """Add up, over all members, the rows that two members of an archive both print."""
    made: dict[str, Proof] = {}
    for each in agreements:
        so_far = made.get(each.proof, Proof(each.proof, 0, 0))
        told = " ".join(filter(None, (so_far.explanation, each.told)))
        made[each.proof] = replace(
            so_far, compared=so_far.compared + each.rows, equal=so_far.equal + each.equal, explanation=told or None
        )
    return list(made.values())


def _factor_proof(release: Release, tables: Tables) -> list[Proof]:
    """Compare printed factors with declared ones; a difference got this far in superseded releases only."""
    factors = tables["conversion_factor"]
    in_file = factors[factors["is_printed"]]
    printed = dict(zip(in_file["basis"], in_file["conversion_factor"], strict=True))
    declared = {basis: factor.conversion_factor for basis, factor in release.factors_in_force().items()}
    both = printed.keys() & declared.keys()
    gaps = {basis: round(abs(printed[basis] - declared[basis]), 4) for basis in both}
    told = [
        f"PPRRVU prints {printed[basis]:.4f} for {basis}, {declared[basis]:.4f} was paid: CMS replaced this release."
        for basis, gap in sorted(gaps.items())
        if gap
    ]
    equal = sum(not gap for gap in gaps.values())
    return [
        Proof(
            "conversion_factor",
            compared=len(both),
            equal=equal,
            largest_difference=max(gaps.values(), default=float("nan")),
            explanation=" ".join(told) or None,
        )
    ]
