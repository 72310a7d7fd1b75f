"""What settings and segments name that there is not. It may be made later, so it is told, and nothing is refused."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from actors.control import ControlStore
from models.scoring.band_criteria import band_notes
from models.scoring.gate import LABELS
from models.scoring.outcomes import parse_outcome
from models.segments.field_reader import InvalidCriteria
from models.segments.parse_criteria import parse_criteria
from serve import logs
from serve.settings import Settings

log = logs.logger("settings")


Notes = Callable[[Mapping[str, Any]], list[str]]
"""What criteria name that there is not, a sentence each."""


def notes_on_criteria(settings: Settings, control: ControlStore) -> Notes:
    """What tells it, of the models that there are now."""
    scores = control.model_names()

    def notes(criteria: Mapping[str, Any]) -> list[str]:
        try:
            return band_notes(parse_criteria(criteria), settings.scoring.bands, scores)
        except InvalidCriteria:  # of another version: shards say that the segment is stopped
            return ["this version cannot read its criteria: replace it"]

    return notes


def loose_ends(settings: Settings, control: ControlStore) -> list[str]:
    """All that settings and definitions name and that there is not, a sentence each, with where it is named."""
    return [*_of_settings(settings, control), *_of_definitions(settings, control)]


def warn_of_loose_ends(settings: Settings) -> None:
    """Logs them: nothing fails of what is named in vain, and nothing comes of it."""
    with closing(ControlStore(settings.control_path)) as control:
        for found in loose_ends(settings, control):
            log.warning("something is named that there is not", extra=logs.fields(tenant=settings.tenant, reason=found))


def _of_settings(settings: Settings, control: ControlStore) -> Iterator[str]:
    scoring, segments, models = settings.scoring, control.segments(), control.model_names()
    for name, point in scoring.decisions.items():
        for action, each in point.actions.items():
            if each.segment and each.segment not in segments:
                setting = f"scoring.decisions.{name}.actions.{action}.segment"
                yield f"{setting}: there is no such segment: the action is for nobody"
    for name in scoring.bands:
        if name not in models:
            yield f"scoring.bands.{name}: there is no model of this name: nobody is in its bands"
    for name, gate in scoring.gates.items():
        if name not in models:
            yield f"scoring.gates.{name}: there is no model of this name: the gate is before nothing"
        try:
            outcome = parse_outcome(gate.outcome)[0] if gate.outcome not in ("", LABELS) else None
        except ValueError as error:
            yield f"scoring.gates.{name}.{error}"
            continue
        if outcome is not None and outcome.kind == "left" and outcome.segment not in segments:
            yield f"scoring.gates.{name}.outcome: there is no such segment: nobody leaves it"


def _of_definitions(settings: Settings, control: ControlStore) -> Iterator[str]:
    segments, notes = control.segments(), notes_on_criteria(settings, control)
    for webhook in control.webhooks().values():
        for segment_id in webhook.segments:
            if segment_id not in segments:
                yield f"webhook {webhook.id}, segment {segment_id}: there is no such segment: nothing is sent of it"
    for segment_id, segment in segments.items():
        yield from (f"segment {segment_id}: {note}" for note in notes(segment["criteria"]))
    for trait_id, trait in control.computed_traits().items():
        if trait["expression"].get("type") == "predicate":
            told = notes(trait["expression"]["criteria"])
            yield from (f"computed trait {trait_id}: {note}" for note in told)
