"""Channel preference: how likely a person responds on each channel.

A hierarchical beta-binomial model: each channel has a rate of responses that varies between people (a beta
distribution, learned from everybody), and people differ on all channels alike by a factor on the odds. What little is
known of one person therefore moves little: raw rates of few contacts predict worse than one rate for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.9)  # of intervals
_WORTH_MIN, _WORTH_MAX = 0.5, 5_000.0  # contacts
_LEAST = 1e-4  # a rate is never known to be less, or to be all but this
_STEPS = 30


class ChannelModel(NamedTuple):
    """For each of k channels: the rate of everybody, and how many contacts it is worth beside a person's own; and how
    many expected responses a person's general readiness is worth."""

    rates: Floats  # (k,)
    worths: Floats  # (k,)
    readiness_worth: float

    def probabilities(self, contacts: Floats, responses: Floats) -> Floats:
        """How likely each of n people responds to the next contact on each channel, (n, k), from theirs so far, (n,
        k)."""
        prior = self._ready(contacts, responses)
        likely: Floats = (responses + self.worths * prior) / (contacts + self.worths)
        return likely

    def intervals(self, contacts: Floats, responses: Floats) -> tuple[Floats, Floats]:
        """Between what these probabilities are with a chance of eight in ten, (n, k) each."""
        from scipy.special import betaincinv  # every command has this module, and few need SciPy

        prior = self._ready(contacts, responses)
        yes, no = responses + self.worths * prior, contacts - responses + self.worths * (1 - prior)
        low, high = (np.asarray(betaincinv(yes, no, level), np.float64) for level in LEVELS)
        return low, high

    def _ready(self, contacts: Floats, responses: Floats) -> Floats:
        """The channels' rates as they are for each person, judged by all other channels, (n, k)."""
        expected = contacts * self.rates
        other_responses = responses.sum(1, keepdims=True) - responses
        other_expected = expected.sum(1, keepdims=True) - expected
        factor = (other_responses + self.readiness_worth) / (other_expected + self.readiness_worth)
        odds = self.rates / (1 - self.rates) * factor
        ready: Floats = np.clip(odds / (1 + odds), _LEAST, 1 - _LEAST)
        return ready


def fit_channels(contacts: Floats, responses: Floats) -> ChannelModel:
    """Learns from how often n people were contacted on each channel and how often they responded, (n, k) each.

    Raises ValueError if somebody responded more often than they were contacted.
    """
    if (responses > contacts).any() or (responses < 0).any():
        raise ValueError("responses: expected 0 to as many as there were contacts")
    rates = np.clip((responses.sum(0) + 0.5) / (contacts.sum(0) + 1), _LEAST, 1 - _LEAST)
    model = ChannelModel(rates, np.full(len(rates), 20.0), 5.0)
    for _ in range(3):  # each given the other
        prior = model._ready(contacts, responses)
        worths = np.array([_likeliest_worth(contacts[:, k], responses[:, k], prior[:, k]) for k in range(len(rates))])
        model = model._replace(worths=worths)
        model = model._replace(readiness_worth=_likeliest_readiness(model, contacts, responses))
    return model


def _likeliest_worth(contacts: Floats, responses: Floats, prior: Floats) -> float:
    seen = contacts > 0
    if not seen.any():
        return _WORTH_MAX
    return _search(lambda worth: _loss(contacts[seen], responses[seen], prior[seen], worth), _WORTH_MIN, _WORTH_MAX)


def _likeliest_readiness(model: ChannelModel, contacts: Floats, responses: Floats) -> float:
    def loss(worth: float) -> float:
        prior = model._replace(readiness_worth=worth)._ready(contacts, responses)
        return sum(_loss(contacts[:, k], responses[:, k], prior[:, k], model.worths[k]) for k in range(prior.shape[1]))

    return _search(loss, _WORTH_MIN / 10, _WORTH_MAX)


def _loss(contacts: Floats, responses: Floats, prior: Floats, worth: float) -> float:
    from scipy.special import betaln

    a, b = worth * prior, worth * (1 - prior)
    return -float((betaln(a + responses, b + contacts - responses) - betaln(a, b)).sum())


def _search(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a loss is least between two numbers above 0, on a logarithmic scale."""
    from scipy.optimize import minimize_scalar  # half a second, for which those who learn nothing should not wait

    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))), bounds=(np.log(low), np.log(high)), options={"maxiter": _STEPS}
    )
    return float(np.exp(found.x))
