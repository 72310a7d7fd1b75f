"""Next best action: which of several things to do for a person, by what each is expected to bring after its cost.

Value is rare and varies wildly, so that who brings it is learned from a response that is not rare (a visit, a click),
and what a response is worth from everybody who responded to the same action, shrunk to all. Training on value itself
loses money on public data. So does choosing person by person where differences between people cannot be told from
chance: then all get the action that is best for all. A share of decisions is left to chance, and the propensity of each
is logged: without it nobody can tell later what other decisions would have brought.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.impact.policy_value import Decisions, Estimate, always, policy_difference
from models.scoring.additive import AdditiveModel, Column, fit_additive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDS = 3
_WORTH_PRIOR = 100.0  # responses that everybody's worth counts for


class History(NamedTuple):
    """What was done for n people of k actions, and what came of it."""

    features: Mapping[str, Column]
    taken: Ints  # (n,), 0 to k - 1
    propensities: Floats  # (n, k): how likely each action was
    responded: NDArray[np.bool_]  # (n,)
    values: Floats  # (n,), what they brought, in one unit

    def of(self, rows: Ints) -> "History":
        """Some of the people."""
        features = {name: _rows(column, rows) for name, column in self.features.items()}
        return History(features, self.taken[rows], self.propensities[rows], self.responded[rows], self.values[rows])


class ActionModel(msgspec.Struct, frozen=True):
    """For each action: who responds, what a response is worth, and what the action costs (in the values' unit)."""

    actions: tuple[str, ...]
    responses: tuple[AdditiveModel, ...]
    worths: tuple[float, ...]
    costs: tuple[float, ...]
    means: tuple[float, ...]  # what the action brings of everybody, after its cost
    gain: Estimate | None = None  # what choosing person by person adds to one action for all, of unseen people

    @property
    def is_personal(self) -> bool:
        """Whether choosing person by person is known to bring more than one action for all."""
        return self.gain is not None and self.gain.low > 0

    def expected_values(self, features: Mapping[str, Column]) -> Floats:
        """What each action is expected to bring for each person after its cost, (n, k). Raises ValueError."""
        pairs = zip(self.responses, self.worths, self.costs, strict=True)
        return np.column_stack([model.probabilities(features) * worth - cost for model, worth, cost in pairs])

    def preferences(self, expected: Floats) -> Floats:
        """What to choose by, (n, k): the expected values, or those of everybody if people are not known to differ."""
        return expected if self.is_personal else np.broadcast_to(np.array(self.means), expected.shape)


def fit_actions(actions: Sequence[str], history: History, costs: Sequence[float]) -> ActionModel:
    """Learns what each action brings, and whether it pays to choose person by person.

    Raises ValueError if an action was never taken, or all who got it responded alike.
    """
    n, k = history.propensities.shape
    guesses, personal, single = np.zeros((n, k)), np.zeros((n, k)), np.zeros((n, k))
    for fold in range(_FOLDS):
        out = np.arange(n) % _FOLDS == fold
        model = _fit(actions, history.of(np.flatnonzero(~out)), costs)
        expected = model.expected_values(history.of(np.flatnonzero(out)).features)
        allowed = np.ones_like(expected, np.bool_)
        guesses[out] = expected + np.array(costs)
        personal[out] = policy(expected, allowed, 0.0)
        single[out] = always(int(np.argmax(model.means)), len(expected), k)
    decisions = Decisions(history.taken, history.propensities, history.values, guesses)
    spared = float(((single - personal) @ np.array(costs)).mean())
    gain = policy_difference(decisions, personal, single)
    gain = gain._replace(value=gain.value + spared, low=gain.low + spared, high=gain.high + spared)
    return msgspec.structs.replace(_fit(actions, history, costs), gain=gain)


def _fit(actions: Sequence[str], history: History, costs: Sequence[float]) -> ActionModel:
    pooled = float(history.values.sum()) / max(int(history.responded.sum()), 1)
    models, worths, means = [], [], []
    for number, action in enumerate(actions):
        rows = np.flatnonzero(history.taken == number)
        if not rows.size:
            raise ValueError(f"actions: {action} was never taken, so there is nothing to learn from")
        got = history.of(rows)
        models.append(fit_additive(got.features, got.responded))
        responses = float(got.responded.sum())
        worths.append((float(got.values.sum()) + _WORTH_PRIOR * pooled) / (responses + _WORTH_PRIOR))
        likely = got.propensities[:, number]
        means.append(float((got.values / likely).sum() / (1 / likely).sum()) - costs[number])
    return ActionModel(tuple(actions), tuple(models), tuple(worths), tuple(costs), tuple(means))


def policy(preferences: Floats, allowed: NDArray[np.bool_], explore: float) -> Floats:
    """How likely each action is to be taken for each person, (n, k): the best that is allowed, and with the probability
    `explore` any that is. Raises ValueError if somebody may be done nothing for."""
    if not allowed.any(1).all():
        raise ValueError("allowed: each person needs an action, if only to be left alone")
    best = np.where(allowed, preferences, -np.inf).argmax(1)
    likely: Floats = explore * allowed / allowed.sum(1, keepdims=True)
    likely[np.arange(len(best)), best] += 1 - explore
    return likely


def draw(likely: Floats, uniform: Floats) -> Ints:
    """The action for each person, (n,), from numbers between 0 and 1, (n,), that chance gave."""
    edges = likely.cumsum(1)
    edges[:, -1] = 1.0
    drawn: Ints = (uniform[:, None] >= edges).sum(1)
    return drawn


def _rows(column: Column, rows: Ints) -> Column:
    return column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows]
