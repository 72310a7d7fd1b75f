"""Lifetime value: what somebody is expected to spend within a horizon, with an interval, beside the simplest rival.

How often they will buy says BG/NBD, for how much Gamma-Gamma; the two are independent of each other (the papers found
that, and `fit_value` says how far it holds). The rival goes on as before: what they have spent a day so far, for as
many days.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.scoring.bg_nbd import (
    PurchaseHistories,
    PurchaseModel,
    expected_purchases,
    fit_purchases,
    purchase_probabilities,
    purchase_quantiles,
)
from models.scoring.gamma_gamma import SpendModel, expected_spend, fit_spend

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.9)  # of the interval


class ValueModel(NamedTuple):
    """What was learned. `correlation`: between how often and for how much people buy; near 0, or values are off."""

    purchases: PurchaseModel
    spend: SpendModel
    correlation: float


class Values(NamedTuple):
    """Of n people, (n,) each, in the currency of the spending."""

    expected: Floats
    low: Floats
    high: Floats
    rival: Floats


def fit_value(histories: PurchaseHistories, means: Floats) -> ValueModel:
    """Learns from histories and what a purchase after the first came to, (n,), 0 where there was none.

    Raises ValueError if there is nothing to learn from.
    """
    bought = (histories.x > 0) & (means > 0)
    several = bought.sum() > 2
    correlation = float(np.corrcoef(histories.x[bought], means[bought])[0, 1]) if several else 0.0
    return ValueModel(fit_purchases(histories), fit_spend(histories.x, means), np.nan_to_num(correlation).item())


def lifetime_values(model: ValueModel, histories: PurchaseHistories, means: Floats, horizon: float) -> Values:
    """What each will spend within `horizon` from now. The interval is that of the number of purchases."""
    a_purchase = expected_spend(model.spend, histories.x, means)
    expected = expected_purchases(model.purchases, histories, horizon) * a_purchase
    low, high = purchase_quantiles(model.purchases, histories, horizon, LEVELS) * a_purchase
    rival = np.where(histories.T > 0, histories.x * means / np.maximum(histories.T, 1e-9) * horizon, 0.0)
    return Values(expected, low, high, rival)


def churn_risks(model: PurchaseModel, histories: PurchaseHistories, horizon: float) -> Floats:
    """How likely each buys nothing within `horizon` from now, (n,). That somebody is still active is not that they
    buy."""
    return 1 - purchase_probabilities(model, histories, horizon)


def churn_rival(histories: PurchaseHistories) -> Floats:
    """The simplest rival of `churn_risks`: how long ago each bought last, (n,), in the histories' unit."""
    return histories.T - histories.t_x
