"""What a scoring model is to the platform: a signature, and a function from features of many people to scores.

A model is any object with these two. It is given Arrow batches and gives Arrow columns, and it knows nothing of the
platform. What it says of itself is checked against what it does: a score that is missing, of another type or out of
range is no score, and the person keeps the one before, marked as stale.
"""

import re
from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.scoring.features import CUSTOMER, Feature

Kind = Literal["number", "probability", "label"]

VALUE, LOW, HIGH, RIVAL = "value", "low", "high", "rival"  # columns of scores; all but the first may be left out
BASE = "base"  # column of explanations
TAKEN = (CUSTOMER, VALUE, BASE)  # columns that no feature may have the name of
FEATURES_MAX = 200
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a score is."""

    kind: Kind = "number"
    unit: str = ""  # such as "USD in 90 days"
    low: float | None = None  # of the range, both ends included; None for no end
    high: float | None = None
    labels: tuple[str, ...] = ()  # all that there are, of kind label
    horizon_days: int = 0  # that a prediction is for; 0 if it is for no time

    def __post_init__(self) -> None:
        if self.kind == "label" and not self.labels:
            raise ValueError("output.labels: a label is one of some")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("output: low may not be above high")

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of numbers."""
        if self.kind == "probability":
            return 0.0, 1.0
        low = float("-inf") if self.low is None else self.low
        return low, float("inf") if self.high is None else self.high


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model needs, gives and is about."""

    name: str  # of the score, in profiles
    features: dict[str, Feature]
    output: Output
    owner: str = ""  # who answers for it
    description: str = ""
    rival: str = ""  # what `rival` is: the simplest thing that does the same
    feature_age_max_days: float = 0.0  # older profiles (since they were last seen) are not scored; 0 for any

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("name: expected a lower-case letter, then at most 63 of a-z, 0-9 and _")
        if not 1 <= len(self.features) <= FEATURES_MAX:
            raise ValueError(f"features: expected 1 to {FEATURES_MAX}")
        for name in TAKEN:
            if name in self.features:
                raise ValueError(f"features: {name} is taken: give it another name")


class ScoringModel(Protocol):
    """What is plugged in."""

    @property
    def signature(self) -> Signature:
        """The same at all times."""

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """The scores of n people, in their order: a column `value`, (n,), and where there are such `low` and `high` of
        an interval and the `rival`'s score. `features` has a column for each of the signature's, numbers or texts, null
        where a person has no such value, and `customer_id`."""


@runtime_checkable
class Explaining(Protocol):
    """What a model may do beside scoring."""

    @property
    def explained_in(self) -> str:
        """The unit of what is added, such as "log odds"."""

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """What each feature adds to each person's score, (n,) a column by the feature's name, null where there is no
        score: what is higher speaks for a higher score. With the column `base`, where all begin, these add up to the
        score in the unit of `explained_in`. Other columns are amounts on the way from the features to the score."""


@runtime_checkable
class OneRow(Protocol):
    """What a model may have beside `score`, to be quick about one person."""

    def score_one(self, features: Mapping[str, float | str | None]) -> Mapping[str, float | str | None]:
        """The same as `score` tells of a batch of one: the contract's columns, of one person's features."""


class Score(msgspec.Struct, frozen=True, array_like=True):
    """A person's score as it is kept."""

    value: float | str
    version: str  # of the model
    at: int  # ms, as of when the features were
    low: float | None = None
    high: float | None = None
    rival: float | str | None = None
    features: dict[str, float | str | None] = {}  # that it was made of
    stale: str = ""  # why there is none of a later time; "" if this is the latest


class Refused(ValueError):
    """What a model gave is not what its signature says; the message names the column."""


def checked(signature: Signature, scores: object, people: int) -> dict[str, list[float | str | None]]:
    """The columns of a model's answer about so many people, None where a single score is none. Raises Refused."""
    if isinstance(scores, pa.Table):
        batches = scores.combine_chunks().to_batches()
        scores = batches[0] if batches else pa.RecordBatch.from_pylist([], scores.schema)
    if not isinstance(scores, pa.RecordBatch):
        raise Refused(f"expected an Arrow record batch, got {type(scores).__name__}")
    if scores.num_rows != people:
        raise Refused(f"expected {people} rows, one a person, got {scores.num_rows}")
    names = scores.schema.names
    if VALUE not in names:
        raise Refused(f"expected a column {VALUE}")
    found: dict[str, list[float | str | None]] = {}
    for name in (VALUE, LOW, HIGH, RIVAL):
        if name in names:
            found[name] = _column(signature.output, name, scores.column(name))
    return found


def _column(output: Output, name: str, column: pa.Array) -> list[float | str | None]:
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if output.kind == "label":
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise Refused(f"{name}: expected texts, got {column.type}")
        known: Mapping[str, str] = {label: label for label in output.labels}
        return [known.get(label) if label is not None else None for label in column.to_pylist()]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        raise Refused(f"{name}: expected numbers, got {column.type}")
    numbers = np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False))
    low, high = output.bounds if name == VALUE else (float("-inf"), float("inf"))
    good = np.isfinite(numbers) & (numbers >= low) & (numbers <= high)
    return [number if ok else None for number, ok in zip(numbers.tolist(), good.tolist(), strict=True)]
