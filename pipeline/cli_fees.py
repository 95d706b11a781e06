"""Commands about money: price a code, compare two releases, prove our payments against CMS's own."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console import Json, Rows, explained, print_json, print_rows
from pipeline.errors import DataError, UsageError
from pipeline.mirror import opened
from pipeline.published import published_release
from schemas.codes import MODIFIER, SETTINGS

if TYPE_CHECKING:
    from pipeline import fees

app = typer.Typer()


@app.command()
@explained
def price(  # noqa: PLR0913, PLR0917 - a parameter is an option
    code: Annotated[str, typer.Argument(help="A HCPCS code, such as G0438.")],
    modifier: Annotated[str | None, typer.Option("--modifier", help="26, TC or 53. Default: all printed.")] = None,
    locality: Annotated[str | None, typer.Option("--locality", help="MAC-LOCALITY, such as 01112-05.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="All localities of a state, such as CA.")] = None,
    setting: Annotated[str | None, typer.Option("--setting", help="facility or nonfacility. Default: both.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Date of service, YYYY-MM-DD.")] = None,
    release: Annotated[str | None, typer.Option("--release", help="Default: the newest published.")] = None,
    basis: Annotated[str | None, typer.Option("--basis", help="From 2026 also qualifying_apm.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Spell the arithmetic out.")] = False,
    base_units: Annotated[int | None, typer.Option("--base-units", min=0, help="Anesthesia: CMS's units.")] = None,
    minutes: Annotated[int | None, typer.Option("--minutes", min=0, help="Anesthesia: time of the claim.")] = None,
    as_json: Json = False,
) -> None:
    """Show what Medicare pays for a code: nationally, and in the localities asked for (default: all).

    payment is what is in force: the fee or, for imaging, the OPPS cap where that is lower. The limiting charge is the
    most that a non-participating physician may charge. NA: rarely or never performed in that setting.

    Examples:
      rvu price G0438 --state CA            every locality of California

      rvu price 71046 --modifier TC --locality 01112-05 --explain

      rvu price 99213 --on 2024-03-01 --setting nonfacility

      rvu price 00142 --base-units 4 --minutes 47 --locality 10112-00
    """
    from pipeline import fees

    _one_of("--setting", setting, SETTINGS)
    modifier = modifier.upper() if modifier else None
    _one_of("--modifier", modifier, MODIFIER)
    chosen = published_release(opened(), release, on)
    rows = fees.rows_to_price(chosen, code.upper(), modifier)
    factor = fees.factor_in_force(chosen, basis)
    where = fees.Where(locality, state)
    if fees.is_anesthesia(rows[0]):
        found = fees.anesthesia_rows(fees.places(chosen, "anesthesia", where), basis, base_units, minutes)
        _print_anesthesia(found, f"{code.upper()} in {chosen.release}", as_json=as_json)
        return
    priced = fees.prices(rows, fees.places(chosen, "gpci", where), factor, setting)
    title = f"{code.upper()} in {chosen.release} at ${factor['conversion_factor']:.4f} per RVU ({factor['basis']})"
    print_rows([each.as_row() for each in priced], as_json=as_json, title=title)
    if explain and not as_json:
        _print_explained(priced if locality or state else [each for each in priced if each.is_national], factor)


@app.command()
@explained
def diff(
    before: Annotated[str, typer.Argument(help="A published release, such as RVU25A.")],
    after: Annotated[str, typer.Argument(help="A later one, such as RVU26C.")],
    top: Annotated[int, typer.Option("--top", min=1, help="Gainers and losers to show.")] = 10,
    category: Annotated[str | None, typer.Option("--category", help="Only one, such as 'G Codes'.")] = None,
    as_json: Json = False,
) -> None:
    """Show what changed between two published releases: rows, status, and who gains and loses most.

    Payments are national and non-facility, for the basis that applies to most. --json prints every change.

    Example:
      rvu diff RVU25A RVU26C --top 20 --category "Evaluation & Management"
    """
    from pipeline.movement import movement

    old, new = (published_release(opened(), label) for label in (before, after))
    moved = movement(old, new, category)
    if as_json:
        print_json(moved.changes)
        return
    title = f"{old.release} to {new.release}" + (f", {category}" if category else "")
    print_rows(moved.summary, as_json=False, title=title)
    print_rows(moved.statuses, as_json=False, title="Status changed")
    print_rows(moved.gainers(top), as_json=False, title="Largest gains of national non-facility payment")
    print_rows(moved.losers(top), as_json=False, title="Largest losses of national non-facility payment")


@app.command()
@explained
def prove(
    payments: Annotated[Path, typer.Option("--payments", help="CMS's payment file: PFALL, PFREV or a carrier file.")],
    release: Annotated[
        str | None, typer.Option("--release", help="Default: the newest published of its year.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every amount of a payment file of CMS with ours: equal, different, missing and why.

    The file is the unpacked text, 130 characters a record (PFALL25A.TXT). Its base amounts are before the OPPS cap.
    Ends with exit code 1 when amounts differ.

    Example:
      rvu prove --payments PFALL25A.TXT --release RVU25A
    """
    from pipeline.official import prove_payments

    outcome = prove_payments(opened(), payments, release)
    if as_json:
        print_json(vars(outcome))
    else:
        title = f"{payments.name} against {outcome.release}: {outcome.records:,} records"
        print_rows(outcome.amounts, as_json=False, title=title)
        print_rows(outcome.missing, as_json=False, title="Not compared, by reason")
        print_rows(outcome.examples, as_json=False, title="Different")
    if not outcome.amounts:
        raise DataError(
            f"No amount of {payments.name} could be compared with {outcome.release}: see the reasons above."
        )
    if outcome.examples:
        raise DataError(
            f"{payments.name} differs from {outcome.release}. Such a file is often of another quarter of its year: "
            "name the release that it is of with --release."
        )


def _print_anesthesia(rows: Rows, named: str, *, as_json: bool) -> None:
    if not rows:
        raise UsageError(f"{named}: its archive has no anesthesia factors. Name another release with --release.")
    print_rows(rows, as_json=as_json, title=f"{named}: (base units + time units of 15 minutes) x factor per unit")
    if "payment" not in rows[0]:
        typer.echo("Add --base-units, which CMS lists elsewhere, and --minutes to see payments.", err=True)


def _print_explained(priced: "list[fees.Priced]", factor: "fees.Row") -> None:
    """Spell the arithmetic of each price out; for the nation only where no place was named."""
    for each in priced:
        typer.echo(f"\n{each.named}")
        typer.echo("\n".join(f"  {line}" for line in each.explanation(factor)))
    if all(each.is_national for each in priced):
        typer.echo("\nExplained for the nation only: name places with --locality or --state.", err=True)


def _one_of(option: str, value: str | None, allowed: Collection[str]) -> None:
    """Raise UsageError for a value that an option does not take."""
    if value is not None and value not in allowed:
        raise UsageError(f"{option} {value}: expected {' or '.join(each for each in allowed if each)}.")
