"""What settings and segments name that there is not. It may be made later, so it is told, and nothing is refused."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from actors.control import ControlStore
from models.scoring.band_criteria import band_notes
from models.scoring.outcomes import parse_outcome
from models.segments.criteria import Predicate
from models.segments.parse_criteria import parse_criteria, parse_expression
from serve import logs
from serve.settings import Settings

log = logs.logger("settings")


def segment_notes(settings: Settings, criteria: Mapping[str, Any]) -> list[str]:
    """What a segment's criteria name that there is not, a sentence each."""
    return band_notes(parse_criteria(criteria), settings.scoring.bands)


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
        outcome = parse_outcome(gate.outcome)[0] if gate.outcome.removeprefix("not ").startswith("left") else None
        if outcome is not None and outcome.segment not in segments:
            yield f"scoring.gates.{name}.outcome: there is no such segment: nobody leaves it"


def _of_definitions(settings: Settings, control: ControlStore) -> Iterator[str]:
    for segment_id, segment in control.segments().items():
        yield from (f"segment {segment_id}: {note}" for note in segment_notes(settings, segment["criteria"]))
    for trait_id, trait in control.computed_traits().items():
        expression = parse_expression(trait["expression"])
        if isinstance(expression, Predicate):
            notes = band_notes(expression.tree, settings.scoring.bands)
            yield from (f"computed trait {trait_id}: {note}" for note in notes)
