"""Built-in models: what they learned is JSON, what they say is in range, and of whom nothing is known there is none."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from models.profile.state import DAY_MS, MICRO, ChannelStats, EventStats, Order, Profile
from models.scoring.additive import Column, fit_additive
from models.scoring.anomaly import AmountHistory, fit_amounts
from models.scoring.builtin import BUILTIN
from models.scoring.builtin_additive import AdditiveParameters
from models.scoring.builtin_behaviour import (
    ENGAGEMENT_FEATURES,
    AnomalyParameters,
    ChannelParameters,
    EngagementParameters,
    levels_of,
)
from models.scoring.builtin_purchases import RECENCY, Buying, ChurnParameters, Spending, ValueParameters
from models.scoring.contract import Explaining, ScoringModel, checked
from models.scoring.engagement import scale_of
from models.scoring.features import Feature, FeatureReader

DAY = 20_000
BUYING, SPENDING = Buying(0.243, 4.414 * 7, 0.793, 2.426), Spending(6.25, 3.74, 15.44)


def model(target: str, parameters: msgspec.Struct) -> ScoringModel:
    """As it comes out of a version."""
    return BUILTIN[target](msgspec.json.decode(msgspec.json.encode(parameters)))


def person(number: int, days: list[int], amount: float = 30.0, currency: str = "USD") -> Profile:
    profile = Profile(number, DAY * DAY_MS)
    for day in days:
        profile.orders[str(day)] = Order((DAY + day) * DAY_MS, 0, round(amount * MICRO), currency)
    return profile


def told(scoring: ScoringModel, people: list[Profile], day: int) -> dict[str, list[Any]]:
    batch = FeatureReader(scoring.signature.features).batch(people, (DAY + day) * DAY_MS)
    return checked(scoring.signature, scoring.score(batch), len(people))


PEOPLE = [
    person(1, [0, 20, 41, 60, 79, 98]),  # buys on
    person(2, [0, 5, 10, 15, 20, 25]),  # has stopped
    person(3, [90]),
    person(4, []),
    person(5, [0, 20, 41, 60, 79, 98], currency="EUR"),
]


def test_lifetime_value_is_of_who_buys_in_its_currency() -> None:
    scoring = model("lifetime_value", ValueParameters(
        horizon_days=90, currency="USD", purchases=BUYING, spend=SPENDING))  # fmt: skip
    columns = told(scoring, PEOPLE, 100)
    value, low, high, rival = (columns[name] for name in ("value", "low", "high", "rival"))
    assert scoring.signature.output.unit == "USD in 90 days"
    assert value[0] > 5 * value[1] > 0 and value[2] > 0
    assert low[0] < value[0] < high[0]
    assert rival[0] == pytest.approx(5 * 30 / 100 * 90)
    assert [column[3:] for column in (value, low, high, rival)] == [[None, None]] * 4


def test_churn_is_of_who_has_bought_whatever_the_currency() -> None:
    recency, gone = np.linspace(0, 300, 400), np.arange(400) % 400 > np.random.default_rng(1).permutation(400)
    rival = fit_additive({RECENCY: recency}, gone)
    scoring = model("churn", ChurnParameters(horizon_days=90, purchases=BUYING, rival=rival))
    columns = told(scoring, PEOPLE, 100)
    value, recency_says = columns["value"], columns["rival"]
    assert value[0] < 0.3 < 0.7 < value[1] < 1
    assert value[4] == value[0] and value[3] is None
    assert recency_says[0] < recency_says[1] < 1


def test_an_additive_model_explains_each_score() -> None:
    rng = np.random.default_rng(7)
    plans = ["free" if free else "paid" for free in rng.random(2000) < 0.5]
    ages = rng.uniform(20, 60, 2000)
    ages[::10] = np.nan
    ended = rng.random(2000) < np.where([plan == "free" for plan in plans], 0.6, 0.2)
    features = {"plan": Feature(trait="plan", text=True), "age": Feature(trait="age")}
    given: dict[str, Column] = {"plan": plans, "age": ages}
    parameters = AdditiveParameters(
        name="contract_churn", outcome="ending the contract", horizon_days=30, features=features,
        model=fit_additive(given, ended), rival=fit_additive({"plan": plans}, ended),
    )  # fmt: skip
    scoring = model("additive", parameters)
    batch = pa.RecordBatch.from_pydict({"plan": plans, "age": pa.array(ages, from_pandas=True)})
    columns = checked(scoring.signature, scoring.score(batch), 2000)
    likely = np.array(columns["value"], np.float64)
    assert likely.mean() == pytest.approx(ended.mean(), abs=0.01)
    assert isinstance(scoring, Explaining)
    why = scoring.explain(batch)
    odds = sum(np.asarray(why.column(name)) for name in features) + parameters.model.base
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), likely)


def test_engagement_is_a_percentile_of_what_people_did_themselves() -> None:
    at = (DAY + 100) * DAY_MS
    people = [Profile(number, at) for number in range(5)]
    for number, profile in enumerate(people[:4]):
        times = [at - day * DAY_MS for day in range(number + 1)][::-1]
        profile.events["Product Viewed"] = EventStats(len(times), times[0], times[-1], times)
        profile.last_seen = at - number * DAY_MS
    people[0].events["Email Delivered"] = EventStats(200, at, at, [at] * 200)  # which they did not do
    activity = [FeatureReader(ENGAGEMENT_FEATURES).one(profile, at)["activity"] for profile in people]
    scale = scale_of(levels_of(np.array(activity, np.float64)).tolist(), 0.0)
    columns = told(model("engagement", EngagementParameters(scale=scale)), people, 100)
    assert columns["value"] == [12.5, 37.5, 62.5, 87.5, 0.0]
    assert columns["rival"][:2] == [100.0, pytest.approx(100 * 0.5 ** (1 / 14))]


def test_an_order_is_unusual_for_the_person() -> None:
    rng = np.random.default_rng(3)
    people = []
    for number in range(60):
        profile = person(number, [])
        usual = rng.uniform(2, 6)
        for day in range(12):
            amount = float(np.exp(usual + 0.1 * rng.normal()))
            if number == 0 and day == 11:
                amount *= 5
            profile.orders[str(day)] = Order((DAY + day) * DAY_MS, 0, round(amount * MICRO), "USD")
        people.append(profile)
    people.append(person(99, []))
    amounts = [[order.revenue / MICRO for order in profile.orders.values()] for profile in people[:-1]]
    whose = np.repeat(np.arange(60), 12)
    learned = fit_amounts(AmountHistory.of(whose, np.array(amounts).ravel(), 60))
    columns = told(model("unusual_order", AnomalyParameters(**learned._asdict(), usual=4.0, spread=1.2)), people, 12)
    assert columns["value"][0] > 5 > max(columns["value"][1:60])
    assert columns["value"][60] is None


def test_the_channel_is_the_one_that_somebody_responds_on() -> None:
    parameters = ChannelParameters(rates=(0.1, 0.3, 0.05), worths=(10, 10, 10), readiness_worth=5)
    people = [Profile(number, 1) for number in range(3)]
    people[0].channels["email"] = ChannelStats(40, 1, 1, {"delivered": 20, "opened": 18})
    people[1].channels["email"] = ChannelStats(40, 1, 1, {"delivered": 20})
    columns = told(model("channel_preference", parameters), people, 1)
    assert columns["value"] == ["email", "sms", None]
    assert columns["rival"] == ["sms", "sms", None]


@pytest.mark.parametrize(
    ("target", "wrong", "message"),
    [
        ("lifetime_value", {"horizon_days": 90, "currency": "USD", "spend": {"p": 1, "q": 2, "v": 1},
                            "purchases": {"r": 0, "alpha": 1, "a": 1, "b": 1}}, "r: expected a number above 0"),
        ("channel_preference", {"rates": [0.1], "worths": [1], "readiness_worth": 1}, "one for each of email, sms"),
        ("churn", {"horizon_days": 90}, "missing required field `purchases`"),
        ("additive", {"name": "x", "outcome": "y", "features": {}, "model": {"base": 0, "terms": {"age": {
            "type": "number", "knots": [0], "weights": [0], "missing": 0}}, "penalty": 1},
            "rival": {"base": 0, "terms": {}, "penalty": 1}}, "the model needs age"),
    ],
)  # fmt: skip
def test_wrong_parameters_say_what_is_wrong(target: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BUILTIN[target](wrong)
