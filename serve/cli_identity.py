"""Commands about identity resolution. They work on files and need no service."""

from pathlib import Path
from typing import Annotated

import typer

from serve.cli_common import USAGE, AsJson, CommandError, emit


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
