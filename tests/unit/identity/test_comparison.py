"""Comparison levels of each kind of field."""

from typing import Any

import numpy as np
import pytest

from models.identity.columns import column_of
from models.identity.comparison import KINDS, LEVEL_NAMES, Comparer
from models.identity.nicknames import NicknameTable

NICKNAMES = NicknameTable([("robert", "bob"), ("robert", "rob")])


def level(field: Any, a: Any, b: Any) -> Any:
    a, b = ((text,) if isinstance(text, str) else text for text in (a, b))
    comparer = Comparer({field: column_of([a, b])}, NICKNAMES)
    there = comparer.levels(np.array([0]), np.array([1]))[0, 0]
    back = comparer.levels(np.array([1]), np.array([0]))[0, 0]
    assert there == back
    return LEVEL_NAMES[KINDS[field]][there]


@pytest.mark.parametrize(
    ("field", "a", "b", "expected"),
    [
        ("given_name", "robert", (), "missing"),
        ("given_name", "robert", "robert", "exact"),
        ("given_name", "robert", "bob", "variant"),
        ("given_name", "bob", "rob", "variant"),
        ("given_name", "mary ann", "mary", "variant"),
        ("given_name", "robert", "robret", "close"),
        ("given_name", "martha", "marhta", "close"),
        ("given_name", "robert", "r", "initial"),
        ("given_name", "robert", "x", "different"),
        ("given_name", "robert", "alice", "different"),
        ("family_name", "dixon", "dicksonx", "similar"),
        ("birth_date", "19800409", "19800904", "swapped"),
        ("birth_date", "19800409", "19800408", "one digit"),
        ("birth_date", "19800409", "19800400", "as far as known"),
        ("birth_date", "19800409", "19800000", "as far as known"),
        ("birth_date", "19800409", "19800521", "year"),
        ("birth_date", "19800409", "19801209", "two parts"),
        ("birth_date", "19800409", "19511122", "different"),
        ("birth_date", "19800000", "19230000", "different"),  # what neither knows is nothing they agree on
        ("birth_date", "19800500", "19230500", "different"),
        ("birth_date", "19800500", "19801200", "year"),
        ("birth_date", "19800000", "19810000", "one digit"),
        ("birth_date", "19800500", "19800500", "exact"),
        ("email", "jo@x.com", "jo@y.org", "same local part"),
        ("email", "johanna@x.com", "johana@x.com", "one edit"),
        ("email", "jo@x.com", "zz@y.org", "different"),
        ("phone", "814250533", "814250534", "one edit"),
        ("phone", "814250533", "123456789", "different"),
        ("street", "main st", "upper main st", "contained"),
        ("city", "leeds", "leads", "close"),
        ("gender", "f", "m", "different"),
        ("email", ("a@x.com", "b@x.com"), ("c@y.org", "b@x.com"), "exact"),
    ],
)
def test_levels(field: Any, a: Any, b: Any, expected: str) -> None:
    assert level(field, a, b) == expected


def test_exchanged_names_are_a_level_of_their_own() -> None:
    fields: Any = {"given_name": column_of([("li",), ("wei",)]), "family_name": column_of([("wei",), ("li",)])}
    levels = Comparer(fields, NICKNAMES).levels(np.array([0]), np.array([1]))
    assert levels.tolist() == [[6, 6]]


def test_many_pairs_are_compared_as_few_are() -> None:
    """Large sets take another way: tables of all values by all values."""
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(list("abc"), 4)) for _ in range(40)]
    column = column_of([(text,) for text in texts])
    comparer = Comparer({"city": column}, NICKNAMES)
    left, right = rng.integers(0, 40, (2, 3000))
    together = comparer.levels(left, right)[:, 0]
    alone = [int(comparer.levels(left[i : i + 1], right[i : i + 1])[0, 0]) for i in range(300)]
    assert together[:300].tolist() == alone


def test_a_name_in_the_other_names_place_counts_once() -> None:
    fields: Any = {
        "given_name": column_of([("cassandra",), ("ewan",)]),
        "family_name": column_of([("rolf",), ("cassandra",)]),
    }
    comparer = Comparer(fields, NICKNAMES)
    assert comparer.levels(np.array([0, 1]), np.array([1, 0])).tolist() == [[6, 7], [6, 7]]


def test_the_rarest_of_the_values_that_both_have_counts() -> None:
    column = column_of([("a@x.com", "b@x.com", "e@x.com"), ("c@x.com", "b@x.com", "a@x.com")])
    comparer = Comparer({"email": column}, NICKNAMES)
    for rarest in ("a@x.com", "b@x.com"):
        frequencies = np.array([0.1 if value == rarest else 0.2 for value in column.values])
        for left, right in ((0, 1), (1, 0)):
            (code,) = comparer.agreeing_codes(0, np.array([left]), np.array([right]), frequencies)
            assert column.values[code] == rarest
