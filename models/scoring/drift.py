"""How far people have changed since a model learned: how its features and scores were distributed then, against now.

A version keeps how each feature and its scores were distributed: the edges of tenths, and the shares of people between
them. Of what is told now only counts between the same edges are needed, which add up over batches and shards. Of a text
it counts only whether there is one, since what it says may be about a person; labels count by what they say.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.scoring.contract import VALUE, Signature
from models.scoring.features import Value

Floats = NDArray[np.float64]

BINS = 10
_LEAST_SHARE = 1e-4


class Distribution(msgspec.Struct, frozen=True):
    """How a number was distributed: shares of people between edges, the last share of those who had none."""

    edges: tuple[float, ...]  # ascending
    shares: tuple[float, ...]  # (edges + 2,)


class DriftCounts(msgspec.Struct, frozen=True):
    """People now between the edges of versions, by reference and then by feature, the scores as "value"."""

    at: int = 0  # ms
    models: dict[str, dict[str, list[int]]] = {}


class LiveDrift(msgspec.Struct, frozen=True):
    """How far the people who are scored now are from those a version learned from."""

    as_of: int  # ms, when the oldest of the counts was complete
    people: int
    indices: dict[str, float]  # see `stability`, by feature, and of the scores as "value"


def columns(signature: Signature, features: pa.RecordBatch, told: Sequence[Value]) -> dict[str, Floats]:
    """The features of n people and the scores of m as numbers, (n,) and (m,), NaN where there is none."""
    found = {name: _numbers(features.column(name)) for name in signature.features}
    labels = signature.output.labels
    return {**found, VALUE: _numbers(pa.array(told, pa.string() if labels else pa.float64()), labels)}


def distributions(now: Mapping[str, Floats]) -> dict[str, Distribution]:
    """How `columns` are distributed."""
    found = {}
    for name, values in now.items():
        known = values[np.isfinite(values)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if known.size else np.zeros(0)
        shares = _between(edges, values) / max(len(values), 1)
        found[name] = Distribution(tuple(edges.tolist()), tuple(shares.tolist()))
    return found


def counts(learned: Mapping[str, Distribution], now: Mapping[str, Floats]) -> dict[str, list[int]]:
    """How many people are between the edges of what was learned."""
    return {name: _between(np.array(then.edges), now[name]).tolist() for name, then in learned.items() if name in now}


def plus(some: DriftCounts, more: DriftCounts) -> DriftCounts:
    """The counts of both together."""
    models = {reference: dict(found) for reference, found in some.models.items()}
    for reference, found in more.models.items():
        known = models.setdefault(reference, {})
        for name, numbers in found.items():
            known[name] = [a + b for a, b in zip(known.get(name, [0] * len(numbers)), numbers, strict=True)]
    return DriftCounts(min(some.at, more.at) if some.models and more.models else max(some.at, more.at), models)


def drift(learned: Mapping[str, Distribution], now: Mapping[str, list[int]]) -> dict[str, float]:
    """The index of each feature of which there are counts, and of the scores."""
    return {name: stability(learned[name], found) for name, found in now.items() if name in learned and any(found)}


def live_drift(learned: Mapping[str, Distribution], reference: str, shards: Iterable[DriftCounts]) -> LiveDrift | None:
    """What all shards' counts say of a version; None if nobody was counted."""
    total = DriftCounts()
    for each in shards:
        if reference in each.models:
            total = plus(total, DriftCounts(each.at, {reference: each.models[reference]}))
    found = total.models.get(reference, {})
    people = sum(found.get(VALUE, ()))
    return LiveDrift(total.at, people, drift(learned, found)) if people else None


def stability(then: Distribution, now: list[int]) -> float:
    """The population stability index: 0 for the same distribution; above 0.25 is commonly taken as another."""
    before = np.maximum(np.array(then.shares), _LEAST_SHARE)
    after = np.maximum(np.array(now) / max(sum(now), 1), _LEAST_SHARE)
    return float(((after - before) * np.log(after / before)).sum())


def _between(edges: Floats, values: Floats) -> NDArray[np.int64]:
    there = values[np.isfinite(values)]
    found = np.bincount(np.searchsorted(edges, there, "right"), minlength=len(edges) + 1)
    return np.append(found, len(values) - len(there))


def _numbers(column: pa.Array, labels: tuple[str, ...] = ()) -> Floats:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        if labels:
            column = pc.index_in(column, pa.array(labels, column.type))
        else:
            column = pc.if_else(column.is_valid(), 0.0, None)
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
