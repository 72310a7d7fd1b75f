"""Records as nodes: equal ones share one, numbers are used again, values come back as they went in."""

import numpy as np

from models.identity.columns import ABSENT, Column
from models.identity.fields import Fields
from models.identity.record_table import RecordTable

ABSENT_COLUMN = Column(np.array([[ABSENT]], np.int32), [])


def row(given: str = "", *emails: str) -> Fields:
    codes = np.arange(max(len(emails), 1), dtype=np.int32)[None, :]
    return {
        "given_name": Column(np.array([[0]], np.int32), [given]) if given else ABSENT_COLUMN,
        "email": Column(codes, list(emails)) if emails else ABSENT_COLUMN,
    }


def texts(table: RecordTable, node: int) -> dict[str, list[str]]:
    found = table.fields(np.array([node]))
    return {field: [c.values[code] for code in c.codes[0] if code != ABSENT] for field, c in found.items()}


def test_equal_records_are_one_node() -> None:
    table = RecordTable(("given_name", "email"))
    assert table.add("b", row("anna", "x", "y")) == (0, True)
    assert table.add("c", row("anna", "x")) == (1, True)
    assert table.add("a", row("anna", "x", "y")) == (0, False)
    assert table.add("d", row("anna", "y", "x")) == (2, True)
    assert (table.records(0), len(table), table.record_count) == (["a", "b"], 3, 4)
    assert [texts(table, node)["email"] for node in range(3)] == [["x", "y"], ["x"], ["y", "x"]]


def test_a_number_is_used_again_without_what_it_stood_for() -> None:
    table = RecordTable(("given_name", "email"))
    table.add("a", row("anna", "x", "y"))
    table.add("b", row("ben"))
    assert table.remove("a") == (0, True)
    assert ("a" in table, table.nodes.tolist()) == (False, [1])
    assert table.add("c", row("carla", "z")) == (0, True)
    assert texts(table, 0) == {"given_name": ["carla"], "email": ["z"]}
    assert table.add("d", row("anna", "x", "y")) == (2, True)


def test_loaded_records_and_added_ones_are_the_same() -> None:
    table = RecordTable(("given_name", "email"))
    codes = np.array([[0], [1], [0], [ABSENT]], np.int32)
    table.load(["d", "b", "a", "c"], {"given_name": Column(codes, ["anna", "ben"]), "email": Column(codes, ["x", "y"])})
    assert [table.records(node) for node in range(3)] == [["a", "d"], ["b"], ["c"]]
    assert table.add("e", row("ben", "y")) == (1, False)
    assert table.add("f", row()) == (2, False)
    assert table.add("g", row("ben", "x")) == (3, True)
