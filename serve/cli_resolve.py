"""The command `resolve`: which records of some files are of one person. It needs no running service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from models.identity.roles import RoleGuess
from serve.cli_common import USAGE, AsJson, CommandError, emit, table


def resolve(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="CSV or Parquet files of records.", show_default=False)
    ],
    id_column: Annotated[str, typer.Option("--id-column", help="Column of the records' ids.", show_default=False)],
    source_column: Annotated[
        str | None,
        typer.Option("--source-column", help="Column that says where a record is from. (default: the file's name)"),
    ] = None,
    columns: Annotated[
        str,
        typer.Option("--columns", help="What columns are: role=column,role=column,...; ignore=column leaves one out."),
    ] = "",
    show_columns: Annotated[
        bool, typer.Option("--show-columns", help="Show what the columns are taken for, and stop.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the columns of files of customer records mean for matching."""
    from pipelines.resolve_input import read_input
    from pipelines.resolve_tables import InputError

    if not show_columns:
        raise CommandError("--show-columns: needed, since matching is not part of this version", USAGE, "usage")
    try:
        found = read_input(inputs, id_column, source_column, columns)
    except InputError as error:
        raise CommandError(str(error), USAGE, "input") from None
    report = {
        "records": len(found.record_ids),
        "sources": found.source_count,
        "columns": columns_report(found.roles),
    }
    emit(as_json, report, lambda console: print_columns(console, found.roles))


def columns_report(roles: Sequence[RoleGuess]) -> list[dict[str, Any]]:
    """What the columns are taken for, as JSON: column, role (null: ignored), certainty in [0, 1], reason."""
    return [
        {"column": guess.column, "role": guess.role, "certainty": guess.certainty, "reason": guess.reason}
        for guess in roles
    ]


def print_columns(console: Console, roles: Sequence[RoleGuess]) -> None:
    """What the columns are taken for, as a table for people."""
    rows = [(guess.column, guess.role or "-", f"{guess.certainty:.2f}", guess.reason) for guess in roles]
    table(console, ("COLUMN", "ROLE", "CERTAINTY", "REASON"), rows, "no columns")
