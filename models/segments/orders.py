"""Judges of transactional clauses: number, sums and times of orders that were completed and not cancelled.

Amounts of different currencies are never added: without a currency, they are of the person's main one. Folded orders
(see models.profile.transactions) count as if all had happened when the last of them did.
"""

from collections import Counter
from collections.abc import Callable

from models.profile.state import Order, Profile, Totals
from models.profile.transactions import is_sale, refund_of
from models.segments.criteria import PRESENCE_OPERATORS, OrderValue, Transactional
from models.segments.scalars import COMPARE
from models.segments.spans import (
    NEVER,
    Holds,
    Judge,
    Judgement,
    Occurrence,
    count_bounds,
    count_holds,
    in_window,
    judge_first_or_last,
    judge_spans,
)


def transactional(clause: Transactional) -> Judge:
    """The judge of a clause on sales: orders that were completed and not cancelled."""
    window, measure, operator, value = clause.window, clause.measure, clause.operator, clause.value
    found = sales_reader(clause)
    if measure in ("first", "last") and operator not in PRESENCE_OPERATORS:
        return lambda profile, now: judge_first_or_last(found(profile), window, measure, operator, value, now)
    holds = amount_holds(measure, operator, value)
    without = (holds(0, 0), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        if not profile.orders and profile.folded is None:
            return without
        return judge_spans(in_window(found(profile), window), now, holds)

    return judge


def sales_reader(clause: Transactional | OrderValue) -> Callable[[Profile], list[Occurrence]]:
    """Reads the sales that a clause is about, with the amount that it measures in micro-units."""
    product, category, currency, refunds = clause.product, clause.category, clause.currency, clause.measure == "refunds"
    adds = clause.measure in ("revenue", "average", "refunds")

    def found(profile: Profile) -> list[Occurrence]:
        sales = [order for order in profile.orders.values() if is_sale(order)]
        folded = profile.folded
        totals = folded.totals if folded is not None else {}
        if currency:
            sales = [order for order in sales if order.currency == currency]
            totals = {name: sums for name, sums in totals.items() if name == currency}
        elif adds and (totals or (sales and any(order.currency != sales[0].currency for order in sales))):
            main = main_currency(sales, totals)
            sales = [order for order in sales if order.currency == main]
            totals = {name: sums for name, sums in totals.items() if name == main}
        if product or category:
            return [
                (order.timestamp, 1, much)
                for order in sales
                if (much := revenue_of(order, product, category)) is not None
            ]
        if refunds:
            times = [(order.timestamp, 1, refund_of(order)) for order in sales]
        else:
            times = [(order.timestamp, 1, order.revenue) for order in sales]
        if folded is not None:
            at = folded.first if clause.measure == "first" else folded.last
            times += [(at, sums.count, sums.refunded if refunds else sums.revenue) for sums in totals.values()]
        return times

    return found


def main_currency(sales: list[Order], folded: dict[str, Totals]) -> str:
    """The currency of most of a person's sales, as in the profile's document; the first by name of several."""
    counts = Counter(order.currency for order in sales)
    counts.update({currency: sums.count for currency, sums in folded.items()})
    return min(counts, key=lambda currency: (-counts[currency], currency))


def revenue_of(order: Order, product: str, category: str) -> int | None:
    """Revenue of an order's lines of a product, a category, or both, micro-units; None if it has no such line."""
    categories = order.categories or [""] * len(order.products)
    lines = [
        revenue
        for (line, _, revenue), of in zip(order.products, categories, strict=True)
        if (not product or line == product) and (not category or of == category)
    ]
    return sum(lines) if lines else None


def amount_holds(measure: str, operator: str, value: int | None) -> Holds:
    """What must hold of a number of occurrences and their amount in micro-units. Exact: nothing is divided."""
    if measure in ("count", "first", "last"):
        return count_holds(*count_bounds(operator, value))
    compare, number = COMPARE[operator], value or 0
    if measure == "average":
        absent = operator == "not_equals"  # of none there is no average: as with a trait that is not there
        return lambda count, amount: compare(amount, number * count) if count else absent
    return lambda count, amount: compare(amount, number)
