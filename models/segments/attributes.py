"""Judges of demographic and engagement clauses: what a profile holds one value of, compared with a value or a time.

Types do not mix: text equals only text, and true is not 1. `not_equals`, `not_in` and `not_exists` are the
opposites of `equals`, `in` and `exists`; every other operator is false where there is no value.
"""

from collections.abc import Callable
from typing import Any

from models.events.clock import parse_time
from models.profile.state import Profile
from models.segments.criteria import ORDER_OPERATORS, TIME_OPERATORS, Demographic, Engagement
from models.segments.occurrences import count_bounds
from models.segments.spans import COMPARE, NEVER, Judge, Judgement, judge_moment

Read = Callable[[Profile], Any]
Test = Callable[[Any], bool]


def demographic(clause: Demographic) -> Judge:
    """The judge of a clause on a trait."""
    read, operator, moment = _reader(clause.trait), clause.operator, clause.value
    if operator not in TIME_OPERATORS:
        test = _test(operator, clause.value)
        return lambda profile, now: (test(read(profile)), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        at = parse_time(read(profile))
        return (False, NEVER) if at is None else judge_moment(at, operator, moment, now)

    return judge


def engagement(clause: Engagement) -> Judge:
    """The judge of a clause on a channel's count (of an action, if given), first or last time."""
    channel, action, measure, operator, moment = (
        clause.channel,
        clause.action,
        clause.measure,
        clause.operator,
        clause.value,
    )
    if operator in TIME_OPERATORS:

        def judge_time(profile: Profile, now: int) -> Judgement:
            stats = profile.channels.get(channel)
            if stats is None:
                return False, NEVER
            return judge_moment(stats.last if measure == "last" else stats.first, operator, moment, now)

        return judge_time
    low, high, wanted = count_bounds(operator, clause.value)

    def judge_count(profile: Profile, now: int) -> Judgement:
        stats = profile.channels.get(channel)
        count = 0 if stats is None else stats.actions.get(action, 0) if action else stats.count
        return (low <= count <= high) == wanted, NEVER

    return judge_count


def _reader(trait: str) -> Read:
    """Reads a trait's value, None if it is not there. A dot leads into an object, unless a trait has that very name."""
    if "." not in trait:

        def read(profile: Profile) -> Any:
            attribute = profile.attributes.get(trait)
            return None if attribute is None else attribute.winner.value

        return read
    root, *keys = trait.split(".")

    def read_nested(profile: Profile) -> Any:
        attribute = profile.attributes.get(trait)
        if attribute is not None:
            return attribute.winner.value
        attribute = profile.attributes.get(root)
        value = None if attribute is None else attribute.winner.value
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return read_nested


def _test(operator: str, value: Any) -> Test:
    """The test of a trait's value."""
    if operator in ORDER_OPERATORS:
        compare = COMPARE[operator]
        return lambda found: (
            isinstance(found, int | float) and found is not True and found is not False and compare(found, value)
        )
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
