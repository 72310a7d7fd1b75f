"""Entity ids across runs: kept, retired, carried on, and what an earlier run's file must be."""

from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from pipelines.resolve_files import resolve_files
from pipelines.resolve_ids import read_ledger, redirects_path
from pipelines.resolve_tables import InputError
from tests.strategies.people import households
from tests.unit.pipelines.test_resolve_files import clusters, written


def test_ids_survive_a_run_on_more_records(tmp_path: Path) -> None:
    records, _ = households(3, 200)
    some = written(tmp_path / "some.csv", records[: len(records) * 9 // 10])
    everyone = written(tmp_path / "all.csv", records)
    resolve_files([some], tmp_path / "1.parquet", id_column="id")
    before = clusters(tmp_path / "1.parquet")
    # Ids that no run would give by itself.
    table = pq.read_table(tmp_path / "1.parquet").to_pandas()
    table["entity_id"] = "customer " + table["entity_id"]
    table.to_parquet(tmp_path / "1.parquet")

    again = resolve_files([some], tmp_path / "2.parquet", id_column="id", previous=tmp_path / "1.parquet")
    assert (again.kept_ids, again.redirects) == (again.entities, 0)
    assert clusters(tmp_path / "2.parquet") == {record: f"customer {entity}" for record, entity in before.items()}

    more = resolve_files([everyone], tmp_path / "3.csv", id_column="id", previous=tmp_path / "2.parquet")
    rows = pacsv.read_csv(tmp_path / "3.csv").to_pylist()
    in_use = {row["entity_id"] for row in rows}
    given = {f"customer {entity}" for entity in before.values()}
    assert len(in_use) == more.entities
    assert len(in_use & given) == more.kept_ids
    redirects = pacsv.read_csv(redirects_path(tmp_path / "3.csv")).to_pylist()
    assert {row["retired_id"] for row in redirects} == given - in_use
    assert more.redirects == len(redirects)
    assert all(row["entity_id"] in in_use for row in redirects)

    # The redirects of a run are carried on by the next, and ids of entities without records lead nowhere.
    last = resolve_files([some], tmp_path / "4.parquet", id_column="id", previous=tmp_path / "3.csv")
    final = pq.read_table(redirects_path(tmp_path / "4.parquet")).to_pylist()
    assert {row["retired_id"] for row in redirects} <= {row["retired_id"] for row in final}
    assert {row["retired_id"] for row in final} >= in_use - set(clusters(tmp_path / "4.parquet").values())
    assert last.redirects == len(final)
    assert None in {row["entity_id"] for row in final}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record_id,person\na,1\n", 'no column "entity_id"'),
        ("record_id,entity_id\na,x\na,y\n", 'each "record_id" in one row'),
        ("record_id,entity_id\na,x\nb,\n", 'an "entity_id" in every row'),
    ],
)
def test_what_is_no_clusters_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "clusters.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_ledger(path)


def test_redirects_of_another_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clusters.csv"
    path.write_text("record_id,entity_id\na,x\n")
    redirects_path(path).write_text("retired_id,entity_id\nx,y\n")
    with pytest.raises(InputError, match=r"clusters\.redirects\.csv: redirects: a retired id is in use"):
        read_ledger(path)
