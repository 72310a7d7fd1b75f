"""Judges of behavioral and transactional clauses: counts, sums and times of events and orders in windows.

An event clause that needs only the exact times, none of them in the future, is answered by bisection; what
is left (days of old events, events of the future, times of first and last inside a window) goes through spans.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable

import msgspec

from models.profile.state import Order, Profile, Totals
from models.profile.transactions import is_sale, refund_of
from models.segments.criteria import ALL_TIME, PRESENCE_OPERATORS, Behavioral, Rolling, Transactional
from models.segments.spans import (
    COMPARE,
    NEVER,
    Holds,
    Judge,
    Judgement,
    Occurrence,
    in_window,
    judge_first_or_last,
    judge_latest,
    judge_moment,
    judge_spans,
    occurrences,
)
from models.segments.times import FOREVER


def behavioral(clause: Behavioral) -> Judge:
    """The judge of a clause on one event's occurrences."""
    if clause.measure != "count" and clause.operator not in PRESENCE_OPERATORS:
        return _event_moment(clause)
    low, high, wanted = count_bounds(clause.operator, clause.value)
    if isinstance(clause.window, Rolling):
        return _event_count_rolling(clause, low, high, wanted)
    return _event_count_absolute(clause, low, high, wanted)


def _event_count_rolling(clause: Behavioral, low: int, high: int, wanted: bool) -> Judge:
    event, window = clause.event, clause.window
    assert isinstance(window, Rolling)
    length = window.length
    # With this many exact times inside the window, older ones make no difference.
    enough = max(low, high + 1) if high < FOREVER else low
    holds = _count_holds(low, high, wanted)
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
    holds = _count_holds(low, high, wanted)
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
    event, measure, operator, moment, window = msgspec.structs.astuple(clause)
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


def transactional(clause: Transactional) -> Judge:
    """The judge of a clause on sales: orders that were completed and not cancelled."""
    window, measure, operator, value = clause.window, clause.measure, clause.operator, clause.value
    found = _sales_of(clause)
    if measure in ("first", "last") and operator not in PRESENCE_OPERATORS:
        return lambda profile, now: judge_first_or_last(found(profile), window, measure, operator, value, now)
    holds = _order_holds(measure, operator, value)
    without = (holds(0, 0), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        if not profile.orders and profile.folded is None:
            return without
        return judge_spans(in_window(found(profile), window), now, holds)

    return judge


def _sales_of(clause: Transactional) -> Callable[[Profile], list[Occurrence]]:
    """Reads the sales that a clause is about, with the amount that it measures in micro-units.

    Folded orders (see models.profile.transactions) count as if all had happened when the last of them did.

    Amounts of different currencies are never added: without a currency, they are of the person's main one.
    """
    product, currency, refunds = clause.product, clause.currency, clause.measure == "refunds"
    adds = clause.measure in ("revenue", "average", "refunds")

    def found(profile: Profile) -> list[Occurrence]:
        sales = [order for order in profile.orders.values() if is_sale(order)]
        folded = profile.folded
        totals = folded.totals if folded is not None else {}
        if currency:
            sales = [order for order in sales if order.currency == currency]
            totals = {name: sums for name, sums in totals.items() if name == currency}
        elif adds and (totals or (sales and any(order.currency != sales[0].currency for order in sales))):
            main = _main_currency(sales, totals)
            sales = [order for order in sales if order.currency == main]
            totals = {name: sums for name, sums in totals.items() if name == main}
        if product:
            return [(order.timestamp, 1, much) for order in sales if (much := _of_product(order, product)) is not None]
        if refunds:
            times = [(order.timestamp, 1, refund_of(order)) for order in sales]
        else:
            times = [(order.timestamp, 1, order.revenue) for order in sales]
        if folded is not None:
            at = folded.first if clause.measure == "first" else folded.last
            times += [(at, sums.count, sums.refunded if refunds else sums.revenue) for sums in totals.values()]
        return times

    return found


def _main_currency(sales: list[Order], folded: dict[str, Totals]) -> str:
    """The currency of most of a person's sales, as in the profile's document; the first by name of several."""
    counts = Counter(order.currency for order in sales)
    counts.update({currency: sums.count for currency, sums in folded.items()})
    return min(counts, key=lambda currency: (-counts[currency], currency))


def _of_product(order: Order, product: str) -> int | None:
    """Revenue of a product's lines in an order, micro-units; None if it is not in the order."""
    lines = [revenue for line, _, revenue in order.products if line == product]
    return sum(lines) if lines else None


def count_bounds(operator: str, value: int | None) -> tuple[int, int, bool]:
    """(low, high, wanted): the operator holds if low <= count <= high is `wanted`."""
    number = value or 0
    match operator:
        case "exists":
            return 1, FOREVER, True
        case "not_exists":
            return 0, 0, True
        case "equals":
            return number, number, True
        case "not_equals":
            return number, number, False
        case "greater_than":
            return number + 1, FOREVER, True
        case "at_least":
            return number, FOREVER, True
        case "at_most":
            return 0, number, True
    # less_than; below 0 there is nothing, which is to say: not "0 or more"
    return (0, number - 1, True) if number else (0, FOREVER, False)


def _count_holds(low: int, high: int, wanted: bool) -> Holds:
    return lambda count, amount: (low <= count <= high) == wanted


def _order_holds(measure: str, operator: str, value: int | None) -> Holds:
    """What must hold of the number of orders and their amount in micro-units. Exact: nothing is divided."""
    if measure in ("count", "first", "last"):
        return _count_holds(*count_bounds(operator, value))
    compare, number = COMPARE[operator], value or 0
    if measure == "average":
        absent = operator == "not_equals"  # no orders, no average: as with a trait that is not there
        return lambda count, amount: compare(amount, number * count) if count else absent
    return lambda count, amount: compare(amount, number)
