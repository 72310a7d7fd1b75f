"""Anomalies: the surprise of an amount against the person's own others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scoring.anomaly import AmountHistory, AmountModel, fit_amounts, surprises

MODEL = AmountModel(3.0, 2.0, 0.25, 10.0)
AMOUNTS = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=20)


def test_a_planted_amount_stands_out() -> None:
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(2_000), 6)
    logs = rng.normal(3, 0.7, 2_000)[people] + rng.normal(0, 0.4, len(people))
    planted = rng.random(len(people)) < 0.02
    amounts = np.exp(logs) * np.where(planted, 5, 1)
    histories = AmountHistory.of(people, amounts, 2_000)
    told = surprises(fit_amounts(histories), histories.take(people).without(amounts), amounts)
    worst = np.argsort(-told)[: planted.sum()]
    assert planted[worst].mean() > 0.7
    assert planted[np.argsort(-amounts)[: planted.sum()]].mean() < 0.5  # large is not surprising by itself
    assert (told[~planted] > 3).mean() < 0.003


@given(AMOUNTS, st.integers(0, 19))
def test_leaving_one_out_is_as_if_it_had_not_been_there(amounts: list[float], place: int) -> None:
    place %= len(amounts)
    whole = AmountHistory.of(np.zeros(len(amounts), np.int64), np.array(amounts), 1)
    others = np.array(amounts[:place] + amounts[place + 1 :])
    expected = AmountHistory.of(np.zeros(len(others), np.int64), others, 1)
    left = whole.without(np.array([amounts[place]]))
    for one, other in zip(left, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6)


@given(AMOUNTS, st.floats(0.01, 1e6), st.floats(1.001, 100))
def test_more_is_more_surprising(amounts: list[float], amount: float, factor: float) -> None:
    history = AmountHistory.of(np.zeros(len(amounts), np.int64), np.array(amounts), 1)
    less, more = (surprises(MODEL, history, np.array([each]))[0] for each in (amount, amount * factor))
    assert less <= more
    assert np.isfinite([less, more]).all()


def test_without_a_history_everybodys_counts() -> None:
    nothing = AmountHistory(np.zeros(1), np.zeros(1), np.zeros(1))
    usual, huge = (surprises(MODEL, nothing, np.array([amount]))[0] for amount in (np.exp(3.0), np.exp(9.0)))
    assert usual == pytest.approx(0, abs=1e-9)
    assert huge > 3
    with pytest.raises(ValueError, match="nobody has two"):
        fit_amounts(nothing)
