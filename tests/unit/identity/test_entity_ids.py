"""Which cluster takes which id, and what becomes of the others."""

import numpy as np
import pytest

from models.identity.entity_ids import NONE, EntityLedger, keep_ids


def test_the_most_shared_records_decide_then_the_lowest_id_then_the_lowest_record() -> None:
    previous = np.array([0, 0, 0, 1, 1, 2, 2, NONE])
    clusters = np.array([0, 1, 1, 0, 2, 3, 4, 4])
    kept = keep_ids(previous, clusters, 3, 5)
    # 0 shares two with cluster 1; 1 is as good for 0 and 2, and 2 for 3 and 4: the lower clusters.
    assert kept.taken.tolist() == [1, 0, NONE, 2, NONE]
    assert kept.moved.tolist() == [1, 0, 3]


def test_records_that_are_gone_have_no_say() -> None:
    kept = keep_ids(np.array([0, 0, 1]), np.array([NONE, NONE, 0]), 2, 1)
    assert (kept.taken.tolist(), kept.moved.tolist()) == ([1], [NONE, 0])
    empty = keep_ids(np.empty(0, np.int64), np.empty(0, np.int64), 0, 0)
    assert (len(empty.taken), len(empty.moved)) == (0, 0)


def test_new_entities_are_named_after_their_lowest_record() -> None:
    ledger = EntityLedger()
    changes = ledger.update([["c"], ["b", "a"]])
    assert dict(ledger.entities) == {"a": ["a", "b"], "c": ["c"]}
    assert (changes.new, changes.changed, ledger.version) == (("a", "c"), ("a", "c"), 1)


def test_a_merge_retires_the_smaller_id_and_earlier_redirects_follow() -> None:
    ledger = EntityLedger({"a": "a", "b": "b", "c": "b", "d": "d", "e": "d", "f": "d", "g": "d"})
    first = ledger.update([["a", "b", "c"]])
    assert (first.merged, dict(first.retired), first.new) == (("b",), {"a": "b"}, ())
    ledger.update([["a", "b", "c", "d", "e", "f", "g"]])
    assert dict(ledger.redirects) == {"a": "d", "b": "d"}
    assert [ledger.current(entity) for entity in "abd"] == ["d", "d", "d"]
    assert ledger.version == 2


def test_a_split_leaves_the_id_with_most_records_and_never_gives_a_retired_one_again() -> None:
    ledger = EntityLedger({"a": "c", "b": "c", "c": "c"}, {"a": "c"})
    changes = ledger.update([["a"], ["b", "c"]])
    assert dict(ledger.entities) == {"a~2": ["a"], "c": ["b", "c"]}
    assert (changes.split, changes.new, dict(changes.retired)) == (("c",), ("a~2",), {})


def test_an_entity_without_records_leads_nowhere_and_so_does_what_led_to_it() -> None:
    ledger = EntityLedger({"b": "b"}, {"a": "b"})
    assert dict(ledger.update([], ["b", "never there"]).retired) == {"b": None}
    assert dict(ledger.redirects) == {"a": None, "b": None}
    assert ledger.current("a") is None
    ledger.update([["b"]])
    assert ledger.entity_of("b") == "b~2"


def test_what_does_not_fit_is_refused() -> None:
    ledger = EntityLedger({"a": "x", "b": "x"})
    with pytest.raises(ValueError, match="all records of an entity or none"):
        ledger.update([["a"]])
    with pytest.raises(ValueError, match="twice"):
        ledger.update([["a", "b"], ["a"]])
    with pytest.raises(ValueError, match="a retired id is in use"):
        EntityLedger({"a": "x"}, {"x": None})
    with pytest.raises(KeyError, match="never given"):
        ledger.current("y")
    with pytest.raises(KeyError, match="no such record"):
        ledger.entity_of("c")
    assert dict(ledger.entities) == {"x": ["a", "b"]}
