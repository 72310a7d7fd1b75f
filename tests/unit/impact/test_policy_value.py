"""Off-policy evaluation: right if propensities are, whatever the model guesses; and honest about what was never
done."""

import numpy as np
import pytest

from models.impact.policy_value import Decisions, always, policy_difference, policy_value

TRUE_MEANS = np.array([1.0, 2.0, 0.5])


def decided(seed: int, guesses: float, n: int = 4_000) -> Decisions:
    """Decisions with unequal propensities; the model guesses the truth, or `guesses` beside it."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    propensities = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])[kind]
    actions = (rng.random(n)[:, None] >= propensities.cumsum(1)).sum(1)
    means = TRUE_MEANS * (1 + kind[:, None])
    outcomes = rng.normal(means[np.arange(n), actions], 1.0)
    return Decisions(actions, propensities, outcomes, (means + guesses).astype(np.float64))


@pytest.mark.parametrize("guesses", [0.0, 3.0])
def test_intervals_hold_the_truth_as_often_as_they_say(guesses: float) -> None:
    policy = always(1, 4_000, 3)
    held = [
        estimate.low <= 3.0 <= estimate.high
        for seed in range(200)
        for estimate in [policy_value(decided(seed, guesses), policy).estimate]
    ]
    assert 0.9 <= np.mean(held) <= 0.99


def test_good_guesses_narrow_the_interval() -> None:
    policy = always(2, 4_000, 3)
    good, bad = (policy_value(decided(1, guesses), policy).estimate for guesses in (0.0, 3.0))
    assert good.standard_error < bad.standard_error / 2


def test_a_difference_from_itself_is_nothing() -> None:
    decisions = decided(2, 0.0)
    same = policy_difference(decisions, always(0, 4_000, 3), always(0, 4_000, 3))
    assert same == (0.0, 0.0, 0.0, 0.0)
    assert not same.told
    assert policy_difference(decisions, always(1, 4_000, 3), always(0, 4_000, 3)).told


def test_what_was_never_done_is_said_to_be_uncovered() -> None:
    decisions = decided(3, 0.0)
    never = decisions._replace(
        propensities=np.tile([0.5, 0.5, 0.0], (4_000, 1)), actions=np.minimum(decisions.actions, 1)
    )
    assert policy_value(never, always(2, 4_000, 3)).uncovered == 1
    assert policy_value(never, always(1, 4_000, 3)).uncovered == 0


def test_what_does_not_fit_is_refused() -> None:
    decisions = decided(4, 0.0)
    with pytest.raises(ValueError, match="add up to 1"):
        policy_value(decisions._replace(propensities=decisions.propensities * 2), always(0, 4_000, 3))
    impossible = decisions._replace(propensities=np.tile([1.0, 0.0, 0.0], (4_000, 1)))
    with pytest.raises(ValueError, match="impossible"):
        policy_value(impossible, always(0, 4_000, 3))
    with pytest.raises(ValueError, match="same people"):
        policy_value(decisions._replace(outcomes=np.zeros(3)), always(0, 4_000, 3))


def test_decisions_about_one_person_are_not_as_good_as_about_many() -> None:
    once = decided(5, 0.0)
    everybody = np.arange(4_000)
    often = Decisions(
        np.tile(once.actions, 4),
        np.tile(once.propensities, (4, 1)),
        np.tile(once.outcomes, 4),
        np.tile(once.guesses, (4, 1)),
        np.tile(everybody, 4),
    )
    policy = always(1, 4_000, 3)
    one = policy_value(once, policy).estimate
    assert policy_value(once._replace(about=everybody), policy).estimate == pytest.approx(one)
    four = policy_value(often, always(1, 16_000, 3)).estimate
    assert four == pytest.approx(one)
    worth = [policy_value(each, always(1, len(each.actions), 3)).effective_people for each in (once, often)]
    assert worth[0] == pytest.approx(worth[1])


def test_one_person_tells_nothing_of_others() -> None:
    made = decided(6, 0.0)._replace(about=np.zeros(4_000, np.int64))
    worth = policy_value(made, always(1, 4_000, 3))
    assert (worth.estimate.low, worth.estimate.high) == (-np.inf, np.inf)
    assert worth.effective_people == pytest.approx(1)


@pytest.mark.parametrize("guesses", [0.0, 3.0])
def test_intervals_hold_the_truth_of_people_who_are_decided_about_often(guesses: float) -> None:
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        made = decided(seed, guesses)
        about = np.sort(rng.integers(0, 400, 4_000))
        own = rng.normal(0.0, 1.0, 400)[about]  # whatever is done for them
        estimate = policy_value(made._replace(outcomes=made.outcomes + own, about=about), always(1, 4_000, 3)).estimate
        held.append(estimate.low <= 3.0 <= estimate.high)
    assert 0.9 <= np.mean(held) <= 0.99
