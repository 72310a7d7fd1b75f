"""Changes of rate: found where they are, with what says so, and hardly ever among people who go on as before."""

from collections.abc import Callable

import numpy as np
import pytest

from models.profile.state import DAY_MS, MICRO, EventStats, Folded, Order, Profile, Totals
from models.scoring.insights import told_signs
from models.scoring.life_events import Occurrence
from models.scoring.rate_changes import (
    DEFAULT_RATE_CHANGES,
    RateChanges,
    RateRule,
    counted_days,
    rate_change,
)

FIRST = 20_000  # number of a day
Days = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
World = Callable[[np.random.Generator, int], Days]


def buyer(days: list[int]) -> Profile:
    profile = Profile(1, FIRST * DAY_MS, first_seen=FIRST * DAY_MS)
    for number, day in enumerate(days):
        profile.orders[f"o{number}"] = Order((FIRST + day) * DAY_MS + number, 0, 10 * MICRO, "EUR")
    return profile


def signs(profile: Profile, today: int, rules: dict[str, RateRule] = DEFAULT_RATE_CHANGES) -> list[str]:
    found = RateChanges(rules).signs(profile, (FIRST + today) * DAY_MS, lambda name: True, True)
    return [sign.name for sign in found]


def test_somebody_who_stops_buys_less_since_the_last_purchase() -> None:
    weekly = buyer(list(range(0, 210, 7)))
    found = RateChanges(DEFAULT_RATE_CHANGES).signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, True)
    (told,) = told_signs(found, lambda at: str(at // DAY_MS - FIRST))
    assert (told["name"], told["since"]) == ("bought_less", "204")
    assert (told["before"], told["after"]) == ({"times": 29, "days": 203}, {"times": 0, "days": 116})
    assert told["evidence"] == [{"at": str(175 + 7 * n), "order": f"o{25 + n}"} for n in range(5)]
    assert signs(weekly, 220) == []  # not after two weeks


def test_somebody_who_begins_to_buy_often_is_told_of_with_both_sides() -> None:
    often = buyer([*range(0, 360, 60), *range(360, 440, 5)])
    found = RateChanges(DEFAULT_RATE_CHANGES).signs(often, (FIRST + 440) * DAY_MS, lambda name: True, True)
    (sign,) = found
    assert sign.name == "bought_more"
    assert sign.paces is not None
    before, after = sign.paces
    assert before.times / before.days < 1 / 50 < 1 / 7 < after.times / after.days
    assert [each.at >= sign.since for each in sign.evidence] == [False] * 5 + [True] * 5


def test_cancelled_orders_and_those_that_may_not_be_read_count_nothing() -> None:
    weekly = buyer(list(range(0, 210, 7)))
    found = RateChanges(DEFAULT_RATE_CHANGES)
    assert found.signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, False) == []
    for order in list(weekly.orders.values())[5:]:
        order.cancelled = True
    assert found.signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, True) == []


def test_what_is_not_known_one_by_one_is_not_taken_for_a_pause() -> None:
    """Of somebody with too many orders or days the oldest are sums: what is known begins after them."""
    weekly = buyer([0, *range(350, 560, 7)])
    assert signs(weekly, 560) == ["bought_more"]
    folded = Folded(first=FIRST * DAY_MS, last=(FIRST + 340) * DAY_MS, totals={"EUR": Totals(40, 400 * MICRO)})
    weekly.folded = folded
    assert signs(weekly, 560) == []
    rules = {"visits_more": RateRule(change="more", events=("*viewed",))}
    seen = [(FIRST + day) * DAY_MS for day in range(350, 560, 7)]
    viewer = Profile(1, 1)
    viewer.events["Page Viewed"] = EventStats(len(seen) + 1, FIRST * DAY_MS, seen[-1], seen, {FIRST: 1})
    assert signs(viewer, 560, rules) == ["visits_more"]
    viewer.events["Page Viewed"].count += 50
    viewer.events["Page Viewed"].older = {FIRST + 340: 1}  # those before it are left out
    assert signs(viewer, 560, rules) == []
    viewer.events["Product Viewed"] = EventStats(1, FIRST * DAY_MS, FIRST * DAY_MS, [FIRST * DAY_MS])
    assert signs(viewer, 560, rules) == []  # another that is known for longer says nothing of these


def test_events_are_those_that_may_be_read() -> None:
    rules = {"visits_less": RateRule(change="less", events=("visited *",))}
    seen = [(FIRST + day) * DAY_MS for day in range(0, 210, 7)]
    visitor = Profile(1, 1)
    visitor.events["Visited Shop"] = EventStats(len(seen), seen[0], seen[-1], seen)
    visitor.events["Opened"] = EventStats(1, seen[-1], seen[-1], [(FIRST + 300) * DAY_MS])
    found = RateChanges(rules)
    now = (FIRST + 320) * DAY_MS
    assert [sign.name for sign in found.signs(visitor, now, lambda name: True, False)] == ["visits_less"]
    assert found.signs(visitor, now, lambda name: name != "Visited Shop", True) == []


def steady(rate: float) -> World:
    return lambda rng, days: np.flatnonzero(rng.random(days) < rate)


def in_pairs(rate: float) -> World:
    """Three of ten come back on the next day for what they forgot."""

    def days_of(rng: np.random.Generator, days: int) -> Days:
        bought = rng.random(days) < rate
        bought[1:] |= bought[:-1] & (rng.random(days - 1) < 0.3)
        return np.flatnonzero(bought)

    return days_of


def in_season(rate: float) -> World:
    """Half as many again in two months of the year."""
    return lambda rng, days: np.flatnonzero(rng.random(days) < rate * (1 + 0.5 * (np.arange(days) % 365 > 305)))


@pytest.mark.parametrize("known", [14, 365])
@pytest.mark.parametrize(
    "world",
    [steady(1 / 45), steady(1 / 14), steady(1 / 3), in_pairs(1 / 30), in_season(1 / 14)],
    ids=["six weekly", "fortnightly", "every third day", "in pairs", "in season"],
)
def test_of_steady_people_one_in_a_hundred_seems_to_change_in_a_year_of_looking(world: World, known: int) -> None:
    rng = np.random.default_rng(11)
    alarmed = 0
    for _ in range(200):
        told = [Occurrence(int(day) * DAY_MS, "order", "") for day in world(rng, known + 365)]
        days = counted_days(told, 0, known + 365)
        looks = [[day for day in days if day < today] for today in range(known, known + 365, 3)]
        alarmed += any(
            rate_change(seen, today) is not None
            for seen, today in zip(looks, range(known, known + 365, 3), strict=True)
        )
    assert alarmed / 200 <= 0.01


def test_most_of_those_who_stop_are_told_of_within_a_season() -> None:
    rng = np.random.default_rng(12)
    found = 0
    for _ in range(200):
        days = [int(day) for day in steady(1 / 7)(rng, 250)]
        told = [Occurrence(day * DAY_MS, "order", "") for day in days]
        change = rate_change(counted_days(told, 0, 370), 370)
        found += change is not None and change.change == "less" and abs(change.day - 250) <= 40
    assert found / 200 >= 0.8


def test_few_days_say_nothing() -> None:
    assert rate_change([], FIRST) is None
    assert rate_change([1, 2, 3, 4, 5], 500) is None
    assert rate_change([1, 4, 7, 10, 13, 16], 17) is None
