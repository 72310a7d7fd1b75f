"""Why a person has a score: what each feature that it was made of adds to it, as the model that made it tells.

Made of what was kept with the score, never of anything later.
"""

from typing import Any

import msgspec
import pyarrow as pa

from models.scoring.contract import BASE, Explaining
from models.scoring.features import Value, schema_of
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
    features: dict[str, Any] = {name: [value] for name, value in kept.score.features.items()}
    schema = schema_of(kept.model.features)
    batch = pa.RecordBatch.from_arrays([pa.array(features.get(name, [None]), kind) for name, kind in _columns(schema)],
                                       schema=schema)  # fmt: skip
    columns: dict[str, Value] = model.explain(batch).to_pylist()[0]
    told = {name: value for name, value in columns.items() if isinstance(value, float)}
    base = told.pop(BASE, None)
    if base is None or len(told) + 1 < len(columns):
        return None
    adds = {name: value for name, value in told.items() if name in features}
    through = {name: value for name, value in told.items() if name not in features}
    return Explanation(model.explained_in, base, adds, through, kept.model.rival)


def _columns(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]
