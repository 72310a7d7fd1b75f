"""How `onefold models evaluate` and `promote` measure versions: by scores made anew or kept, by outcomes or labels."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Console

from actors.control import ControlStore
from models.profile.state import DAY_MS
from models.scoring.gate import LABELS, Gate
from serve.cli_common import USAGE, CommandError, table
from serve.cli_model_common import instant, now_ms, plain_errors
from serve.cli_training import people_as_of
from serve.decision_models import evaluate_decision
from serve.http_schemas import time_text
from serve.settings import Settings

if TYPE_CHECKING:  # with them comes PyArrow, for which no other command should wait
    from models.scoring.registry import Evaluation, ModelVersion
    from models.scoring.samples import Samples
    from pipelines.label_file import Labels
    from pipelines.people_as_of import PeopleAsOf

_RESPONSE_DAYS = 90  # in which people respond on channels, unless the gate says how long

Times = dict[int, tuple[int, int]]
ReadPeople = Callable[[int], "PeopleAsOf"]


class Asked(NamedTuple):
    """How versions are to be measured."""

    as_of: str = ""  # "": one horizon ago
    people: int = 200_000
    kept: bool = False
    labels: Path | None = None


def evaluated(control: ControlStore, settings: Settings, model: "ModelVersion", asked: Asked) -> "Evaluation":
    """Measures a version, and the champion that it would replace, and keeps what came of it."""
    versions = [model]
    champion = control.current_models().get((model.name, "champion"))
    if champion is not None and champion != model:
        versions.append(champion)
    with plain_errors():
        if model.is_decision:
            _refuse_options(model, asked)
            now = now_ms()
            until = instant("--as-of", asked.as_of) if asked.as_of else now
            found = evaluate_decision(settings, versions, until, now, asked.people)
        else:
            found = _scored(control, settings, versions, asked)
    control.add_evaluation(found)
    return found


def _scored(control: ControlStore, settings: Settings, versions: "list[ModelVersion]", asked: Asked) -> "Evaluation":
    from actors.affinity_file import read_affinity
    from actors.model_artefacts import DIRECTORY
    from actors.model_loading import load
    from pipelines.evaluate_models import evaluate
    from pipelines.label_file import read_labels
    from pipelines.people_as_of import merged_into
    from pipelines.train_affinity import evaluate_affinity

    model, now, folder = versions[0], now_ms(), settings.data_path / DIRECTORY
    if all(each.is_channels for each in versions):
        return _channels(settings, versions, asked, now)
    gate = _gate(settings, model, asked)
    at = instant("--as-of", asked.as_of) if asked.as_of else None
    labels = None if asked.labels is None else read_labels(asked.labels, at)
    if labels is not None:
        labels = labels.followed(merged_into(settings.data_path, control.meta("shards") or 0, labels.of))
    latest = _latest(gate, asked, labels, now) if at is None else at
    if model.is_affinity:
        _refuse_options(model, asked)
        read = _reader(settings, now, asked.people, gate.horizon_days)
        return evaluate_affinity([(each, read_affinity(each, folder)) for each in versions], gate, latest, read)
    loaded = [(each, load(each, folder)) for each in versions]
    days = gate.horizon_days if labels is None else 0  # after which what came of people is known
    kept = times = None
    if asked.kept:
        kept = _samples(control, settings, versions)
        times = _times_of(kept, latest, days * DAY_MS, labels)
    elif labels is not None:
        times = {customer_id: (latest, latest) for customer_id in labels.of}
    read = _reader(settings, now, asked.people, days, times)
    return evaluate(loaded, gate, latest, read, settings.lifecycle, None if labels is None else labels.of, kept)


def _channels(settings: Settings, versions: "list[ModelVersion]", asked: Asked, now: int) -> "Evaluation":
    """By the responses that came, within the gate's horizon or a quarter of a year."""
    from pipelines.evaluate_channels import evaluate_channels

    _refuse_options(versions[0], asked)
    days = settings.scoring.gates.get(versions[0].name, Gate()).horizon_days or _RESPONSE_DAYS
    at = instant("--as-of", asked.as_of) if asked.as_of else now - days * DAY_MS
    return evaluate_channels(versions, at, _reader(settings, now, asked.people, days), settings.lifecycle)


def _latest(gate: Gate, asked: Asked, labels: "Labels | None", now: int) -> int:
    """As of when people are measured, ms, where no time is named; of scores that were kept the latest time."""
    if labels is not None and labels.as_of is not None:
        return labels.as_of
    if labels is not None and asked.kept:
        return now
    if not gate.horizon_days:
        raise CommandError(
            "--as-of: name the time as of which the labels are (ISO 8601), or give them a column as_of", USAGE, "usage"
        )
    return now - gate.horizon_days * DAY_MS


def _gate(settings: Settings, model: "ModelVersion", asked: Asked) -> Gate:
    """The gate of a model, complete for how it is to be measured."""
    from models.scoring.registry import complete

    gate = settings.scoring.gates.get(model.name, Gate())
    if asked.labels is not None:
        gate = msgspec.structs.replace(gate, outcome=LABELS)
    try:
        gate = complete(gate, model.signature)
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    if gate.outcome == LABELS and asked.labels is None:
        raise CommandError(
            f"--labels: give a file: by scoring.gates.{model.name}.outcome labels are what {model.name} is measured by",
            USAGE,
            "usage",
        )
    return gate


def _refuse_options(model: "ModelVersion", asked: Asked) -> None:
    if asked.kept or asked.labels is not None:
        raise CommandError(
            f"--kept, --labels: {model.name} is not measured by them, but in a way of its own: leave them out",
            USAGE,
            "usage",
        )


def _samples(control: ControlStore, settings: Settings, versions: "list[ModelVersion]") -> "list[Samples]":
    """The scores of each version that scorers have kept."""
    from actors.score_store import samples_of

    shards = range(control.meta("shards") or 0)
    found: list[Samples] = []
    for version in versions:
        mine = [samples_of(settings.data_path, shard, version.reference) for shard in shards]
        found.append({key: sample for each in mine for key, sample in each.items()})
    return found


def _times_of(kept: "list[Samples]", latest: int, after_ms: int, labels: "Labels | None") -> Times:
    """As of when each person is measured, and until when outcomes are looked for, ms."""
    from models.scoring.samples import latest_of_all

    found = latest_of_all(kept, latest)
    times = {key: (at, at + after_ms) for key, at in found.items() if labels is None or key in labels.of}
    if not times:
        raise CommandError(
            f"no score was kept as of {time_text(latest)} or before: a version is measured so when it has scored for a "
            "week and a horizon; without --kept it is asked about people as they were"
        )
    return times


def _reader(settings: Settings, now: int, people: int, days: int, times: Times | None = None) -> ReadPeople:
    """Reads the people of a time, or those of `times`."""
    if times is None:
        return lambda at: people_as_of(settings, at, days, now, people)
    first, last = min(at for at, _ in times.values()), max(until for _, until in times.values())
    return lambda _: people_as_of(settings, first, (last - first) / DAY_MS, now, people, times)


def print_evaluation(console: Console, found: "Evaluation") -> None:
    """For people to read."""
    people = next(iter(found.reports.values())).people
    by = "by scores that were kept" if found.kept else "by scores made for this"
    of = f" of {found.asked}" if found.asked else ""
    _line(
        console,
        f"{found.name}: measured by {found.outcome!r} on {people}{of} people as of {time_text(found.as_of)}, "
        f"up to {time_text(found.until)}, {by}",
    )
    reports = found.reports.values()
    rows: list[tuple[object, ...]] = []
    for prefix, columns in (
        ("", [report.measures for report in reports]),
        ("drift of ", [report.drift for report in reports]),
        ("", [{"milliseconds": report.milliseconds} for report in reports]),
    ):
        names = sorted({name for column in columns for name in column})
        rows += [(f"{prefix}{name}", *(_figure(column.get(name)) for column in columns)) for name in names]
    table(console, ("MEASURE", *(f"VERSION {number}" for number in found.reports)), rows, "nothing was measured")
    if (told := found.comparison) is not None:
        _line(
            console,
            f"{told.measure} beside the champion: {told.verdict}, by {told.difference:+.4g} "
            f"(95%: {told.low:+.4g} to {told.high:+.4g})",
        )
    elif found.asked and len(found.reports) > 1:
        _line(console, "beside the champion: too few people with different outcomes to tell how sure a difference is")


def _line(console: Console, line: str) -> None:
    console.print(line, highlight=False)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
