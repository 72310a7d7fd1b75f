"""`onefold models backfill` and `rescore`: scores of times past into files, and everybody's scores anew."""

from pathlib import Path
from typing import Annotated

import typer

from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, emit
from serve.cli_model_common import instant, model_settings, now_ms, plain_errors, registry, version_or_champion
from serve.cli_training import Form, People, people_as_of
from serve.command_audit import record_command

_RESCORED = "everybody is scored again: by the service that runs, else by the next that starts"

backfill_app = typer.Typer(no_args_is_help=True, help="Scoring models.")


@backfill_app.command("backfill")
def backfill(
    model: Annotated[
        str, typer.Argument(help="A version as NAME@VERSION, or a name for its champion.", show_default=False)
    ],
    as_of: Annotated[
        list[str], typer.Option("--as-of", help="ISO 8601; as often as wanted: scores are of these times.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Directory to make.", show_default=False)],
    form: Annotated[Form, typer.Option("--format", help="Parquet files, or LanceDB tables.")] = Form.parquet,
    people: People = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Score people as they were at times past, by the function that scores them live."""
    from actors.model_artefacts import DIRECTORY
    from actors.model_loading import load
    from pipelines.backfill_scores import backfill as work

    settings, now = model_settings(data_dir, config), now_ms()
    times = [instant("--as-of", each) for each in as_of]
    with registry(settings) as control:
        version = version_or_champion(control, model)
    if not version.is_score:
        raise CommandError(f"{version.reference} gives nobody a score: there is nothing to backfill", USAGE, "usage")
    try:
        with plain_errors():
            made = work(
                version,
                load(version, settings.data_path / DIRECTORY),
                times,
                lambda at: people_as_of(settings, at, 0, now, people),
                output,
                form.value,
                settings.lifecycle,
            )
    except FileExistsError:
        raise CommandError(f"--output: {output} is there already: name a new directory", USAGE, "usage") from None
    record_command(settings, "models backfill", model=version.reference)
    told = (
        f"{made.scored} scores of {version.reference} in {output}; {made.rows - made.scored} rows say why there is none"
    )
    emit(
        as_json,
        made,
        lambda console: console.print(f"{told}; {made.withheld} people may not be scored", highlight=False),
    )


@backfill_app.command("rescore")
def rescore(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Have a running service score everybody again now, with the models that stand for something."""
    settings = model_settings(data_dir, config)
    with registry(settings) as control:
        control.rescore()
    record_command(settings, "models rescore")
    emit(as_json, {"rescore": True}, lambda console: console.print(_RESCORED, highlight=False))
