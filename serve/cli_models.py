"""Commands about scoring models. They work on the data directory; a running service follows within a second.

Models are registered here and nowhere else: they are code, or may be, and are never taken from the network.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from serve.cli_backfill import backfill_app
from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, table
from serve.cli_evaluation import Asked, evaluated, print_evaluation
from serve.cli_model_common import instant, model_settings, now_ms, plain_errors, registry, version_of
from serve.cli_training import people_as_of, training_app
from serve.command_audit import command_actor, record_command
from serve.settings import Settings

if TYPE_CHECKING:  # with them comes PyArrow, for which no other command should wait
    from pipelines.register_models import Learned
    from serve.http_model_schemas import ModelEntry, ModelVersionEntry

_DRIFTED_SHOWN = 3

models = typer.Typer(no_args_is_help=True, help="Scoring models: train, register, measure, promote.")
models.add_typer(training_app)
models.add_typer(backfill_app)


Reference = Annotated[str, typer.Argument(help="A version, as NAME@VERSION.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the move.")]
AsOf = Annotated[str, typer.Option("--as-of", help="ISO 8601: measure as of then. (default: one horizon ago)")]
People = Annotated[int, typer.Option("--people", min=1, help="Most people to read, a sample by customer id.")]


@models.command("list")
def list_models(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List models, with what stands for them."""
    from serve.model_moves import model_entries

    with registry(model_settings(data_dir, config)) as control:
        found = model_entries(control)
    rows = [
        (each.name, len(each.versions), _number(each.champion), _number(each.challenger), each.versions[0].description)
        for each in found
    ]
    columns = ("NAME", "VERSIONS", "CHAMPION", "CHALLENGER", "WHAT IT TELLS")
    empty = "no models yet: `onefold models train` learns one that comes with Onefold, `register` takes others"
    emit(as_json, found, lambda console: table(console, columns, rows, empty))


@models.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A model, or a version as NAME@VERSION.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's versions and every move of its aliases, or all of one version."""
    from actors.score_store import drift_of
    from serve.model_moves import model_entries

    model, at, _ = name.partition("@")
    settings = model_settings(data_dir, config)
    with registry(settings) as control:
        drift = [drift_of(settings.data_path, shard) for shard in range(control.meta("shards") or 0)]
        (found,) = model_entries(control, model, drift)
        if not at:
            emit(as_json, found, lambda console: _print_model(console, found))
            return
        number = version_of(control, name).version
    version = next(each for each in found.versions if each.version == number)
    emit(as_json, version, lambda console: console.print_json(data=msgspec.to_builtins(version)))


@models.command("register")
def register(
    builtin: Annotated[str, typer.Option("--builtin", help="A model that comes with Onefold.")] = "",
    entry_point: Annotated[str, typer.Option("--entry-point", help="One that an installed package offers.")] = "",
    import_path: Annotated[str, typer.Option("--import", help="package.module:factory, installed.")] = "",
    onnx: Annotated[Path | None, typer.Option("--onnx", help="A file in the ONNX format.")] = None,
    sklearn: Annotated[Path | None, typer.Option("--sklearn", help="A .skops file of scikit-learn.")] = None,
    mlflow: Annotated[Path | None, typer.Option("--mlflow", help="The folder of an MLflow pyfunc model.")] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", help="TOML or JSON: what a file or folder needs and tells.")
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option("--parameters", help="JSON that is given to what makes the model.")
    ] = None,
    learned_as_of: Annotated[
        str, typer.Option("--learned-as-of", help="ISO 8601: of when the people are from whom it learned.")
    ] = "",
    trust: Annotated[
        bool, typer.Option("--trust", help="The file may run code: you know where it comes from.")
    ] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Try a model on made-up people and register it as the next version. Nobody is scored by it yet."""
    from actors.model_artefacts import DIRECTORY
    from models.scoring.registry import Source
    from pipelines.register_models import NOTHING, read_signature, register_artefact, register_code

    code: dict[Source, str] = {"builtin": builtin, "entry_point": entry_point, "import": import_path}
    artefacts: dict[Source, Path | None] = {"onnx": onnx, "sklearn": sklearn, "mlflow": mlflow}
    named = [(source, target) for source, target in code.items() if target]
    files = [(source, path) for source, path in artefacts.items() if path is not None]
    if len(named) + len(files) != 1:
        raise CommandError(
            "give one of --builtin, --entry-point, --import, --onnx, --sklearn and --mlflow", USAGE, "usage"
        )
    if bool(files) != (signature is not None):
        raise CommandError("--signature: expected with a file or folder, and with nothing else", USAGE, "usage")
    settings = model_settings(data_dir, config)
    learned = _learned(settings, instant("--learned-as-of", learned_as_of)) if learned_as_of else NOTHING
    by = command_actor()
    with registry(settings) as control, plain_errors():
        if signature is not None:
            ((source, path),) = files
            folder = settings.data_path / DIRECTORY
            made = register_artefact(control, folder, source, path, read_signature(signature), trust, by, learned)
        else:
            ((source, target),) = named
            made = register_code(control, source, target, _parameters(parameters), by, learned)
    record_command(settings, "models register", model=made.reference, digest=made.digest)
    emit(as_json, made, lambda console: console.print(f"{made.reference} is registered", highlight=False))


@models.command("evaluate")
def evaluate(
    reference: Reference,
    as_of: AsOf = "",
    people: People = 200_000,
    kept: Annotated[
        bool, typer.Option("--kept", help="By the scores that were kept when they were made, not by scores made now.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="CSV or Parquet: customer_id, label, instead of an outcome.")
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure a version on people whose outcome is known, beside the champion if there is another."""
    settings = model_settings(data_dir, config)
    with registry(settings) as control:
        model = version_of(control, reference)
        found = evaluated(control, settings, model, Asked(as_of, people, kept, labels))
    record_command(settings, "models evaluate", model=model.reference)
    emit(as_json, found, lambda console: print_evaluation(console, found))


@models.command("promote")
def promote(
    reference: Reference,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Although its gate is not passed; give --reason.")] = False,
    as_of: AsOf = "",
    people: People = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion, whose scores count, if it passes its gate (scoring.gates): it is measured first."""
    from serve.model_moves import is_champion, move_champion, obstacles_of

    settings = model_settings(data_dir, config)
    with registry(settings) as control:
        model = version_of(control, reference)
        gates = settings.scoring.gates
        if not force and not is_champion(control, model) and obstacles_of(control, gates, model):
            evaluated(control, settings, model, Asked(as_of, people))
        move_champion(control, gates, model, command_actor(), now_ms(), reason, force)
    record_command(settings, "models promote", model=model.reference, forced=str(force).lower())
    emit(as_json, _aliases(settings, model.name), lambda console: _print_line(console, f"{reference} is the champion"))


@models.command("shadow")
def shadow(
    reference: Reference,
    reason: Reason = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a version score beside the champion, in the shadow: its scores are kept and shown to nobody."""
    from serve.model_moves import move_challenger

    settings = model_settings(data_dir, config)
    with registry(settings) as control:
        model = version_of(control, reference)
        move_challenger(control, model, command_actor(), now_ms(), reason)
    record_command(settings, "models shadow", model=model.reference)
    emit(
        as_json, _aliases(settings, model.name), lambda console: _print_line(console, f"{reference} is the challenger")
    )


@models.command("retire")
def retire(
    name: Annotated[str, typer.Argument(help="A model, or a version as NAME@VERSION.", show_default=False)],
    reason: Reason = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a version, or all of a model, be champion or challenger no longer. Without a champion its scores go."""
    from serve.model_moves import retire as end

    settings = model_settings(data_dir, config)
    model, at, _ = name.partition("@")
    with registry(settings) as control:
        number = version_of(control, name).version if at else 0
        ended = end(control, model, number, command_actor(), now_ms(), reason)
    record_command(settings, "models retire", model=name)
    told = " or ".join(f"the {each}" for each in ended)
    line = f"{name} is no longer {told}" if at else f"no version of {name} is {told} any longer"
    emit(as_json, _aliases(settings, model), lambda console: _print_line(console, line))


def _learned(settings: Settings, at: int) -> "Learned":
    """From people as of a time, who are read when a model is registered."""
    from models.scoring.contract import ScoringModel
    from models.scoring.drift import Distribution
    from pipelines.learned_distributions import learned_distributions
    from pipelines.people_as_of import PEOPLE_MAX
    from pipelines.register_models import Learned

    def read(model: ScoringModel) -> dict[str, Distribution]:
        with closing(people_as_of(settings, at, 0, now_ms(), PEOPLE_MAX)) as people:
            return learned_distributions(model, people, settings.lifecycle)

    return Learned({"as_of": at}, read)


def _aliases(settings: Settings, name: str) -> dict[str, Any]:
    from serve.model_moves import model_entries

    with registry(settings) as control:
        (found,) = model_entries(control, name)
    return {"name": name, "champion": found.champion, "challenger": found.challenger}


def _parameters(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise CommandError(f"--parameters: {path}: {error.strerror}", USAGE, "usage") from None
    except msgspec.MsgspecError as error:
        raise CommandError(f"--parameters: {path}: {error}", USAGE, "usage") from None


def _number(version: int | None) -> str:
    return "" if version is None else str(version)


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False)


def _print_model(console: Console, found: "ModelEntry") -> None:
    rows = [
        (each.version, each.alias or "", each.source, each.created_at, each.created_by, _measured(each), _drifted(each))
        for each in found.versions
    ]
    table(console, ("VERSION", "ALIAS", "SOURCE", "REGISTERED", "BY", "MEASURED", "DRIFT NOW"), rows, "")
    console.print()
    moves = [(move.at, move.alias, _number(move.version), move.by, move.reason) for move in found.moves]
    table(console, ("AT", "ALIAS", "VERSION", "BY", "REASON"), moves, "no version was promoted yet")


def _measured(version: "ModelVersionEntry") -> str:
    measures = {} if version.report is None else version.report.measures
    return ", ".join(f"{name} {value:.4g}" for name, value in measures.items() if not name.startswith("rival_"))


def _drifted(version: "ModelVersionEntry") -> str:
    """What has changed most since it learned."""
    if version.drift_now is None:
        return ""
    indices = version.drift_now.indices
    most = sorted(indices, key=lambda name: -indices[name])[:_DRIFTED_SHOWN]
    return ", ".join(f"{name} {indices[name]:.2g}" for name in most)
