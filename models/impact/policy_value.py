"""What a way of deciding would have brought, told from decisions that were made otherwise.

Augmented inverse propensity weighting (Robins, Rotnitzky and Zhao 1994; Dudik, Langford and Li 2011): a model's guess
of each outcome, corrected by the outcomes of those for whom the decision was the same, weighed by how likely it was.
Right if either the propensities or the model is; propensities were logged, so they are. Models must not have seen the
people whom they guess for (cross-fitting: Chernozhukov et al. 2018).
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NORMAL = NormalDist()
OVERLAP_MIN = 0.01  # propensities below it are trusted to say that nearly nobody was decided for so, and no more
_SYMMETRIC = 1e-9


class Decisions(NamedTuple):
    """What was decided for n people of k possible actions, and what came of it."""

    actions: Ints  # (n,), 0 to k - 1
    propensities: Floats  # (n, k): how likely each action was when it was decided
    outcomes: Floats  # (n,), in the unit that is asked for
    guesses: Floats  # (n, k): of the outcome of each action, by models that did not see these people
    about: Ints | None = None  # (n,), whom each was about, if some were decided about more than once

    def check(self) -> "Decisions":
        """Itself. Raises ValueError if something does not fit."""
        n, k = self.propensities.shape
        if self.actions.shape != (n,) or self.outcomes.shape != (n,) or self.guesses.shape != (n, k):
            raise ValueError("decisions: actions, propensities, outcomes and guesses must be of the same people")
        if not np.allclose(self.propensities.sum(1), 1.0, atol=1e-6):
            raise ValueError("propensities: those of one person must add up to 1")
        if (self.propensities[np.arange(n), self.actions] <= 0).any():
            raise ValueError("propensities: an action that was taken cannot have been impossible")
        return self


class Estimate(NamedTuple):
    """A mean with its interval. `told` is whether it can be told from nothing."""

    value: float
    low: float
    high: float
    standard_error: float

    @property
    def told(self) -> bool:
        return self.low > 0 or self.high < 0


class PolicyValue(NamedTuple):
    """What a policy is worth a person, and how well the decisions cover it."""

    estimate: Estimate
    uncovered: float  # share of people for whom it would do what was (nearly) never done
    effective_people: float  # of how many people decided about by it the weighted decisions are worth


def policy_value(decisions: Decisions, policy: Floats, level: float = 0.95) -> PolicyValue:
    """What people would have brought on average. `policy`: (n, k), how likely it takes each action for each of them."""
    scores, weights = _scores(decisions.check(), policy)
    rare = decisions.propensities < OVERLAP_MIN
    uncovered = float((policy * rare).sum(1).mean())
    parts = _of_each(weights, decisions.about)
    effective = float(parts.sum() ** 2 / max((parts**2).sum(), 1e-300))
    return PolicyValue(_estimate(scores, decisions.about, level), uncovered, effective)


def policy_difference(decisions: Decisions, policy: Floats, other: Floats, level: float = 0.95) -> Estimate:
    """How much more a policy is worth a person than another, on the same people."""
    checked = decisions.check()
    return _estimate(_scores(checked, policy)[0] - _scores(checked, other)[0], decisions.about, level)


def always(action: int, people: int, actions: int) -> Floats:
    """The policy that does one thing, (people, actions)."""
    policy = np.zeros((people, actions))
    policy[:, action] = 1.0
    return policy


def _scores(decisions: Decisions, policy: Floats) -> tuple[Floats, Floats]:
    rows = np.arange(len(decisions.actions))
    taken = decisions.actions
    weights = policy[rows, taken] / np.maximum(decisions.propensities[rows, taken], OVERLAP_MIN)
    guessed = (policy * decisions.guesses).sum(1)
    return guessed + weights * (decisions.outcomes - decisions.guesses[rows, taken]), weights


def _estimate(scores: Floats, about: Ints | None, level: float) -> Estimate:
    """The mean of scores, (n,). Those of one person go together: they are no new people (cluster-robust variance).

    A few decisions that were unlikely and brought much make scores skewed, and the usual interval then holds the truth
    too seldom: it is corrected for skewness (Hall, "On the removal of skewness by transformation", 1992). One person
    alone tells nothing of others: the interval is infinite."""
    mean = float(scores.mean())
    parts = _of_each(scores - mean, about)
    if len(parts) < 2:
        return Estimate(mean, -np.inf, np.inf, np.inf)
    root = len(parts) ** 0.5
    spread = float(parts.std(ddof=1))
    error = spread * root / len(scores)
    if not error:
        return Estimate(mean, mean, mean, 0.0)
    skew = float((parts**3).mean()) / spread**3
    reach = _NORMAL.inv_cdf((1 + level) / 2)
    low, high = (mean - _unskewed(each, skew, root) * error for each in (reach, -reach))
    return Estimate(mean, low, high, error)


def _of_each(parts: Floats, about: Ints | None) -> Floats:
    """What decisions, (n,), come to for each person whom they were about."""
    if about is None:
        return parts
    return np.bincount(np.unique(about, return_inverse=True)[1], parts).astype(np.float64)


def _unskewed(quantile: float, skew: float, root: float) -> float:
    """The quantile of a mean's error, in standard errors, of root^2 parts with a skewness."""
    if abs(skew) < _SYMMETRIC:
        return quantile
    return float(3 * root / skew * (np.cbrt(1 + skew / root * (quantile - skew / (6 * root))) - 1))
