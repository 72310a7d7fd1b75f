"""Cluster evaluation against naive twins: every pair listed, every record looked at, scikit-learn's index."""

from collections import defaultdict
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from models.identity.evaluation import evaluate


@st.composite
def partitions(draw: st.DrawFn, labels: int = 6) -> tuple[list[int], list[int]]:
    """Cluster and entity labels of the same records."""
    size = draw(st.integers(1, 40))
    one = st.lists(st.integers(0, labels), min_size=size, max_size=size)
    return draw(one), draw(one)


def share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def sets_of(labels: list[int]) -> dict[int, frozenset[int]]:
    found = defaultdict(set)
    for record, label in enumerate(labels):
        found[label].add(record)
    return {label: frozenset(records) for label, records in found.items()}


def pairs_of(labels: list[int]) -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(len(labels)), 2) if labels[i] == labels[j]}


@given(partitions())
def test_pairwise_is_what_listing_every_pair_gives(labels: tuple[list[int], list[int]]) -> None:
    predicted, truth = labels
    scores = evaluate(predicted, truth)
    joined, same = pairs_of(predicted), pairs_of(truth)
    assert (scores.pairs_predicted, scores.pairs_true, scores.pairs_both) == (
        len(joined),
        len(same),
        len(joined & same),
    )
    precision, recall = share(len(joined & same), len(joined)), share(len(joined & same), len(same))
    assert (scores.pairwise_precision, scores.pairwise_recall) == (precision, recall)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert scores.pairwise_f1 == pytest.approx(f1)


@given(partitions())
def test_bcubed_is_the_mean_over_records(labels: tuple[list[int], list[int]]) -> None:
    predicted, truth = labels
    scores = evaluate(predicted, truth)
    clusters, entities = sets_of(predicted), sets_of(truth)
    shared = [len(clusters[c] & entities[e]) for c, e in zip(predicted, truth, strict=True)]
    precision = sum(n / len(clusters[c]) for n, c in zip(shared, predicted, strict=True)) / len(shared)
    recall = sum(n / len(entities[e]) for n, e in zip(shared, truth, strict=True)) / len(shared)
    assert scores.bcubed_precision == pytest.approx(precision)
    assert scores.bcubed_recall == pytest.approx(recall)
    assert scores.bcubed_f1 == pytest.approx(2 * precision * recall / (precision + recall))


@given(partitions() | partitions(labels=60))
def test_adjusted_rand_is_that_of_scikit_learn(labels: tuple[list[int], list[int]]) -> None:
    predicted, truth = labels
    assert evaluate(predicted, truth).adjusted_rand == pytest.approx(adjusted_rand_score(truth, predicted))


@given(partitions())
def test_entities_and_clusters_are_what_comparing_sets_gives(labels: tuple[list[int], list[int]]) -> None:
    predicted, truth = labels
    scores = evaluate(predicted, truth)
    clusters, entities = sets_of(predicted), sets_of(truth)
    assert (scores.records, scores.clusters, scores.entities) == (len(truth), len(clusters), len(entities))
    assert scores.entities_exact == len(set(clusters.values()) & set(entities.values()))
    assert scores.clusters_over_merged == sum(len({truth[r] for r in records}) > 1 for records in clusters.values())
    assert scores.entities_split == sum(len({predicted[r] for r in records}) > 1 for records in entities.values())
    assert scores.entities_exact_share == scores.entities_exact / len(entities)
    assert scores.clusters_over_merged_share == scores.clusters_over_merged / len(clusters)
    assert scores.entities_split_share == scores.entities_split / len(entities)


@given(partitions(), st.randoms(use_true_random=False))
def test_neither_names_nor_order_matter(labels: tuple[list[int], list[int]], random: Random) -> None:
    predicted, truth = labels
    order = list(range(len(truth)))
    random.shuffle(order)
    renamed = evaluate([f"c{9 - predicted[i]}" for i in order], [1_000_000 - truth[i] for i in order])
    assert renamed == evaluate(predicted, truth)


@given(partitions())
def test_swapping_the_partitions_swaps_precision_and_recall(labels: tuple[list[int], list[int]]) -> None:
    one, other = evaluate(*labels), evaluate(*reversed(labels))
    assert (one.pairwise_precision, one.pairwise_recall) == (other.pairwise_recall, other.pairwise_precision)
    assert (one.bcubed_precision, one.bcubed_recall) == (other.bcubed_recall, other.bcubed_precision)
    assert (one.adjusted_rand, one.entities_exact) == (other.adjusted_rand, other.entities_exact)
    assert one.clusters_over_merged == other.entities_split
