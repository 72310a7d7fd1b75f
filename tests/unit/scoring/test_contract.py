"""The contract of scoring models: what a signature may say, and what of an answer is taken."""

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from models.scoring.contract import Output, Refused, Signature, checked
from models.scoring.features import Feature


def signature(**output: Any) -> Signature:
    return Signature(name="risk", features={"age": Feature(trait="age")}, output=Output(**output))


def answer(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_good_scores_are_taken_in_their_order() -> None:
    told = checked(
        signature(kind="probability"), answer(value=[0.1, None, 1.0], low=[0.0, 0.0, 0.9], other=["x", "y", "z"]), 3
    )
    assert told == {"value": [0.1, None, 1.0], "low": [0.0, 0.0, 0.9]}
    table = pa.table({"value": pa.chunked_array([[1], [2, 3]])})
    assert checked(signature(), table, 3) == {"value": [1.0, 2.0, 3.0]}
    assert checked(signature(), pa.table({"value": pa.array([], pa.float64())}), 0) == {"value": []}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, 1.1])
def test_single_scores_that_cannot_be_are_none(bad: float) -> None:
    assert checked(signature(kind="probability"), answer(value=[0.5, bad]), 2)["value"] == [0.5, None]


def test_labels_are_those_that_there_are() -> None:
    told = checked(signature(kind="label", labels=("low", "high")), answer(value=["low", "medium", None]), 3)
    assert told["value"] == ["low", None, None]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.1, 0.2], "record batch, got list"),
        (answer(value=[0.1]), "2 rows, one a person, got 1"),
        (answer(score=[0.1, 0.2]), "a column value"),
        (answer(value=["a", "b"]), "value: expected numbers, got string"),
        (answer(value=[0.1, 0.2], low=[True, False]), "low: expected numbers, got bool"),
    ],
)
def test_answers_of_another_shape_are_refused_and_say_which(scores: object, message: str) -> None:
    with pytest.raises(Refused, match=message):
        checked(signature(), scores, 2)


def test_numbers_of_any_width_are_numbers() -> None:
    for array in (pa.array([1, 2], pa.int8()), pa.array([1, 2], pa.float32()), pa.array([Decimal(1), Decimal(2)])):
        assert checked(signature(), pa.RecordBatch.from_arrays([array], ["value"]), 2)["value"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Risk"}, "lower-case letter"),
        ({"features": {}}, "1 to 200"),
        ({"features": {"customer_id": {"trait": "x"}}}, "is taken"),
        ({"features": {"base": {"trait": "x"}}}, "base is taken"),
        ({"features": {"a": {"trait": "x", "history": "stage"}}}, "one of trait, computed and history"),
        ({"features": {"a": {"history": "future"}}}, "expected one of repeat_purchases"),
        ({"features": {"a": {"computed": {"type": "behavioral", "event": "X", "measure": "most"}}}}, "measure"),
        ({"output": {"kind": "label"}}, "one of some"),
        ({"output": {"low": 2, "high": 1}}, "above high"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_a_signature_says_what_is_wrong_with_it(wrong: dict[str, Any], message: str) -> None:
    data = {"name": "risk", "features": {"age": {"trait": "age"}}, "output": {"kind": "number"}} | wrong
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(data, Signature)
