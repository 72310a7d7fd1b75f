"""Numbers of a person's history that built-in models are told: how active they are, what their orders are like, how
they respond on each channel. They depend on what happened alone, not on the order in which it came in."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import partial
from math import exp2, fsum, log
from typing import NamedTuple

from models.profile.engagement import is_passive
from models.profile.state import DAY_MS, MICRO, ChannelStats, EventStats, Profile
from models.profile.transactions import is_sale
from models.segments.orders import main_currency

ACTIVITY_DAYS = 14.0  # half-life
CHANNELS = ("email", "sms", "push")  # on which people are contacted
_ACTIVITY_REACH = 10  # half-lives, after which a deed counts for a thousandth
_CONTACTS = ("sent", "delivered", "opened", "clicked")
_RESPONSES = ("opened", "clicked")


class HistoryFeature(NamedTuple):
    """How a number is read at a time, ms (None if there is none), and of which parts of a profile."""

    read: Callable[[Profile, int], float | None]
    parts: frozenset[str]
    events: tuple[str, ...] = ()  # whose events it tells of
    channels: tuple[str, ...] = ()
    orders: bool = False


class LatestOrder(NamedTuple):
    """An order among those before it, of the person's main currency: amounts in its unit, logarithms of theirs."""

    amount: float
    earlier: float  # how many
    log_mean: float  # 0 if there are none
    log_squares: float  # sum of squared deviations


def activity(profile: Profile, at: int) -> float:
    """How much somebody did themselves lately: each deed counts half after ACTIVITY_DAYS."""
    counts = (_decayed(stats, at) for name, stats in profile.events.items() if not is_passive(name))
    return fsum(part for parts in counts for part in parts)


def _decayed(stats: EventStats, at: int) -> list[float]:
    oldest = at - round(_ACTIVITY_REACH * ACTIVITY_DAYS * DAY_MS)
    half = ACTIVITY_DAYS * DAY_MS
    parts = [exp2(min(time - at, 0) / half) for time in stats.recent[bisect_left(stats.recent, oldest) :]]
    for day, count in stats.older.items():
        noon = day * DAY_MS + DAY_MS // 2
        if noon >= oldest:
            parts.append(count * exp2(min(noon - at, 0) / half))
    return parts


def latest_order(profile: Profile) -> LatestOrder | None:
    """The latest sale of more than nothing, among those before it; None if there is none."""
    sales = [order for order in profile.orders.values() if is_sale(order)]
    if not sales:
        return None
    folded = profile.folded
    currency = main_currency(sales, folded.totals if folded is not None else {})
    paid = sorted(
        (order.timestamp, order.revenue) for order in sales if order.currency == currency and order.revenue > 0
    )
    if not paid:
        return None
    logs = [log(revenue / MICRO) for _, revenue in paid[:-1]]
    mean = fsum(logs) / len(logs) if logs else 0.0
    return LatestOrder(paid[-1][1] / MICRO, float(len(logs)), mean, fsum((each - mean) ** 2 for each in logs))


def contacts(stats: ChannelStats) -> float:
    """How often somebody was contacted on a channel, as far as it is told: by what was sent or what came of it."""
    return float(max((stats.actions.get(action, 0) for action in _CONTACTS), default=0))


def responses(stats: ChannelStats) -> float:
    """How often they responded; several responses to one contact are not told apart, so the commonest kind counts."""
    return float(max((stats.actions.get(action, 0) for action in _RESPONSES), default=0))


def _of_order(field: int, profile: Profile, at: int) -> float | None:
    found = latest_order(profile)
    return None if found is None else found[field]


def _of_channel(count: Callable[[ChannelStats], float], channel: str, profile: Profile, at: int) -> float | None:
    stats = profile.channels.get(channel)
    return None if stats is None else count(stats)


_ORDERS = frozenset({"orders", "folded"})
ORDER_FEATURES = tuple(f"latest_order_{name}" for name in LatestOrder._fields)
HISTORY_FEATURES: Mapping[str, HistoryFeature] = {
    "activity": HistoryFeature(activity, frozenset({"events"}), events=("*",)),
    **{
        name: HistoryFeature(partial(_of_order, field), _ORDERS, orders=True)
        for field, name in enumerate(ORDER_FEATURES)
    },
    **{
        f"{channel}_{kind}": HistoryFeature(
            partial(_of_channel, count, channel), frozenset({"channels"}), channels=(channel,)
        )
        for channel in CHANNELS
        for kind, count in (("contacts", contacts), ("responses", responses))
    },
}
