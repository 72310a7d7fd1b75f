"""What is unlike somebody: planted bursts and silences are found, and people who go on as ever have hardly any."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.profile.state import DAY_MS, MICRO, EventStats, Folded, Order, Profile, Totals
from models.scoring.unusual import BURST, CURRENCY, SILENCE, Anomaly, anomalies, told_anomalies

DAY = 20_000
NOW = (DAY + 364) * DAY_MS + 1_000
WEEKS = range(200, 364, 7)


def visitor(days: dict[int, int], name: str = "Product Viewed", until: int = 364) -> Profile:
    """Somebody who did something so often on some days."""
    profile = Profile(1, DAY * DAY_MS)
    older = {DAY + day: count for day, count in days.items() if day <= until}
    if older:
        first, last = min(older) * DAY_MS, max(older) * DAY_MS
        profile.events[name] = EventStats(sum(older.values()), first, last, [], older)
    return profile


def found(profile: Profile, now: int = NOW) -> dict[str, Anomaly]:
    return {each.name: each for each in anomalies(profile, now, lambda _: True, True)}


def usual_people(rng: np.random.Generator, people: int) -> Iterator[dict[int, int]]:
    """How much each does on which days of a year: at rates, and by amounts, of their own, that differ by chance."""
    for number in range(people):
        each, when = rng.gamma(2.0, 4.0), rng.random(365)
        by_rate = np.flatnonzero(when < min(rng.gamma(2, 0.08), 0.95))
        weekly = np.flatnonzero((np.arange(365) % 7 == number % 7) & (when < 0.9))
        between = np.maximum(rng.gamma(2, rng.uniform(1, 10), 365), 1)
        active = (by_rate, weekly, np.cumsum(between).astype(int))[number % 3]
        counts = 1 + rng.poisson(each * rng.gamma(4.0, 0.25, 365))
        yield {int(day): int(counts[day]) for day in active if day < 365}


def test_people_who_go_on_as_ever_hardly_have_any() -> None:
    looks, bursts, silences = 0, 0, 0
    for days in usual_people(np.random.default_rng(1), 150):
        for week in WEEKS:
            told = found(visitor(days, until=week), (DAY + week) * DAY_MS)
            looks, bursts, silences = looks + 1, bursts + (BURST in told), silences + (SILENCE in told)
    assert looks > 3_000 and bursts / looks < 0.002 and silences / looks < 0.01


def test_planted_bursts_are_found() -> None:
    """Of days with ten times as much, which vary by half for these people."""
    planted, seen = 0, 0
    for days in usual_people(np.random.default_rng(2), 300):
        lately = [day for day in days if day > 357]
        if lately and len(days) - len(lately) >= 8:
            day = lately[0]
            told = found(visitor({**days, day: 10 * days[day]}))
            planted, seen = planted + 1, seen + (BURST in told and told[BURST].at == (DAY + day) * DAY_MS)
    assert planted > 100 and seen / planted > 0.7


def test_who_came_each_week_and_comes_no_more_is_silent() -> None:
    weekly = {day: 3 for day in range(0, 300, 7)}
    told = found(visitor(weekly))
    assert told.keys() == {SILENCE}
    assert told[SILENCE].at == (DAY + 294) * DAY_MS
    evidence = told[SILENCE].evidence
    assert (evidence["silent_days"], evidence["usual_days"], evidence["longest_days"]) == (70, 7, 7)
    assert found(visitor(weekly), (DAY + 310) * DAY_MS) == {}  # two weeks are not long
    paused = {day: count for day, count in weekly.items() if not 100 < day < 200}
    assert found(visitor(paused)) == {}  # there was a longer one


def test_what_others_do_and_what_may_not_be_read_does_not_count() -> None:
    days = {**{day: 3 for day in range(0, 355, 5)}, 363: 90}
    assert BURST in found(visitor(days))
    assert found(visitor(days, name="Email Delivered")) == {}
    profile = visitor(days)
    assert anomalies(profile, NOW, lambda name: name != "Product Viewed", True) == []


def buyer(*currencies: str, folded: str = "") -> Profile:
    profile = Profile(1, DAY * DAY_MS)
    for number, currency in enumerate(currencies):
        at = NOW - (len(currencies) - number) * DAY_MS
        profile.orders[str(number)] = Order(at, 0, MICRO, currency)
    if folded:
        profile.folded = Folded(1, 1, 0, {folded: Totals(3, MICRO, 0)})
    return profile


def test_an_order_in_a_currency_that_was_never_used() -> None:
    (told,) = found(buyer("EUR", "EUR", "USD", "EUR", "EUR", "JPY")).values()
    assert told == Anomaly(CURRENCY, NOW - DAY_MS, {"currency": "JPY", "usual": "EUR", "orders": 5})
    (shown,) = told_anomalies([told], lambda at: str(at - NOW))
    assert shown == {"name": "currency", "at": str(-DAY_MS), "currency": "JPY", "usual": "EUR", "orders": 5}
    assert found(buyer("EUR", "EUR", "JPY")) == {}  # too few before it
    assert CURRENCY in found(buyer("EUR", "EUR", "JPY", folded="EUR"))
    assert found(buyer("EUR", "EUR", "JPY", folded="JPY")) == {}
    assert found(buyer(*["EUR"] * 6, "JPY"), NOW + 40 * DAY_MS) == {}  # long ago
    assert anomalies(buyer(*["EUR"] * 6, "JPY"), NOW, lambda _: True, False) == []


@given(st.dictionaries(st.integers(0, 364), st.integers(1, 500), max_size=60), st.integers(0, DAY_MS - 1))
@settings(deadline=None)
def test_what_is_unusual_is_so_all_day(days: dict[int, int], later: int) -> None:
    midnight = (DAY + 364) * DAY_MS
    assert found(visitor(days), midnight) == found(visitor(days), midnight + later)


@pytest.mark.parametrize("many", [1, 7])
def test_a_short_history_tells_nothing(many: int) -> None:
    assert found(visitor({**{day: 1 for day in range(many)}, 363: 400})) == {}
