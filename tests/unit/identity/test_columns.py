"""Columns: texts as codes, and what is made of several columns."""

from typing import Any

import numpy as np

from models.identity.columns import (
    ABSENT,
    VALUES_MAX,
    coalesced,
    column_of,
    combined,
    distinct_records,
    mapped,
    only_beside,
    only_without,
    split,
    together,
)


def texts(column: Any) -> Any:
    return [[column.values[code] for code in row if code != ABSENT] for row in column.codes.tolist()]


def test_a_column_holds_each_text_once_and_at_most_so_many_of_a_record() -> None:
    column = column_of([("a", "b"), (), ("b",), tuple("cdefgh")])
    assert len(column.values) == len(set(column.values))
    assert texts(column) == [["a", "b"], [], ["b"], list("cdefgh")[:VALUES_MAX]]


def test_mapped_values_may_become_the_same_or_absent() -> None:
    column = mapped(column_of([("A",), ("a",), ("-",)]), lambda text: text.lower().strip("-"))
    assert texts(column) == [["a"], ["a"], []]
    assert column.codes[0, 0] == column.codes[1, 0]


def test_values_that_become_the_same_are_one_value_of_a_record() -> None:
    assert texts(mapped(column_of([("X", "-", "x", "y")]), lambda text: text.lower().strip("-"))) == [["x", "y"]]


def test_split_gives_a_column_for_each_part() -> None:
    given, family = split(column_of([("jo li",), ("cher",)]), lambda text: text.partition(" ")[::2], 2)
    assert (texts(given), texts(family)) == ([["jo"], ["cher"]], [["li"], []])


def test_coalesced_takes_the_first_column_that_has_something() -> None:
    merged = coalesced([column_of([("a",), (), ()]), column_of([("b",), ("b", "c"), ()])])
    assert texts(merged) == [["a"], ["b", "c"], []]
    assert coalesced([]) is None


def test_together_has_the_distinct_values_of_all() -> None:
    merged = together([column_of([("a",), ()]), column_of([("b", "a"), ("c",)])])
    assert texts(merged) == [["a", "b"], ["c"]]
    assert together([]) is None


def test_only_without_is_absent_where_another_column_has_a_value() -> None:
    assert texts(only_without(column_of([("a",), ("b",)]), [column_of([("x",), ()])])) == [[], ["b"]]


def test_only_beside_is_absent_where_no_other_column_has_a_value() -> None:
    others = [column_of([("x",), (), ()]), column_of([(), ("y",), ()])]
    assert texts(only_beside(column_of([("a",), ("b",), ("c",)]), others)) == [["a"], ["b"], []]


def test_combined_is_told_of_absent_values() -> None:
    column = combined([column_of([("a",), (), ("a",)]), column_of([("b",), ("b",), ("b",)])], lambda a, b: f"{a}{b}")
    assert texts(column) == [["ab"], ["Noneb"], ["ab"]]


def test_distinct_records_are_the_first_of_each_kind_in_order() -> None:
    columns = [column_of([("b",), ("a",), ("b",), ()]), column_of([("x", "y"), (), ("x", "y"), ()])]
    first, position = distinct_records(columns)
    assert first.tolist() == [0, 1, 3]
    assert first[position].tolist() == [0, 1, 0, 3]


def test_distinct_records_of_many_columns_do_not_collide() -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 2, (300, 40))
    columns = [column_of([(str(v),) for v in column]) for column in rows.T.tolist()]
    first, position = distinct_records(columns)
    assert len(first) == len(np.unique(rows, axis=0))
    assert (rows[first[position]] == rows).all()
