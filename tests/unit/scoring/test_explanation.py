"""Explanations: of every built-in model, and with their base they add up to the score."""

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scoring.builtin import BUILTIN
from models.scoring.contract import Explaining, Score, checked
from models.scoring.explanation import Explanation, explain, explanation_of
from models.scoring.features import CUSTOMER, Value, schema_of
from models.scoring.history_features import CHANNELS
from models.scoring.kept import KeptModel, KeptScore
from tests.strategies.purchase_models import CHURN, VALUE

_AGE = {"type": "number", "knots": [20, 60], "weights": [-1, 1], "missing": 0.3}
PARAMETERS: dict[str, Any] = {
    "churn": CHURN,
    "lifetime_value": VALUE,
    "engagement": {"scale": {"levels": [-30.0, -10.0, 0.0, 20.0]}},
    "unusual_order": {
        "centre": 3.0,
        "centre_worth": 0.5,
        "variance": 0.2,
        "variance_worth": 4.0,
        "usual": 3.0,
        "spread": 1.0,
    },
    "channel_preference": {"rates": [0.2, 0.3, 0.05], "worths": [10.0, 20.0, 5.0], "readiness_worth": 5.0},
    "additive": {
        "name": "ends",
        "outcome": "the end",
        "features": {"age": {"trait": "age"}},
        "model": {"base": -0.5, "terms": {"age": _AGE}, "penalty": 1.0},
        "rival": {"base": 0.0, "terms": {}, "penalty": 1.0},
    },
}  # fmt: skip

times = st.tuples(st.integers(0, 60), st.integers(0, 900), st.integers(0, 900))
amounts = st.floats(0.01, 1e4)
counts = st.integers(0, 400)


def _purchases(told: tuple[int, int, int], mean: float) -> dict[str, Value]:
    x, last, since = told
    last = last if x else 0
    return {
        "repeat_purchases": float(x),
        "last_purchase_day": float(last),
        "customer_days": float(last + since),
        "mean_spend": mean if x else 0.0,
        "currency": "USD",
    }


def _channels(told: list[tuple[int, int]]) -> dict[str, Value]:
    pairs = zip(CHANNELS, told, strict=True)
    return {
        f"{name}_{kind}": float(count)
        for name, (sent, answered) in pairs
        for kind, count in (("contacts", sent + 1), ("responses", min(answered, sent + 1)))
    }


def _order(amount: float, earlier: int, log_mean: float, spread: float) -> dict[str, Value]:
    names = ("amount", "earlier", "log_mean", "log_squares")
    told = (amount, float(earlier), log_mean if earlier else 0.0, spread * max(earlier - 1, 0))
    return {f"latest_order_{name}": value for name, value in zip(names, told, strict=True)}


_BUYERS = st.builds(_purchases, times, amounts)
FEATURES: dict[str, st.SearchStrategy[dict[str, Value]]] = {
    "churn": _BUYERS,
    "lifetime_value": _BUYERS,
    "engagement": st.builds(lambda activity: {"activity": activity, "days_since_seen": 1.0}, st.floats(0, 1e4)),
    "unusual_order": st.builds(_order, amounts, counts, st.floats(-3, 8), st.floats(0, 3)),
    "channel_preference": st.builds(_channels, st.lists(st.tuples(counts, counts), min_size=3, max_size=3)),
    "additive": st.builds(lambda age: {"age": age}, st.none() | st.floats(0, 100)),
}
IN_ITS_UNIT = {"churn": lambda p: math.log(p / (1 - p)), "additive": lambda p: math.log(p / (1 - p))}


def told(target: str, features: dict[str, Value]) -> tuple[Value, Explanation]:
    """A model's score of one person, and why."""
    model = BUILTIN[target](PARAMETERS[target])
    assert isinstance(model, Explaining)
    signature = model.signature
    mine = {name: features[name] for name in signature.features}
    batch = pa.RecordBatch.from_pylist([{CUSTOMER: "cus_1", **mine}], schema_of(signature.features))
    value = checked(signature, model.score(batch), 1)["value"][0]
    assert value is not None
    kept_model = KeptModel(f"{target}@1", signature.output, signature.features, signature.rival)
    found = explain(model, KeptScore(target, Score(value, f"{target}@1", 1, features=mine), kept_model))
    assert found is not None and set(found.adds) <= set(mine)
    return value, found


def test_every_built_in_model_is_here() -> None:
    assert set(PARAMETERS) == set(FEATURES) == set(BUILTIN)


@pytest.mark.parametrize("target", sorted(PARAMETERS))
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_what_features_add_comes_to_the_score(target: str, data: st.DataObject) -> None:
    value, found = told(target, data.draw(FEATURES[target]))
    whole = found.base + sum(found.adds.values())
    if isinstance(value, str):
        assert whole == pytest.approx(found.through[value]) == max(found.through.values())
    elif target in IN_ITS_UNIT:
        assert 1 / (1 + math.exp(-whole)) == pytest.approx(value, abs=1e-9)
    else:
        assert whole == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_what_speaks_for_a_score_adds_to_it() -> None:
    often, late, seldom = ((20, 350, 5), (20, 100, 255), (1, 350, 5))
    adds = {name: told("churn", _purchases(each, 30.0))[1].adds
            for name, each in (("often", often), ("late", late), ("seldom", seldom))}  # fmt: skip
    assert adds["often"]["last_purchase_day"] < 0 < adds["late"]["last_purchase_day"]
    assert adds["often"]["repeat_purchases"] < adds["seldom"]["repeat_purchases"]
    value, found = told("lifetime_value", _purchases(often, 300.0))
    assert found.adds["mean_spend"] > 0 > told("lifetime_value", _purchases(often, 3.0))[1].adds["mean_spend"]
    assert found.through["expected_purchases"] * found.through["expected_spend"] == pytest.approx(value)
    _, order = told("unusual_order", _order(100.0, 10, 2.0, 0.01))
    assert order.adds["latest_order_log_mean"] > 0 and order.through["expected_amount"] < 15
    _, channel = told("channel_preference", _channels([(50, 50), (50, 0), (0, 0)]))
    assert channel.adds["email_responses"] > 0 and channel.unit.startswith("probability")


@pytest.mark.parametrize(
    "columns",
    [
        {"base": [0.0], "other": [None]},
        {"events": [1.0]},
        {"base": [float("nan")]},
        {"base": [1.0, 2.0]},
        {"base": ["x"]},
    ],
)
def test_what_is_no_explanation_is_not_told(columns: dict[str, list[Any]]) -> None:
    model = KeptModel("churn@1", BUILTIN["churn"](CHURN).signature.output, {})
    kept = KeptScore("churn", Score(0.5, "churn@1", 1), model)
    assert explanation_of(kept, "log odds", pa.RecordBatch.from_pydict(columns)) is None
    assert explanation_of(kept, "log odds", [1.0]) is None
