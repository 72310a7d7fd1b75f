"""Judges of behavioral clauses: counts, sums and times of an event's occurrences, filtered by their properties.

A count of all occurrences that needs only the exact times, none of them in the future, is answered by bisection; what
is left (days of old events, events of the future, times of first and last inside a window) goes through spans. Filters
and properties see the occurrences whose exact times are known, and no others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from models.profile.money import to_micro
from models.profile.properties import Properties, unpack_properties
from models.profile.state import Profile
from models.segments.criteria import (
    ALL_TIME,
    PRESENCE_OPERATORS,
    PROPERTY_MEASURES,
    Behavioral,
    PropertyTest,
    Rolling,
)
from models.segments.orders import amount_holds
from models.segments.scalars import COMPARE, property_test, value_key
from models.segments.spans import (
    NEVER,
    Judge,
    Judgement,
    Occurrence,
    count_bounds,
    count_holds,
    in_window,
    is_inside,
    judge_first_or_last,
    judge_latest,
    judge_moment,
    judge_spans,
    next_edge,
    occurrences,
)
from models.segments.times import FOREVER

Detailed = tuple[int, Properties]  # ms and properties of an occurrence
Find = Callable[[Profile], list[Detailed]]


def behavioral(clause: Behavioral) -> Judge:
    """The judge of a clause on one event's occurrences."""
    if clause.where or clause.measure in PROPERTY_MEASURES:
        return _filtered(clause)
    if clause.measure != "count" and clause.operator not in PRESENCE_OPERATORS:
        return _event_moment(clause)
    low, high, wanted = count_bounds(clause.operator, clause.value)
    if isinstance(clause.window, Rolling):
        return _event_count_rolling(clause, low, high, wanted)
    return _event_count_absolute(clause, low, high, wanted)


def finder(event: str, where: Sequence[PropertyTest]) -> Find:
    """Finds the occurrences of an event whose properties pass every test, oldest first."""
    tests = [property_test(test) for test in where]

    def find(profile: Profile) -> list[Detailed]:
        stats = profile.events.get(event)
        if stats is None:
            return []
        details = stats.details or [b""] * len(stats.recent)
        found = []
        for at, detail in zip(stats.recent, details, strict=True):
            properties = unpack_properties(detail)
            if all([test(properties) for test in tests]):
                found.append((at, properties))
        return found

    return find


def amounts_of(found: list[Detailed], name: str) -> list[Occurrence]:
    """The occurrences at which a property is an amount (a number, or a plain decimal text), with it in micro-units."""
    return [(at, 1, micro) for at, properties in found if (micro := to_micro(properties.get(name))) is not None]


def _filtered(clause: Behavioral) -> Judge:
    """Occurrences one by one, for what depends on their properties."""
    window, measure, operator, value, name = (
        clause.window,
        clause.measure,
        clause.operator,
        clause.value,
        clause.property,
    )
    find = finder(clause.event, clause.where)
    if measure in ("first", "last") and operator not in PRESENCE_OPERATORS:

        def judge_time(profile: Profile, now: int) -> Judgement:
            found = [(at, 1, 0) for at, _ in find(profile)]
            return judge_first_or_last(found, window, measure, operator, value, now)

        return judge_time
    if measure in ("sum", "average"):
        holds = amount_holds("average" if measure == "average" else "revenue", operator, value)
        return lambda profile, now: judge_spans(in_window(amounts_of(find(profile), name), window), now, holds)
    if measure in ("distinct", "min", "max"):
        compare = COMPARE[operator]

        def judge_value(profile: Profile, now: int) -> Judgement:
            found = find(profile)
            measured = measured_value(measure, [each for each in found if is_inside(each[0], window, now)], name)
            held = operator == "not_equals" if measured is None else compare(measured, value)
            return held, next_edge((at for at, _ in found), window, now)

        return judge_value
    counted = count_holds(*count_bounds(operator, value))
    return lambda profile, now: judge_spans(in_window([(at, 1, 0) for at, _ in find(profile)], window), now, counted)


def measured_value(measure: str, inside: list[Detailed], name: str) -> int | None:
    """`distinct`, `min` or `max` of a property (micro-units) over occurrences; None for no least of none."""
    if measure == "distinct":
        return len({value_key(value) for _, properties in inside if (value := properties.get(name)) is not None})
    amounts = [much for _, _, much in amounts_of(inside, name)]
    return (min if measure == "min" else max)(amounts, default=None)


def _event_count_rolling(clause: Behavioral, low: int, high: int, wanted: bool) -> Judge:
    event, window = clause.event, clause.window
    assert isinstance(window, Rolling)
    length = window.length
    # With this many exact times inside the window, older ones make no difference.
    enough = max(low, high + 1) if high < FOREVER else low
    holds = count_holds(low, high, wanted)
    without = (holds(0, 0), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        stats = profile.events.get(event)
        if stats is None:
            return without
        begin = now - length
        if stats.last <= begin:
            return without
        recent = stats.recent
        first = bisect_right(recent, begin)
        count = len(recent) - first
        if stats.last > now or (not first and stats.older and count < enough):
            return judge_spans(in_window(occurrences(stats), window), now, holds)
        if count < low:
            return not wanted, NEVER
        if count <= high:
            return wanted, recent[-low] + length if low > 0 else NEVER
        # Too many: the count comes down to `high` when the one before the latest `high` leaves, and with it
        # those of the same millisecond.
        leaving = recent[-high - 1]
        left = len(recent) - bisect_right(recent, leaving)
        return not wanted, leaving + length if left >= low else NEVER

    return judge


def _event_count_absolute(clause: Behavioral, low: int, high: int, wanted: bool) -> Judge:
    event, window = clause.event, clause.window
    assert not isinstance(window, Rolling)
    start, end = window.start, window.end
    always = window == ALL_TIME
    holds = count_holds(low, high, wanted)
    without = (holds(0, 0), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        stats = profile.events.get(event)
        if stats is None:
            return without
        recent = stats.recent
        if stats.last > now or (stats.older and not always and start <= recent[0]):
            return judge_spans(in_window(occurrences(stats), window), now, holds)
        count = stats.count if always else bisect_left(recent, end) - bisect_left(recent, start)
        return (low <= count <= high) == wanted, NEVER

    return judge


def _event_moment(clause: Behavioral) -> Judge:
    event, measure, operator, moment, window = (
        clause.event,
        clause.measure,
        clause.operator,
        clause.value,
        clause.window,
    )
    last = measure == "last"
    length = window.length if isinstance(window, Rolling) else 0
    always = window == ALL_TIME

    def judge(profile: Profile, now: int) -> Judgement:
        stats = profile.events.get(event)
        if stats is None:
            return False, NEVER
        if stats.last <= now:
            if always:
                return judge_moment(stats.last if last else stats.first, operator, moment, now)
            if length and last:
                return judge_latest(stats.last, length, operator, moment, now)
        return judge_first_or_last(occurrences(stats), window, measure, operator, moment, now)

    return judge
