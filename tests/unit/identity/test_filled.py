"""Which fields records have, and how many pairs have which of them in both."""

from itertools import combinations

import numpy as np
import pytest

from models.identity import filled as counting
from models.identity.columns import column_of
from models.identity.fields import Field
from models.identity.filled import both_filled, fields_of, filled, mask_of, pairs_by_filled

FIELDS: tuple[Field, ...] = ("given_name", "email", "city")


def test_a_mask_has_a_bit_for_each_field_that_is_there() -> None:
    columns = [column_of([("ann",), (), ()]), column_of([("a@x.org", "b@x.org"), ("c@x.org",), ()])]
    masks = filled(columns)
    assert masks.tolist() == [0b11, 0b10, 0]
    assert fields_of(0b101, FIELDS) == ["given_name", "city"]
    assert mask_of(["city", "given_name", "no field"], FIELDS) == 0b101


def test_pairs_have_what_both_records_have() -> None:
    assert both_filled(np.array([[1, 0, 7], [0, 0, 0], [3, 1, 2]], np.uint8)).tolist() == [0b101, 0, 0b111]


def test_pairs_are_counted_without_being_listed() -> None:
    masks = np.random.default_rng(3).integers(0, 32, 200)
    expected: dict[int, int] = {}
    for one, other in combinations(masks.tolist(), 2):
        expected[one & other] = expected.get(one & other, 0) + 1
    distinct, counts = np.unique(masks, return_counts=True)
    assert pairs_by_filled(distinct, counts) == expected


def test_the_rarest_masks_are_left_out_if_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MASKS_MAX", 2)
    assert pairs_by_filled(np.array([1, 2, 3]), np.array([5, 1, 5])) == {1: 10.0 + 25.0, 3: 10.0}


def test_no_records_make_no_pairs() -> None:
    assert pairs_by_filled(np.empty(0, np.int64), np.empty(0, np.int64)) == {}
