"""Comparing a treated group with a holdout while the numbers still come in.

A test that is looked at every day finds differences where there are none. These intervals may be looked at as often as
one likes: with the probability of their level they hold the difference at all times at once (asymptotic confidence
sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory", Annals of Statistics
2024). They are wider than those of a single look by what that costs.
"""

from math import hypot, inf, isinf, log, sqrt
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


Bounds = tuple[float, float, float]
"""A figure, and the least and the most that it may be."""


class Comparison(NamedTuple):
    """How much more a treated person brings than one of the holdout, in the outcome's unit."""

    difference: float
    low: float = -inf
    high: float = inf
    relative: Bounds | None = None  # as shares of the holdout's mean; None where that may be nothing

    @property
    def verdict(self) -> Verdict | None:
        """What may be said of it; None where nothing can be said."""
        if isinf(self.low):
            return None
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not distinguishable"


def compare(treated: Group, holdout: Group, level: float = 0.95, planned: int = _PLAN) -> Comparison:
    """Compares two groups so that it may be done again at any time. `planned`: people of both groups at which the
    interval is to be tightest. Of fewer than PEOPLE_MIN in a group nothing can be said: the interval is infinite."""
    difference = treated.mean - holdout.mean
    if min(treated.people, holdout.people) < PEOPLE_MIN:
        return Comparison(difference)
    # A small group that nobody has spent in yet has no variance of its own: what all bring is its likely one.
    pooled = _together(treated, holdout).variance
    errors = sqrt(max(treated.variance, pooled) / treated.people), sqrt(max(holdout.variance, pooled) / holdout.people)
    reach = width(treated.people + holdout.people, 1 - level, planned)
    ours, theirs = (reach * error for error in errors)
    both = hypot(ours, theirs)
    relative = _relative(treated.mean, holdout.mean, ours, theirs)
    return Comparison(difference, difference - both, difference + both, relative)


def _relative(treated: float, holdout: float, ours: float, theirs: float) -> Bounds | None:
    """The difference of two means as a share of the holdout's; `ours`, `theirs`: how far the means may be off.

    Holds those shares r for which treated - (1 + r) holdout may be 0 (Fieller, "Some problems in interval estimation",
    1954). That is a difference of means too: the interval may be looked at as often, and it holds 0 where that of the
    difference does. None where the holdout's mean may be 0: then any share may be.
    """
    if holdout <= theirs:
        return None
    square = holdout**2 - theirs**2
    reach = sqrt(ours**2 * square + theirs**2 * treated**2)
    low, high = ((treated * holdout + sign * reach) / square - 1 for sign in (-1, 1))
    return treated / holdout - 1, low, high


def _together(one: Group, other: Group) -> Group:
    return Group(one.people + other.people, one.total + other.total, one.squares + other.squares)


def width(people: int, alpha: float, planned: int) -> float:
    """Half the interval's width in standard errors, for `people` seen so far (a single look would need 1.96 of 95
    %)."""
    spread = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / planned
    seen = people * spread
    return sqrt(2 * (seen + 1) / seen * log(sqrt(seen + 1) / alpha))
