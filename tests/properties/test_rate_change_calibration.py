"""Signs of a change of rate, over many people: hardly ever of those who go on as before, mostly of those who stop."""

from collections.abc import Callable

import numpy as np
import pytest

from models.profile.state import DAY_MS
from models.scoring.life_events import Occurrence
from models.scoring.rate_changes import counted_days, rate_change

Days = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
World = Callable[[np.random.Generator, int], Days]


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
