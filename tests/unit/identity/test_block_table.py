"""Blocks that grow beyond their bound and shrink again."""

import numpy as np

from models.identity.block_table import BlockTable


def hashes(*blocks: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(blocks, np.uint64)


def loaded() -> BlockTable:
    table = BlockTable(block_max=3)
    # Nodes 0 to 4; blocks 7 (four nodes: too large), 8 (two), 9 (one).
    table.load(5, [hashes(7, 7, 7, 7, 0), hashes(8, 0, 0, 8, 9)])
    return table


def test_blocks_that_are_too_large_give_no_candidates() -> None:
    table = loaded()
    assert table.candidates(0) == {3}
    assert table.candidates(1) == set()
    assert (table.share_block(0, 3), table.share_block(0, 1)) == (True, False)
    assert sorted(table.members(7)) == [0, 1, 2, 3]


def test_a_block_comes_back_when_it_has_shrunk_and_goes_when_it_grows() -> None:
    table = loaded()
    assert table.remove(2) == [7]
    assert table.candidates(1) == {0, 3}
    assert table.add(2, hashes(7, 9)) == [7]
    assert table.candidates(2) == {4}
    assert table.add(5, hashes(8, 9)) == []
    assert table.candidates(5) == {0, 2, 3, 4}


def test_pairs_are_those_of_one_group() -> None:
    table = loaded()
    table.remove(2)
    left, right = table.pairs([0, 1, 3, 4], np.array([0, 0, 0, 0]))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]
    left, right = table.pairs([0, 1, 3, 4], np.array([0, 1, 0, 1]))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 2)]
