"""Anomalies: amounts that are unlike what the same person spent otherwise.

Amounts are compared on a logarithmic scale, where a person's are normally distributed with a mean and a variance of
their own; those of all people are distributed as the conjugate prior (normal-inverse-chi-squared: Gelman et al.,
"Bayesian Data Analysis", 3rd edition, 3.3), which is learned from everybody. So a short history counts as far as it
goes, and for somebody without one everybody's does.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, ndtri, stdtr

Floats = NDArray[np.float64]

_LOG_MIN, _LOG_MAX = -7.0, 7.0
_LEAST_TAIL = 1e-300


class AmountModel(NamedTuple):
    """The prior of a person's mean and variance of log amounts: where, worth how many amounts; how wide, worth as
    many."""

    centre: float
    centre_worth: float
    variance: float
    variance_worth: float


class AmountHistory(NamedTuple):
    """Of n people, (n,) each: how many amounts there are, the mean of their logarithms, the sum of squared
    deviations."""

    counts: Floats
    mean: Floats
    squares: Floats

    @staticmethod
    def of(people: NDArray[np.int64], amounts: Floats, size: int) -> "AmountHistory":
        """Histories of people 0 to `size`, from their numbers, (m,), and amounts of more than nothing, (m,)."""
        logs = np.log(amounts)
        counts = np.bincount(people, minlength=size).astype(np.float64)
        mean = np.bincount(people, logs, size) / np.maximum(counts, 1)
        squares = np.bincount(people, (logs - mean[people]) ** 2, size).astype(np.float64)
        return AmountHistory(counts, mean, squares)

    def without(self, amounts: Floats) -> "AmountHistory":
        """Each history without one amount that is in it, (n,)."""
        logs = np.log(amounts)
        left = self.counts - 1
        mean = np.where(left > 0, (self.counts * self.mean - logs) / np.maximum(left, 1), 0.0)
        squares = np.where(left > 0, self.squares - (logs - self.mean) * (logs - mean), 0.0)
        return AmountHistory(left, mean, np.maximum(squares, 0.0))

    def take(self, rows: NDArray[np.int64]) -> "AmountHistory":
        """The histories of some people."""
        return AmountHistory(self.counts[rows], self.mean[rows], self.squares[rows])


def fit_amounts(histories: AmountHistory) -> AmountModel:
    """The most likely prior. Raises ValueError if nobody has two amounts."""
    several = histories.counts > 1
    if not several.any():
        raise ValueError("amounts: nobody has two, so there is nothing to learn from how they vary")
    known = histories.take(np.flatnonzero(histories.counts > 0))
    centre = float(np.average(known.mean, weights=known.counts))
    within = float(histories.squares.sum() / (histories.counts[several] - 1).sum())
    start = [centre, 0.0, np.log(max(within, 1e-3)), np.log(4.0)]

    def loss(told: Floats) -> float:
        model = AmountModel(float(told[0]), *np.exp(told[1:]).tolist())
        return -float(_log_likelihoods(model, known).sum()) / len(known.counts)

    bounds = [(None, None), *[(_LOG_MIN, _LOG_MAX)] * 3]
    fit = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    return AmountModel(float(fit.x[0]), *np.exp(fit.x[1:]).tolist())


def surprises(model: AmountModel, histories: AmountHistory, amounts: Floats) -> Floats:
    """How surprising the next amount of each is, (n,), given their history without it: as many standard deviations of a
    normal distribution as have the same tail; negative for amounts that are surprisingly small."""
    worth, centre, freedom, variance = _posterior(model, histories)
    t = (np.log(amounts) - centre) / np.sqrt(variance * (1 + 1 / worth))
    tail = np.maximum(stdtr(freedom, -np.abs(t)), _LEAST_TAIL)
    surprise: Floats = np.sign(t) * -ndtri(tail)
    return surprise


def expected_amounts(model: AmountModel, histories: AmountHistory) -> Floats:
    """What the next amount of each was likeliest to be, (n,): the median."""
    return np.asarray(np.exp(_posterior(model, histories)[1]), np.float64)


def _posterior(model: AmountModel, histories: AmountHistory) -> tuple[Floats, Floats, Floats, Floats]:
    counts, mean, squares = histories
    worth = model.centre_worth + counts
    centre = (model.centre_worth * model.centre + counts * mean) / worth
    freedom = model.variance_worth + counts
    off = model.centre_worth * counts / worth * (mean - model.centre) ** 2
    return worth, centre, freedom, (model.variance_worth * model.variance + squares + off) / freedom


def _log_likelihoods(model: AmountModel, histories: AmountHistory) -> Floats:
    worth, _, freedom, variance = _posterior(model, histories)
    told: Floats = (
        gammaln(freedom / 2)
        - gammaln(model.variance_worth / 2)
        + (np.log(model.centre_worth) - np.log(worth)) / 2
        + model.variance_worth / 2 * np.log(model.variance_worth * model.variance)
        - freedom / 2 * np.log(freedom * variance)
        - histories.counts / 2 * np.log(np.pi)
    )
    return told
