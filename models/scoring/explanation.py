"""Why a person has a score: what each feature that it was made of adds to it, as the model that made it tells.

Made of what was kept with the score, never of anything later.
"""

from math import isfinite
from typing import Any

import msgspec
import pyarrow as pa

from models.scoring.contract import BASE, Explaining
from models.scoring.features import schema_of
from models.scoring.kept import KeptScore


class Explanation(msgspec.Struct, frozen=True):
    """`base` and all that is in `adds` are together the score in a unit."""

    unit: str  # of what is added: that of the score, or log odds of a probability
    base: float
    adds: dict[str, float]  # by feature; those that are not here add nothing
    through: dict[str, float] = {}  # amounts on the way to the score, such as expected_purchases
    rival: str = ""  # what the rival's score is


def explain(model: Explaining, kept: KeptScore) -> Explanation | None:
    """Of a model's score; None if it cannot be told of these features."""
    return explanation_of(kept, model.explained_in, model.explain(question_of(kept)))


def question_of(kept: KeptScore) -> pa.RecordBatch:
    """The features of a score, as its model is asked about them: (1,) of each column."""
    return pa.RecordBatch.from_pylist([dict(kept.score.features)], schema_of(kept.model.features))


def explanation_of(kept: KeptScore, unit: str, columns: object) -> Explanation | None:
    """What a model has told of one person's score; None if that is none."""
    if not isinstance(columns, pa.RecordBatch) or columns.num_rows != 1:
        return None
    values: dict[str, Any] = columns.to_pylist()[0]
    told = {name: float(value) for name, value in values.items() if isinstance(value, int | float) and isfinite(value)}
    base = told.pop(BASE, None)
    if base is None or len(told) + 1 < len(values):
        return None
    features = kept.model.features
    adds = {name: value for name, value in told.items() if name in features}
    through = {name: value for name, value in told.items() if name not in features}
    return Explanation(unit, base, adds, through, kept.model.rival)
