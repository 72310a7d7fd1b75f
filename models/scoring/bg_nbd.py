"""BG/NBD: how often somebody without a contract will buy, and whether they still do.

Fader, Hardie and Lee, "Counting Your Customers the Easy Way" (Marketing Science 24, 2005): while somebody is active
they buy at a rate that differs between people (gamma: r, alpha); after each purchase they leave with a probability that
differs too (beta: a, b). All that matters of a history is how often they came back (`x`), when they last did (`t_x`)
and for how long they have been known (`T`), both times since the first purchase. Times are in one unit, any.

Hypergeometric functions are used in Euler's transformed form, whose small parameters keep it exact for any number of
purchases; the form of the paper is not a number from some thousand purchases on. It stands in where the other is none,
for the parameters of people of whom hardly anybody leaves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Floats = NDArray[np.float64]

_STARTS = ((0.5, 5.0, 0.7, 2.5), (1.0, 10.0, 1.0, 1.0))
_LOG_MAX = 12.0  # parameters beyond e**12 say nothing more
_SINGULAR = 1e-6  # distance from a = 1, where the formula is a limit


class PurchaseHistories(NamedTuple):
    """Of n people, (n,) each: purchases after the first, when the last of all was, how long they are known."""

    x: Floats
    t_x: Floats
    T: Floats

    def check(self) -> "PurchaseHistories":
        """Itself. Raises ValueError if there can be no such histories."""
        x, t_x, known = self
        if not (x.shape == t_x.shape == known.shape and x.ndim == 1):
            raise ValueError("histories: x, t_x and T must be of one length")
        if not (np.isfinite(x).all() and np.isfinite(t_x).all() and np.isfinite(known).all()):
            raise ValueError("histories: x, t_x and T must be finite numbers")
        if (x < 0).any() or (t_x < 0).any() or (t_x > known).any():
            raise ValueError("histories: expected x >= 0 and 0 <= t_x <= T")
        return self


class PurchaseModel(NamedTuple):
    """Learned parameters, and the log-likelihood of what they were learned from."""

    r: float
    alpha: float  # in units of time
    a: float
    b: float
    log_likelihood: float = float("nan")


def fit_purchases(histories: PurchaseHistories, weights: Floats | None = None) -> PurchaseModel:
    """The most likely parameters. `weights`: how many people have each history, (n,); None for one each.

    Raises ValueError if the histories are impossible or nobody ever came back.
    """
    x, t_x, known = histories.check()
    counts = np.ones_like(x) if weights is None else weights
    if not x.any():
        raise ValueError("histories: nobody bought twice, so there is nothing to learn a rate from")
    distinct, of_each = np.unique(np.column_stack([x, t_x, known]), axis=0, return_inverse=True)
    grouped = PurchaseHistories(distinct[:, 0], distinct[:, 1], distinct[:, 2])
    counts = np.bincount(of_each.ravel(), counts, len(distinct)).astype(np.float64)
    scale = float(np.max(known)) / 10 or 1.0  # so that steps of the search are of one size for days and for years
    scaled = PurchaseHistories(grouped.x, grouped.t_x / scale, grouped.T / scale)

    def loss(logs: Floats) -> float:
        model = PurchaseModel(*np.exp(logs))
        return -float(counts @ log_likelihoods(model, scaled)) / float(counts.sum())

    fits = [
        minimize(loss, np.log(start), method="L-BFGS-B", bounds=[(-_LOG_MAX, _LOG_MAX)] * 4, options={"ftol": 1e-14})
        for start in _STARTS
    ]
    r, alpha, a, b = np.exp(min(fits, key=lambda fit: float(fit.fun)).x)
    model = PurchaseModel(float(r), float(alpha) * scale, float(a), float(b))
    return model._replace(log_likelihood=float(counts @ log_likelihoods(model, grouped)))


def log_likelihoods(model: PurchaseModel, histories: PurchaseHistories) -> Floats:
    """The logarithm of each history's likelihood, (n,)."""
    r, alpha, a, b, _ = model
    x, t_x, known = histories
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    active = -(r + x) * np.log(alpha + known)
    gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    told: Floats = common + np.where(x > 0, np.logaddexp(active, gone), active)
    return told


def active_probabilities(model: PurchaseModel, histories: PurchaseHistories) -> Floats:
    """How likely each of them still buys, (n,). Who has not come back yet cannot have left."""
    r, alpha, a, b, _ = model
    x, t_x, known = histories
    odds = np.log(a) - np.log(b + np.maximum(x, 1) - 1) + (r + x) * (np.log(alpha + known) - np.log(alpha + t_x))
    likely: Floats = np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)
    return likely


def purchase_probabilities(model: PurchaseModel, histories: PurchaseHistories, horizon: float) -> Floats:
    """How likely each of them buys at least once within `horizon` from now, (n,)."""
    rate_terms = (model.r + histories.x) * -np.log1p(horizon / (model.alpha + histories.T))
    likely: Floats = active_probabilities(model, histories) * -np.expm1(rate_terms)
    return likely


def expected_purchases(model: PurchaseModel, histories: PurchaseHistories, horizon: float) -> Floats:
    """How many purchases to expect of each within `horizon` from now, (n,)."""
    r, alpha, a, b, _ = model
    x, _, known = histories
    if abs(a - 1) < _SINGULAR:
        a = 1 + _SINGULAR
    z = horizon / (alpha + known + horizon)
    with np.errstate(over="ignore", invalid="ignore"):  # where hardly anybody ever leaves, a and b are huge
        series = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
        plain = np.exp((r + x) * np.log1p(-z)) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    series = np.where(np.isfinite(series), series, plain)
    while_active = (a + b + x - 1) / (a - 1) * (1 - series)
    expected: Floats = np.maximum(while_active, 0.0) * active_probabilities(model, histories)
    return expected


def purchase_quantiles(
    model: PurchaseModel, histories: PurchaseHistories, horizon: float, levels: tuple[float, ...]
) -> Floats:
    """How many purchases each will not exceed with the probability of each level, (levels, n).

    Of somebody who is active, at least n purchases need n arrivals (negative binomial) and n - 1 times not leaving
    (beta).
    """
    r, alpha, a, b, _ = model
    x, _, known = histories
    stays = active_probabilities(model, histories)
    p = horizon / (alpha + known + horizon)
    arrivals = np.exp((r + x) * np.log1p(-p))  # the probability of just n arrivals, from n = 0
    more, not_left = 1 - arrivals, np.ones_like(x)  # of more than n arrivals; of n times not leaving
    found = np.zeros((len(levels), len(x)))
    open_, n = np.arange(len(x)), 0
    while open_.size:
        exceed = stays[open_] * more[open_] * not_left[open_]  # of more than n purchases
        for level, row in zip(levels, found, strict=True):
            row[open_[exceed > 1 - level]] = n + 1
        open_ = open_[exceed > 1 - max(levels)]
        arrivals[open_] *= p[open_] * (r + x[open_] + n) / (n + 1)
        more[open_] = np.maximum(more[open_] - arrivals[open_], 0.0)
        not_left[open_] *= (b + x[open_] + n) / (a + b + x[open_] + n)
        n += 1
    return found
