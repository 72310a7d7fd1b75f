"""Engagement: how much somebody does, lately, as a share of people who do less.

Each thing that somebody does adds its weight, and what was added halves in a half-life. The sum is kept as the time at
which it would be worth one unit: so it takes one number, an event costs the same however long the history is, events
may come in any order, and two people's sums add up when they turn out to be one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import exp, log, log1p

import msgspec

NEVER = float("-inf")


def add(level: float, at: float, weight: float, half_life: float) -> float:
    """The level after something of `weight` was done at the time `at`. A level is a time: that at which the decayed sum
    is (or was, or would have been) 1; NEVER of somebody who did nothing. Times and the half-life are in one unit."""
    if weight <= 0:
        return level
    return joined(level, at + log(weight) * half_life / log(2), half_life)


def joined(one: float, other: float, half_life: float) -> float:
    """The level of two histories together."""
    high, low = max(one, other), min(one, other)
    if low == NEVER:
        return high
    rate = log(2) / half_life
    return high + log1p(exp((low - high) * rate)) / rate


def decayed(level: float, now: float, half_life: float) -> float:
    """What the history is worth at a time."""
    return 0.0 if level == NEVER else exp((level - now) * log(2) / half_life)


class EngagementScale(msgspec.Struct, frozen=True):
    """The levels of people in general, relative to when they were taken, ascending: what makes a percentile."""

    levels: tuple[float, ...]

    def score(self, level: float, now: float) -> float:
        """0 to 100: the share of people who are less engaged; of equals, half."""
        if level == NEVER or not self.levels:
            return 0.0
        relative = level - now
        below, up_to = bisect_left(self.levels, relative), bisect_right(self.levels, relative)
        return 50.0 * (below + up_to) / len(self.levels)


def scale_of(levels: Sequence[float], now: float, points: int = 1000) -> EngagementScale:
    """The scale of some people at a time, at up to `points` quantiles."""
    known = sorted(level - now for level in levels if level != NEVER)
    if len(known) > points:
        known = [known[(2 * number + 1) * len(known) // (2 * points)] for number in range(points)]
    return EngagementScale(tuple(known))
