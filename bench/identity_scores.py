"""Scores of clusters on a prepared set, and the best that any threshold could have given.

The second is an upper bound for an engine that scores pairs: the threshold is picked with the truth, which nobody has
who needs the engine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bench.identity_sets import ENTITY_COLUMN, RECORD_COLUMN, PreparedSet, SetError, merged_doubles
from models.identity.evaluation import ClusterScores, evaluate

_STEPS = 100  # thresholds that are tried


@dataclass(frozen=True)
class BestThreshold:
    """The scores at the threshold that gives the best pairwise F1."""

    weight: float  # log2 of the odds that a pair is a match
    f1: float
    bcubed_f1: float


class SetScores(msgspec.Struct, frozen=True, kw_only=True):
    """One engine's clusters on one set."""

    scores: ClusterScores
    merged_doubles: int  # clusters in which twins, or father and son, are one


def score(clusters: Path, prepared: PreparedSet) -> SetScores:
    """Scores the clusters in a file (CSV or Parquet with record_id and entity_id). Raises SetError."""
    labels = read_labels(clusters, prepared.record_ids)
    return SetScores(scores=evaluate(labels, prepared.entities), merged_doubles=merged_doubles(labels, prepared))


def read_labels(path: Path, record_ids: Any) -> npt.NDArray[np.int64]:
    """The cluster of each record, as numbers in the order of `record_ids`. Raises SetError if a record is missing."""
    columns = [RECORD_COLUMN, ENTITY_COLUMN]
    if path.suffix == ".parquet":
        table = pq.read_table(path, columns=columns)
    else:
        options = pa_csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
        table = pa_csv.read_csv(path, convert_options=options)
    found = table[RECORD_COLUMN].cast(pa.string()).combine_chunks()
    positions = pc.index_in(record_ids, value_set=found)
    if positions.null_count or len(found) != len(record_ids):
        raise SetError(
            f"{path.name}: expected a cluster for each of {len(record_ids)} records, found {len(found)} rows; "
            f"{positions.null_count} records are missing"
        )
    entities = table[ENTITY_COLUMN].combine_chunks().take(positions).dictionary_encode()
    return np.asarray(entities.indices.to_numpy(), np.int64)


def best_threshold(pairs: Path, prepared: PreparedSet) -> BestThreshold:
    """The best threshold for pairs in a Parquet file: record_l, record_r, weight. Clusters are connected components."""
    table = pq.read_table(pairs)
    ends = [
        pc.index_in(table[name].combine_chunks(), value_set=prepared.record_ids).to_numpy()
        for name in ("record_l", "record_r")
    ]
    return best_threshold_of(ends[0], ends[1], table["weight"].to_numpy(), prepared.entities)


def best_threshold_of(
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    entities: npt.NDArray[np.int64],
) -> BestThreshold:
    """The best threshold for pairs (records `left[i]` and `right[i]`, shape (pairs,)) of records with true entities.

    The thresholds tried are quantiles of the weights: between two of them lie as many pairs as between any others.
    """
    count = len(entities)
    best = BestThreshold(float("inf"), *_f1s(evaluate(np.arange(count), entities)))
    for weight in np.unique(np.quantile(weights, np.linspace(0, 1, _STEPS))) if len(weights) else ():
        kept = weights >= weight
        graph = coo_array((np.ones(int(kept.sum()), np.int8), (left[kept], right[kept])), shape=(count, count))
        labels = connected_components(graph, directed=False)[1]
        f1, bcubed_f1 = _f1s(evaluate(labels, entities))
        if f1 > best.f1:
            best = BestThreshold(float(weight), f1, bcubed_f1)
    return best


def _f1s(scores: ClusterScores) -> tuple[float, float]:
    return scores.pairwise_f1, scores.bcubed_f1
