"""Decision points: where one of several actions is chosen for a person, as operators describe them."""

import re
from collections.abc import Container, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from models.impact.policy_value import OVERLAP_MIN
from models.scoring.contract import TAKEN
from models.scoring.features import Feature, FeatureReader
from models.scoring.outcomes import Outcome

ACTIONS_MAX = 20
FEATURES_MAX = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that may be done for a person. To leave them alone is an action like another."""

    cost: Annotated[float, Meta(ge=0, le=1e9)] = 0.0  # each time, in the unit of the value
    segment: str = ""  # for its members alone; "" for everybody


class DecisionPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is chosen among, and by what it is judged afterwards."""

    features: dict[str, Feature]  # that a model is told of a person
    actions: dict[str, Action]
    response: Outcome  # a yes or no that is not rare, and that comes from some whatever is done
    value: Outcome  # what it is about
    horizon_days: Annotated[int, Meta(ge=1, le=3650)] = 14  # in which both are looked for
    explore: Annotated[float, Meta(gt=0, le=1)] = 0.1  # share of decisions that are left to chance

    @property
    def costs(self) -> list[float]:
        """Of the actions, in their order."""
        return [action.cost for action in self.actions.values()]

    @property
    def unit(self) -> str:
        """Of the value and the costs."""
        return self.value.currency or f"times {self.value.text}"

    def allowed(self, segments: Container[str]) -> list[str]:
        """What may be done for a member of these segments, in order."""
        return [name for name, each in self.actions.items() if not each.segment or each.segment in segments]


def check_decisions(decisions: Mapping[str, DecisionPoint]) -> None:
    """Raises ValueError, which names the setting and the way out."""
    for name, point in decisions.items():
        setting = f"scoring.decisions.{name}"
        for given, what in ((name, "name"), *((each, "features") for each in point.features),
                            *((each, "actions") for each in point.actions)):  # fmt: skip
            if not _NAME.fullmatch(given):
                raise ValueError(f"{setting}: {what}: expected a lower-case letter, then at most 63 of a-z, 0-9 and _")
        _check(setting, point)


def _check(setting: str, point: DecisionPoint) -> None:
    if not 1 <= len(point.features) <= FEATURES_MAX:
        raise ValueError(f"{setting}.features: expected 1 to {FEATURES_MAX}")
    for name in TAKEN:
        if name in point.features:
            raise ValueError(f"{setting}.features: {name} is taken: give it another name")
    try:
        FeatureReader(point.features)
    except ValueError as error:
        raise ValueError(f"{setting}.features: {error}") from None
    if not 2 <= len(point.actions) <= ACTIONS_MAX:
        raise ValueError(f"{setting}.actions: expected 2 to {ACTIONS_MAX}; to do nothing is one, such as `none`")
    if all(action.segment for action in point.actions.values()):
        raise ValueError(f"{setting}.actions: one of them must be for everybody, without a segment, such as `none`")
    least = OVERLAP_MIN * len(point.actions)
    if point.explore < least:
        raise ValueError(
            f"{setting}.explore: expected at least {least:g} with {len(point.actions)} actions: what is done for fewer "
            f"than {OVERLAP_MIN:.0%} of people cannot be judged"
        )
    for field, outcome in (("response", point.response), ("value", point.value)):
        if outcome.kind == "left":
            raise ValueError(f"{setting}.{field}: expected bought, revenue or event; no profile tells who left")
    if not point.response.is_yes_or_no:
        raise ValueError(f"{setting}.response: expected a yes or no that is not rare, such as a visit; not revenue")
    if point.value.kind == "revenue" and not point.value.currency:
        raise ValueError(f"{setting}.value.currency: expected one: costs are in it too")
