"""The operator's commands: list versions, verify them, go back to one, remove old ones, and find what is wrong."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from pipeline import bucket
from pipeline.console import Json, explained, print_json, print_rows
from pipeline.errors import DataError
from pipeline.mirror import bring_version, manifest_of, opened
from pipeline.store import Store

app = typer.Typer()


@app.command()
@explained
def versions(as_json: Json = False) -> None:
    """List the published versions, oldest first."""
    store = Store.open()
    latest = bucket.latest_version(store)
    rows = []
    for version in bucket.versions(store):
        manifest = manifest_of(store, version)
        rows.append(
            {
                "version": version,
                "latest": version == latest,
                "created_at": manifest["created_at"],
                "sample": manifest["is_sample"],
                "releases": ", ".join(manifest["releases"]),
                "files": len(manifest["files"]),
                "bytes": sum(facts["bytes"] for facts in manifest["files"].values()),
            }
        )
    print_rows(rows, as_json=as_json)


@app.command()
@explained
def verify(
    version: Annotated[str | None, typer.Argument(help="Default: the latest.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also rebuild it from its raw archives and compare every file.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Releases to rebuild at once. Default: RVU_WORKERS, else one per CPU."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Re-hash every file of a version against its manifest and check it against its schema.

    --deep proves the whole chain: it rebuilds every release with the code and content at hand, in the system's
    temporary folder (TMPDIR), and finds also what was changed together with its manifest. It needs the archives in
    raw/ and the very code and content that published the version, and takes as long as the run did.
    """
    from pipeline.verify import command_to_rebuild, verify_version

    store = opened() if version is None else Store.open()
    if version:
        bring_version(store, version)
    wanted = store.require_version(version)
    rebuilt: list[str] = []
    if deep:
        from pipeline.rederive import rebuilt_problems

        rebuilt = rebuilt_problems(store, wanted, workers)
    outcome = verify_version(store, wanted)
    outcome = replace(outcome, problems=(*outcome.problems, *rebuilt))
    if as_json:
        print_json(asdict(outcome) | {"deep": deep})
    else:
        for problem in outcome.problems:
            typer.echo(problem)
        checks = "bytes, types, order and rules" if outcome.schema_checked else "bytes (written by an older schema)"
        typer.echo(
            f"{outcome.version}: {outcome.files} files, {outcome.rows:,} rows, {checks} checked, "
            f"{'rebuilt from its archives, ' if deep else ''}{len(outcome.problems)} problems"
        )
    if outcome.problems:
        raise DataError(
            f"{outcome.version} is not what was published. Restore its files from a copy; go back to a sound version "
            f"(rvu rollback VERSION); or remove {store.curated / 'LATEST'} and publish its releases anew from "
            f"their archives: {command_to_rebuild(store.manifest(outcome.version))}"
        )


@app.command()
@explained
def rollback(version: Annotated[str, typer.Argument(help="A version of `rvu versions`.")]) -> None:
    """Make an older version the latest again; the newer ones stay, and rolling back to one of them undoes it.

    Its files are compared with its manifest first. The next run starts from it, and may publish again what was
    rolled back, as a new version: stop the schedule first, and correct the cause before it goes on.

    Stop the schedule:
      prefect deployment schedule ls DEPLOYMENT

      prefect deployment schedule pause DEPLOYMENT SCHEDULE
    """
    from pipeline.history import rollback as go_back

    store = Store.open()
    before = go_back(store, version)
    manifest = store.manifest(version)
    labels = ", ".join(manifest["releases"])
    typer.echo(f"The latest version is {version} of {manifest['created_at']} ({labels}). Before, it was {before}.")
    typer.echo(
        "The next run starts from it and may publish again what was rolled back. If a schedule runs, pause it until "
        "the cause is corrected: prefect deployment schedule pause DEPLOYMENT SCHEDULE, or --all",
        err=True,
    )


@app.command()
@explained
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the newest versions stay.")],
    grace: Annotated[
        int, typer.Option("--grace", min=0, help="Days that a version stays after another one replaced it.")
    ] = 7,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old versions: all but the newest ones, the latest, and those that readers may still be opening.

    A version disappears whole. Who has its files open goes on reading them; --grace is for those who asked for the
    latest version while it was this one and still open its files. Files are shared between versions, so bytes_freed
    counts only what no version that stays needs. Archives in raw/ stay.

    Example:
      rvu prune --keep 8 --dry-run
    """
    from pipeline import history

    store = opened()
    decide = history.fates if dry_run else history.prune
    fates = decide(store, keep, timedelta(days=grace), datetime.now(UTC))
    print_rows([asdict(fate) for fate in fates], as_json=as_json, title="Dry run" if dry_run else None)
    if not as_json:
        removed = [fate for fate in fates if fate.is_removed]
        done = "would be removed" if dry_run else "removed"
        freed = sum(fate.bytes_freed for fate in removed)
        typer.echo(f"{len(removed)} of {len(fates)} versions {done}, {freed:,} bytes freed")


@app.command()
@explained
def doctor(as_json: Json = False) -> None:
    """Check this installation: the machine, the catalog, what is published, and what killed runs left behind.

    Exit codes: 3 when anything of the machine is broken, else 1 when anything in the data is; warnings alone give 0.
    """
    from pipeline import doctor_data, doctor_machine
    from pipeline.doctor import examine

    found = examine(Store.open(), (*doctor_machine.CHECKS, *doctor_data.CHECKS))
    rows = [
        {"check": name, "state": each.state, "found": each.found, "to_do": each.to_do} for name, each in found.items()
    ]
    print_rows(rows, as_json=as_json)
    raise typer.Exit(max(each.exit_code for each in found.values()))
