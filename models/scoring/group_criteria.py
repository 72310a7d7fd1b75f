"""What tells a discovered group apart, said as criteria of a segment: the same people, not nearly the same.

A condition on a feature is said as the criterion that holds for the very people for whom the condition does. So that
it can, and so that people can read it, the value of a condition is rounded first: to whole days, counts, or three
significant digits. A feature of which no criterion tells is refused.
"""

from collections.abc import Iterable, Mapping
from math import floor, isfinite, log10
from typing import Any

from models.profile.lifecycle import STAGES
from models.profile.state import DAY_MS
from models.scoring.discovery import Condition
from models.scoring.features import Feature
from models.segments.computed import kind_of
from models.segments.criteria import NUMBER_MAX, TEXT_MAX, Predicate
from models.segments.field_reader import InvalidCriteria
from models.segments.parse_criteria import parse_criteria, parse_expression
from models.segments.times import DURATION_MAX_MS

_DIGITS = 3  # significant
_DECIMALS = 6  # amounts are exact to a millionth
_COMPARED = ("whole", "amount", "time")
_BOOLEANS = {"true": True, "false": False}  # as features tell them that are texts


def check_sayable(name: str, feature: Feature) -> None:
    """Raises ValueError, with the way out, if no criterion tells of a feature."""
    kind = _kind(feature)
    if not kind:
        raise ValueError(
            f"features.{name}: no criterion says this; give a trait, stage, a predicate, or a count, amount or time"
            " of events or orders"
        )
    one = Condition(name, STAGES[0]) if kind == "text" else Condition(name, 1.0)
    try:
        parse_criteria({"all": [{"not": _criterion(one, feature, 0, kind)}]})
    except InvalidCriteria as error:
        raise ValueError(f"features.{name}: {error}") from None


def nearest(condition: Condition, feature: Feature, at: int) -> Condition | None:
    """The nearest condition that criteria say of people as of a time, ms; None if there is none."""
    kind, value = _kind(feature), condition.value
    if isinstance(value, str):
        told_so = value in STAGES if feature.history else len(value) <= TEXT_MAX
        return condition if kind == "text" and told_so else None
    if kind == "predicate":
        return condition._replace(value=1.0) if value > 0 else None
    if not isfinite(value) or abs(value) > NUMBER_MAX * 10:  # times are larger than other numbers may be
        return None
    if kind == "time":
        days = max(-((value - at - 1) // DAY_MS), 1)
        return condition._replace(value=at + 1 - days * DAY_MS) if days * DAY_MS <= DURATION_MAX_MS else None
    if kind == "whole":
        return condition._replace(value=float(max(round(value), 1)))
    rounded = _rounded(value)
    return condition._replace(value=rounded) if abs(rounded) <= NUMBER_MAX else None


def criteria_of(conditions: Iterable[Condition], features: Mapping[str, Feature], at: int) -> dict[str, Any]:
    """The criteria, as JSON, that hold for whom all conditions hold. The conditions are of `nearest`, and at the time
    at which people were looked at, ms, which criteria take for now."""
    parts = []
    for condition in conditions:
        feature = features[condition.feature]
        part = _criterion(condition, feature, at, _kind(feature))
        parts.append(part if condition.holds_so else {"not": part})
    return parts[0] if len(parts) == 1 else {"all": parts}


def told(condition: Condition, feature: Feature, at: int) -> str:
    """A condition as people read it."""
    name, value = condition.feature, condition.value
    negation = "" if condition.holds_so else "not: "
    if isinstance(value, str):
        return f"{negation}{name} is {value}"
    match _kind(feature):
        case "predicate":
            return f"{negation}{name}"
        case "time":
            return f"{negation}{name} in the last {_days(value, at)} days"
    return f"{negation}{name} at least {value:.10g}"


def _kind(feature: Feature) -> str:
    """What is compared: "text", "number" (a trait), "predicate", or what a computed value is; "" for what no criterion
    tells of."""
    if feature.trait:
        return "text" if feature.text else "number"
    if feature.history:
        return "text" if feature.history == "stage" else ""
    expression = parse_expression(feature.computed)
    if isinstance(expression, Predicate):
        return "" if feature.text else "predicate"
    kind = kind_of(expression)
    return kind if kind in _COMPARED and not feature.text else ""


def _criterion(condition: Condition, feature: Feature, at: int, kind: str) -> dict[str, Any]:
    """What says that a condition holds."""
    value = condition.value
    if feature.history:
        return {"type": "lifecycle", "stage": value}
    if isinstance(value, str):
        of_trait = {"type": "demographic", "trait": feature.trait}
        if value in _BOOLEANS:
            return {**of_trait, "operator": "in", "value": [value, _BOOLEANS[value]]}
        return {**of_trait, "operator": "equals", "value": value}
    match kind:
        case "predicate":
            criteria: dict[str, Any] = feature.computed["criteria"]
            return criteria
        case "time":
            return {**feature.computed, "operator": "after", "value": {"ago": f"{_days(value, at)}d"}}
        case "whole":
            return {**feature.computed, "operator": "at_least", "value": round(value)}
        case "amount":
            return {**feature.computed, "operator": "at_least", "value": value}
    of_trait = {"type": "demographic", "trait": feature.trait}
    least = {**of_trait, "operator": "at_least", "value": value}
    # True and false are numbers to models, and none to criteria.
    truths = [truth for truth in (True, False) if truth >= value]
    equal = [{**of_trait, "operator": "equals", "value": truth} for truth in truths]
    return {"any": [least, *equal]} if equal else least


def _days(value: float, at: int) -> int:
    return max(round((at + 1 - value) / DAY_MS), 1)


def _rounded(value: float) -> float:
    if not value:
        return 0.0
    digits = _DIGITS - 1 - floor(log10(abs(value)))
    return round(value, min(digits, _DECIMALS))
