"""Lifetime value and churn, on a public set of purchases, against its published results and against simulated
people."""

from importlib.util import find_spec
from pathlib import Path

import mpmath
import numpy as np
import pytest

from models.scoring.bg_nbd import (
    PurchaseHistories,
    PurchaseModel,
    active_probabilities,
    expected_purchases,
    fit_purchases,
    purchase_probabilities,
    purchase_quantiles,
)
from models.scoring.gamma_gamma import SpendModel, expected_spend, fit_spend
from models.scoring.lifetime_value import churn_risks, churn_rival, fit_value, lifetime_values

MODEL = PurchaseModel(0.243, 4.414, 0.793, 2.426)


def cdnow() -> tuple[PurchaseHistories, np.ndarray]:
    package = find_spec("lifetimes")  # found, not imported: it warns under newer versions of pandas
    assert package is not None and package.origin is not None
    file = Path(package.origin).parent / "datasets" / "cdnow_customers_summary_with_transactions.csv"
    _, x, t_x, known, means = np.loadtxt(file, delimiter=",", skiprows=1).T
    return PurchaseHistories(x, t_x, known), means


def history(x: float, t_x: float, known: float) -> PurchaseHistories:
    return PurchaseHistories(np.array([x]), np.array([t_x]), np.array([known]))


def test_published_parameters_are_found() -> None:
    histories, means = cdnow()
    model = fit_purchases(histories)
    assert model[:4] == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=0.01)
    assert model.log_likelihood == pytest.approx(-9582.43, abs=0.1)
    assert fit_spend(histories.x, means)[:3] == pytest.approx((6.25, 3.74, 15.44), rel=0.01)


def test_the_unit_of_time_does_not_matter() -> None:
    histories, _ = cdnow()
    weeks = fit_purchases(histories)
    days = fit_purchases(PurchaseHistories(histories.x, histories.t_x * 7, histories.T * 7))
    assert (days.r, days.alpha / 7, days.a, days.b) == pytest.approx(weeks[:4], rel=1e-3)


def test_weights_stand_for_people() -> None:
    histories = PurchaseHistories(np.array([0.0, 1, 4]), np.array([0.0, 3, 20]), np.array([30.0, 30, 30]))
    counts = np.array([60, 25, 15])
    repeated = PurchaseHistories(*(np.repeat(column, counts) for column in histories))
    weighted, single = fit_purchases(histories, counts.astype(np.float64)), fit_purchases(repeated)
    assert weighted.log_likelihood == pytest.approx(single.log_likelihood, rel=1e-9)


def test_expectations_are_those_of_simulated_people() -> None:
    rng = np.random.default_rng(1)
    known, horizon, n = 30.0, 20.0, 400_000
    rates = rng.gamma(MODEL.r, 1 / MODEL.alpha, n)
    leaves = rng.beta(MODEL.a, MODEL.b, n)
    x, t_x, later = simulate(rng, rates, leaves, known, horizon)
    for seen in (0, 1, 3):
        alike = (x == seen) & (t_x >= (0 if seen == 0 else 15))
        told = PurchaseHistories(x[alike].astype(np.float64), t_x[alike], np.full(alike.sum(), known))
        assert expected_purchases(MODEL, told, horizon).mean() == pytest.approx(later[alike].mean(), rel=0.05)
        assert purchase_probabilities(MODEL, told, horizon).mean() == pytest.approx((later[alike] > 0).mean(), rel=0.05)
        low, high = purchase_quantiles(MODEL, told, horizon, (0.5, 0.95))
        assert (later[alike] <= high).mean() >= 0.95 - 0.01
        assert (later[alike] < low).mean() <= 0.5 + 0.01


def simulate(
    rng: np.random.Generator, rates: np.ndarray, leaves: np.ndarray, known: float, horizon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Purchases until `known`, when the last one was, and purchases in the `horizon` after that."""
    n = len(rates)
    x, t_x, later = np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.int64)
    at, active = np.zeros(n), np.ones(n, bool)
    while active.any():
        at = at + rng.exponential(1 / rates)
        active &= at <= known + horizon
        before = active & (at <= known)
        x += before
        t_x = np.where(before, at, t_x)
        later += active & ~before
        active &= rng.random(n) >= leaves
    return x, t_x, later


@pytest.mark.parametrize("x", [0, 1, 50, 1_000, 10_000, 1_000_000])
def test_any_number_of_purchases_has_an_answer(x: int) -> None:
    told = history(x, 99.9 if x else 0.0, 100.0)
    for answer in (active_probabilities(MODEL, told), purchase_probabilities(MODEL, told, 10)):
        assert 0 <= answer[0] <= 1
    assert 0 <= expected_purchases(MODEL, told, 10)[0] < 10 * (x + 1)
    assert np.isfinite(expected_purchases(MODEL._replace(a=1.0), told, 10)).all()


def test_many_purchases_that_stopped_are_worse_than_few() -> None:
    often, seldom = history(50, 30.0, 60.0), history(1, 30.0, 60.0)
    assert active_probabilities(MODEL, often)[0] < active_probabilities(MODEL, seldom)[0]
    assert churn_risks(MODEL, often, 10)[0] > 0.99


def test_impossible_histories_are_refused() -> None:
    with pytest.raises(ValueError, match="t_x <= T"):
        fit_purchases(history(1, 5.0, 4.0))
    with pytest.raises(ValueError, match="nobody bought twice"):
        fit_purchases(history(0, 0.0, 4.0))
    with pytest.raises(ValueError, match="nobody has bought"):
        fit_spend(np.zeros(3), np.zeros(3))


def test_little_known_spending_is_drawn_to_everybodys() -> None:
    model = SpendModel(6.25, 3.74, 15.44)
    none, few, many = expected_spend(model, np.array([0.0, 1, 1000]), np.array([0.0, 100, 100]))
    assert none == pytest.approx(model.mean)
    assert none < few < many == pytest.approx(100, rel=0.01)


def test_values_are_in_order_and_beat_going_on_as_before() -> None:
    histories, means = cdnow()
    model = fit_value(histories, means)
    values = lifetime_values(model, histories, means, 39)
    assert (values.low <= values.expected).mean() > 0.99
    assert (values.expected <= values.high + 60).all()  # the mean of a rare purchase may lie above the interval
    assert 0 < model.correlation < 0.2
    assert values.rival.sum() > values.expected.sum()  # most of whom bought often at first do so no more


def test_churn_is_told_of_unseen_weeks() -> None:
    """The second half of a set of purchases is not at hand here: who leaves is simulated from the learned model."""
    rng = np.random.default_rng(2)
    n, known = 50_000, 40.0
    x, t_x, later = simulate(rng, rng.gamma(MODEL.r, 1 / MODEL.alpha, n), rng.beta(MODEL.a, MODEL.b, n), known, 39.0)
    told = PurchaseHistories(x.astype(np.float64), t_x, np.full(n, known))
    risks, gone = churn_risks(fit_purchases(told), told, 39.0), later == 0
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
        inside = (risks >= low) & (risks < high)
        assert gone[inside].mean() == pytest.approx(risks[inside].mean(), abs=0.03)
    assert churn_rival(told).max() <= known


def test_where_hardly_anybody_leaves_purchases_are_what_the_paper_says() -> None:
    model = PurchaseModel(0.728, 51.8, 11010.8, 162754.8)
    x, t_x, known, horizon = np.array([0.0, 5, 17]), np.array([0.0, 199, 299]), np.array([100.0, 200, 300]), 365.0
    histories = PurchaseHistories(x, t_x, known)
    found = expected_purchases(model, histories, horizon) / active_probabilities(model, histories)
    for row, repeats in enumerate(x):
        z = horizon / (model.alpha + known[row] + horizon)
        b = model.b + repeats
        series = mpmath.hyp2f1(model.r + repeats, b, model.a + b - 1, z) * mpmath.mpf(1 - z) ** (model.r + repeats)
        assert found[row] == pytest.approx(float((model.a + b - 1) / (model.a - 1) * (1 - series)), rel=1e-9)
