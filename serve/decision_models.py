"""What is done with the decisions of a decision point: read them, learn from them, measure versions by them."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from actors.control import ControlStore
from actors.errors import NotFound
from serve.settings import Settings

if TYPE_CHECKING:  # with them come SciPy and PyArrow, for which no other command should wait
    from models.scoring.decision_point import DecisionPoint
    from models.scoring.registry import Alias, Evaluation, ModelVersion
    from pipelines.decided import Decided, Times


def decision_point(settings: Settings, name: str) -> "DecisionPoint":
    """One of the settings. Raises NotFound."""
    if name not in settings.scoring.decisions:
        known = ", ".join(settings.scoring.decisions) or "none"
        raise NotFound(f"decision: expected one of scoring.decisions ({known})")
    return settings.scoring.decisions[name]


def standing_versions(control: ControlStore, name: str) -> "list[ModelVersion]":
    """The champion of a decision point, and the challenger, which chooses nothing and is judged beside it."""
    standing = control.current_models()
    aliases: tuple[Alias, ...] = ("champion", "challenger")
    found = (standing.get((name, alias)) for alias in aliases)
    return [each for each in found if each is not None and each.is_decision]


def read_decisions(
    settings: Settings, name: str, point: "DecisionPoint", times: "Times", decisions_max: int
) -> "Decided":
    """What was decided at a point of this name, and what came of it. Raises NotFound if a shard's file is on another
    machine."""
    from pipelines.decided import collect_decisions

    with closing(ControlStore(settings.control_path)) as control:
        shards = control.meta("shards") or 0
    return collect_decisions(
        settings.data_path,
        shards,
        name,
        point,
        times,
        settings.profile,
        settings.privacy.purposes,
        settings.lifecycle,
        decisions_max,
    )


def train_decision(settings: Settings, name: str, until: int, now: int, decisions_max: int) -> "ModelVersion":
    """A version that has learned from the decisions before a time, ms. Raises NotFound, ValueError."""
    from pipelines.decided import Times
    from pipelines.train_decisions import train_actions

    point = decision_point(settings, name)
    return train_actions(name, point, read_decisions(settings, name, point, Times(0, until, now), decisions_max))


def evaluate_decision(
    settings: Settings, versions: "Sequence[ModelVersion]", until: int, now: int, decisions_max: int
) -> "Evaluation":
    """Versions of one decision point side by side, by the decisions before a time, ms. Raises NotFound, ValueError."""
    from models.scoring.deciding import Champion, with_features
    from pipelines.decided import Times
    from pipelines.train_decisions import evaluate_actions

    name = versions[0].name
    learned = {each.version: Champion.of(each).parameters for each in versions}
    point = with_features(decision_point(settings, name), learned.values())
    found = read_decisions(settings, name, point, Times(0, until, now), decisions_max)
    return evaluate_actions(point, found, learned, name, now)
