"""Channel preference: better than one rate for all, where raw rates are worse."""

import numpy as np
import pytest

from models.scoring.channels import ChannelModel, fit_channels

RATES = np.array([0.3, 0.1, 0.02])
WORTHS = np.array([6.0, 10.0, 40.0])


def contacted(seed: int, n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contacts, responses, and the rates that they came from."""
    rng = np.random.default_rng(seed)
    odds = RATES / (1 - RATES) * rng.gamma(4.0, 1 / 4.0, (n, 1))
    means = odds / (1 + odds)
    rates = rng.beta(WORTHS * means, WORTHS * (1 - means))
    contacts = rng.poisson([3.0, 6.0, 1.0], (n, 3)).astype(np.float64)
    return contacts, rng.binomial(contacts.astype(np.int64), rates).astype(np.float64), rates


def log_loss(rates: np.ndarray, told: np.ndarray) -> float:
    """Expected log loss of the next contact on every channel."""
    told = np.clip(told, 1e-6, 1 - 1e-6)
    return float(-(rates * np.log(told) + (1 - rates) * np.log(1 - told)).mean())


def test_it_beats_one_rate_for_all_where_raw_rates_do_not() -> None:
    contacts, responses, rates = contacted(1)
    told = fit_channels(contacts, responses).probabilities(contacts, responses)
    constant = np.broadcast_to(responses.sum(0) / contacts.sum(0), rates.shape)
    raw = np.where(contacts > 0, responses / np.maximum(contacts, 1), constant)
    assert log_loss(rates, told) < log_loss(rates, constant) < log_loss(rates, raw)


def test_what_is_known_of_one_channel_tells_of_another() -> None:
    contacts, responses, _ = contacted(2)
    model = fit_channels(contacts, responses)
    nothing, keen, cold = np.zeros((1, 3)), np.array([[0.0, 20, 0]]), np.array([[0.0, 0, 0]])
    unknown = model.probabilities(nothing, nothing)[0]
    assert unknown == pytest.approx(model.rates)
    assert model.probabilities(keen, np.array([[0.0, 10, 0]]))[0, 0] > unknown[0]
    assert model.probabilities(keen, cold)[0, 0] < unknown[0]


def test_many_contacts_speak_for_themselves() -> None:
    model = ChannelModel(RATES, WORTHS, 4.0)
    many = np.full((1, 3), 100_000.0)
    assert model.probabilities(many, many / 2)[0] == pytest.approx(0.5, abs=0.01)


def test_more_responses_than_contacts_are_refused() -> None:
    with pytest.raises(ValueError, match="as many as there were contacts"):
        fit_channels(np.ones((2, 1)), np.full((2, 1), 2.0))


def test_a_channel_that_was_never_used_has_an_answer() -> None:
    contacts, responses = np.array([[4.0, 0], [6.0, 0]]), np.array([[1.0, 0], [0.0, 0]])
    told = fit_channels(contacts, responses).probabilities(contacts, responses)
    assert ((told > 0) & (told < 1)).all()
