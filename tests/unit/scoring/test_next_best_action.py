"""Next best action: personal only where that is known to pay, never what is not allowed, exploring as told."""

import msgspec
import numpy as np
import pytest

from models.scoring.additive import Column
from models.scoring.next_best_action import History, draw, fit_actions, guess_values, policy

ACTIONS = ("nothing", "letter", "call")


def history(seed: int, personal: bool, n: int = 12_000) -> History:
    """Randomised actions. People of one kind respond to letters, of the other to calls; or all to letters."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    rates = np.array([[0.02, 0.3, 0.05], [0.02, 0.05, 0.3]] if personal else [[0.02, 0.3, 0.05]] * 2)[kind]
    taken = rng.integers(0, 3, n)
    responded = rng.random(n) < rates[np.arange(n), taken]
    features: dict[str, Column] = {"kind": ["ab"[each] for each in kind], "noise": rng.normal(size=n)}
    return History(features, taken, np.full((n, 3), 1 / 3), responded, responded * rng.gamma(2.0, 5.0, n))


def test_people_who_differ_get_different_actions() -> None:
    model = fit_actions(ACTIONS, history(1, personal=True), [0.0, 0.5, 0.5])
    assert model.is_personal
    unseen = history(2, personal=True)
    preferences = model.preferences(model.expected_values(unseen.features))
    likely = policy(preferences, np.ones((12_000, 3), bool), 0.0)
    kinds = np.array(unseen.features["kind"])
    assert (likely[kinds == "a", 1] == 1).all()
    assert (likely[kinds == "b", 2] == 1).all()


def test_people_who_are_not_known_to_differ_get_the_same() -> None:
    model = fit_actions(ACTIONS, history(3, personal=False), [0.0, 0.5, 0.5])
    assert not model.is_personal
    preferences = model.preferences(model.expected_values(history(4, False).features))
    assert (preferences.argmax(1) == 1).all()


def test_what_costs_more_than_it_brings_is_left() -> None:
    model = fit_actions(ACTIONS, history(5, personal=False), [0.0, 50.0, 50.0])
    assert model.means[0] > max(model.means[1:])


def test_a_policy_takes_what_is_allowed_and_explores() -> None:
    preferences = np.array([[1.0, 3.0, 2.0]] * 2)
    allowed = np.array([[True, False, True], [True, True, True]])
    likely = policy(preferences, allowed, 0.3)
    assert likely == pytest.approx(np.array([[0.15, 0, 0.85], [0.1, 0.8, 0.1]]))
    with pytest.raises(ValueError, match="left alone"):
        policy(preferences, np.zeros((2, 3), bool), 0.1)
    uniform = np.random.default_rng(6).random(100_000)
    drawn = draw(np.repeat(likely[1:], 100_000, 0), uniform)
    assert np.bincount(drawn) / 100_000 == pytest.approx(likely[1], abs=0.01)
    assert draw(likely, np.array([0.0, 0.9999999999999999])).tolist() == [0, 2]


def test_an_action_that_was_never_taken_is_named() -> None:
    told = history(7, True, 300)
    with pytest.raises(ValueError, match="call was never taken"):
        fit_actions(ACTIONS, told._replace(taken=np.minimum(told.taken, 1)), [0.0, 0.0, 0.0])


def test_an_action_for_those_who_buy_more_anyway_is_no_better_for_that() -> None:
    rng = np.random.default_rng(8)
    n = 40_000
    reachable = rng.random(n) < 0.3
    propensities = np.where(reachable[:, None], [0.25, 0.5, 0.25], [0.4, 0.6, 0.0])
    taken = draw(propensities, rng.random(n))
    responded = rng.random(n) < np.where(reachable, 0.5, 0.1)  # whatever was done
    features: dict[str, Column] = {"noise": rng.normal(size=n)}
    told = History(features, taken, propensities, responded, np.where(responded, 10.0, 0.0))
    model = fit_actions(ACTIONS, told, [0.0, 0.0, 0.0])
    assert np.ptp(model.means) < 0.3  # of those who got the call, each brought 5, of all others 2.2
    assert not model.is_personal
    nobody = told._replace(propensities=np.where(reachable[:, None], propensities, [0.0, 1.0, 0.0]))
    assert fit_actions(ACTIONS, nobody._replace(taken=np.where(reachable, taken, 1)), [0.0] * 3).means
    with pytest.raises(ValueError, match="must be for everybody"):
        only = np.where(reachable[:, None], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0])
        fit_actions(ACTIONS, told._replace(propensities=only, taken=draw(only, rng.random(n))), [0.0] * 3)


def test_guesses_of_unseen_people_do_without_who_responds_where_nearly_nobody_does() -> None:
    told = history(9, personal=True, n=3_000)
    silent = told._replace(responded=told.responded & (told.taken > 0), values=told.values * (told.taken > 0))
    guesses = guess_values(silent, [0.0, 1.0, 1.0])
    kinds = np.array(told.features["kind"])
    assert (guesses[:, 0] == 0).all()
    assert guesses[kinds == "a", 1].mean() > guesses[kinds == "b", 1].mean() + 1


def test_what_one_person_alone_is_called_is_not_learned() -> None:
    rng, n = np.random.default_rng(9), 1_000
    people = np.concatenate([np.zeros(100, np.int64), np.arange(1, n - 99)])
    names: list[str | None] = ["jane@example.com" if each == 0 else "somebody" for each in people]
    taken = rng.integers(0, 3, n)
    responded = rng.random(n) < 0.3
    told = History({"name": names}, taken, np.full((n, 3), 1 / 3), responded, np.where(responded, 10.0, 0.0), people)
    model = fit_actions(ACTIONS, told, [0.0, 0.0, 0.0])
    assert b"somebody" in msgspec.json.encode(model) and b"jane" not in msgspec.json.encode(model)
