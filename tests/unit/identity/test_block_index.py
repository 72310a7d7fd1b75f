"""The block index against a plain dictionary."""

import random

import pytest

from models.identity import block_index
from models.identity.block_index import BlockIndex


def plain_find(held: dict[int, tuple[int, ...]], keys: list[int], block_max: int, exclude: int) -> list[int]:
    shared: dict[int, int] = {}
    for key in set(keys):
        block = [c for c, of in held.items() if key in of]
        if len(block) <= block_max:
            for customer_id in block:
                shared[customer_id] = shared.get(customer_id, 0) + 1
    shared.pop(exclude, None)
    return sorted(shared, key=lambda c: (-shared[c], c))


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_a_dictionary_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_index, "_FOLD_MIN", 50)
    rng = random.Random(seed)
    index = BlockIndex(block_max=12, candidates_max=1000)
    held: dict[int, tuple[int, ...]] = {}
    top = (1 << 64) - 1
    for _ in range(1500):
        customer_id = rng.randrange(1, 150)
        if rng.random() < 0.25:
            assert index.drop(customer_id) == (held.pop(customer_id, None) is not None)
        else:
            keys = tuple(top - rng.randrange(60) for _ in range(rng.randrange(5)))
            index.put(customer_id, keys, repr(keys).encode())
            held[customer_id] = keys
        asked = [top - rng.randrange(60) for _ in range(3)]
        assert index.find(asked, exclude=customer_id) == plain_find(held, asked, 12, customer_id)
    assert len(index) == len(held) and set(index) == set(held)
    assert all(index.get(c) == repr(keys).encode() for c, keys in held.items())
    assert 151 not in index and index.get(151) is None


def test_a_key_that_too_many_share_is_not_used_and_counted() -> None:
    index = BlockIndex(block_max=3, candidates_max=10)
    for customer_id in range(1, 5):
        index.put(customer_id, [7, 100 + customer_id % 2], b"")
    assert index.find([7]) == []
    assert index.oversized_lookups == 1
    assert index.find([7, 101]) == [1, 3]
    index.drop(4)
    assert index.find([7]) == [1, 2, 3]


def test_those_with_the_most_keys_in_common_are_kept() -> None:
    index = BlockIndex(block_max=10, candidates_max=2)
    index.put(1, [1], b"")
    index.put(2, [1, 2], b"")
    index.put(3, [1, 2, 3], b"")
    assert index.find([1, 2, 3]) == [3, 2]
    assert index.truncated_lookups == 1


def test_no_record_no_key() -> None:
    index = BlockIndex(block_max=10, candidates_max=10)
    assert index.find([1]) == index.find([]) == []
    index.put(1, [], b"x")
    assert index.find([1]) == [] and index.get(1) == b"x"
