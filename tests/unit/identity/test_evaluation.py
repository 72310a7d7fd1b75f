"""Cluster evaluation: figures worked out by hand, conventions at the edges, and what is refused."""

import math

import msgspec
import numpy as np
import pytest

from models.identity.evaluation import ClusterScores, evaluate


def test_figures_worked_out_by_hand() -> None:
    # Entities a = {0, 1, 2}, b = {3, 4}, c = {5}; clusters x = {0, 1}, y = {2, 3, 4}, z = {5}.
    scores = evaluate(list("xxyyyz"), list("aaabbc"))
    assert (scores.records, scores.entities, scores.clusters) == (6, 3, 3)
    # Pairs of one entity: 3 + 1; in one cluster: 1 + 3; both: {0, 1} and {3, 4}.
    assert (scores.pairs_true, scores.pairs_predicted, scores.pairs_both) == (4, 4, 2)
    assert scores.pairwise_precision == scores.pairwise_recall == scores.pairwise_f1 == 0.5
    # By record: precision 1, 1, 1/3, 2/3, 2/3, 1; recall 2/3, 2/3, 1/3, 1, 1, 1.
    assert math.isclose(scores.bcubed_precision, (3 + 5 / 3) / 6)
    assert math.isclose(scores.bcubed_recall, (3 + 5 / 3) / 6)
    # Index 2, expected 4 * 4 / 15, greatest 4.
    assert math.isclose(scores.adjusted_rand, (2 - 16 / 15) / (4 - 16 / 15))
    assert (scores.entities_exact, scores.clusters_over_merged, scores.entities_split) == (1, 1, 1)
    assert scores.entities_exact_share == scores.clusters_over_merged_share == scores.entities_split_share == 1 / 3


def test_precision_and_recall_are_not_swapped() -> None:
    joined_too_much = evaluate([7, 7, 7, 7], [1, 1, 2, 2])
    assert (joined_too_much.pairwise_precision, joined_too_much.pairwise_recall) == (2 / 6, 1.0)
    assert (joined_too_much.bcubed_precision, joined_too_much.bcubed_recall) == (0.5, 1.0)
    assert (joined_too_much.clusters_over_merged, joined_too_much.entities_split) == (1, 0)
    joined_too_little = evaluate([1, 1, 2, 2], [7, 7, 7, 7])
    assert (joined_too_little.pairwise_precision, joined_too_little.pairwise_recall) == (1.0, 2 / 6)
    assert (joined_too_little.bcubed_precision, joined_too_little.bcubed_recall) == (1.0, 0.5)
    assert (joined_too_little.clusters_over_merged, joined_too_little.entities_split) == (0, 1)
    assert joined_too_much.entities_exact == joined_too_little.entities_exact == 0


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [0, 0, 0], [0, 0, 1, 2, 2, 2]])
def test_equal_partitions_score_exactly_one(labels: list[int]) -> None:
    scores = evaluate([f"cluster {label}" for label in labels], labels)
    shares = (
        scores.pairwise_precision,
        scores.pairwise_recall,
        scores.pairwise_f1,
        scores.bcubed_precision,
        scores.bcubed_recall,
        scores.bcubed_f1,
        scores.adjusted_rand,
        scores.entities_exact_share,
    )
    assert shares == (1.0,) * len(shares)
    assert scores.entities_exact == scores.entities == scores.clusters == len(set(labels))
    assert (scores.clusters_over_merged_share, scores.entities_split_share) == (0.0, 0.0)


def test_joining_nothing_is_precise_and_finds_nothing() -> None:
    scores = evaluate([0, 1, 2], [5, 5, 5])
    assert (scores.pairwise_precision, scores.pairwise_recall, scores.pairwise_f1) == (1.0, 0.0, 0.0)
    assert scores.adjusted_rand == 0.0


def test_pair_counts_of_a_huge_cluster_are_exact() -> None:
    records = 3_000_000
    scores = evaluate(np.zeros(records, np.int32), np.arange(records, dtype=np.int32))
    assert scores.pairs_predicted == records * (records - 1) // 2
    assert scores.pairs_both == scores.pairs_true == 0
    assert scores.bcubed_precision == pytest.approx(1 / records)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 3, 9], np.uint8),
        np.array([-3, -3, 9], np.int16),
        np.array([2**40, 2**40, 2**50]),
        np.array([2**64 - 1, 2**64 - 1, 5], np.uint64),
        np.array(["a", "a", "b"]),
        np.array(["a", "a", "b"], np.dtypes.StringDType()),
        np.array([b"a", b"a", b"b"]),
        ("a", "a", "b"),
    ],
)
def test_labels_mean_nothing_but_equality(labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    assert evaluate(labels, [0, 0, 1]) == evaluate([0, 0, 1], labels) == evaluate([0, 0, 1], [0, 0, 1])


def test_scores_survive_json() -> None:
    scores = evaluate([0, 0, 1], [0, 1, 1])
    assert msgspec.json.decode(msgspec.json.encode(scores), type=ClusterScores) == scores


def test_arrays_that_are_no_partitions_of_the_same_records_are_refused() -> None:
    with pytest.raises(ValueError, match=r"truth: expected a label for each of the 2 predicted ones, found 3"):
        evaluate([0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match=r"predicted: expected one label for each record.*shape \(0,\)"):
        evaluate([], [])
    with pytest.raises(ValueError, match=r"truth: expected one label.*shape \(2, 1\)"):
        evaluate([0, 1], [[0], [1]])
    with pytest.raises(TypeError, match="predicted: expected labels that are integers or texts, found float64"):
        evaluate([0.5, float("nan")], [0, 1])
    with pytest.raises(TypeError, match="truth: expected labels that are integers or texts, found object"):
        evaluate([0, 1], np.array(["a", None]))
