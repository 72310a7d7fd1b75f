"""What is unlike somebody lately: more deeds in a day than theirs, a longer silence, another currency.

Each is told by the person's own history alone, with the evidence. Deeds are counted by day and silences measured in
days (UTC), both on a logarithmic scale, where what is usual for somebody is the median and the spread the median
deviation from it: neither moves much by what is unusual itself. How far beyond is unusual was set so that hardly
anybody who goes on as they always did has one (`tests/unit/scoring/test_unusual.py`).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log, sqrt
from statistics import median
from typing import Any

import msgspec

from models.profile.behaviors import count_by_day
from models.profile.engagement import is_passive
from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale

BURST, SILENCE, CURRENCY = "burst", "silence", "currency"
HISTORY_DAYS = 365
LATELY_DAYS = 7  # in which a burst counts; what is usual is told by the days before them
DAYS_MIN = 8  # on which somebody did something, or silences between them, before anything is usual
UNUSUAL = 2.5  # robust standard deviations beyond what is usual
BURST_COUNT_MIN, SILENCE_DAYS_MIN = 10, 14  # less is no burst, and no silence
CURRENCY_DAYS = 30  # in which an order in another currency counts
EARLIER_MIN = 5  # orders before it, none of them in it
_ROBUST = 1.4826  # median deviations in a standard deviation
_BURST_SPREAD_MIN, _SILENCE_SPREAD_MIN = 0.35, 0.5  # of logarithms: nobody is more regular than that


class Anomaly(msgspec.Struct, frozen=True):
    """Something unusual, when it was, ms, and what tells it."""

    name: str
    at: int
    evidence: dict[str, float | int | str]


def anomalies(profile: Profile, now: int, may_read: Callable[[str], bool], orders: bool) -> list[Anomaly]:
    """What is unusual as of the day of `now`, ms, as far as it is made of what may be read: events whose name
    `may_read` allows, and, if `orders`, orders."""
    today = now // DAY_MS
    days = _deeds_by_day(profile, today, may_read)
    found = [_burst(days, today), _silence(sorted(days), today), _currency(profile, today) if orders else None]
    return [each for each in found if each is not None]


def told_anomalies(found: Sequence[Anomaly], time_text: Callable[[int], str]) -> list[dict[str, Any]]:
    """As a document has them."""
    return [{"name": each.name, "at": time_text(each.at), **each.evidence} for each in found]


def _deeds_by_day(profile: Profile, today: int, may_read: Callable[[str], bool]) -> dict[int, int]:
    """How often somebody did something themselves on each day on which they did."""
    days: dict[int, int] = {}
    for name, stats in profile.events.items():
        if stats.last // DAY_MS > today - HISTORY_DAYS and not is_passive(name) and may_read(name):
            for day, count in count_by_day(stats).items():
                if today - HISTORY_DAYS < day <= today:
                    days[day] = days.get(day, 0) + count
    return days


def _burst(days: dict[int, int], today: int) -> Anomaly | None:
    """The day with most deeds of the last ones, if it is unlike those before."""
    before = [count for day, count in days.items() if day <= today - LATELY_DAYS]
    lately = [(count, day) for day, count in days.items() if day > today - LATELY_DAYS]
    if len(before) < DAYS_MIN or not lately:
        return None
    count, day = max(lately)
    if count < BURST_COUNT_MIN:
        return None
    usual, spread = _usual(before, _BURST_SPREAD_MIN)
    surprise = log(count / usual) / sqrt(spread**2 + 1 / usual)  # counts vary by chance too
    if surprise < UNUSUAL:
        return None
    evidence = {"count": count, "usual": round(usual, 1), "days": len(before), "surprise": round(surprise, 1)}
    return Anomaly(BURST, day * DAY_MS, {**evidence})


def _silence(active: Sequence[int], today: int) -> Anomaly | None:
    """That the last of some days is longer ago than any two of them were apart, and than is usual by far."""
    gaps = [after - before for before, after in pairwise(active)]
    if len(gaps) < DAYS_MIN:
        return None
    silent = today - active[-1]
    usual, spread = _usual(gaps, _SILENCE_SPREAD_MIN)
    if silent < SILENCE_DAYS_MIN or silent <= max(gaps):
        return None
    surprise = log(silent / usual) / spread
    if surprise < UNUSUAL:
        return None
    evidence = {"silent_days": silent, "usual_days": round(usual, 1), "longest_days": max(gaps), "silences": len(gaps)}
    return Anomaly(SILENCE, active[-1] * DAY_MS, {**evidence, "surprise": round(surprise, 1)})


def _currency(profile: Profile, today: int) -> Anomaly | None:
    """That the latest order is in a currency in which none before it was."""
    sales = sorted((order.timestamp, order.currency) for order in profile.orders.values() if is_sale(order))
    if not sales or sales[-1][0] < (today - CURRENCY_DAYS) * DAY_MS:
        return None
    (at, currency), earlier = sales[-1], [currency for _, currency in sales[:-1]]
    if profile.folded is not None:
        earlier += [each for each, totals in profile.folded.totals.items() for _ in range(totals.count)]
    if len(earlier) < EARLIER_MIN or currency in earlier:
        return None
    usual = max(sorted(set(earlier)), key=earlier.count)
    return Anomaly(CURRENCY, at, {"currency": currency, "usual": usual, "orders": len(earlier)})


def _usual(values: Sequence[int], least: float) -> tuple[float, float]:
    """The median of values above 0, and how far their logarithms spread about it, at least so far."""
    logs = [log(value) for value in values]
    middle = median(logs)
    return median(values), max(_ROBUST * median(abs(each - middle) for each in logs), least)
