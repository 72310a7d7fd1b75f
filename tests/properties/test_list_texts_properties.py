"""Lists in the texts of a CSV file come out as they went in, however they are written."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.resolve_tables import LISTS, read_table

ELEMENTS = st.text(st.sampled_from("ab é中,;'\"\\[]{}1-@."), min_size=1, max_size=8)
ROWS = st.lists(st.lists(ELEMENTS, max_size=4), min_size=1, max_size=12)


def plain(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize("written", [repr, json.dumps, plain])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS)
def test_lists_come_out_as_they_went_in(
    tmp_path: Path, written: Callable[[object], str], rows: list[list[str]]
) -> None:
    path = tmp_path / "lists.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["id", "items"])
        out.writerows([i, written(row)] for i, row in enumerate(rows))
    table = read_table(path).table
    assert table["items"].type == LISTS
    # Blanks around an element say nothing, and an element of blanks is none.
    assert table["items"].to_pylist() == [[text.strip() for text in row if text.strip()] or None for row in rows]
