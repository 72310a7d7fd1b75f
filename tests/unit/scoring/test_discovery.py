"""Discovery: what differs is found, what does not is not, and what is shown holds for people who come later."""

import numpy as np
import pytest

from models.scoring.additive import Column
from models.scoring.discovery import Condition, difference_of, discover, mean_of


def people(seed: int, effect: float, n: int = 4_000) -> tuple[dict[str, Column], np.ndarray, np.ndarray]:
    """Features, outcomes, and who looks. Young people of plan "b" bring `effect` more."""
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(n) < 0.1, np.nan, rng.uniform(18, 80, n))
    plan = rng.choice(["a", "b", "c"], n)
    outcomes = rng.gamma(2.0, 5.0, n) + effect * ((age < 40) & (plan == "b"))
    features: dict[str, Column] = {"age": age, "plan": plan.tolist(), "noise": rng.normal(size=n)}
    return features, outcomes, rng.random(n) < 0.5


def test_a_group_that_differs_is_found_with_its_conditions() -> None:
    features, outcomes, finders = people(1, effect=10.0)
    first = discover(features, outcomes, finders)[0]
    assert Condition("plan", "b") in first.conditions
    assert {condition.feature for condition in first.conditions} == {"plan", "age"}
    assert first.difference.low < 10 < first.difference.high + 1
    assert first.share == pytest.approx(1 / 3 * 0.9 * 22 / 62, abs=0.03)


def test_groups_cover_everybody_once() -> None:
    features, outcomes, finders = people(2, effect=10.0)
    held = sum(
        np.logical_and.reduce([condition.holds(features[condition.feature]) for condition in group.conditions])
        for group in discover(features, outcomes, finders)
    )
    assert (np.asarray(held) == 1).all()


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


def test_too_few_people_are_refused() -> None:
    features, outcomes, finders = people(3, 1.0, 100)
    with pytest.raises(ValueError, match="100 or more"):
        discover(features, outcomes, finders)
