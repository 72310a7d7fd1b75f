"""What is known of pairs of records, from the records to what stands for them."""

import numpy as np
import pytest

from models.identity.labels import ContraryLabels, Labels, by_node, find


def labels(*known: tuple[int, int, bool]) -> Labels:
    left, right, same = zip(*known, strict=True) if known else ((), (), ())
    return Labels(np.array(left, np.int64), np.array(right, np.int64), np.array(same, np.bool_))


def test_labels_of_records_become_those_of_nodes_once_each() -> None:
    node = np.array([0, 1, 0, 2])
    found = by_node(labels((1, 0, True), (2, 1, True), (0, 2, False), (3, 1, False)), node)
    assert [column.tolist() for column in found] == [[0, 0, 1], [0, 1, 2], [False, True, False]]


def test_a_pair_cannot_be_both() -> None:
    with pytest.raises(ContraryLabels, match="1 pairs of records are said"):
        by_node(labels((0, 1, True), (2, 1, False)), np.array([0, 1, 0]))


def test_pairs_find_their_labels() -> None:
    known = by_node(labels((0, 2, True), (1, 2, False)), np.arange(3))
    assert find(known, np.array([0, 0, 1, 2]), np.array([1, 2, 2, 2])).tolist() == [-1, 0, 1, -1]
    assert find(labels(), np.array([0]), np.array([1])).tolist() == [-1]
