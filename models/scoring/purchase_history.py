"""A person's purchases as models of buying see them: how many, over how long, for how much.

Days are UTC; all that is bought in a day is one purchase, as in the papers. Amounts are what was paid less what went
back, of the person's main currency: those of different currencies are never added. Orders that were folded into sums
count as one purchase each, the last of them when the last was.
"""

from typing import NamedTuple

from models.profile.state import DAY_MS, MICRO, Profile
from models.profile.transactions import is_sale, refund_of
from models.segments.orders import main_currency


class PurchaseHistory(NamedTuple):
    """Times in days since the first purchase; see `models.scoring.bg_nbd`."""

    x: float  # purchases after the first
    t_x: float  # when the last was; 0 if it is the first
    T: float  # how long the person is a customer
    mean: float  # what a purchase after the first came to, in the currency's unit; 0 if there is none
    currency: str


def purchase_history(profile: Profile, at: int) -> PurchaseHistory | None:
    """The history at a time, ms, of a profile that knows nothing later; None of somebody who has bought nothing."""
    sales = [order for order in profile.orders.values() if is_sale(order)]
    folded = profile.folded
    totals = folded.totals if folded is not None else {}
    if not sales and not totals:
        return None
    currency = main_currency(sales, totals)
    days: dict[int, int] = {}
    for order in sales:
        if order.currency == currency:
            day = order.timestamp // DAY_MS
            days[day] = days.get(day, 0) + order.revenue - refund_of(order)
    known = sorted(days)
    more, spent = 0, 0
    first, last = (known[0], known[-1]) if known else (0, 0)
    if folded is not None and currency in totals:
        sums = totals[currency]
        more, spent = sums.count, sums.revenue - sums.refunded
        first = min(first, folded.first // DAY_MS) if known else folded.first // DAY_MS
        last = max(last, folded.last // DAY_MS) if known else folded.last // DAY_MS
    purchases = len(known) + more
    spent += sum(days.values())
    if more:  # what the first came to is not known any more: it counts as any other
        spent = spent * (purchases - 1) // purchases
    elif known:
        spent -= days[first]
    mean = max(spent, 0) / MICRO / (purchases - 1) if purchases > 1 else 0.0
    today = max(at // DAY_MS, last)
    return PurchaseHistory(float(purchases - 1), float(last - first), float(today - first), mean, currency)
