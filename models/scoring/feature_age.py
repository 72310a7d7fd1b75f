"""How old what is known of a person may be for a model to be asked about them.

The same rule wherever models score: live, as of times past, and where they are measured.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.scoring.contract import VALUE, ScoringModel, Signature
from models.scoring.features import Value
from models.scoring.trial import asked


def recent(signature: Signature, days_since_seen: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a model is asked about each of n people, who were last seen so many days before (NaN: never)."""
    if not signature.feature_age_max_days:
        return np.ones(len(days_since_seen), np.bool_)
    return days_since_seen <= signature.feature_age_max_days


def too_old(signature: Signature) -> str:
    """Why there is no score of anybody else."""
    return f"the person was last seen more than {signature.feature_age_max_days:g} days ago"


def asked_of_recent(
    model: ScoringModel, features: pa.RecordBatch, days_since_seen: NDArray[np.float64]
) -> dict[str, list[Value]]:
    """The checked columns of a model's answer about n people, None of those about whom it is not asked. Raises Refused
    and ModelFailed."""
    places = np.flatnonzero(recent(model.signature, days_since_seen))
    answer: dict[str, list[Value]] = {VALUE: []}
    if len(places):
        answer = asked(model, features.take(pa.array(places)))
    found: dict[str, list[Value]] = {name: [None] * features.num_rows for name in answer}
    for name, column in answer.items():
        for place, value in zip(places.tolist(), column, strict=True):
            found[name][place] = value
    return found
