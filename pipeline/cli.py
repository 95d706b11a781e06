"""The command line: what people and schedulers call. Commands that only read start fast, without Prefect."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline import cli_care, cli_content, cli_fees
from pipeline.archive import check_archive
from pipeline.catalog import RANGE, Catalog, Release, find_release, label_in_name, load_catalog, select_releases
from pipeline.console import Json, console, explained, print_json, print_rows
from pipeline.errors import RvuError, UsageError
from pipeline.layouts import layouts_in_force
from pipeline.lookup import all_rows, rows_of_code
from pipeline.mirror import opened
from pipeline.published import day, not_found, published_release
from pipeline.store import Store, table_file

if TYPE_CHECKING:
    from pipeline.publish import Published

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="CMS's Physician Fee Schedule releases as versioned Parquet.\n\n"
    "RVU_HOME names the folder that holds raw/ and curated/; without it they lie in the project.\n\n"
    "Exit codes: 0 done or nothing to do, 1 a problem in the data, 2 a wrong command, 3 a problem of the machine.",
)
layout_app = typer.Typer(no_args_is_help=True, help="How CMS prints its tables: which layout fits, and a new one.")
app.add_typer(layout_app, name="layout")
app.add_typer(cli_care.app)
app.add_typer(cli_fees.app)
app.add_typer(cli_content.app)

Archive = Annotated[Path, typer.Argument(help="A zip of CMS.")]
StatedRelease = Annotated[str | None, typer.Option("--release", help="Default: what the file name says.")]
AcceptLicense = Annotated[
    bool, typer.Option("--accept-license", help="Accept the licences that CMS shows before a download.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Releases to build at once. Default: RVU_WORKERS, else one per CPU."),
]
DAY = 24 * 3600  # seconds
PublishedRelease = Annotated[str | None, typer.Option("--release", help="Default: the newest published.")]


@app.command()
@explained
def run(  # noqa: PLR0913, PLR0917 - a parameter is an option
    releases: Annotated[
        list[str] | None, typer.Argument(help="Labels such as RVU26A, ranges such as RVU20A..RVU26D; none: today's.")
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A zip, an unpacked archive, or a folder of zips, instead of CMS. Repeatable."),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Use the bundled sample, offline.")] = False,
    accept_license: AcceptLicense = False,
    workers: Workers = None,
    build_at: Annotated[
        str,
        typer.Option("--build-at", help="processes, threads, or a Dask scheduler such as tcp://10.0.0.5:8786."),
    ] = "processes",
    as_json: Json = False,
) -> None:
    """Pull, check, merge and publish releases as a new version.

    Examples:
      rvu run --sample                      the bundled sample, offline

      rvu run --accept-license              the release in force today, from CMS

      rvu run RVU25A RVU26C --from ~/zips   those two, from a folder of archives

      rvu run RVU20A..RVU26D                every release of these years

    A release that fails is left out, or stays as it was; it is told at the end and in the exit code. Nothing is
    published when all fail; a run with nothing new publishes nothing and says so.
    """
    store = opened()
    catalog = load_catalog(*store.catalogs)
    if sample and source:
        raise UsageError("--sample and --from exclude each other.")
    if sample and _holds_real_releases(store):
        typer.echo(
            f"{store.curated} holds real releases already, and the sample is not mixed with them: nothing to do. "
            "To try the sample, set RVU_HOME to an empty folder."
        )
        return
    paths = [store.declared("sample")] if sample else source or []
    sources = _sources(catalog, paths, releases or []) if paths else {}
    select_releases(catalog, releases or [], sources)  # tells a wrong label at once, before Prefect starts
    from pipeline.flows import run_refresh

    options = {"accept_license": accept_license, "workers": workers}
    tell(store, run_refresh(releases or [], sources, is_sample=sample, build_at=build_at, **options), as_json=as_json)


@app.command()
@explained
def watch(
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for cron; otherwise once a day.")] = False,
    accept_license: AcceptLicense = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Look at CMS's pages for new or re-issued releases, and publish what is new.

    What is found is entered into raw/found.toml, in the form of raw/catalog.toml; about five conditional requests.
    Without --once it looks again every day, also after a failure, until it is stopped; Prefect's scheduler does that
    better: see the README on operating it.
    """
    from pipeline.flows import run_watch

    while True:
        try:
            tell(opened(), run_watch(accept_license=accept_license, workers=workers), as_json=as_json)
        except (RvuError, typer.Exit) as problem:
            if once:
                raise
            if isinstance(problem, RvuError):  # that some releases failed is told already
                typer.echo(f"rvu: {problem}", err=True)
        if once:
            return
        time.sleep(DAY)


def tell(store: Store, published: "Published", *, as_json: bool) -> None:
    """Print what a run came to; the process ends with the exit code of the releases that failed."""
    if as_json:
        print_json(published.manifest | {"is_new": published.is_new, "failures": published.failures})
    else:
        _print_findings(published.manifest)
        _print_proof(store, published)
        _print_published(published.manifest)
        where = store.version_path(published.version)
        typer.echo(f"Published {where}" if published.is_new else f"Nothing new: {where} is current")
    if published.failures:
        header = f"rvu: {len(published.failures)} failed; all else is in version {published.version}:"
        typer.echo("\n".join([header, *published.failures.values()]), err=True)
        raise typer.Exit(published.exit_code)


@app.command()
@explained
def releases(
    on: Annotated[str | None, typer.Option("--on", help="Only the one that prices services of YYYY-MM-DD.")] = None,
    as_json: Json = False,
) -> None:
    """List every release known to the catalog, and which are pulled and published.

    layout_verified: the layout of its PPRRVU was checked on CMS's own bytes of that era.
    """
    store = opened()
    known: Iterable[Release] = load_catalog(*store.catalogs).values()
    if on:
        known = [release for release in known if release.in_force(day(on))]
    latest = store.latest_version()
    published = store.manifest(latest)["releases"] if latest else {}
    rows = [
        {
            "release": release.label,
            "effective_from": release.effective_from.isoformat(),
            "effective_to": release.effective_to.isoformat() if release.effective_to else None,
            "superseded_by": release.superseded_by,
            "layout_verified": layouts_in_force("rvu", release.effective_from)[0].verified,
            "archives_known": len(release.archives),
            "archives_pulled": len(store.receipts(release.label)),
            "published": release.label in published,
            "note": release.note,
        }
        for release in known
    ]
    print_rows(rows, as_json=as_json)


@app.command()
@explained
def show(
    code: Annotated[str, typer.Argument(help="A HCPCS code, such as G0411.")],
    release: PublishedRelease = None,
    as_json: Json = False,
) -> None:
    """Show the reference page of a code, from its one row of the code table."""
    from pipeline.page import render

    chosen = published_release(opened(), release)
    found = rows_of_code(chosen.file("code"), code.upper())
    if not found:
        raise not_found(chosen, "code", code.upper())
    row = found[0]
    if as_json:
        print_json(row)
    else:
        typer.echo(render(row))


@layout_app.command()
@explained
def check(
    archive: Archive,
    release: StatedRelease = None,
    as_json: Json = False,
) -> None:
    """Say which layout each member of an archive would be read with, or what differs."""
    from pipeline.survey import survey

    print_rows(survey(archive, _release_of(archive, release)), as_json=as_json)


@layout_app.command()
@explained
def draft(
    archive: Archive,
    release: StatedRelease = None,
) -> None:
    """Print a [[layout]] block for every table of an archive, to paste into schemas/layouts/ and correct."""
    from pipeline.survey import drafts

    typer.echo(drafts(archive, _release_of(archive, release)))


def main() -> None:
    """Run the command line."""
    app(prog_name="rvu")


def _sources(catalog: Catalog, paths: list[Path], wanted: list[str]) -> dict[str, str]:
    """Return label to path of the archives to take; a range takes those of its releases that are there."""
    from pipeline.local import find_sources

    if any(RANGE in text for text in wanted):
        wanted = list(select_releases(catalog, wanted, find_sources(catalog, paths, [])).labels)
    return {label: str(path) for label, path in find_sources(catalog, paths, wanted).items()}


def _release_of(archive: Path, label: str | None) -> Release:
    """Return the release of an archive, checked to be a sound zip, by its name or as stated."""
    catalog = load_catalog(*Store.open().catalogs)
    if not archive.is_file():
        raise UsageError(f"{archive} is not a file: expected one zip of CMS.")
    check_archive(archive, archive.name)
    found = label or label_in_name(catalog, archive.name)
    if found is None:
        raise UsageError(
            f"{archive.name} does not say which release it is. Add --release RVU25A, or whichever it is."
        )
    return find_release(catalog, found)


def _holds_real_releases(store: Store) -> bool:
    latest = store.latest_version()
    return latest is not None and not store.manifest(latest)["is_sample"]


def _print_findings(manifest: dict[str, Any]) -> None:
    """Show what validation found, the same rule in several releases once."""
    table = Table("table", "column", "rule", "releases", "rows", "first examples", title="Warnings")
    grouped: dict[tuple[str, str, str], list[tuple[str, dict[str, Any]]]] = {}
    for label, entry in manifest["releases"].items():
        for finding in entry["findings"]:
            grouped.setdefault((finding["table"], finding["column"], finding["rule"]), []).append((label, finding))
    for (name, column, rule), found in grouped.items():
        count = sum(finding["count"] for _, finding in found)
        examples = "; ".join(found[-1][1]["examples"][:2])
        labels = ", ".join(label for label, _ in found)
        told = "\n".join(filter(None, [examples, *_reasons(found)]))
        table.add_row(name, column, rule, labels, f"{count:,}", told)
    if grouped:
        console().print(table)


def _reasons(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return the reasons of one finding in several releases, and of which release each is if they differ."""
    by_reason: dict[str, list[str]] = {}
    for label, finding in found:
        by_reason.setdefault(finding["reason"], []).append(label)
    if len(by_reason) == 1:
        return list(by_reason)
    return [f"{', '.join(labels)}: {reason}" for reason, labels in by_reason.items() if reason]


def _print_proof(store: Store, published: "Published") -> None:
    """Show how far CMS's own figures confirm the version, added up over its releases; `proof` explains the gaps."""
    from schemas.proof import PROOF

    folder = store.version_path(published.version)
    paths = [table_file(folder, "proof", label) for label in published.manifest["releases"]]
    proofs = [row for path in paths if path.exists() for row in all_rows(path)]
    rows = []
    for proof, meaning in PROOF.items():
        found = [row for row in proofs if row["proof"] == proof]
        gaps = [row["release"] for row in found if row["equal"] < row["compared"]]
        counts = {count: sum(row[count] for row in found) for count in ("compared", "equal")}
        rows += [{"proof": proof, "meaning": meaning} | counts | {"gaps": ", ".join(gaps)}] if found else []
    print_rows(rows, as_json=False, title="Proof against CMS's own figures")


def _print_published(manifest: dict[str, Any]) -> None:
    tables = list(dict.fromkeys(facts["table"] for facts in manifest["files"].values()))
    summary = Table("release", *tables, title=f"Version {manifest['version']}: rows by table")
    for label, entry in manifest["releases"].items():
        rows = entry["rows"]
        summary.add_row(label, *(f"{rows[table]:,}" if table in rows else "-" for table in tables))
    console().print(summary)


if __name__ == "__main__":
    main()
