"""Measures of scores against their definitions, and what a promotion needs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scoring.evaluation import (
    Report,
    auc,
    average_precision,
    calibration_error,
    measure_numbers,
    measure_probabilities,
)
from models.scoring.gate import Gate
from models.scoring.registry import AliasChange, current, obstacles

SCORED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30)


@given(SCORED)
def test_auc_is_the_share_of_pairs_in_order(scored: list[tuple[int, bool]]) -> None:
    yes = [score for score, outcome in scored if outcome]
    no = [score for score, outcome in scored if not outcome]
    if yes and no:
        pairs = [(y > n) + (y == n) / 2 for y in yes for n in no]
        scores, outcomes = (np.array(column) for column in zip(*scored, strict=True))
        assert auc(scores.astype(np.float64), outcomes) == pytest.approx(np.mean(pairs))


@given(st.permutations(range(12)), st.integers(1, 11))
def test_average_precision_is_the_mean_precision_at_each_yes(order: list[int], positives: int) -> None:
    scores, yes = np.array(order, np.float64), np.arange(12) < positives
    ranked = yes[np.argsort(-scores)]
    naive = [ranked[: rank + 1].mean() for rank in range(12) if ranked[rank]]
    assert average_precision(scores, yes) == pytest.approx(np.mean(naive))


def test_calibration_error_is_how_far_off_probabilities_are() -> None:
    told = np.full(1_000, 0.3)
    assert calibration_error(told, np.arange(1_000) % 10 < 3) == pytest.approx(0, abs=1e-9)
    assert calibration_error(told, np.arange(1_000) % 10 < 5) == pytest.approx(0.2)


def test_probabilities_and_numbers_are_measured() -> None:
    rng = np.random.default_rng(1)
    told = rng.random(20_000)
    measures = measure_probabilities(told, rng.random(20_000) < told)
    assert measures["calibration_error"] < 0.02
    assert measures["auc"] == pytest.approx(5 / 6, abs=0.01)
    assert measures["brier"] == pytest.approx(1 / 6, abs=0.01)
    assert measures["lift_top_tenth"] == pytest.approx(1.9, abs=0.05)
    assert set(measure_probabilities(told, np.ones(20_000, bool))) == {"brier", "calibration_error"}
    numbers = measure_numbers(np.array([1.0, 2, 3]), np.array([1.0, 1, 1]))
    assert numbers == pytest.approx(
        {"mean_absolute_error": 1, "root_mean_squared_error": (5 / 3) ** 0.5, "bias": 1, "top_tenth_share": 1 / 3}
    )


def test_the_champion_is_whom_the_alias_stood_for_last() -> None:
    changes = [
        AliasChange("churn", "champion", 1, 1, "ann"),
        AliasChange("churn", "challenger", 2, 2, "ann"),
        AliasChange("churn", "champion", 2, 3, "bob", "better"),
        AliasChange("churn", "challenger", 0, 3, "bob"),
    ]
    assert current(changes) == {("churn", "champion"): 2}
    assert current(changes[:2]) == {("churn", "champion"): 1, ("churn", "challenger"): 2}


def test_a_gate_says_everything_that_is_in_the_way() -> None:
    gate = Gate(measure="brier", gain=0.01)
    champion = Report(people=5_000, measures={"brier": 0.16})
    good = Report(people=5_000, measures={"brier": 0.14, "calibration_error": 0.01}, drift={"age": 0.1}, milliseconds=1)
    assert obstacles(gate, good, champion) == []
    assert obstacles(gate, good, None) == []
    bad = Report(people=10, measures={"brier": 0.155, "calibration_error": 0.2}, drift={"age": 0.3}, milliseconds=900)
    assert [told.split()[0] for told in obstacles(gate, bad, champion)] == [
        *("measured", "brier", "calibration", "age", "900")
    ]
    worse = Report(people=5_000, measures={"auc": 0.7})
    assert obstacles(Gate(measure="auc"), worse, Report(people=5_000, measures={"auc": 0.8})) == [
        "auc 0.7 is not 0 better than the champion's 0.8"
    ]
    assert obstacles(gate, worse, champion) == ["brier was not measured"]
