"""The commands on our editorial content: check it, see what it covers, write more, and search by it."""

from typing import Annotated

import typer

from pipeline.console import Json, explained, print_json, print_rows
from pipeline.errors import DataError
from pipeline.mirror import opened
from pipeline.published import published_release

app = typer.Typer()
content_app = typer.Typer(
    no_args_is_help=True, help="Our editorial content: is it sound, what does it cover, what to write next."
)
app.add_typer(content_app, name="content")

PublishedRelease = Annotated[str | None, typer.Option("--release", help="Default: the newest published.")]


@app.command()
@explained
def search(
    words: Annotated[list[str], typer.Argument(help="Words as people say them: knee scope, flu shot.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many codes to show.")] = 10,
    release: PublishedRelease = None,
    as_json: Json = False,
) -> None:
    """Find codes by what people call them; the order of words and the plural do not matter.

    Examples:
      rvu search flu shot

      rvu search knee scope --top 3 --json
    """
    from pipeline.search import search as found

    chosen = published_release(opened(), release)
    print_rows(found(chosen, " ".join(words), top), as_json=as_json)


@content_app.command()
@explained
def coverage(release: PublishedRelease = None, as_json: Json = False) -> None:
    """Show how many codes of each category have complete texts, partial ones, or none.

    Complete: title, description, plain language, clinical context, two synonyms and a specialty, all our own.
    """
    from pipeline.coverage import coverage as covered

    print_rows(covered(published_release(opened(), release)), as_json=as_json)


@content_app.command()
@explained
def missing(
    category: Annotated[str | None, typer.Option("--category", help="Only this one, such as 'G Codes'.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many codes to show.")] = 20,
    release: PublishedRelease = None,
    as_json: Json = False,
) -> None:
    """List the codes to write next: payable first, then the most work, then those new in the release.

    Example: rvu content missing --category Surgery --top 10
    """
    from pipeline.coverage import missing as wanted

    print_rows(wanted(published_release(opened(), release), category, top), as_json=as_json)


@content_app.command()
@explained
def tasks(release: PublishedRelease = None, as_json: Json = False) -> None:
    """List what a release gives our editors to do: codes to write, to review and to retire."""
    from pipeline.lookup import all_rows

    path = published_release(opened(), release).file("content_task")
    print_rows(all_rows(path) if path.exists() else [], as_json=as_json, title="Tasks")


@content_app.command()
@explained
def new(code: Annotated[str, typer.Argument(help="A HCPCS code without texts, such as G0412.")]) -> None:
    """Add rows for a code to raw/content/, to be filled in; nothing is published until they are."""
    from pipeline.skeleton import add_skeleton

    store = opened()
    for path, line in add_skeleton(store, code.upper()):
        typer.echo(f"{path}, line {line}")
    typer.echo("Fill in what is empty, then: rvu content check")


@content_app.command()
@explained
def check(as_json: Json = False) -> None:
    """Check all texts: rules, spelling, near-duplicates, and against CMS's words in every published release.

    Ends with exit code 1 when anything is found. A reading grade is the years of school that a text takes.
    """
    from pipeline.proofread import proofread

    outcome = proofread(opened())
    findings = [finding.as_dict() for finding in outcome.findings]
    if as_json:
        print_json({"findings": findings, "reading": outcome.reading, "summary": outcome.summary})
    else:
        shown = [finding | {"examples": "; ".join(finding["examples"])} for finding in findings]
        print_rows(shown, as_json=False, title="Findings")
        print_rows(outcome.reading["hardest"], as_json=False, title="Plain language that is hardest to read")
        typer.echo(f"Median reading grade of plain_language: {outcome.reading['median_grade']}")
        typer.echo(outcome.summary)
    if outcome.findings:
        raise DataError(f"The content breaks {len(outcome.findings)} rules. Correct the rows named above.")
