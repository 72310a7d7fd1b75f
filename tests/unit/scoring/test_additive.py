"""The additive model: that it finds what moves an outcome, says so, and is calibrated on people whom it has not
seen."""

import msgspec
import numpy as np
import pytest

from models.scoring.additive import AdditiveModel, Column, TextTerm, fit_additive


def people(seed: int, n: int = 6_000) -> tuple[dict[str, Column], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    tenure = rng.uniform(0, 70, n)
    plan = rng.choice(["month", "year", "two years"], n, p=[0.5, 0.3, 0.2])
    spend = np.where(rng.random(n) < 0.1, np.nan, rng.normal(60, 20, n))
    odds = 0.5 - 0.9 * np.sqrt(tenure) / 2 + np.where(plan == "month", 1.5, 0.0) + np.where(np.isnan(spend), 1.0, 0.0)
    likely = 1 / (1 + np.exp(-odds))
    noise = rng.normal(0, 1, n)
    return {"tenure": tenure, "plan": plan.tolist(), "spend": spend, "noise": noise}, likely, rng.random(n) < likely


def test_unseen_people_are_told_apart_and_calibrated() -> None:
    features, _, outcomes = people(1)
    model = fit_additive(features, outcomes)
    features, likely, _ = people(2)
    told = model.probabilities(features)
    assert np.abs(told - likely).mean() < 0.02
    assert told.mean() == pytest.approx(likely.mean(), abs=0.02)


def test_an_answer_is_the_sum_of_what_each_feature_says() -> None:
    features, _, outcomes = people(3)
    model = fit_additive(features, outcomes)
    parts = model.contributions(features)
    odds = model.base + sum(parts.values())
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(model.probabilities(features))
    assert np.abs(parts["noise"]).mean() < 0.1 < np.abs(parts["tenure"]).mean()
    for part in parts.values():
        assert part.mean() == pytest.approx(0, abs=0.05)


def test_it_is_plain_data() -> None:
    features, _, outcomes = people(4, 1_000)
    model = fit_additive(features, outcomes)
    again = msgspec.json.decode(msgspec.json.encode(model), type=AdditiveModel)
    assert again.probabilities(features) == pytest.approx(model.probabilities(features))


def test_what_was_never_seen_is_taken_as_average() -> None:
    features, _, outcomes = people(5, 1_000)
    model = fit_additive(features, outcomes)
    strange: dict[str, Column] = {
        "tenure": np.array([1e9]),
        "plan": ["a decade"],
        "spend": np.array([np.nan]),
        "noise": np.array([0.0]),
    }
    assert 0 < model.probabilities(strange)[0] < 1
    with pytest.raises(ValueError, match="needs spend"):
        model.probabilities({name: column for name, column in strange.items() if name != "spend"})
    with pytest.raises(ValueError, match="both kinds"):
        fit_additive(features, np.ones_like(outcomes))


def test_one_value_and_no_value_are_features_too() -> None:
    outcomes = np.arange(200) % 3 == 0
    model = fit_additive({"one": np.ones(200), "none": np.full(200, np.nan), "text": [None] * 200}, outcomes)
    assert model.probabilities({"one": np.ones(1), "none": np.full(1, np.nan), "text": [None]})[0] == pytest.approx(
        outcomes.mean(), abs=0.01
    )


def test_a_text_of_few_people_is_no_level_however_often_they_are_in_it() -> None:
    people = np.concatenate([np.zeros(100, np.int64), np.arange(1, 201)])
    texts = ["of one"] * 100 + ["of many"] * 20 + [f"of {number}" for number in range(180)]
    term = fit_additive({"text": texts}, np.arange(300) % 3 == 0, people).terms["text"]
    assert isinstance(term, TextTerm) and list(term.weights) == ["of many"]
