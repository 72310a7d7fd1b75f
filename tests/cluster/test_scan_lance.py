"""A canary is found in a Lance table, in what was deleted from it, and in the predicate that deleted it."""

import time
from datetime import timedelta
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest
from lancedb.index import BTree

from models.privacy.needles import needles_of
from models.privacy.scan_report import ScanReport
from pipelines.privacy_scan import scan
from tests.unit.pipelines.in_process import InProcess

CANARY = "canary-5f0c2a77"
NEEDLES = needles_of([], [CANARY], b"k" * 32)
ROWS = 5_000


def scanned(data_dir: Path) -> ScanReport:
    return scan(data_dir, NEEDLES, runner=InProcess())


def places(report: ScanReport) -> dict[str, str]:
    """Directory or table of the Lance table -> where it was found."""
    assert report.failures == []
    return {Path(each.file).parts[2] if each.how == "raw" else "decoded": each.place for each in report.found}


@pytest.fixture
def table(tmp_path: Path) -> lancedb.table.Table:
    """Texts that compress, so that bytes do not show them."""
    texts = [f"{CANARY if n == 4_321 else n * 7919} is the name of somebody" for n in range(ROWS)]
    people = pa.table({"n": list(range(ROWS)), "name": texts, "vector": [[0.5, 1.0]] * ROWS})
    return lancedb.connect(tmp_path / "vectors").create_table("people", people)


def test_rows(table: lancedb.table.Table, tmp_path: Path) -> None:
    report = scanned(tmp_path)
    assert places(report) == {"decoded": "people.name"}
    assert report.stores[0].rows == ROWS


def compact(table: lancedb.table.Table) -> None:
    time.sleep(0.01)  # older than a millisecond, so that it is cleaned up
    table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)


@pytest.mark.parametrize("deleted", ["n = 4321", "n > 1000"])
def test_deleted_rows_until_they_are_compacted(table: lancedb.table.Table, tmp_path: Path, deleted: str) -> None:
    table.delete(deleted)
    assert CANARY not in str(table.to_arrow()["name"].to_pylist())
    assert places(scanned(tmp_path)) == {"decoded": "people.name"}
    compact(table)
    if deleted == "n = 4321":  # too few to be compacted
        assert places(scanned(tmp_path)) == {"decoded": "people.name"}
        return
    deadline = time.monotonic() + 60
    while not scanned(tmp_path).clean:  # versions of the last moment stay until the next time
        assert time.monotonic() < deadline
        compact(table)


def test_earlier_versions(table: lancedb.table.Table, tmp_path: Path) -> None:
    table.add(pa.table({"n": [0], "name": ["somebody"], "vector": [[0.5, 1.0]]}), mode="overwrite")
    assert places(scanned(tmp_path)) == {"decoded": "people.name"}


def test_predicates(table: lancedb.table.Table, tmp_path: Path) -> None:
    table.delete(f"name = '{CANARY}'")
    assert places(scanned(tmp_path))["_transactions"] == "bytes"


def test_what_cannot_be_decoded_fails_the_scan(table: lancedb.table.Table, tmp_path: Path) -> None:
    (data,) = (tmp_path / "vectors" / "people.lance" / "data").iterdir()
    data.write_bytes(data.read_bytes()[:200])
    assert "vectors/people.lance" in scanned(tmp_path).failures[0]


def test_an_index_over_text_fails_the_scan(table: lancedb.table.Table, tmp_path: Path) -> None:
    table.create_index("name", config=BTree())
    assert "a Lance index over text" in scanned(tmp_path).failures[0]
