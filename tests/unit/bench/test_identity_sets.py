"""The identity benchmark's sets: nothing that tells who is who may reach an engine, and the scores are of the truth."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.identity_scores import best_threshold_of, read_labels, score
from bench.identity_sets import SETS, PeopleSet, SetError, merged_doubles, prepare, read_strings, set_named, set_paths

_FEBRL_HEADER = "rec_id, given_name, surname, soc_sec_id\n"


def _febrl(data: Path, people: int = 40) -> None:
    (data / "febrl").mkdir()
    for file, kind in (("dataset4a", "org"), ("dataset4b", "dup-0")):
        rows = [f"rec-{i}-{kind}, name{i}, , {1000 + i}\n" for i in range(people)]
        (data / "febrl" / f"{file}.csv").write_text(_FEBRL_HEADER + "".join(rows))


def _prepared(data: Path, name: str, place: Path, seed: int = 1):  # type: ignore[no-untyped-def]
    place.mkdir()
    chosen = set_named(name)
    paths = set_paths(chosen, data)
    assert paths is not None
    return prepare(chosen, paths, place, seed)


def test_records_are_shuffled_and_get_ids_that_tell_nothing(tmp_path: Path) -> None:
    _febrl(tmp_path)
    prepared = _prepared(tmp_path, "febrl4", tmp_path / "a")
    table = read_strings(prepared.paths[0])
    assert table.column_names == ["record_id", "given_name", "surname", "soc_sec_id"]
    assert table["record_id"].to_pylist() == prepared.record_ids.to_pylist() == sorted(prepared.record_ids.to_pylist())
    names = table["given_name"].to_pylist()
    assert names != sorted(names) and set(names) == {f"name{i}" for i in range(40)}
    # The truth follows the records: two of a name are one entity, and no others.
    pairs = set(zip(names, prepared.entities.tolist(), strict=True))
    assert len(pairs) == 40 and len({entity for _, entity in pairs}) == 40
    assert "rec-" not in prepared.paths[0].read_text()
    again = _prepared(tmp_path, "febrl4", tmp_path / "b")
    other = _prepared(tmp_path, "febrl4", tmp_path / "c", seed=2)
    assert again.paths[0].read_bytes() == prepared.paths[0].read_bytes() != other.paths[0].read_bytes()


def test_files_of_the_same_columns_become_one_and_empty_fields_are_null(tmp_path: Path) -> None:
    _febrl(tmp_path)
    prepared = _prepared(tmp_path, "febrl4", tmp_path / "a")
    assert [path.name for path in prepared.paths] == ["dataset4a.csv"]
    assert read_strings(prepared.paths[0])["surname"].null_count == 80


def test_files_of_other_columns_stay_apart_and_the_key_is_found_by_source_and_id(tmp_path: Path) -> None:
    place = tmp_path / "senzing"
    place.mkdir()
    (place / "customers.csv").write_text(
        "DATA_SOURCE,RECORD_ID,NAME,REL_ANCHOR_KEY\nCUSTOMERS,1,Ann,1\nCUSTOMERS,2,Bo,\n"
    )
    (place / "reference.csv").write_text("DATA_SOURCE,RECORD_ID,NAME,CITY\nREFERENCE,1,Bo,Ulm\n")
    (place / "watchlist.csv").write_text("DATA_SOURCE,RECORD_ID,NAME\nWATCHLIST,9,Cy\n")
    key = "CLUSTER_ID,DATA_SOURCE,RECORD_ID\n7,CUSTOMERS,1\n8,CUSTOMERS,2\n8,REFERENCE,1\n"
    (place / "actual_truthset_key.csv").write_text(key)
    with pytest.raises(SetError, match="1 records have no entity"):
        _prepared(tmp_path, "senzing", tmp_path / "a")
    (place / "actual_truthset_key.csv").write_text(key + "9,WATCHLIST,9\n")
    prepared = _prepared(tmp_path, "senzing", tmp_path / "b")
    tables = [read_strings(path) for path in prepared.paths]
    assert [table.num_rows for table in tables] == [2, 1, 1]
    assert tables[0].column_names == ["record_id", "DATA_SOURCE", "NAME"]
    entity = dict(zip(prepared.record_ids.to_pylist(), prepared.entities.tolist(), strict=True))
    found = {
        (source, name): entity[record]
        for table in tables
        for record, source, name in zip(
            *(table[c].to_pylist() for c in ("record_id", "DATA_SOURCE", "NAME")), strict=True
        )
    }
    assert found["CUSTOMERS", "Bo"] == found["REFERENCE", "Bo"]
    assert len(set(found.values())) == 3


@pytest.mark.parametrize("chosen", [one for one in SETS if one.files[0].startswith(("splink", "touch", "traps"))])
def test_the_column_with_the_truth_is_never_given_away(chosen: PeopleSet, tmp_path: Path) -> None:
    place = tmp_path / chosen.files[0]
    place.parent.mkdir()
    columns = [chosen.id_column, *chosen.leaks, "first_name", *([chosen.source_column] if chosen.source_column else [])]
    table = pa.table({name: [f"{name}-{i}" for i in range(9)] for name in columns})
    if place.suffix == ".parquet":
        pq.write_table(table, place)
    else:
        lines = [",".join(columns), *(",".join(row.values()) for row in table.to_pylist())]
        place.write_text("\n".join(lines))
    if chosen.kinds:
        (tmp_path / chosen.kinds).write_text("person_id,kind\nperson_id-3,twin\nperson_id-4,twin\nperson_id-5,normal\n")
    prepared = _prepared(tmp_path, chosen.name, tmp_path / "out")
    seen = read_strings(prepared.paths[0])
    assert set(seen.column_names) == {"record_id", *columns} - {chosen.id_column, *chosen.leaks} | {"record_id"}
    # Only the columns that stay have their values in the file.
    values = {value.partition("-")[0] for column in seen.columns[1:] for value in column.to_pylist()}
    assert values == set(columns) - {chosen.id_column, *chosen.leaks}
    assert prepared.apart.sum() == (2 if chosen.kinds else 0)


def test_merged_doubles_are_clusters_that_hold_two_who_must_be_apart(tmp_path: Path) -> None:
    place = tmp_path / "traps"
    place.mkdir()
    people = ["a", "a", "b", "c", "d"]
    rows = "".join(f"r{i},{person},x\n" for i, person in enumerate(people))
    (place / "people_traps.csv").write_text("record_id,person_id,name\n" + rows)
    (place / "people_truth_kinds.csv").write_text("person_id,kind\na,twin\nb,twin\nc,junior\nd,normal\n")
    prepared = _prepared(tmp_path, "traps", tmp_path / "out")
    assert merged_doubles(np.zeros(5, np.int64), prepared) == 1
    assert merged_doubles(prepared.entities, prepared) == 0


def test_labels_are_read_by_record_and_a_missing_one_is_told(tmp_path: Path) -> None:
    _febrl(tmp_path)
    prepared = _prepared(tmp_path, "febrl4", tmp_path / "a")
    truth = pa.table({"record_id": prepared.record_ids, "entity_id": pa.array(prepared.entities)})
    backwards = truth.take(pa.array(np.arange(80)[::-1]))
    pq.write_table(backwards, tmp_path / "good.parquet")
    assert score(tmp_path / "good.parquet", prepared).scores.entities_exact == 40
    pq.write_table(truth.slice(1), tmp_path / "short.parquet")
    with pytest.raises(SetError, match="1 records are missing"):
        read_labels(tmp_path / "short.parquet", prepared.record_ids)


def test_the_best_threshold_is_the_one_the_truth_would_pick() -> None:
    entities = np.array([0, 0, 0, 1, 1, 2])
    left, right = np.array([0, 1, 3, 2]), np.array([1, 2, 4, 5])
    weights = np.array([9.0, 3.0, 4.0, 1.0])  # the last pair is wrong
    best = best_threshold_of(left, right, weights, entities)
    assert best.f1 == best.bcubed_f1 == 1 and 1 < best.weight <= 3
    # Without pairs nobody is joined: no precision is lost, and all recall.
    none = best_threshold_of(left[:0], right[:0], weights[:0], entities)
    assert none.f1 == 0 and none.bcubed_f1 == pytest.approx(2 / 3)


def test_sets_that_are_not_there(tmp_path: Path) -> None:
    assert set_paths(set_named("traps"), tmp_path) is None
    with pytest.raises(SetError, match="the sets are febrl3"):
        set_named("febrl5")
