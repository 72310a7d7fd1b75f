"""The measures of models, against their definitions; and the whole run on the sets that come with packages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.models import auc, average_precision, bench_models, calibration_error, lines

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


def test_models_are_measured_where_there_is_a_set_and_named_where_not() -> None:
    report = bench_models(None, 1, only=("lifetime value", "churn", "churn, contract", "next best action"))
    assert {figure.model for figure in report.figures} == {"lifetime value", "churn"}
    assert {missing.model for missing in report.missing} == {"churn, contract", "next best action"}
    told = "\n".join(lines(report))
    assert "not measured: no hillstrom/hillstrom.csv in --data" in told
    assert report.met, told
