"""Intervals of what ways of deciding would bring hold the truth as often as they say."""

import numpy as np

from models.impact.policy_report import AS_DECIDED
from models.scoring.next_best_action import policy
from tests.strategies.policy_worlds import ACTIONS, reported, world


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held: dict[str, list[bool]] = {}
    for seed in range(120):
        made = world(seed, 2_400)
        allowed = made.history.allowed
        base = np.zeros(allowed.shape)
        truths = {AS_DECIDED: made.history.propensities, "welcome@2": made.personal}
        for place, action in enumerate(ACTIONS):
            base[:] = [1.0, 0.0, 0.0]
            base[:, place] = 2.0
            truths[f"always {action}"] = policy(base, allowed, 0.0)
        decided = (made.means * made.history.propensities).sum(1).mean()
        for name, figures in reported(made).items():
            truth = (made.means * truths[name]).sum(1).mean()
            assert figures.low is not None and figures.high is not None
            held.setdefault(name, []).append(bool(figures.low <= truth <= figures.high))
            if figures.difference_low is not None and figures.difference_high is not None:
                difference = truth - decided
                inside = figures.difference_low <= difference <= figures.difference_high
                held.setdefault(f"{name}, difference", []).append(bool(inside))
    assert len(held) == 9
    shares = {name: float(np.mean(each)) for name, each in held.items()}
    # Of policies that were seldom followed, and rarely answered, somewhat less often.
    assert min(shares.values()) >= 0.85 and np.mean(list(shares.values())) >= 0.91, shares
