"""What commands share: rows for people as a table and for programs as JSON, problems without a traceback."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import RvuError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Command = Callable[..., None]
WIDE = 160  # columns for logs and pipes, which have no width of their own
Rows = list[dict[str, Any]]


def explained(command: Command) -> Command:
    """Print a problem that a user can act on, and exit with its code; no traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except RvuError as problem:
            typer.echo(f"rvu: {problem}", err=True)
            raise typer.Exit(problem.exit_code) from None

    return run


def print_json(value: object) -> None:
    """Print a value as JSON; dates as YYYY-MM-DD."""

    def plain(other: object) -> str:
        return other.date().isoformat() if isinstance(other, datetime) else str(other)

    typer.echo(json.dumps(value, indent=1, default=plain))


def print_rows(rows: Rows, *, as_json: bool, title: str | None = None) -> None:
    """Print rows that share their columns: numbers to the right, with two decimals where they have any."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo(f"{title}: none." if title else "None.")
        return
    table = Table(title=title)
    for name in rows[0]:
        is_number = any(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    console().print(table)


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def console() -> Console:
    """Return the console: as wide as the terminal, or wide where there is none; what CMS prints is never markup."""
    return Console(width=None if sys.stdout.isatty() else WIDE, markup=False, emoji=False)
