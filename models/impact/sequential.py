"""Comparing a treated group with a holdout while the numbers still come in.

A test that is looked at every day finds differences where there are none. These intervals may be looked at as often as
one likes: with the probability of their level they hold the difference at all times at once (asymptotic confidence
sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory", Annals of Statistics
2024). They are wider than those of a single look by what that costs.
"""

from math import log, sqrt
from typing import Literal, NamedTuple

Verdict = Literal["better", "worse", "not distinguishable"]

PEOPLE_MIN = 100  # in each group, below which the mean of what people bring is nowhere near normal
_PLAN = 10_000  # people for whom the interval is tightest, if nobody says how many there will be


class Group(NamedTuple):
    """What the people of a group brought: how many they are, the sum, and the sum of squares."""

    people: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.people if self.people else 0.0

    @property
    def variance(self) -> float:
        """Of what one person brings; 0 of fewer than two."""
        if self.people < 2:
            return 0.0
        return max(self.squares - self.total**2 / self.people, 0.0) / (self.people - 1)


class Comparison(NamedTuple):
    """How much more a treated person brings than one of the holdout, in the outcome's unit."""

    difference: float
    low: float
    high: float
    treated: Group
    holdout: Group

    @property
    def verdict(self) -> Verdict:
        """What may be said of it."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not distinguishable"

    @property
    def relative(self) -> tuple[float, float, float] | None:
        """The difference and its bounds as shares of the holdout's mean; None where that is nothing."""
        mean = self.holdout.mean
        return None if mean <= 0 else (self.difference / mean, self.low / mean, self.high / mean)


def compare(treated: Group, holdout: Group, level: float = 0.95, planned: int = _PLAN) -> Comparison:
    """Compares two groups so that it may be done again at any time. `planned`: people of both groups at which the
    interval is to be tightest. Of fewer than PEOPLE_MIN in a group nothing can be said: the interval is infinite."""
    difference = treated.mean - holdout.mean
    if min(treated.people, holdout.people) < PEOPLE_MIN:
        return Comparison(difference, float("-inf"), float("inf"), treated, holdout)
    # A small group that nobody has spent in yet has no variance of its own: what all bring is its likely one.
    pooled = _together(treated, holdout).variance
    error = sqrt(max(treated.variance, pooled) / treated.people + max(holdout.variance, pooled) / holdout.people)
    reach = error * width(treated.people + holdout.people, 1 - level, planned)
    return Comparison(difference, difference - reach, difference + reach, treated, holdout)


def _together(one: Group, other: Group) -> Group:
    return Group(one.people + other.people, one.total + other.total, one.squares + other.squares)


def width(people: int, alpha: float, planned: int) -> float:
    """Half the interval's width in standard errors, for `people` seen so far (a single look would need 1.96 of 95
    %)."""
    spread = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / planned
    seen = people * spread
    return sqrt(2 * (seen + 1) / seen * log(sqrt(seen + 1) / alpha))
