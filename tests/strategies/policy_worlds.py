"""Decisions in a made-up world, of which is known what each way of deciding would bring."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.impact.policy_report import Candidate, PolicyFigures, PolicyReport, policy_report
from models.scoring.additive import Column
from models.scoring.next_best_action import Floats, History, draw, policy

ACTIONS = ("none", "letter", "call")
COSTS = (0.0, 0.5, 1.0)
EMPTY = PolicyReport(
    decision="welcome", value="revenue in EUR", unit="EUR", since="", until="2026-03-01T00:00:00.000Z",
    horizon_days=14, decisions=None, people=None,
)  # fmt: skip
_RATES = np.array([[0.1, 0.5, 0.1], [0.1, 0.1, 0.5]])  # by kind of people
_WORTH = np.array([10.0, 20.0])  # of a response, by whether a call is for them


class World(NamedTuple):
    """Decisions, each about another, and what each action would have brought of each on average."""

    history: History
    means: Floats  # (n, k), after costs
    personal: Floats  # (n, k), the best for each


def world(seed: int, n: int = 3_000) -> World:
    """Half were decided by chance and half by a champion that takes letters, with a tenth left to chance. A call is for
    two of three people, who bring more whatever is done."""
    rng = np.random.default_rng(seed)
    kind, reachable = rng.integers(0, 2, n), rng.random(n) < 2 / 3
    allowed = np.column_stack([np.ones((n, 2), bool), reachable])
    by_chance = policy(np.zeros((n, 3)), allowed, 1.0)
    by_champion = policy(np.tile([0.0, 1.0, 0.5], (n, 1)), allowed, 0.1)
    propensities = np.where((np.arange(n) % 2 == 0)[:, None], by_chance, by_champion)
    taken = draw(propensities, rng.random(n))
    responded = rng.random(n) < _RATES[kind, taken]
    worth = _WORTH[reachable.astype(int)]
    values = np.where(responded, rng.gamma(2.0, worth / 2), 0.0)
    features: dict[str, Column] = {
        "kind": ["ab"[each] for each in kind],
        "allowed:call": ["yes" if each else "no" for each in reachable],
    }
    means = _RATES[kind] * worth[:, None] - np.array(COSTS)
    history = History(features, taken, propensities, responded, values.astype(np.float64))
    return World(history, means, policy(means, allowed, 0.0))


def reported(made: World, rows: Sequence[int] | None = None) -> dict[str, PolicyFigures]:
    unseen = np.arange(len(made.history.taken)) if rows is None else np.array(rows, np.int64)
    found = policy_report(EMPTY, ACTIONS, COSTS, made.history, [Candidate("welcome@2", made.personal, unseen)])
    return {each.policy: each for each in found.policies}
