"""`onefold models train` and `training-set`: what models learn from, read from the shards' files."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from actors.control import ControlStore
from models.profile.state import DAY_MS
from models.segments.times import parse_instant
from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, settings_of, table
from serve.command_audit import command_actor, record_command
from serve.decision_models import train_decision
from serve.http_schemas import time_text
from serve.settings import Settings

if TYPE_CHECKING:  # with them come SciPy and PyArrow, for which no other command should wait
    from models.profile.lifecycle import LifecycleRules
    from models.scoring.registry import ModelVersion
    from pipelines.people_as_of import PeopleAsOf
    from pipelines.training_sets import TrainingSpec

training_app = typer.Typer(no_args_is_help=True, help="Scoring models.")


class Trained(StrEnum):
    """The built-in models that learn."""

    lifetime_value = "lifetime_value"
    churn = "churn"
    additive = "additive"
    engagement = "engagement"
    unusual_order = "unusual_order"
    channel_preference = "channel_preference"
    next_best_action = "next_best_action"
    affinity = "affinity"


class Form(StrEnum):
    """How a training set is written."""

    parquet = "parquet"
    lance = "lance"


Horizon = Annotated[int, typer.Option("--horizon", min=1, max=3650, help="Days for which outcomes count.")]
People = Annotated[int, typer.Option("--people", min=1, help="Most people to read, a sample by customer id.")]


@training_app.command("train")
def train(
    model: Annotated[Trained, typer.Argument(help="What is to be learned.", show_default=False)],
    spec: Annotated[
        Path | None, typer.Option("--spec", help="Of additive: TOML or JSON with name, features and outcome.")
    ] = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="ISO 8601: learn from what was known then. (default: one horizon ago)")
    ] = "",
    horizon: Horizon = 90,
    currency: Annotated[str, typer.Option("--currency", help="Of lifetime_value. (default: that of most people)")] = "",
    decision: Annotated[
        str, typer.Option("--decision", help="Of next_best_action: the decision point; --as-of: decisions before then.")
    ] = "",
    people: People = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Learn a model from people as of a time, measure it on others, and register it as the next version."""
    from actors.model_artefacts import DIRECTORY
    from pipelines import train_behaviour
    from pipelines import train_models as work
    from pipelines.register_models import register_affinity
    from pipelines.train_affinity import train_affinity

    settings, now = local_settings(data_dir, config), time.time_ns() // 1_000_000
    if (model is Trained.additive) != (spec is not None):
        raise CommandError("--spec: expected with additive, and with nothing else", USAGE, "usage")
    if (model is Trained.next_best_action) != bool(decision):
        raise CommandError("--decision: expected with next_best_action, and with nothing else", USAGE, "usage")
    asked = None if spec is None else read_spec(spec)
    days = horizon if asked is None else asked.horizon_days
    at = now - days * DAY_MS if not as_of else instant_of(as_of)
    rules = settings.lifecycle
    learners: dict[Trained, Callable[[PeopleAsOf], ModelVersion]] = {
        Trained.lifetime_value: lambda read: work.train_value(read, days, currency.upper(), rules),
        Trained.churn: lambda read: work.train_churn(read, days, rules),
        Trained.engagement: lambda read: train_behaviour.train_engagement(read, rules),
        Trained.unusual_order: lambda read: train_behaviour.train_unusual_order(read, rules),
        Trained.channel_preference: lambda read: train_behaviour.train_channel(read, rules),
    }
    if asked is not None:
        learners[Trained.additive] = lambda read: work.train_additive(read, asked, rules)
    learned = b""  # what is too large to be part of a version
    try:
        if decision:
            version = train_decision(settings, decision, instant_of(as_of) if as_of else now, now, people)
        else:
            with closing(people_as_of(settings, at, days, now, people)) as read:
                if model is Trained.affinity:
                    version, learned = train_affinity(read, days)
                else:
                    version = _told_drift(learners[model](read), read, rules)
    except ValueError as error:
        raise CommandError(str(error), code="not_trained") from None
    with closing(ControlStore(settings.control_path)) as control:
        if version.is_decision and any(not each.is_decision for each in control.model_versions(version.name)):
            raise CommandError(f"{decision} is the name of a score too: rename the decision point", USAGE, "usage")
        if version.is_affinity:
            made = register_affinity(control, settings.data_path / DIRECTORY, version, learned, command_actor())
        else:
            made = control.register_model(msgspec.structs.replace(version, created_by=command_actor()))
    record_command(settings, "models train", model=made.reference)
    emit(as_json, made, lambda console: _print_version(console, made))


@training_app.command("training-set")
def training_set(
    spec: Annotated[Path, typer.Argument(help="TOML or JSON: name, features, outcome, horizon_days.")],
    as_of: Annotated[
        list[str], typer.Option("--as-of", help="ISO 8601; as often as wanted: features are of these times.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Directory to make.", show_default=False)],
    form: Annotated[Form, typer.Option("--format", help="Parquet files, or LanceDB tables.")] = Form.parquet,
    people: People = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write features of people as of times, and what came of them after it in a file of its own."""
    from pipelines.training_sets import write_training_set

    settings, now = local_settings(data_dir, config), time.time_ns() // 1_000_000
    asked, times = read_spec(spec), [instant_of(each) for each in as_of]
    try:
        made = write_training_set(
            asked,
            times,
            lambda at: people_as_of(settings, at, asked.horizon_days, now, people),
            output,
            form.value,
            settings.lifecycle,
        )
    except FileExistsError:
        raise CommandError(f"--output: {output} is there already: name a new directory", USAGE, "usage") from None
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    record_command(settings, "models training-set", name=asked.name)
    emit(
        as_json,
        made,
        lambda console: console.print(
            f"{made.people} rows in {output}; {made.withheld} people without a basis for scores left out",
            highlight=False,
        ),
    )


def local_settings(data_dir: Path | None, config: Path | None) -> Settings:
    """The settings of a data directory that is there. Raises CommandError."""
    settings = settings_of(data_dir, config).settings
    if not settings.control_path.exists():
        raise CommandError(
            f"{settings.data_path} is not a data directory of Onefold: choose another --data-dir", USAGE, "usage"
        )
    return settings


def people_as_of(
    settings: Settings,
    at: int,
    days: float,
    now: int,
    people: int,
    times: Mapping[int, tuple[int, int]] | None = None,
) -> "PeopleAsOf":
    """The people of a time, ms, of whom so many days after it are known; to be closed. `times`: see PeopleAsOf."""
    from pipelines.people_as_of import PeopleAsOf

    with closing(ControlStore(settings.control_path)) as control:
        shards = control.meta("shards") or 0
    purposes = settings.privacy.purposes
    until = at + round(days * DAY_MS)
    return PeopleAsOf(settings.data_path, shards, at, until, now, settings.profile, purposes, people, times)


def read_spec(path: Path) -> "TrainingSpec":
    """A spec in a TOML or JSON file. Raises CommandError."""
    from pipelines.training_sets import TrainingSpec

    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=TrainingSpec)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", USAGE, "usage") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise CommandError(f"{path}: {error}", USAGE, "usage") from None


def instant_of(text: str) -> int:
    """ms of an --as-of. Raises CommandError."""
    found = parse_instant(text)
    if found is None:
        raise CommandError(f"--as-of: expected ISO 8601, such as 2026-01-31, got {text}", USAGE, "usage")
    return found


def _told_drift(version: "ModelVersion", people: "PeopleAsOf", rules: "LifecycleRules") -> "ModelVersion":
    """A version that was just trained, whose report says how far people are today from those it learned from."""
    from models.scoring.builtin import BUILTIN
    from pipelines.learned_distributions import drift_today

    found = drift_today(version, BUILTIN[version.target](version.parameters), people, rules)
    assert version.report is not None  # every trained model has been measured
    return msgspec.structs.replace(version, report=msgspec.structs.replace(version.report, drift_today=found))


def _print_version(console: Console, made: "ModelVersion") -> None:
    report = made.report
    assert report is not None  # every trained model has been measured
    console.print(
        f"{made.reference}: learned from {made.learned['people']} people as of {time_text(made.learned['as_of'])}, "
        f"measured on {report.people} others up to {time_text(made.learned['until'])}",
        highlight=False,
    )
    names = [name for name in report.measures if not name.startswith("rival_")]
    rows = [(name, *(_figure(report.measures.get(each)) for each in (name, f"rival_{name}"))) for name in names]
    table(console, ("MEASURE", "MODEL", f"RIVAL ({made.signature.rival})"), rows, "nothing was measured")
    if report.drift_today:
        drifted = sorted(report.drift_today.items(), key=lambda item: -item[1])
        told = ", ".join(f"{name} {index:.2g}" for name, index in drifted)
        console.print(f"people today beside those it learned from, stability index: {told}", highlight=False)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
