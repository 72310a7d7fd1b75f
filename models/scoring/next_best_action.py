"""Next best action: which of several things to do for a person, by what each is expected to bring after its cost.

Value is rare and varies wildly, so that who brings it is learned from a response that is not rare (a visit, a click),
and what a response is worth from everybody who responded to the same action, shrunk to all. Training on value itself
loses money on public data. So does choosing person by person where differences between people cannot be told from
chance: then all get the action that is best for all. A share of decisions is left to chance, and the propensity of each
is logged: without it nobody can tell later what other decisions would have brought.

An action that is not for everybody has a propensity of 0 for all others. What it brings is compared with what another
brings of those whom it is for, who may be people who bring more anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.impact.policy_value import Decisions, Estimate, policy_difference
from models.scoring.additive import AdditiveModel, Column, fit_additive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_FOLDS = 3
_WORTH_PRIOR = 100.0  # responses that everybody's worth counts for
_UNKNOWN = -1e300  # least of all that is allowed
_ALIKE = 10  # fewer responses, or fewer without one, tell nothing of who responds


class History(NamedTuple):
    """What was done for n people of k actions, and what came of it."""

    features: Mapping[str, Column]
    taken: Ints  # (n,), 0 to k - 1
    propensities: Floats  # (n, k): how likely each action was
    responded: Bools  # (n,)
    values: Floats  # (n,), what they brought, in one unit
    people: Ints | None = None  # (n,), who they are, if some are in it more than once
    served: Mapping[str, Bools] = {}  # (n,), for which of them a feature might count; one that is not in it, for all

    def of(self, rows: Ints) -> "History":
        """Some of the people."""
        features = {name: _rows(column, rows) for name, column in self.features.items()}
        people = None if self.people is None else self.people[rows]
        served = {name: each[rows] for name, each in self.served.items()}
        return History(
            features, self.taken[rows], self.propensities[rows], self.responded[rows], self.values[rows], people, served
        )

    def tells(self, features: Iterable[str]) -> Bools:
        """(n,), for whom all of these features might count."""
        told = np.ones(len(self.taken), np.bool_)
        for name in features:
            told &= self.served.get(name, True)
        return told

    @property
    def allowed(self) -> Bools:
        """(n, k), what might have been done for each."""
        return self.propensities > 0

    def decisions(self, costs: Sequence[float], guesses: Floats) -> Decisions:
        """What came of it after costs. `guesses`, (n, k), are so too."""
        spent = np.array(costs)[self.taken]
        return Decisions(self.taken, self.propensities, self.values - spent, guesses, self.people)

    def folds(self) -> list[Ints]:
        """The rows in parts, none with people of another."""
        people = np.arange(len(self.taken)) if self.people is None else np.unique(self.people, return_inverse=True)[1]
        return [np.flatnonzero(people % _FOLDS == fold) for fold in range(_FOLDS)]


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

    Raises ValueError if an action was never taken, none is for everybody, or all who got one responded alike.
    """
    n, k = history.propensities.shape
    guesses, personal, single = np.zeros((n, k)), np.zeros((n, k)), np.zeros((n, k))
    everybody = np.arange(n)
    for out in history.folds():
        model = _fit(actions, history.of(np.setdiff1d(everybody, out)), costs)
        unseen = history.of(out)
        guesses[out] = model.expected_values(unseen.features)
        same = np.broadcast_to(np.array(model.means), (len(out), k))
        told = unseen.tells(unseen.features)[:, None]
        personal[out] = policy(np.where(told, guesses[out], same), unseen.allowed, 0.0)
        single[out] = policy(same, unseen.allowed, 0.0)
    gain = policy_difference(history.decisions(costs, guesses), personal, single)
    return msgspec.structs.replace(_fit(actions, history, costs), gain=gain)


def guess_values(history: History, costs: Sequence[float]) -> Floats:
    """What each action would have brought of each person after its cost, (n, k), guessed by models that have not seen
    them. Of actions to which too few responded to tell who does, everybody's mean."""
    n, k = history.propensities.shape
    guesses = np.zeros((n, k))
    everybody = np.arange(n)
    for out in history.folds():
        seen, unseen = history.of(np.setdiff1d(everybody, out)), history.of(out)
        pooled = _pooled(seen)
        for number in range(k):
            got = seen.of(np.flatnonzero(seen.taken == number))
            if min(got.responded.sum(), (~got.responded).sum()) >= _ALIKE:
                likely = fit_additive(got.features, got.responded, got.people).probabilities(unseen.features)
                guesses[out, number] = likely * _worth(got, pooled) - costs[number]
            elif got.taken.size:
                guesses[out, number] = _mean(got, number) - costs[number]
    return guesses


def _fit(actions: Sequence[str], history: History, costs: Sequence[float]) -> ActionModel:
    pooled = _pooled(history)
    everywhere = np.flatnonzero(history.allowed.all(0))
    if not everywhere.size:
        raise ValueError("actions: one of them must be for everybody, to compare the others with")
    base = int(everywhere[0])
    models, worths, means = [], [], []
    for number, action in enumerate(actions):
        rows = np.flatnonzero(history.taken == number)
        if not rows.size:
            raise ValueError(f"actions: {action} was never taken, so there is nothing to learn from")
        got = history.of(rows)
        try:
            models.append(fit_additive(got.features, got.responded, got.people))
        except ValueError:
            raise ValueError(f"actions: all who got {action} responded alike, so there is nothing to learn") from None
        worths.append(_worth(got, pooled))
        means.append(_mean(history, base) + _surplus(history, number, base) - costs[number])
    return ActionModel(tuple(actions), tuple(models), tuple(worths), tuple(costs), tuple(means))


def _pooled(history: History) -> float:
    """What a response is worth, whatever was done."""
    return float(history.values.sum()) / max(int(history.responded.sum()), 1)


def _worth(got: History, pooled: float) -> float:
    return (float(got.values.sum()) + _WORTH_PRIOR * pooled) / (float(got.responded.sum()) + _WORTH_PRIOR)


def _surplus(history: History, action: int, base: int) -> float:
    """How much more an action brings than another of those whom it is for."""
    those = history.of(np.flatnonzero(history.allowed[:, action]))
    return _mean(those, action) - _mean(those, base) if (those.taken == base).any() else 0.0


def _mean(history: History, action: int) -> float:
    """What an action brings of these people, weighed by how likely those who got it were to."""
    got = history.taken == action
    weights = 1 / history.propensities[got, action]
    return float((history.values[got] * weights).sum() / weights.sum())


def policy(preferences: Floats, allowed: Bools, explore: float) -> Floats:
    """How likely each action is to be taken for each person, (n, k): the best that is allowed, and with the probability
    `explore` any that is. Of what nothing is known the preference is -inf. Raises ValueError if somebody may be done
    nothing for."""
    if not allowed.any(1).all():
        raise ValueError("allowed: each person needs an action, if only to be left alone")
    best = np.where(allowed, np.maximum(preferences, _UNKNOWN), -np.inf).argmax(1)
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
