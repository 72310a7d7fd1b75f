"""Whether one version is better than another on the same people, and how sure that is.

The people are drawn again and again, with both versions' scores of each kept together (the paired bootstrap), so that
what both find hard counts for nothing. Ninety-five of a hundred differences lie within the interval.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.scoring.evaluation import Measure

Floats = NDArray[np.float64]
Verdict = Literal["better", "worse", "not distinguishable"]

# Of these measures less is better; of all others more is.
LESS_IS_BETTER = ("brier", "calibration_error", "log_loss", "mean_absolute_error", "root_mean_squared_error")

_OTHERS_MIN = 20  # of fewer than these a draw holds hardly anybody else, and chance seems sure
_DRAWS_MIN, _DRAWS_MAX = 200, 1_000
_PEOPLE_DRAWN = 4_000_000  # in all draws together, about
_SEED = 20_251_130  # the same people give the same interval


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A version beside the champion: how much better it is by a measure, below zero if it is worse."""

    version: int
    champion: int
    measure: str
    difference: float
    low: float  # of the interval, 95%
    high: float

    @property
    def verdict(self) -> Verdict:
        """What can be said."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not distinguishable"


def gain(measure: str, mine: float, theirs: float) -> float:
    """How much better one figure of a measure is than another."""
    if measure == "bias":  # none is best
        return abs(theirs) - abs(mine)
    return theirs - mine if measure in LESS_IS_BETTER else mine - theirs


def differences(
    measure: str, figure: Measure, mine: Floats, theirs: Floats, outcomes: Floats
) -> tuple[float, float, float] | None:
    """How much better the first of two scores of n people are by a measure, (n,) each, and the interval of that.

    None where the measure cannot be told, such as AUC where all outcomes are the same, and where so few people have
    another outcome than most that there is no telling how sure it is.
    """

    def difference(rows: NDArray[np.int64]) -> float:
        of_mine, of_theirs = (figure(told[rows], outcomes[rows]) for told in (mine, theirs))
        return np.nan if of_mine is None or of_theirs is None else gain(measure, of_mine, of_theirs)

    people = len(outcomes)
    if people - np.unique(outcomes, return_counts=True)[1].max(initial=0) < _OTHERS_MIN:
        return None
    found = difference(np.arange(people))
    if np.isnan(found):
        return None
    rng = np.random.default_rng(_SEED)
    draws = min(max(_PEOPLE_DRAWN // people, _DRAWS_MIN), _DRAWS_MAX)
    drawn = np.array([difference(rng.integers(0, people, people)) for _ in range(draws)])
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return found, float(low), float(high)
