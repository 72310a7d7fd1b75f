"""Computed traits: values made from events and orders, and the judges of criteria that compare them.

A computed trait is a function of the profile and the clock, evaluated when it is asked for: it is never stale, and
merges and late events need no care. Values that compete at the same millisecond are ordered by their properties.
"""

from collections.abc import Callable, Mapping
from typing import Any

from models.profile.registers import canonical_json
from models.profile.state import MICRO, Profile
from models.segments.criteria import (
    MEASURES,
    TIME_OPERATORS,
    Comparison,
    EventValue,
    OrderValue,
)
from models.segments.events import Detailed, amounts_of, finder, measured_value
from models.segments.orders import sales_reader
from models.segments.scalars import scalar_test, value_key
from models.segments.spans import NEVER, Judge, Judgement, Occurrence, is_inside, judge_moment, next_edge, occurrences

UNIQUE_MAX = 100  # values of a list of different ones, first by their JSON text

Value = tuple[Any, int]  # None for none; ms of the next moment at which it may be another without an event
Read = Callable[[Profile, int], Value]


def kind_of(expression: EventValue | OrderValue) -> str:
    """What the values are: "whole", "amount", "time", "list", or "scalar" (any single value)."""
    measures = MEASURES["behavioral" if isinstance(expression, EventValue) else "transactional"]
    return measures.get(expression.measure) or ("list" if expression.measure == "unique" else "scalar")


def value_reader(expression: EventValue | OrderValue) -> Read:
    """Reads a computed trait: a count, a number, a time in ms, a scalar, or a list of scalars."""
    return _order_value(expression) if isinstance(expression, OrderValue) else _event_value(expression)


def computed_values(
    readers: Mapping[str, tuple[str, Read]], profile: Profile, now: int, time_text: Callable[[int], str]
) -> tuple[dict[str, Any], int]:
    """What computed traits are of a profile at `now` ms, by id, without those that have no value; and the earliest
    moment at which one may be another without an event (NEVER for none). `readers`: id -> kind, reader; times are
    written by `time_text`."""
    values: dict[str, Any] = {}
    until = NEVER
    for trait_id, (kind, read) in readers.items():
        value, edge = read(profile, now)
        until = min(until, edge)
        if value is not None:
            values[trait_id] = time_text(value) if kind == "time" else value
    return values, until


def comparison(clause: Comparison) -> Judge:
    """The judge of a clause on a computed trait."""
    read, operator, moment = value_reader(clause.expression), clause.operator, clause.value
    if operator in TIME_OPERATORS and kind_of(clause.expression) == "time":

        def judge_time(profile: Profile, now: int) -> Judgement:
            at, edge = read(profile, now)
            if at is None:
                return False, edge
            held, flip = judge_moment(at, operator, moment, now)
            return held, min(edge, flip)

        return judge_time
    test = scalar_test(operator, moment)

    def judge(profile: Profile, now: int) -> Judgement:
        value, edge = read(profile, now)
        return test(value), edge

    return judge


def _order_value(expression: OrderValue) -> Read:
    find, window, measure = sales_reader(expression), expression.window, expression.measure

    def read(profile: Profile, now: int) -> Value:
        found = find(profile)
        inside = [sale for sale in found if is_inside(sale[0], window, now)]
        return _summed(measure, inside), next_edge((sale[0] for sale in found), window, now)

    return read


def _event_value(expression: EventValue) -> Read:
    event, measure, window, name = expression.event, expression.measure, expression.window, expression.property
    find = finder(event, expression.where)
    if measure in ("count", "first", "last") and not expression.where:

        def read_all(profile: Profile, now: int) -> Value:
            stats = profile.events.get(event)
            found = [] if stats is None else occurrences(stats)
            inside = [each for each in found if is_inside(each[0], window, now)]
            return _summed(measure, inside), next_edge((at for at, _, _ in found), window, now)

        return read_all

    def read(profile: Profile, now: int) -> Value:
        found = find(profile)
        inside = [each for each in found if is_inside(each[0], window, now)]
        return _measured(measure, inside, name), next_edge((at for at, _ in found), window, now)

    return read


def _measured(measure: str, inside: list[Detailed], name: str) -> Any:
    match measure:
        case "count" | "first" | "last":
            return _summed(measure, [(at, 1, 0) for at, _ in inside])
        case "sum" | "average":
            return _summed(measure, amounts_of(inside, name))
        case "distinct":
            return measured_value(measure, inside, name)
        case "min" | "max":
            micro = measured_value(measure, inside, name)
            return None if micro is None else micro / MICRO
    values = [value for _, properties in inside if (value := properties.get(name)) is not None]
    if not values:
        return None
    match measure:
        case "first_value":
            return values[0]
        case "last_value":
            return values[-1]
        case "most_frequent":
            return _most_frequent(values)
    different = {value_key(value): value for value in values}
    return sorted(different.values(), key=canonical_json)[:UNIQUE_MAX]


def _most_frequent(values: list[Any]) -> Any:
    """The value seen most often; of equals the one seen latest."""
    seen: dict[Any, tuple[int, int, Any]] = {}
    for place, value in enumerate(values):
        key = value_key(value)
        seen[key] = (seen[key][0] + 1 if key in seen else 1, place, value)
    return max(seen.values(), key=lambda each: each[:2])[2]


def _summed(measure: str, inside: list[Occurrence]) -> Any:
    count = sum(many for _, many, _ in inside)
    match measure:
        case "count":
            return count
        case "first":
            return min((at for at, _, _ in inside), default=None)
        case "last":
            return max((at for at, _, _ in inside), default=None)
    amount = sum(much for _, _, much in inside)
    if measure == "average":
        return amount / (count * MICRO) if count else None
    return amount / MICRO
