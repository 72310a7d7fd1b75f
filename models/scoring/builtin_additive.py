"""Additive models of a yes or no as scoring models: any features, any outcome, and each answer explains itself."""

from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa

from models.scoring.additive import AdditiveModel, Column
from models.scoring.contract import BASE, RIVAL, VALUE, Output, Signature
from models.scoring.features import Feature


class AdditiveParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was learned, and what about."""

    name: str  # of the score
    outcome: str  # of which it is the probability, as people read it
    horizon_days: Annotated[int, msgspec.Meta(ge=0)] = 0
    features: dict[str, Feature]
    model: AdditiveModel
    rival: AdditiveModel  # of the one feature that tells most by itself


class Additive:
    """How likely a yes is, beside what its best feature says alone."""

    explained_in = "log odds"

    def __init__(self, parameters: AdditiveParameters) -> None:
        """Raises ValueError if the model needs features that are not given."""
        absent = sorted((parameters.model.terms.keys() | parameters.rival.terms.keys()) - parameters.features.keys())
        if absent:
            raise ValueError(f"features: the model needs {', '.join(absent)}")
        self._learned = parameters
        self.signature = Signature(
            name=parameters.name,
            features=parameters.features,
            output=Output(kind="probability", unit=f"probability of {parameters.outcome}".strip(),
                          horizon_days=parameters.horizon_days),
            owner="onefold",
            description=f"How likely this is: {parameters.outcome}. An additive model.",
            rival="only " + ", ".join(parameters.rival.terms),
        )  # fmt: skip

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value and rival, (n,)."""
        given = columns_of(features, self._learned.features)
        told = {VALUE: self._learned.model.probabilities(given), RIVAL: self._learned.rival.probabilities(given)}
        people = features.num_rows
        return pa.RecordBatch.from_pydict({name: np.broadcast_to(part, people) for name, part in told.items()})

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """What each feature adds to the log odds of each person, (n,) a column; 0 on average. And the base."""
        model = self._learned.model
        base = np.full(features.num_rows, model.base)
        return pa.RecordBatch.from_pydict(
            {BASE: base, **model.contributions(columns_of(features, self._learned.features))}
        )


def additive(parameters: dict[str, Any]) -> Additive:
    """Raises ValueError for parameters that are none."""
    return Additive(msgspec.convert(parameters, AdditiveParameters))


def columns_of(features: pa.RecordBatch, wanted: dict[str, Feature]) -> dict[str, Column]:
    """The columns of features as additive models take them, (n,) each."""
    return {
        name: features.column(name).to_pylist()
        if feature.is_text
        else np.asarray(features.column(name).to_numpy(zero_copy_only=False), np.float64)
        for name, feature in wanted.items()
    }
