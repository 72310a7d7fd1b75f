"""Blocking: which keys are chosen, and which pairs they give."""

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from models.identity import blocking as blocking_module
from models.identity.blocking import ALL_PAIRS_MAX, ANY_NAME, BlockingKeys, BlockingSettings
from models.identity.columns import column_of, role_columns
from models.identity.fields import Reading, normalised_fields
from tests.strategies.people import households


def fields_of(households_count: Any, seed: Any = 1) -> Any:
    records, _ = households(seed, households_count)
    return normalised_fields(role_columns(records), Reading())


def naive_pairs(blocking: Any, keys: Any, block_max: Any) -> Any:
    found: set[tuple[int, int]] = set()
    for key in keys:
        blocks = defaultdict(set)
        for hashes in blocking.hashes(key):
            for record, value in enumerate(hashes.tolist()):
                if value:
                    blocks[value].add(record)
        for block in blocks.values():
            if len(block) <= block_max:
                found.update(combinations(sorted(block), 2))
    return sorted(found)


def test_pairs_are_those_that_share_a_key_each_once() -> None:
    blocking = BlockingKeys(fields_of(500))
    assert blocking.count > ALL_PAIRS_MAX
    settings = BlockingSettings(pairs_per_record=2.0, block_max=12)
    keys = blocking.choose(settings)
    left, right = blocking.pairs(keys, settings)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == naive_pairs(blocking, keys, 12)


def test_each_key_keeps_to_the_budget() -> None:
    blocking = BlockingKeys(fields_of(500))
    settings = BlockingSettings(pairs_per_record=2.0, block_max=10_000)
    for key in blocking.choose(settings):
        assert len(naive_pairs(blocking, [key], 10_000)) <= 2.0 * blocking.count


def test_a_larger_budget_finds_no_fewer_pairs_and_a_finer_key_is_left_out_beside_a_coarser_one() -> None:
    blocking = BlockingKeys(fields_of(500))
    few = blocking.choose(BlockingSettings(pairs_per_record=0.5))
    many = blocking.choose(BlockingSettings(pairs_per_record=20.0))
    count = [len(blocking.pairs(keys, BlockingSettings())[0]) for keys in (few, many)]
    assert count[0] < count[1]
    for keys in (few, many):
        assert not any(set(coarse) < set(fine) for coarse in keys for fine in keys)
    assert ("birth_date",) in few
    assert ("birth_date[:4]",) in many
    assert not any({"birth_date", "birth_date[:6]"} & set(key) for key in many)


def test_few_records_are_all_compared() -> None:
    blocking = BlockingKeys({"city": column_of([("a",), ("b",), ("c",)])})
    left, right = blocking.pairs([], BlockingSettings())
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]


def test_no_records_have_no_pairs() -> None:
    blocking = BlockingKeys({"city": column_of([])})
    assert len(blocking.pairs([], BlockingSettings())[0]) == 0


def test_any_value_of_a_record_meets_any_value_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second e-mail of one record may be the first of another; a name may be in the other name's place."""
    monkeypatch.setattr(blocking_module, "ALL_PAIRS_MAX", 0)
    emails = BlockingKeys({"email": column_of([("a@x.com", "b@x.com"), ("c@x.com",), ("b@x.com", "d@x.com")])})
    left, right = emails.pairs([("email",)], BlockingSettings())
    assert (left.tolist(), right.tolist()) == ([0], [2])
    names = BlockingKeys(
        {
            "given_name": column_of([("thomas",), ("mary",), ("thomas",)]),
            "family_name": column_of([("thomas",), ("thomas",), ("ray",)]),
        }
    )
    left, right = names.pairs([(ANY_NAME,)], BlockingSettings())
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]


def test_blocks_are_those_that_pairs_are_made_of() -> None:
    blocking = BlockingKeys(fields_of(500))
    settings = BlockingSettings(pairs_per_record=2.0, block_max=12)
    keys = blocking.choose(settings)
    assert any(ANY_NAME in key for key in keys)
    blocks = defaultdict(list)
    for hashes in blocking.blocks(keys):
        for record in np.flatnonzero(hashes).tolist():
            blocks[int(hashes[record])].append(record)
    assert all(len(set(block)) == len(block) for block in blocks.values())
    found = {pair for block in blocks.values() if len(block) <= 12 for pair in combinations(sorted(block), 2)}
    left, right = blocking.pairs(keys, settings)
    assert sorted(found) == list(zip(left.tolist(), right.tolist(), strict=True))
