"""From scores of pairs to people: correlation clustering.

Every pair has a score, positive if its records seem to be of one person, and a partition is good if the scores within
its clusters add up to much. Connected components ignore what speaks against a merge; this does not. The method is
greedy additive edge contraction (Keuper et al., "Efficient Decomposition of Image and Mesh Graphs by Lifted
Multicuts", 2015): the two clusters with the highest sum of scores between them are joined, as long as it is positive.

The result does not depend on the order of the pairs: equal sums are taken by the clusters' lowest records.

A partition has to put every record somewhere, and many weak scores add up: "Ann Smith, Leeds" goes to one of two Ann
Smiths. What is left in doubt is taken apart again by `held_together`.
"""

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

_SMALLEST, _MOST = 1e-9, 100.0  # share of records that are alone, score in bits
# Scores of pairs that must and must not be joined; no sum of others outweighs them, and the second outweighs the first.
MUST_LINK, CANNOT_LINK = 1e12, -1e18


def cluster(count: int, left: Rows, right: Rows, scores: Floats) -> Rows:
    """The lowest record of each record's cluster, (count,), from the pairs' scores in bits; pairs that are not given
    count 0. `left` < `right`, each pair once."""
    labels = np.arange(count)
    linked = scores > 0
    component = components(count, left[linked], right[linked])
    inside = component[left] == component[right]
    left, right, scores = left[inside], right[inside], scores[inside]
    of_component = component[left]
    whole = np.ones(component.max(initial=-1) + 1, np.bool_)  # nothing speaks against them: they end as one cluster
    whole[of_component[scores <= 0]] = False
    easy = whole[component]
    lowest = np.full(component.max() + 1 if count else 0, count)
    np.minimum.at(lowest, component, labels)
    labels[easy] = lowest[component[easy]]
    hard = ~whole[of_component]
    order = np.argsort(of_component[hard], kind="stable")
    left, right, scores = left[hard][order], right[hard][order], scores[hard][order]
    bounds = np.flatnonzero(np.diff(of_component[hard][order])) + 1
    for a, b, w in zip(np.split(left, bounds), np.split(right, bounds), np.split(scores, bounds), strict=True):
        _contract(labels, a.tolist(), b.tolist(), w.tolist())
    return labels


def held_together(clusters: Rows, left: Rows, right: Rows, scores: Floats, least: float, alone: float) -> Rows:
    """Divides clusters so that each is held together by links that hold: the lowest record of each record's part,
    (count,). Shapes: `clusters` (count,), the others (pairs,)."""
    rivals = np.full(len(clusters), -np.inf)  # each record's best link to another cluster
    inside = clusters[left] == clusters[right]
    for rows in (left, right):
        np.maximum.at(rivals, rows[~inside], scores[~inside])
    links = inside & holds(scores, np.maximum(rivals[left], rivals[right]), least, alone)
    component = components(len(clusters), left[links], right[links])
    lowest = np.full(len(clusters), len(clusters))
    np.minimum.at(lowest, component, np.arange(len(clusters)))
    return lowest[component]


def holds(scores: Floats, rivals: Floats, least: float, alone: float) -> NDArray[np.bool_]:
    """Which links hold. A record is of this person, of another one that it resembles (`rivals`, the best score of
    either record with somebody else), or of nobody else that there is, as a share of `alone` of all records are. The
    odds of the first against the others have to be at least `least` bits."""
    others = max(alone, _SMALLEST) + np.where(rivals > 0, np.exp2(np.minimum(rivals, _MOST)), 0)
    held: NDArray[np.bool_] = (scores > 0) & (scores - np.log2(others) >= least)
    return held


def share_alone(copies: Rows, left: Rows, right: Rows, scores: Floats) -> float:
    """The share of records that resemble nobody. `copies`: how many records each one stands for; equal ones count as
    one person's."""
    linked = scores > 0
    nobody = copies == 1
    nobody[left[linked]] = nobody[right[linked]] = False
    return float(nobody.sum() / max(copies.sum(), 1))


def components(count: int, left: Rows, right: Rows) -> Rows:
    """A number for each record's connected component, (count,), from the pairs that connect."""
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    found: Rows = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _contract(labels: Rows, left: list[int], right: list[int], scores: list[float]) -> None:
    """Clusters one component, writing to `labels`. Scores are integers of 2**-20 bits: their sums are exact, whatever
    the order of addition."""
    between: dict[int, dict[int, int]] = {}
    heap = []
    for a, b, score in zip(left, right, scores, strict=True):
        exact = round(score * 1_048_576)
        between.setdefault(a, {})[b] = exact
        between.setdefault(b, {})[a] = exact
        if exact > 0:
            heap.append((-exact, a, b))
    heapq.heapify(heap)
    members = {record: [record] for record in between}
    while heap:
        negative, a, b = heapq.heappop(heap)
        if a not in between or between[a].get(b) != -negative:
            continue  # one of them was joined to another since
        kept = between[a]
        for other, score in between.pop(b).items():
            neighbours = between[other]
            neighbours.pop(b)
            if other == a:
                continue
            total = kept.get(other, 0) + score
            kept[other] = neighbours[a] = total
            if total > 0:
                heapq.heappush(heap, (-total, a, other) if a < other else (-total, other, a))
        members[a] += members.pop(b)
    for lowest, records in members.items():
        labels[records] = lowest
