"""How many people an experiment needs, and what it can tell with those that there are.

For means of two groups, compared once and from two sides; shares are means of zeros and ones. Comparisons that may be
looked at any time need more: `models.impact.sequential.width` says how much wider their intervals are.
"""

from math import ceil, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()  # SciPy's takes a quarter of a second to import, in every replica


def people_needed(
    effect: float, deviation: float, holdout: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> int:
    """People of both groups together, for a difference of `effect` to be found with probability `power`.

    `deviation`: standard deviation of what one person brings, in the effect's unit; `holdout`: share of people held
    out. Raises ValueError for what is not possible.
    """
    _check(deviation, holdout, alpha)
    if effect == 0 or not 0 < power < 1:
        raise ValueError("effect and power: expected a difference other than 0, and a power between 0 and 1")
    deviations = (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * deviation / abs(effect)
    return ceil(deviations**2 / (holdout * (1 - holdout)))


def detectable_effect(
    people: int, deviation: float, holdout: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest difference that `people` of both groups let find with probability `power`. Raises ValueError."""
    _check(deviation, holdout, alpha)
    if people < 2:
        raise ValueError("people: expected at least two")
    return (
        (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * deviation / sqrt(people * holdout * (1 - holdout))
    )


def power_of(people: int, effect: float, deviation: float, holdout: float = 0.5, alpha: float = 0.05) -> float:
    """How likely a difference of `effect` is found. Raises ValueError."""
    _check(deviation, holdout, alpha)
    errors = abs(effect) * sqrt(people * holdout * (1 - holdout)) / deviation
    least = _NORMAL.inv_cdf(1 - alpha / 2)
    return _NORMAL.cdf(errors - least) + _NORMAL.cdf(-errors - least)


def deviation_of_share(share: float) -> float:
    """Standard deviation of a yes or no that `share` of people say yes to."""
    return sqrt(share * (1 - share))


def _check(deviation: float, holdout: float, alpha: float) -> None:
    if deviation <= 0 or not 0 < holdout < 1 or not 0 < alpha < 1:
        raise ValueError("deviation, holdout, alpha: expected a deviation above 0, and shares between 0 and 1")
