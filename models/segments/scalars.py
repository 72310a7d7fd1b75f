"""Tests of one value: what an operator of the language says of a trait, a property or a computed value.

Types do not mix: text equals only text, and true is not 1. `not_equals`, `not_in` and `not_exists` are the
opposites of `equals`, `in` and `exists`; every other operator is false where there is no value.
"""

import operator as operators
from collections.abc import Callable
from typing import Any

from models.events.clock import parse_time
from models.segments.criteria import ORDER_OPERATORS, TIME_OPERATORS, Instant, PropertyTest

Test = Callable[[Any], bool]

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equals": operators.eq,
    "not_equals": operators.ne,
    "greater_than": operators.gt,
    "at_least": operators.ge,
    "less_than": operators.lt,
    "at_most": operators.le,
}


def scalar_test(operator: str, value: Any) -> Test:
    """The test of a value (None: there is none). `value`: a scalar, a tuple of them for (not_)in, an Instant."""
    if operator in ORDER_OPERATORS:
        compare = COMPARE[operator]
        return lambda found: (
            isinstance(found, int | float) and found is not True and found is not False and compare(found, value)
        )
    if operator in TIME_OPERATORS:
        return _time_test(operator, value)
    match operator:
        case "equals" | "not_equals" | "in" | "not_in":
            return _membership((value,) if operator.endswith("equals") else value, operator in ("equals", "in"))
        case "contains":
            member = _membership((value,), True)
            return lambda found: (
                isinstance(value, str) and value in found
                if isinstance(found, str)
                else isinstance(found, list | tuple) and any(member(each) for each in found)
            )
        case "starts_with":
            return lambda found: isinstance(found, str) and found.startswith(value)
        case "exists":
            return lambda found: found is not None
    return lambda found: found is None


def property_test(test: PropertyTest) -> Callable[[dict[str, Any]], bool]:
    """The test of an occurrence's properties."""
    name, holds = test.property, scalar_test(test.operator, test.value)
    return lambda properties: holds(properties.get(name))


def value_key(value: Any) -> Any:
    """Equal for equal values of the language, as a key: 1 and 1.0 are the same value, true is another."""
    return (value,) if isinstance(value, bool) else value


def _time_test(operator: str, moment: Instant) -> Test:
    compare = operators.lt if operator == "before" else operators.gt

    def test(found: Any) -> bool:
        at = parse_time(found)
        return at is not None and compare(at, moment.at)

    return test


def _membership(values: tuple[Any, ...], wanted: bool) -> Test:
    """Whether a value is one of `values`, or is not if `wanted` is false."""
    if len(values) == 1:
        [only] = values
        if isinstance(only, bool):
            return lambda found: (found is only) == wanted
        if isinstance(only, str):
            return lambda found: (found == only) == wanted
        return lambda found: (found == only and not isinstance(found, bool)) == wanted
    truths = frozenset(value for value in values if isinstance(value, bool))
    others = frozenset(value for value in values if not isinstance(value, bool))

    def test(found: Any) -> bool:
        if isinstance(found, bool):
            return (found in truths) == wanted
        return (isinstance(found, str | int | float) and found in others) == wanted

    return test
