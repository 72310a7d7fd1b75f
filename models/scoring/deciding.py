"""Choosing at a decision point: by what its model expects of each action, or by chance while there is no model.

The draw follows from nothing that is known before: whoever could work it out could choose the action by the name that
they give a decision, and the propensities would be wrong. What an action costs, and for whom it is, the settings say at
the time of the decision; a model knows what actions bring. An action that it does not know is taken by chance alone,
until a model has learned of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import numpy as np

from models.privacy.decisions import Choice
from models.privacy.purposes import Purposes
from models.privacy.visibility import serves, serves_all
from models.scoring.additive import Column
from models.scoring.contract import Output, Signature
from models.scoring.decision_point import DecisionPoint
from models.scoring.features import Feature, Value, reads_of
from models.scoring.next_best_action import ActionModel, Floats, History, draw, policy
from models.scoring.outcomes import Outcome
from models.scoring.registry import ModelVersion

ALLOWED = "allowed:"  # and an action: whether it is for the person tells of them like a feature


class DecisionParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was learned for a decision point, and of what it is."""

    name: str
    features: dict[str, Feature]
    response: Outcome
    value: Outcome
    horizon_days: int
    model: ActionModel

    @property
    def signature(self) -> Signature:
        """As the registry has it."""
        return Signature(
            name=self.name,
            features=self.features,
            output=Output(kind="label", labels=self.model.actions, unit=self.value.text,
                          horizon_days=self.horizon_days),
            owner="onefold",
            description=f"What to do for a person, by {self.value.text} in {self.horizon_days} days.",
            rival="the same for all",
        )  # fmt: skip


class Champion(NamedTuple):
    """A version and what it has learned."""

    reference: str
    parameters: DecisionParameters

    @staticmethod
    def of(version: ModelVersion) -> "Champion":
        """Of a version that is one of a decision point."""
        return Champion(version.reference, msgspec.convert(version.parameters, DecisionParameters))


def with_features(point: DecisionPoint, learned: Iterable[DecisionParameters]) -> DecisionPoint:
    """The point with the features beside its own that were learned of, so that decisions can be read to judge by."""
    told = {name: feature for each in learned for name, feature in each.features.items()}
    return msgspec.structs.replace(point, features=told | point.features)


def has_features(point: DecisionPoint, learned: DecisionParameters) -> bool:
    """Whether the point's features have in them all that was learned of, and none of it is another one now."""
    return all(point.features.get(name) == feature for name, feature in learned.features.items())


def served_features(features: Mapping[str, Feature], purposes: Purposes) -> Callable[[str], frozenset[str]]:
    """Tells by its purpose which of these features a decision may be told of: those that serve it, none where
    `insights` do not."""
    reads = {name: reads_of(feature) for name, feature in features.items()}

    @cache
    def served(purpose: str) -> frozenset[str]:
        if not purposes.is_on:
            return frozenset(reads)
        if not serves(purposes, purpose, "sections", "insights"):
            return frozenset()
        return frozenset(name for name, each in reads.items() if serves_all(purposes, purpose, each))

    return served


def columns(
    features: Mapping[str, Feature], people: Sequence[Mapping[str, Value]], allowed: Sequence[Mapping[str, Any]]
) -> dict[str, Column]:
    """What models are told of n people, (n,) each: their features, and of actions whether they are for them.
    `allowed` has the actions that are for each."""
    found: dict[str, Column] = {}
    for name, feature in features.items():
        told = [person[name] for person in people]
        found[name] = (
            [None if each is None else str(each) for each in told]
            if feature.is_text
            else np.array([np.nan if each is None else each for each in told], np.float64)
        )
    actions = dict.fromkeys(action for each in allowed for action in each)
    return found | {f"{ALLOWED}{action}": ["yes" if action in each else "no" for each in allowed] for action in actions}


def uniform_of(fresh: str) -> float:
    """The number from 0 to below 1 that chance gives, from a fresh random text that nobody else knows."""
    return (int.from_bytes(blake2b(fresh.encode(), digest_size=7).digest(), "big") >> 3) / 2**53


def net_values(
    point: DecisionPoint, learned: DecisionParameters, told: Mapping[str, Column] | None, people: int
) -> Floats:
    """What each action of the point is expected to bring after what it costs now, (n, k) of so many people: of each,
    if they are `told` of (`columns`) and known to differ, else on average. -inf for actions that the model does not
    know."""
    model = learned.model
    net: Floats = np.broadcast_to(np.array(model.means), (people, len(model.actions)))
    if told is not None and model.is_personal:
        gone = {f"{ALLOWED}{action}": ["no"] * people for action in model.actions}  # are for nobody any more
        net = model.expected_values({**gone, **told})
    found = np.full((people, len(point.actions)), -np.inf)
    for place, (name, action) in enumerate(point.actions.items()):
        if name in model.actions:
            number = model.actions.index(name)
            found[:, place] = net[:, number] + model.costs[number] - action.cost
    return found


def judged_values(point: DecisionPoint, learned: DecisionParameters, history: History) -> Floats:
    """What a version would have expected of each action of the point, (n, k): told of people by the decisions that
    might be told of all its features, on average by the others, as `choose` is."""
    people = len(history.taken)
    told = history.tells(learned.features)[:, None]
    same = net_values(point, learned, None, people)
    return np.where(told, net_values(point, learned, history.features, people), same)


def expected_values(
    point: DecisionPoint, champion: Champion, features: Mapping[str, Value] | None, allowed: Sequence[str]
) -> dict[str, float]:
    """What each allowed action that the champion knows is expected to bring, after what it costs now: of a person with
    these features, or on average if they are None or people are not known to differ."""
    learned = champion.parameters
    told = None if features is None else columns(learned.features, [features], [dict.fromkeys(allowed)])
    net = dict(zip(point.actions, net_values(point, learned, told, 1)[0].tolist(), strict=True))
    return {name: net[name] for name in allowed if name in learned.model.actions}


def choose(
    point: DecisionPoint,
    champion: Champion | None,
    features: Mapping[str, Value] | None,
    allowed: Sequence[str],
    uniform: float,
) -> Choice:
    """What to do for a person: of what is `allowed`, the best that the champion knows, and with the probability
    `explore` anything. Without a champion all are as likely. `features`: of the person, None if they may not be
    used."""
    expected = {} if champion is None else expected_values(point, champion, features, allowed)
    model = champion if expected else None
    preferences = np.array([[expected.get(name, -np.inf) for name in allowed]])
    likely = policy(preferences, np.ones_like(preferences, np.bool_), point.explore if model else 1.0)
    return Choice(
        allowed[int(draw(likely, np.array([uniform]))[0])],
        dict(zip(allowed, likely[0].tolist(), strict=True)),
        expected,
        model.reference if model else "",
        model is not None and features is not None and model.parameters.model.is_personal,
    )
