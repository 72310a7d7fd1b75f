"""What is told of groups that were discovered holds for people who come later, as often as it says."""

import numpy as np
import pytest

from models.scoring.discovery import difference_of, discover, mean_of
from tests.strategies.discovered_people import people


def test_where_nothing_differs_nothing_is_found() -> None:
    found = [discover(*people(seed, effect=0.0, n=1_500)) for seed in range(200)]
    assert np.mean([bool(groups) for groups in found]) <= 0.05
    assert np.mean([any(group.difference.told for group in groups) for groups in found]) <= 0.01


def test_intervals_hold_what_people_bring_who_come_later() -> None:
    truth_features, truth_outcomes, _ = people(999, 4.0, 200_000)
    held, together = [], []
    for seed in range(120):
        groups = discover(*people(seed, 4.0))
        for group in groups:
            inside = np.logical_and.reduce(
                [condition.holds(truth_features[condition.feature]) for condition in group.conditions]
            )
            difference = truth_outcomes[inside].mean() - truth_outcomes[~inside].mean()
            held.append(group.difference.low <= difference <= group.difference.high)
            held.append(group.mean.low <= truth_outcomes[inside].mean() <= group.mean.high)
        together.append(all(held[len(held) - 2 * len(groups) :]))
    assert len(held) > 100
    assert np.mean(held) >= 0.93
    assert np.mean(together) >= 0.95  # all of one answer


@pytest.mark.parametrize("likely", [0.005, 0.03, 0.5, 0.99])
def test_intervals_of_what_is_rare_hold_too(likely: float) -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(1_000):
        few, many = (rng.random(people) < likely for people in (60, 400))
        told = mean_of(few.astype(np.float64)), difference_of(few.astype(np.float64), many.astype(np.float64))
        assert 0 <= told[0].low < told[0].high <= 1
        held.append([told[0].low <= likely <= told[0].high, told[1].low <= 0 <= told[1].high])
    assert (np.mean(held, axis=0) >= 0.94).all()


def test_intervals_of_rare_revenue_hold_where_nobody_spent_anything() -> None:
    rng = np.random.default_rng(6)
    held = []
    for _ in range(500):
        few, many = ((rng.random(people) < 0.02).astype(np.float64) * 100 for people in (60, 4_000))
        if not few.any():
            told = mean_of(few, others=many), difference_of(few, many)
            held.append([told[0].low <= 2.0 <= told[0].high, told[1].low <= 0 <= told[1].high])
    assert len(held) > 100
    assert (np.mean(held, axis=0) >= 0.95).all()
