"""A trained matching model: all that is needed to find, score and explain pairs of records, as one document.

It is learned from a set of records without labels and then serves any records: those of the set, and those that come
later one at a time. It holds no rare value: how often a value occurs is kept only if at least `COMMON_MIN` records
have it, and all others are taken to be equally rare.
"""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity.blocking import BlockingSettings, Key
from models.identity.columns import ABSENT, Column, RoleColumns
from models.identity.fields import Field, Fields, Reading, normalised_fields
from models.identity.mixture import Mixture, Scorer

COMMON_MIN = 10  # records that share a value before the model names it
FORMAT = 2
_SMALLEST = 1e-9
_ADDRESSES: frozenset[Field] = frozenset({"email", "phone"})


class Frequencies(msgspec.Struct, frozen=True):
    """How often a field's values occur, as shares of the records that have one. `rare`: that of any value that is not
    in `common`."""

    common: dict[str, float]
    rare: float

    def of(self, values: list[str]) -> NDArray[np.float64]:
        """The frequency of each value."""
        return np.array([self.common.get(value, self.rare) for value in values])

    @property
    def typical(self) -> float:
        """The geometric mean of the frequencies of records' values."""
        shares = np.array([*self.common.values(), max(1 - sum(self.common.values()), 0.0)])
        frequencies = np.maximum([*self.common.values(), self.rare], _SMALLEST)
        return float(np.exp((shares * np.log(frequencies)).sum() / shares.sum()))


class MatchModel(msgspec.Struct, frozen=True):
    """`records`: how many it was learned from. `alone`: the share of them that resemble nobody."""

    reading: Reading
    keys: list[Key]
    blocking: BlockingSettings
    mixture: Mixture
    frequencies: dict[Field, Frequencies]
    records: int
    alone: float = 1.0
    format: int = FORMAT

    @property
    def version(self) -> str:
        """A name that changes with the content. It is made anew at each call: keep it where it is needed often."""
        return f"mixture-{blake2b(self.encode(), digest_size=5).hexdigest()}"

    def read(self, roles: RoleColumns, count: int) -> dict[Field, Column]:
        """The model's fields of `count` records given by role, whether the records have them or not."""
        found = normalised_fields(roles, self.reading)
        absent = Column(np.full((count, 1), ABSENT, np.int32), [])
        return {field: found.get(field, absent) for field in self.mixture.fields}

    def scorer(self, fields: Fields) -> Scorer:
        """The scorer of pairs of these records."""
        frequencies = {field: self.frequencies[field].of(column.values) for field, column in fields.items()}
        return Scorer(self.mixture, frequencies)

    def encode(self) -> bytes:
        """The model as a JSON document."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def decode(cls, document: bytes) -> "MatchModel":
        """Reads `encode`'s document. Raises ValueError if it is none, or of another format."""
        try:
            model = msgspec.json.decode(document, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a matching model: {error}") from None
        if model.format != FORMAT:
            raise ValueError(f"format: expected {FORMAT}, found {model.format}; train the model with this version")
        return model


def count_frequencies(fields: Fields) -> dict[Field, Frequencies]:
    """The frequencies of all fields' values."""
    found = {}
    for field, column in fields.items():
        counts = _counts(column)
        common = np.flatnonzero(counts >= COMMON_MIN).tolist()
        found[field] = frequencies_of({column.values[code]: int(counts[code]) for code in common}, counts)
    return found


def coincidences(fields: Fields) -> Mapping[Field, float]:
    """How likely two values of different records are the same, by field."""
    return {field: coincidence(field, _counts(column)) for field, column in fields.items()}


def frequencies_of(common: Mapping[str, int], counts: NDArray[np.int64]) -> Frequencies:
    """The frequencies of a field's values: how many records have each value that COMMON_MIN of them have, and how many
    have each of all values."""
    total = max(int(counts.sum()), 1)
    few = counts[counts < COMMON_MIN]
    rare = int((few * few).sum()) / max(int(few.sum()), 1)  # as seen from a record: the size of its value's group
    return Frequencies({value: count / total for value, count in common.items()}, max(rare, 1.0) / total)


def coincidence(field: Field, counts: NDArray[np.int64]) -> float:
    """How likely values of two people are the same, from how many records have each value of the field. An address that
    few records have is one person's or household's: that they agree in it is no coincidence."""
    total = int(counts.sum())
    by_chance = counts[counts >= COMMON_MIN] if field in _ADDRESSES else counts
    return int((by_chance * (by_chance - 1)).sum()) / max(total * (total - 1), 1)


def _counts(column: Column) -> NDArray[np.int64]:
    return np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
