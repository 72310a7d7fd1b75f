"""Commands about identity resolution: why two are one person, what a person is made of, and how good a clustering is.
With files they need no running service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
import typer

from models.identity.evidence import Explanation
from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, Key, Url, connect, emit


class Form(StrEnum):
    """What an explanation is given as."""

    TEXT = "text"
    JSON = "json"
    SVG = "svg"


As = Annotated[Form, typer.Option("--format", help="How to show it.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write. (default: print)")]


def explain(
    left: Annotated[
        str, typer.Argument(metavar="A", help="Key of a person; with --input, id of a record.", show_default=False)
    ],
    right: Annotated[str, typer.Argument(metavar="B", help="Key or id of another.", show_default=False)],
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", "-i", help="CSV or Parquet file of records, instead of the running service's people."),
    ] = None,
    id_column: Annotated[str, typer.Option("--id-column", help="Column of the records' ids.")] = "",
    source_column: Annotated[
        str | None, typer.Option("--source-column", help="Column that says where a record is from.")
    ] = None,
    columns: Annotated[str, typer.Option("--columns", help="What columns are: role=column,...")] = "",
    model: Annotated[
        Path | None, typer.Option("--model", help="Trained model. (default: learn one from the records)")
    ] = None,
    form: As = Form.TEXT,
    output: Output = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Show why two people, or two records of files, are (not) one: each field's weight, and what they add up to."""
    if not inputs:
        if id_column or source_column or columns or model:
            raise CommandError(
                "--id-column, --source-column, --columns and --model are for records of files: name these with --input",
                USAGE,
                "usage",
            )
        with connect(data_dir, config, url, api_key) as client:
            answer = client.get(f"/v1/identity/explain?{urlencode({'left': left, 'right': right})}")
        _show(msgspec.convert(answer, Explanation), form, output)
        return
    if not id_column:
        raise CommandError("--id-column: name the column of the records' ids", USAGE, "usage")
    from pipelines.resolve_files import explain_files
    from pipelines.resolve_tables import InputError

    try:
        found = explain_files(
            inputs, left, right, id_column=id_column, source_column=source_column, columns=columns, model=model
        )
    except InputError as error:
        raise CommandError(str(error), USAGE, "input") from None
    _show(found, form, output)


def _show(evidence: Explanation, form: Form, output: Path | None) -> None:
    from models.identity.drawing_waterfall import waterfall_json, waterfall_text
    from models.identity.drawing_waterfall_svg import waterfall_svg

    draw = {Form.TEXT: waterfall_text, Form.JSON: lambda e: waterfall_json(e).decode(), Form.SVG: waterfall_svg}[form]
    _write(draw(evidence), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text, encoding="utf-8")


def graph(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of a person.", show_default=False)],
    form: As = Form.TEXT,
    output: Output = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Show the profiles that became one person, the merges that joined them, and which of these is the weakest."""
    with connect(data_dir, config, url, api_key) as client:
        _write(client.text(f"/v1/profiles/{quote(key, safe='')}/graph?format={form}"), output)


def evidence(
    merge_id: Annotated[str, typer.Argument(help="Id of a merge, from `graph --format json`.", show_default=False)],
    form: As = Form.TEXT,
    output: Output = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Show what a merge was made on: each field's weight, as it was then."""
    with connect(data_dir, config, url, api_key) as client:
        _write(client.text(f"/v1/identity/merges/{quote(merge_id, safe='')}/evidence?format={form}"), output)


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
