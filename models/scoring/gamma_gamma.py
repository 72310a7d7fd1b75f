"""Gamma-Gamma: how much somebody spends a purchase, shrunk to what all spend as far as little is known of them.

Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013): what one person spends is gamma distributed around
a mean of their own, and means differ between people (p, q, v). Amounts are in one currency, any unit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

Floats = NDArray[np.float64]

_STARTS = ((1.0, 2.0, 1.0), (6.0, 4.0, 15.0))
_LOG_MAX = 12.0


class SpendModel(NamedTuple):
    """Learned parameters, and the log-likelihood of what they were learned from."""

    p: float
    q: float
    v: float  # in the amounts' unit
    log_likelihood: float = float("nan")

    @property
    def mean(self) -> float:
        """What a purchase of somebody of whom nothing is known comes to."""
        return self.p * self.v / (self.q - 1)


def fit_spend(purchases: Floats, means: Floats) -> SpendModel:
    """The most likely parameters. `purchases`: how many of each person there are, (n,); `means`: what one comes to,
    (n,).

    People without purchases, or whose purchases come to nothing, teach nothing. Raises ValueError if nobody is left.
    """
    teach = (purchases > 0) & (means > 0) & np.isfinite(means)
    if not teach.any():
        raise ValueError("means: nobody has bought for more than nothing, so there is nothing to learn an amount from")
    x, z = purchases[teach], means[teach]
    scale = float(np.median(z))
    z = z / scale

    def loss(logs: Floats) -> float:
        p, beyond, v = np.exp(logs)
        return -float(_log_likelihoods(p, 1 + beyond, v, x, z).mean())  # q > 1, or there is no mean

    fits = [
        minimize(loss, np.log(start), method="L-BFGS-B", bounds=[(-_LOG_MAX, _LOG_MAX)] * 3, options={"ftol": 1e-14})
        for start in _STARTS
    ]
    p, beyond, v = np.exp(min(fits, key=lambda fit: float(fit.fun)).x)
    model = SpendModel(float(p), 1 + float(beyond), float(v) * scale)
    return model._replace(log_likelihood=float(_log_likelihoods(model.p, model.q, model.v, x, z * scale).sum()))


def expected_spend(model: SpendModel, purchases: Floats, means: Floats) -> Floats:
    """What the next purchase of each comes to, (n,); for those without purchases, what all spend."""
    known = np.where((purchases > 0) & (means > 0), purchases, 0.0)
    spent = np.where(known > 0, means, 0.0) * known
    expected: Floats = model.p * (model.v + spent) / (model.p * known + model.q - 1)
    return expected


def _log_likelihoods(p: float, q: float, v: float, x: Floats, z: Floats) -> Floats:
    told: Floats = (
        gammaln(p * x + q)
        - gammaln(p * x)
        - gammaln(q)
        + q * np.log(v)
        + (p * x - 1) * np.log(z)
        + p * x * np.log(x)
        - (p * x + q) * np.log(x * z + v)
    )
    return told
