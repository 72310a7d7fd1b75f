"""The model keeps to the contract, and tells what it should."""

from math import exp

import pyarrow as pa
import pytest
from onefold_example_models.next_order import NextOrder

from models.scoring.trial import try_model


def score(again: float | None, days: float | None) -> float | None:
    batch = pa.RecordBatch.from_pydict(
        {"customer_id": ["c"], "again": pa.array([again], pa.float64()), "days": pa.array([days], pa.float64())}
    )
    (value,) = NextOrder().score(batch).column("value").to_pylist()
    return None if value is None else float(value)


def test_it_keeps_to_the_contract() -> None:
    try_model(NextOrder())


def test_who_orders_often_is_likelier_to_order() -> None:
    often, seldom = score(10, 100), score(1, 100)
    assert often is not None and seldom is not None and often > seldom
    assert score(0, 0) == pytest.approx(0.283, abs=0.001)


def test_what_features_add_comes_to_the_score() -> None:
    batch = pa.RecordBatch.from_pydict({"customer_id": ["c"], "again": [3.0], "days": [50.0]})
    (told,) = NextOrder().explain(batch).to_pylist()
    assert told["days"] < 0 < told["again"]
    assert 1 - exp(-sum(told.values())) == pytest.approx(score(3, 50))


def test_who_never_ordered_has_no_score() -> None:
    assert score(None, None) is None
