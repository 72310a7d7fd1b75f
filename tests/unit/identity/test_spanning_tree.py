"""The edge where a cluster would break first."""

from itertools import permutations

import pytest

from models.identity.evidence import Edge
from models.identity.spanning_tree import spanning_tree, weakest_edge

ABCD = ("a", "b", "c", "d")


def edge(left: int, right: int, score: float) -> Edge:
    return Edge(left, right, score, 0.5)


def test_a_weak_edge_inside_a_strong_triangle_is_not_the_weakest_link() -> None:
    edges = [edge(0, 1, 9), edge(1, 2, 8), edge(0, 2, 1), edge(2, 3, 3)]
    assert weakest_edge(ABCD, edges) == 3
    assert spanning_tree(4, edges) == [0, 1, 3]


def test_scores_of_zero_and_below_count_as_edges() -> None:
    assert weakest_edge(ABCD, [edge(0, 1, 0.0), edge(1, 2, -4.0), edge(2, 3, 2.0)]) == 1


def test_of_parallel_edges_the_strongest_holds_and_a_loop_holds_nothing() -> None:
    assert weakest_edge(("a", "b"), [edge(0, 1, 2), edge(1, 0, 5), edge(1, 1, 1)]) == 1


def test_clusters_without_edges_have_no_weakest() -> None:
    assert weakest_edge((), []) == weakest_edge(("a",), []) == weakest_edge(("a",), [edge(0, 0, 3)]) == -1


def test_in_parts_the_lowest_of_all_their_trees() -> None:
    assert weakest_edge(ABCD, [edge(0, 1, 7), edge(2, 3, 6)]) == 1


def test_equal_scores_give_the_same_edge_whatever_their_order() -> None:
    edges = [edge(0, 1, 4), edge(2, 1, 4), edge(2, 0, 4), edge(3, 0, 4)]
    found = {(e.left, e.right) for order in permutations(edges) for e in [order[weakest_edge(ABCD, order)]]}
    assert found == {(3, 0)}


def test_edges_outside_the_cluster_are_refused() -> None:
    with pytest.raises(ValueError, match=r"edges\[1\]: expected nodes from 0 to 3, found 3, 4"):
        weakest_edge(ABCD, [edge(0, 1, 1), edge(3, 4, 1)])
    with pytest.raises(ValueError, match=r"edges\[0\]: expected nodes from 0 to 3, found -1, 2"):
        weakest_edge(ABCD, [edge(-1, 2, 1)])
    with pytest.raises(ValueError, match=r"edges\[0\]\.score: expected a number, found NaN"):
        weakest_edge(ABCD, [edge(0, 1, float("nan"))])
