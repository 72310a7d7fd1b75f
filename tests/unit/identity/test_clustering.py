"""Correlation clustering by greedy additive edge contraction."""

from typing import Any

import numpy as np
import pytest

from models.identity.clustering import CANNOT_LINK, cluster, held_together, holds, share_alone


def clusters(count: int, pairs: Any) -> Any:
    left, right, scores = (np.array(x) for x in zip(*pairs, strict=True)) if pairs else ([], [], [])
    labels = cluster(count, np.array(left, np.int64), np.array(right, np.int64), np.array(scores, np.float64))
    groups: dict[int, list[int]] = {}
    for record, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(record)
    assert all(label == group[0] for label, group in groups.items())
    return sorted(groups.values())


def test_without_pairs_everyone_is_alone() -> None:
    assert clusters(3, []) == [[0], [1], [2]]


def test_a_chain_is_one_cluster_if_nothing_speaks_against_it() -> None:
    assert clusters(3, [(0, 1, 2.0), (1, 2, 2.0)]) == [[0, 1, 2]]


def test_a_bridge_does_not_join_what_speaks_against_it() -> None:
    """Connected components would: 1 resembles both sides."""
    pairs = [(0, 1, 5.0), (1, 2, 3.0), (2, 3, 5.0), (0, 2, -4.0), (0, 3, -4.0), (1, 3, -4.0)]
    assert clusters(4, pairs) == [[0, 1], [2, 3]]


def test_what_speaks_for_a_join_may_outweigh_what_speaks_against_it() -> None:
    assert clusters(3, [(0, 1, 5.0), (1, 2, 4.0), (0, 2, -1.0)]) == [[0, 1, 2]]


def test_no_sum_outweighs_a_pair_that_cannot_be_linked() -> None:
    pairs = [(0, 1, 40.0), (1, 2, 40.0), (0, 2, CANNOT_LINK), (2, 3, 40.0), (1, 3, 40.0)]
    found = clusters(4, pairs)
    assert not any({0, 2} <= set(group) for group in found)


@pytest.mark.parametrize("seed", range(30))
def test_the_order_of_pairs_does_not_matter_and_the_result_is_the_naive_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 12
    pairs = [
        (i, j, round(float(rng.normal(0, 5)), 3))
        for i in range(count)
        for j in range(i + 1, count)
        if rng.random() < 0.5
    ]
    shuffled = [pairs[i] for i in rng.permutation(len(pairs))]
    assert clusters(count, pairs) == clusters(count, shuffled) == naive(count, pairs)


def naive(count: int, pairs: Any) -> Any:
    """Joins the two clusters of the highest sum between them, as long as it is positive."""
    groups = [[record] for record in range(count)]
    score = {(a, b): w for a, b, w in pairs}
    while True:
        sums = {
            (x, y): sum(score.get((min(a, b), max(a, b)), 0.0) for a in groups[x] for b in groups[y])
            for x in range(len(groups))
            for y in range(x + 1, len(groups))
        }
        best = max(sums, key=lambda key: sums[key], default=None)
        if best is None or sums[best] <= 1e-9:
            return sorted(sorted(group) for group in groups)
        x, y = best
        groups[x] += groups.pop(y)


# What holds


def parts(clusters: list[int], pairs: Any, alone: float = 0.01, least: float = 2.0) -> list[int]:
    left, right, scores = (np.array(x) for x in zip(*pairs, strict=True))
    found: list[int] = held_together(np.array(clusters), left, right, scores.astype(np.float64), least, alone).tolist()
    return found


def test_a_record_that_resembles_two_people_equally_is_with_neither() -> None:
    pairs = [(0, 1, 9.0), (1, 2, 3.0), (3, 4, 9.0), (2, 3, 3.0)]
    assert parts([0, 0, 0, 3, 3], pairs) == [0, 0, 2, 3, 3]
    assert parts([0, 0, 0, 3, 3], [*pairs[:-1], (2, 3, 0.5)]) == [0, 0, 0, 3, 3]  # 3 bits against half a bit


def test_a_record_is_with_the_only_one_that_it_resembles_if_few_are_alone() -> None:
    pairs = [(0, 1, 0.5)]
    assert parts([0, 0], pairs, alone=0.01) == [0, 0]
    assert parts([0, 0], pairs, alone=0.5) == [0, 1]


def test_a_cluster_falls_into_parts_that_hold() -> None:
    """Two of one family name: many weak links add up to a join, and none of them holds."""
    pairs = [(0, 1, 9.0), (2, 3, 9.0), *((a, b, 1.0) for a in (0, 1) for b in (2, 3))]
    assert parts([0, 0, 0, 0], pairs, alone=0.3) == [0, 0, 0, 0]
    assert parts([0, 0, 0, 0], pairs, alone=0.9) == [0, 0, 2, 2]


def test_what_speaks_against_a_person_is_no_rival() -> None:
    assert parts([0, 0, 2], [(0, 1, 0.5), (0, 2, -3.0)]) == [0, 0, 2]


def test_a_link_holds_by_the_odds_against_all_else() -> None:
    scores, rivals = np.array([3.0, 3.0, 2.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    # Against nobody (.25): 5, and with a rival of odds 2: 3 - log2(2.25) = 1.83; a score of 0 never holds.
    assert holds(scores, rivals, 1.8, 0.25).tolist() == [True, True, True, False, False]
    assert holds(scores, rivals, 1.9, 0.25).tolist() == [True, False, True, False, False]


def test_alone_are_those_that_resemble_nobody() -> None:
    copies = np.array([1, 1, 1, 2])
    assert share_alone(copies, np.array([0, 1]), np.array([1, 2]), np.array([3.0, -1.0])) == 1 / 5
    assert share_alone(np.empty(0, np.int64), copies[:0], copies[:0], np.empty(0)) == 0
