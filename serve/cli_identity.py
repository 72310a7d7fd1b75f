"""Commands about identity resolution. They work on files and need no service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serve.cli_common import USAGE, AsJson, CommandError, emit


class Form(StrEnum):
    """What an explanation is given as."""

    TEXT = "text"
    JSON = "json"
    SVG = "svg"


def explain(
    left: Annotated[str, typer.Argument(metavar="A", help="Id of a record.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="B", help="Id of another.", show_default=False)],
    inputs: Annotated[
        list[Path], typer.Option("--input", "-i", help="CSV or Parquet file of records; may be given several times.")
    ],
    id_column: Annotated[str, typer.Option("--id-column", help="Column of the records' ids.", show_default=False)],
    source_column: Annotated[
        str | None, typer.Option("--source-column", help="Column that says where a record is from.")
    ] = None,
    columns: Annotated[str, typer.Option("--columns", help="What columns are: role=column,...")] = "",
    model: Annotated[
        Path | None, typer.Option("--model", help="Trained model. (default: learn one from the records)")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write. (default: print)")] = None,
) -> None:
    """Show why two records of files are (not) one person: the weight of each field, and what they add up to."""
    from models.identity.drawing_waterfall import waterfall_json, waterfall_text
    from models.identity.drawing_waterfall_svg import waterfall_svg
    from pipelines.resolve_files import explain_files
    from pipelines.resolve_tables import InputError

    try:
        evidence = explain_files(
            inputs, left, right, id_column=id_column, source_column=source_column, columns=columns, model=model
        )
    except InputError as error:
        raise CommandError(str(error), USAGE, "input") from None
    draw = {Form.TEXT: waterfall_text, Form.JSON: lambda e: waterfall_json(e).decode(), Form.SVG: waterfall_svg}[form]
    if output is None:
        typer.echo(draw(evidence))
    else:
        output.write_text(draw(evidence))


def evaluate(
    clusters: Annotated[Path, typer.Argument(help="CSV or Parquet file: each record's cluster.", show_default=False)],
    truth: Annotated[Path, typer.Argument(help="CSV or Parquet file: each record's true entity.", show_default=False)],
    record_column: Annotated[
        str, typer.Option("--record-column", help="Record id in CLUSTERS. (default: record_id, or the first of two)")
    ] = "",
    entity_column: Annotated[
        str, typer.Option("--entity-column", help="Entity id in CLUSTERS. (default: entity_id, or the other of two)")
    ] = "",
    truth_record_column: Annotated[
        str, typer.Option("--truth-record-column", help="Record id in TRUTH. (default: likewise, or as in CLUSTERS)")
    ] = "",
    truth_entity_column: Annotated[
        str, typer.Option("--truth-entity-column", help="Entity id in TRUTH. (default: likewise)")
    ] = "",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Measure the records in both files and count the others.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score clusters by the true entities: pairwise, B-cubed, adjusted Rand, exact, over-merged and split."""
    from pipelines.evaluate_clusters import EvaluationError, evaluate_files, report_lines

    try:
        evaluation = evaluate_files(
            clusters,
            truth,
            record_column=record_column,
            entity_column=entity_column,
            truth_record_column=truth_record_column,
            truth_entity_column=truth_entity_column,
            allow_missing=allow_missing,
        )
    except EvaluationError as error:
        raise CommandError(error.message, USAGE, error.code) from None
    lines = report_lines(evaluation)
    emit(as_json, evaluation, lambda console: console.print("\n".join(lines), markup=False, highlight=False))
