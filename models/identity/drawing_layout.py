"""Where to draw the records of a cluster: a place in the plane for each, the same for the same cluster every time.

Stress majorisation (Gansner, Koren and North, "Graph Drawing by Stress Majorization", 2005): places are moved until
distances in the plane come as near as they can to distances along edges, where a strong edge is short and a weak one
long. It starts from a circle in the order of a walk along the maximum spanning tree, so nothing is random.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.identity.evidence import Edge
from models.identity.spanning_tree import spanning_tree

Places = npt.NDArray[np.float64]

_WEAKEST_LENGTH = 1.6  # of the edge of the lowest score; the one of the highest has 1
_APART = 0.5  # between parts that no edge joins, on top of the longest distance within one
_STEPS, _WORK = 300, 1e7  # most steps; most steps x records^2, so that a large cluster takes seconds
_MOVED_MAX = 2_000  # records; of more, which no picture shows apart, the circle is the layout
_STILL = 1e-5  # a step that moves no record further than this is the last
_SPREAD_STEPS, _SPREAD_SPEED = 100, 0.7
_GOLDEN_ANGLE = 2.399963
_ROUND = 0.05  # a drawing whose two extents differ by less than this share is not turned


def layout(nodes: int, edges: Sequence[Edge]) -> Places:
    """Places, shape (nodes, 2), around (0, 0) in the unit of the shortest edge; wider than high, x to the right.

    Raises ValueError as `spanning_tree` does.
    """
    places = _circle(_walk(nodes, edges, spanning_tree(nodes, edges)))
    if 2 < nodes <= _MOVED_MAX:
        places = _majorise(places, _distances(nodes, edges))
    return _upright(places - places.mean(axis=0)) if nodes else places


def spread(places: Places, least: float) -> Places:
    """Places with those nearer to each other than `least` pushed apart, the others nearly where they were."""
    places = places.copy()
    if not 1 < len(places) <= _MOVED_MAX:
        return places
    around = np.arange(len(places)) * _GOLDEN_ANGLE
    for _ in range(min(_SPREAD_STEPS, int(_WORK / len(places) ** 2))):
        between = places[:, None] - places[None, :]
        distance = np.hypot(between[..., 0], between[..., 1])
        np.fill_diagonal(distance, np.inf)
        if distance.min() >= least:
            break
        same = distance < 1e-9  # no direction to push in: each takes one of its own
        between[same] = 1e-3 * np.column_stack([np.cos(around), np.sin(around)])[np.nonzero(same)[0]]
        push = np.where(distance < least, (least - distance) / 2, 0.0) / np.maximum(distance, 1e-3)
        places += _SPREAD_SPEED * (push[..., None] * between).sum(axis=1)
    return places


def _walk(nodes: int, edges: Sequence[Edge], tree: Sequence[int]) -> list[int]:
    """Nodes in depth-first order along the tree, strong edges first."""
    beside: list[list[int]] = [[] for _ in range(nodes)]
    for position in tree:
        beside[edges[position].left].append(edges[position].right)
        beside[edges[position].right].append(edges[position].left)
    walk: dict[int, None] = {}
    for start in range(nodes):
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in walk:
                walk[node] = None
                waiting += reversed(beside[node])
    return list(walk)


def _circle(order: Sequence[int]) -> Places:
    angles = np.empty(len(order))
    angles[np.array(order, dtype=np.intp)] = np.pi + 2 * np.pi * np.arange(len(order)) / max(len(order), 1)
    radius = max(len(order) / (2 * np.pi), 0.5)
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def _distances(nodes: int, edges: Sequence[Edge]) -> npt.NDArray[np.float64]:
    # Imported here: every replica has this module, and SciPy takes a third of a second to import.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    scores = np.array([edge.score for edge in edges])
    lengths: dict[tuple[int, int], float] = {}
    if len(edges):
        finite = np.clip(scores, -1e6, 1e6)
        span = finite.max() - finite.min()
        weak = (finite.max() - finite) / span if span else np.zeros(len(edges))
        for edge, length in zip(edges, 1 + weak * (_WEAKEST_LENGTH - 1), strict=True):
            if edge.left != edge.right:
                pair = min(edge.left, edge.right), max(edge.left, edge.right)
                lengths[pair] = min(length, lengths.get(pair, np.inf))
    pairs = np.array(list(lengths), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.array(list(lengths.values())), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
    found: npt.NDArray[np.float64] = shortest_path(graph.tocsr(), directed=False)
    unreachable = np.isinf(found)
    found[unreachable] = found[~unreachable].max() + _APART
    return found


def _majorise(places: Places, wanted: npt.NDArray[np.float64]) -> Places:
    nodes = len(places)
    np.fill_diagonal(wanted, 1.0)
    weights = wanted**-2
    np.fill_diagonal(weights, 0.0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    # Adding 1/n everywhere makes it invertible and keeps the middle where it is.
    inverse = np.linalg.inv(laplacian + 1 / nodes)
    for _ in range(min(_STEPS, int(_WORK / nodes**2))):
        distances = np.hypot(*(places[:, None, axis] - places[None, :, axis] for axis in (0, 1)))
        pull = np.divide(weights * wanted, distances, out=np.zeros_like(weights), where=distances > 1e-9)
        moved = inverse @ (pull.sum(axis=1)[:, None] * places - pull @ places)
        still = float(np.abs(moved - places).max())
        places = moved
        if still < _STILL:
            break
    return places


def _upright(places: Places) -> Places:
    """Turned so that the longer extent lies across, and flipped so that the first record is at the upper left."""
    xx, yy, xy = (places[:, 0] ** 2).sum(), (places[:, 1] ** 2).sum(), (places[:, 0] * places[:, 1]).sum()
    if np.hypot(xx - yy, 2 * xy) > _ROUND * (xx + yy):
        angle = -0.5 * np.arctan2(2 * xy, xx - yy)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        places = places @ turn
    flip = np.where(places[0] > 1e-6, -1.0, 1.0)
    flipped: Places = places * flip
    return flipped
