"""Changes of rate: signs that somebody does something more often, or less often, than before.

Days are UTC, and what is done within three days counts once, so that an order in two parts is no change of habit. Of
the days since the first, each moment is asked whether a rate before it and another after it are likelier than one rate
all along (a likelihood ratio of Bernoulli trials, penalised for the rate and the moment that are chosen by Schwarz's
criterion: Chen and Gupta, "Parametric Statistical Change Point Analysis", 2012). Somebody is looked at again and again,
and must not seem to change because of that: the bar is so high that of a hundred steady people who are looked at on
every day of a year one is told of at most. Today is not over, and does not count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from math import log
from re import Pattern, compile
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale
from models.scoring.life_events import Occurrence, Pace, Sign

Floats = NDArray[np.float64]

_COUNT_MIN = 5  # times, without which no rate is known
_APART_DAYS = 3
_DAYS_MAX = 3 * 365  # that are looked back
_EVIDENCE_MIN = log(100)
_TOLD = 5  # occurrences, of each side


class RateRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes a sign. Names of events are patterns: * stands for any characters, whatever their case."""

    change: Literal["more", "less"]
    events: tuple[str, ...] = ()  # purchases without any


class RateChange(NamedTuple):
    """From day `day` on (number, UTC) somebody did something so many times in so many days, and before that so."""

    day: int
    before: Pace
    after: Pace
    evidence: float  # natural logarithm of how much likelier a change is than none, after the penalty

    @property
    def change(self) -> str:
        return "more" if self.after.times * self.before.days > self.before.times * self.after.days else "less"


DEFAULT_RATE_CHANGES: dict[str, RateRule] = {
    "bought_more": RateRule(change="more"),
    "bought_less": RateRule(change="less"),
}


class RateChanges:
    """Finds signs by rules."""

    def __init__(self, rules: Mapping[str, RateRule]) -> None:
        self._rules: dict[tuple[str, ...], list[tuple[str, RateRule]]] = {}
        for name, rule in rules.items():
            self._rules.setdefault(rule.events, []).append((name, rule))
        self._patterns = {events: _pattern(events) for events in self._rules if events}

    def signs(self, profile: Profile, now: int, may_read: Callable[[str], bool], orders: bool) -> list[Sign]:
        """The signs at a time, ms, as far as they are made of what may be read: events whose name `may_read` allows,
        and, if `orders`, orders. They stay so for the day (UTC)."""
        found: list[Sign] = []
        for events, rules in self._rules.items():
            if not events and not orders:
                continue
            told, start = self._of_events(events, profile, may_read) if events else _purchases(profile)
            change = rate_change(counted_days(told, start, now // DAY_MS), now // DAY_MS)
            if change is not None:
                found += [_sign(name, change, told) for name, rule in rules if rule.change == change.change]
        return found

    def _of_events(
        self, events: tuple[str, ...], profile: Profile, may_read: Callable[[str], bool]
    ) -> tuple[list[Occurrence], int]:
        """What happened, and from which day on all of it is known."""
        told: list[Occurrence] = []
        start = 0
        for name, stats in profile.events.items():
            if self._patterns[events].match(name.lower()) and may_read(name):
                own = [Occurrence(day * DAY_MS, "event", name) for day in stats.older]
                own += [Occurrence(at, "event", name) for at in stats.recent]
                if own and sum(stats.older.values()) + len(stats.recent) < stats.count:
                    start = max(start, min(own).at // DAY_MS)
                told += own
        return sorted(told), start


def counted_days(told: Iterable[Occurrence], start: int, today: int) -> list[int]:
    """The days that count, ascending, of occurrences in order of time: from day `start` on and before `today`."""
    start = max(start, today - _DAYS_MAX)
    days: list[int] = []
    for each in told:
        day = each.at // DAY_MS
        if start <= day < today and (not days or day - days[-1] >= _APART_DAYS):
            days.append(day)
    return days


def rate_change(days: Sequence[int], today: int) -> RateChange | None:
    """The day on which a rate has changed most, from days that count; None if there is too little evidence of a change.

    The first one only begins the time that is looked at: nobody is a customer before the first purchase.
    """
    times, whole = len(days) - 1, today - days[0] - 1 if days else 0
    if times < _COUNT_MIN or whole < 2:
        return None
    since = np.array(days[1:], np.float64) - days[0]
    # A rate may rise with an occurrence, or fall after it.
    counts = np.concatenate([np.arange(times), np.arange(1, times + 1)]).astype(np.float64)
    lasted = np.concatenate([since - 1, since])
    inside = (lasted > 0) & (lasted < whole)
    if not inside.any():
        return None
    counts, lasted = counts[inside], lasted[inside]
    gains = _likelihood(counts, lasted) + _likelihood(times - counts, whole - lasted)
    best = int(gains.argmax())
    steady = _likelihood(np.array([float(times)]), np.array([float(whole)]))
    evidence = float(gains[best] - steady[0]) - 1.5 * log(times)
    if evidence < _EVIDENCE_MIN:
        return None
    before = Pace(int(counts[best]), int(lasted[best]))
    return RateChange(days[0] + before.days + 1, before, Pace(times - before.times, whole - before.days), evidence)


def _likelihood(counts: Floats, days: Floats) -> Floats:
    """The logarithm of how likely so many of so many days are, at their likeliest rate."""
    from scipy.special import xlogy  # every command has this module, and few need SciPy

    told: Floats = xlogy(counts, counts / days) + xlogy(days - counts, 1 - counts / days)
    return told


def _purchases(profile: Profile) -> tuple[list[Occurrence], int]:
    """Sales, and from which day on all of them are known."""
    sales = [Occurrence(each.timestamp, "order", order) for order, each in profile.orders.items() if is_sale(each)]
    return sorted(sales), profile.folded.last // DAY_MS if profile.folded is not None else 0


def _sign(name: str, change: RateChange, told: Sequence[Occurrence]) -> Sign:
    moment = change.day * DAY_MS
    before = [each for each in told if each.at < moment][-_TOLD:]
    after = [each for each in told if each.at >= moment][:_TOLD]
    return Sign(name, moment, (*before, *after), (change.before, change.after))


def _pattern(names: Iterable[str]) -> Pattern[str]:
    return compile("|".join(translate(name.lower()) for name in names))
