"""What a model must do before it is registered: answer about made-up people as the contract says.

The people are few and plain, with nothing known, with zeros and ones. A person's score may not depend on who else is in
the batch, or what is scored live and what is scored in bulk would differ.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from models.scoring.contract import OneRow, Refused, ScoringModel, Signature, checked
from models.scoring.features import CUSTOMER, FeatureReader, Value
from models.scoring.hosting import ModelFailed, told_error

TOLERANCE = 1e-6
_NUMBERS = (None, 0.0, 1.0, 30.0)
_TEXTS = (None, "", "a", "USD")


def made_up_people(signature: Signature) -> pa.RecordBatch:
    """Four people of whom nobody is real, as features."""
    columns: dict[str, Any] = {CUSTOMER: [f"trial-{number}" for number in range(len(_NUMBERS))]}
    for name, feature in signature.features.items():
        columns[name] = list(_TEXTS if feature.is_text else _NUMBERS)
    return pa.RecordBatch.from_pydict(columns, FeatureReader(signature.features).schema)


def asked(model: ScoringModel, people: pa.RecordBatch) -> dict[str, list[Value]]:
    """The checked columns of a model's answer. Raises Refused, and ModelFailed for what the model raises."""
    return checked(model.signature, _answer(model.score, people), people.num_rows)


def try_model(model: ScoringModel) -> None:
    """Raises Refused, with what is wrong, and ModelFailed for what the model raises."""
    signature = model.signature
    people = made_up_people(signature)
    together = asked(model, people)
    for number in range(people.num_rows):
        one = people.slice(number, 1)
        told = {name: column[number] for name, column in together.items()}
        alone = {name: column[0] for name, column in asked(model, one).items()}
        if not _same(told, alone):
            raise Refused("the score of a person depends on who else is in the batch")
        if isinstance(model, OneRow):
            fast = {
                name: column[0] for name, column in checked(signature, _answer(partial(one_row, model), one), 1).items()
            }
            if not _same(told, fast):
                raise Refused("score_one and score do not tell the same of a person")


def one_row(model: OneRow, one: pa.RecordBatch) -> pa.RecordBatch:
    """The answer about one person, in a batch, by the fast path."""
    (row,) = one.to_pylist()
    return pa.RecordBatch.from_pylist([dict(model.score_one(row))])


def _answer(ask: Callable[[pa.RecordBatch], object], people: pa.RecordBatch) -> object:
    try:
        return ask(people)
    except Exception as error:
        raise ModelFailed(told_error(error)) from None


def _same(left: Mapping[str, Value], right: Mapping[str, Value]) -> bool:
    return left.keys() == right.keys() and all(_near(value, right[name]) for name, value in left.items())


def _near(left: Value, right: Value) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= TOLERANCE * max(1.0, abs(left))
    return left == right
