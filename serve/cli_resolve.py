"""The command `resolve`: which records of some files are of one person. It needs no running service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from models.identity.roles import RoleGuess
from pipelines.resolve_report import ResolveReport
from serve.cli_common import FAILED, USAGE, AsJson, CommandError, emit, table

SourceColumn = Annotated[
    str | None,
    typer.Option("--source-column", help="Column that says where a record is from. (default: the file's name)"),
]
Columns = Annotated[
    str,
    typer.Option("--columns", help="What columns are: role=column,role=column,...; ignore=column leaves one out."),
]


def resolve(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="CSV or Parquet files of records.", show_default=False)
    ],
    id_column: Annotated[str, typer.Option("--id-column", help="Column of the records' ids.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Parquet or CSV file to write: record_id, entity_id, confidence."),
    ] = None,
    source_column: SourceColumn = None,
    columns: Columns = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file of settings, such as link_confidence = 0.9.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Trained model to match with. (default: learn one from the records)")
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option("--save-model", help="Write the model that was learned, for later runs.")
    ] = None,
    embeddings: Annotated[
        bool,
        typer.Option("--embeddings", help="Compare records that resemble each other as a whole, too. Slow for many."),
    ] = False,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", help="What an earlier run wrote: people keep the ids they have there."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="CSV or Parquet of pairs that are known: left,right (ids),same (yes/no)."),
    ] = None,
    show_columns: Annotated[
        bool, typer.Option("--show-columns", help="Show what the columns are taken for, and stop.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find out which records of files are of one person, with few labels or none, and without a running service."""
    from pipelines.resolve_files import resolve_files
    from pipelines.resolve_input import read_input
    from pipelines.resolve_tables import InputError
    from pipelines.task_runner import WorkerDied

    try:
        if show_columns:
            found = read_input(inputs, id_column, source_column, columns)
            shown = {
                "records": len(found.record_ids),
                "sources": found.source_count,
                "columns": columns_report(found.roles),
            }
            emit(as_json, shown, lambda console: print_columns(console, found.roles))
            return
        if output is None:
            raise CommandError("--output: name the file to write, such as clusters.parquet", USAGE, "usage")
        console = Console(stderr=True)
        with console.status("resolve") as status:
            report = resolve_files(
                inputs,
                output,
                id_column=id_column,
                source_column=source_column,
                columns=columns,
                config=config,
                model=model,
                save_model=save_model,
                embeddings=embeddings,
                previous=previous,
                labels=labels,
                progress=status.update,
            )
    except InputError as error:
        raise CommandError(str(error), USAGE, "input") from None
    except WorkerDied as error:
        raise CommandError(str(error), FAILED, "worker_died") from None
    emit(as_json, resolve_report(report), lambda console: print_report(console, report, output))


def resolve_report(report: ResolveReport) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "records": report.records,
        "sources": report.sources,
        "entities": report.entities,
        "largest": report.largest,
        "uncertain_pairs": report.uncertain,
        "compared_pairs": report.compared_pairs,
        "keys": [list(key) for key in report.keys],
        "model_version": report.model_version,
        "kept_ids": report.kept_ids,
        "redirects": report.redirects,
        "seconds": report.seconds,
        "columns": columns_report(report.roles),
    }


def print_report(console: Console, report: ResolveReport, output: Path) -> None:
    """The report for people."""
    print_columns(console, report.roles)
    console.print(
        f"{report.records:,} records of {report.sources} source(s) are {report.entities:,} people, the largest of "
        f"{report.largest:,} records. {report.compared_pairs:,} pairs were compared; {report.uncertain:,} pairs of "
        f"different people may well be one. It took {sum(report.seconds.values()):.1f} s.",
        highlight=False,
    )
    if report.kept_ids is not None:
        console.print(
            f"{report.kept_ids:,} people kept their ids; {report.redirects:,} retired ids lead to where they went.",
            highlight=False,
        )
    console.print(f"Written to {output} (model {report.model_version}).", highlight=False)


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
