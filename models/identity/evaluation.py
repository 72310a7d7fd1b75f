"""How well clusters match the true entities: exact measures of two partitions of the same records.

Every figure comes from the sizes of the clusters, of the entities, and of what each cluster shares with each entity;
no pair is ever listed, so millions of records take seconds.

    pairwise       of the pairs of records in one cluster, the share that are one entity (precision); of the pairs of
                   one entity, the share that are in one cluster (recall)
    B-cubed        the same for each record, averaged, so that large clusters do not outweigh the rest: Bagga and
                   Baldwin, "Algorithms for Scoring Coreference Chains", 1998
    adjusted Rand  agreement on pairs, 0 for what chance would give and 1 for equal partitions: Hubert and Arabie,
                   "Comparing Partitions", Journal of Classification 2, 1985
    exact          entities whose records make exactly one cluster, with no other entity's in it
    over-merged    clusters that hold records of more than one entity
    split          entities whose records lie in more than one cluster

F1 is the harmonic mean of precision and recall. A precision over no pairs (nothing was joined) and a recall over no
pairs (nothing was to be joined) are 1: there is nothing wrong with them.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

_DENSE = 4  # integer labels below this many times the number of records are renumbered by a table, not by sorting


class ClusterScores(msgspec.Struct, frozen=True, kw_only=True):
    """Counts, and shares from 0 to 1 (the adjusted Rand index may be below 0)."""

    records: int
    entities: int  # true ones
    clusters: int  # predicted ones
    pairs_true: int  # pairs of records of one entity
    pairs_predicted: int  # pairs of records in one cluster
    pairs_both: int  # pairs that are both
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    adjusted_rand: float
    entities_exact: int
    entities_exact_share: float  # of the entities
    clusters_over_merged: int
    clusters_over_merged_share: float  # of the clusters
    entities_split: int
    entities_split_share: float  # of the entities


def evaluate(predicted: npt.ArrayLike, truth: npt.ArrayLike) -> ClusterScores:
    """Scores of a clustering: `predicted[i]` is the label of record i's cluster, `truth[i]` that of its entity.

    Labels are integers or texts, shape (records,), and mean nothing but equality; integers are quicker. Raises
    ValueError if the arrays are empty or of other shapes, TypeError for labels of other types.
    """
    cluster_of, cluster_size = _numbered(predicted, "predicted")
    entity_of, entity_size = _numbered(truth, "truth")
    records, clusters, entities = len(cluster_of), len(cluster_size), len(entity_size)
    if len(entity_of) != records:
        raise ValueError(f"truth: expected a label for each of the {records} predicted ones, found {len(entity_of)}")
    # A cell is what one entity and one cluster share.
    key, shared = np.unique(entity_of * clusters + cluster_of, return_counts=True)
    cell_entity, cell_cluster = np.divmod(key, clusters)
    size_of_cluster, size_of_entity = cluster_size[cell_cluster], entity_size[cell_entity]

    both, joined, same = _pairs(shared), _pairs(cluster_size), _pairs(entity_size)
    pairwise_precision, pairwise_recall = _share(both, joined), _share(both, same)
    bcubed_precision, bcubed_recall = (_bcubed(shared, size) / records for size in (size_of_cluster, size_of_entity))
    exact = int(np.count_nonzero((shared == size_of_cluster) & (shared == size_of_entity)))
    over_merged = int(np.count_nonzero(np.bincount(cell_cluster) > 1))
    split = int(np.count_nonzero(np.bincount(cell_entity) > 1))
    return ClusterScores(
        records=records,
        entities=entities,
        clusters=clusters,
        pairs_true=same,
        pairs_predicted=joined,
        pairs_both=both,
        pairwise_precision=pairwise_precision,
        pairwise_recall=pairwise_recall,
        pairwise_f1=_f1(pairwise_precision, pairwise_recall),
        bcubed_precision=bcubed_precision,
        bcubed_recall=bcubed_recall,
        bcubed_f1=_f1(bcubed_precision, bcubed_recall),
        adjusted_rand=_adjusted_rand(both, joined, same, records * (records - 1) // 2),
        entities_exact=exact,
        entities_exact_share=exact / entities,
        clusters_over_merged=over_merged,
        clusters_over_merged_share=over_merged / clusters,
        entities_split=split,
        entities_split_share=split / entities,
    )


def _numbered(labels: npt.ArrayLike, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels as 0, 1, 2 and so on, shape (records,), and how many records each has, shape (distinct labels,)."""
    given = np.asarray(labels)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{name}: expected one label for each record, in one dimension; found shape {given.shape}")
    if given.dtype.kind not in "iuUST":
        raise TypeError(f"{name}: expected labels that are integers or texts, found {given.dtype}")
    if given.dtype.kind in "iu" and given.min() >= 0 and given.max() < _DENSE * given.size:
        counts = np.bincount(given)
        used = counts > 0
        return (np.cumsum(used) - 1)[given], counts[used]
    _, numbers, counts = np.unique(given, return_inverse=True, return_counts=True)
    return numbers.astype(np.int64, copy=False), counts.astype(np.int64, copy=False)


def _pairs(sizes: npt.NDArray[np.int64]) -> int:
    return int(np.sum(sizes * (sizes - 1) // 2))


def _bcubed(shared: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> float:
    """The sum of shared^2 / size, the same to the last bit whatever the order of records: whole numbers are added
    first, a sum for each size."""
    squares = np.bincount(size, weights=shared * shared)
    sizes = np.flatnonzero(squares)
    return math.fsum(squares[sizes] / sizes)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _adjusted_rand(both: int, joined: int, same: int, every: int) -> float:
    """(index - expected) / (greatest - expected), both multiplied by 2 * `every` to stay in exact integers."""
    above_chance = 2 * (both * every - joined * same)
    greatest = (joined + same) * every - 2 * joined * same
    return above_chance / greatest if greatest else 1.0  # all records alone, or all together, in both partitions
