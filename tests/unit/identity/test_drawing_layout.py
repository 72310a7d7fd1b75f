"""Where records are drawn: apart, near what they are joined with, and the same each time."""

from itertools import combinations

import numpy as np
import pytest

from models.identity.drawing_layout import Places, layout, spread
from models.identity.evidence import Edge


def clique(nodes: range, score: float = 10.0) -> list[Edge]:
    return [Edge(a, b, score, 0.9) for a, b in combinations(nodes, 2)]


def distance(places: Places, a: int, b: int) -> float:
    return float(np.hypot(*(places[a] - places[b])))


def test_two_groups_with_a_bridge_are_drawn_as_two_groups() -> None:
    edges = [*clique(range(0, 6)), *clique(range(6, 12)), Edge(5, 6, 1.0, 0.6)]
    places = layout(12, edges)
    groups = [[distance(places, a, b) for a, b in combinations(group, 2)] for group in (range(6), range(6, 12))]
    apart = [distance(places, a, b) for a in range(5) for b in range(7, 12)]
    assert max(map(max, groups)) < min(apart)
    assert np.ptp(places[:, 0]) > 1.5 * np.ptp(places[:, 1])  # the long way lies across


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        (1, []),
        (2, [Edge(0, 1, 3.0, 0.9)]),
        (5, []),
        (40, clique(range(40))),
        (12, [Edge(0, n, float(n), 0.9) for n in range(1, 12)]),
        (7, [Edge(0, 1, 5.0, 0.9), Edge(1, 0, 2.0, 0.9), Edge(2, 2, 1.0, 0.9), Edge(3, 4, -7.0, 0.1)]),
    ],
    ids=["one", "two", "no edges", "all joined", "star", "parts, loops and doubles"],
)
def test_no_two_records_share_a_place(nodes: int, edges: list[Edge]) -> None:
    places = layout(nodes, edges)
    assert places.shape == (nodes, 2) and np.isfinite(places).all()
    assert all(distance(places, a, b) > 0.05 for a, b in combinations(range(nodes), 2))
    assert np.array_equal(places, layout(nodes, edges))


def test_strong_edges_are_shorter_than_weak_ones() -> None:
    places = layout(3, [Edge(0, 1, 20.0, 1.0), Edge(1, 2, 2.0, 0.8)])
    assert distance(places, 0, 1) == pytest.approx(1.0, abs=0.01)
    assert distance(places, 1, 2) == pytest.approx(1.6, abs=0.01)


def test_nothing_has_no_places() -> None:
    assert layout(0, []).shape == (0, 2)
    assert spread(layout(0, []), 1.0).shape == (0, 2)


def test_spreading_moves_only_what_is_too_near() -> None:
    places = np.array([[0.0, 0.0], [0.0, 0.0], [0.2, 0.1], [9.0, 9.0]])
    moved = spread(places, 1.0)
    assert all(distance(moved, a, b) > 0.95 for a, b in combinations(range(4), 2))
    assert moved[3].tolist() == [9.0, 9.0]
    assert places[0].tolist() == places[1].tolist() == [0.0, 0.0]
