"""Bulk resolution of files, from reading to writing, and the evidence on a pair of records."""

import csv
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.identity.drawing_waterfall import check_sum
from models.identity.record import MatchRecord
from pipelines.resolve_files import explain_files, read_settings, resolve_files
from pipelines.resolve_tables import InputError
from tests.strategies.people import households

ROLES = ("given_name", "family_name", "birth_date", "street_address", "city", "email")


def written(path: Path, records: list[MatchRecord]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", *ROLES))
        rows.writerows((r.record_id, *("".join(r.values.get(role, ())) for role in ROLES)) for r in records)  # type: ignore[call-overload]
    return path


def clusters(path: Path) -> dict[str, str]:
    table = pq.read_table(path)
    assert table.column_names == ["record_id", "entity_id", "confidence"]
    return dict(zip(table["record_id"].to_pylist(), table["entity_id"].to_pylist(), strict=True))


def test_the_same_people_whatever_the_order_of_rows_and_files(tmp_path: Path) -> None:
    records, truth = households(3, 400)
    whole = written(tmp_path / "all.csv", records)
    report = resolve_files([whole], tmp_path / "one.parquet", id_column="id")
    assert report.records == len(records)
    assert abs(report.entities - len(set(truth))) < 0.05 * len(set(truth))
    found = clusters(tmp_path / "one.parquet")
    assert len(set(found.values())) == report.entities
    assert all(found[entity] == entity for entity in found.values())

    shuffled = random.Random(4).sample(records, len(records))
    halves = [written(tmp_path / "a.csv", shuffled[:500]), written(tmp_path / "b.csv", shuffled[500:])]
    resolve_files(halves, tmp_path / "two.parquet", id_column="id")
    assert clusters(tmp_path / "two.parquet") == found


def test_a_saved_model_resolves_and_explains_the_same(tmp_path: Path) -> None:
    records, _ = households(3, 400)
    path, model = written(tmp_path / "all.csv", records), tmp_path / "model.json"
    first = resolve_files([path], tmp_path / "one.parquet", id_column="id", save_model=model)
    second = resolve_files([path], tmp_path / "two.parquet", id_column="id", model=model)
    assert second.model_version == first.model_version
    assert "learn" in first.seconds and "learn" not in second.seconds
    found = clusters(tmp_path / "one.parquet")
    assert clusters(tmp_path / "two.parquet") == found

    left, right = next((record, entity) for record, entity in found.items() if record != entity)
    learned = explain_files([path], left, right, id_column="id")
    loaded = explain_files([path], left, right, id_column="id", model=model)
    check_sum(learned)
    assert learned == loaded


def test_a_model_serves_records_that_lack_some_of_its_fields(tmp_path: Path) -> None:
    records, _ = households(3, 400)
    model = tmp_path / "model.json"
    resolve_files([written(tmp_path / "all.csv", records)], tmp_path / "o.parquet", id_column="id", save_model=model)
    few = tmp_path / "few.csv"
    few.write_text("id,first_name,last_name,birth_date\n1,Anna,Zarvel,1980-04-09\n2,Anna,Zarvel,1980-04-09\n")
    report = resolve_files([few], tmp_path / "few.parquet", id_column="id", model=model)
    assert report.records == 2


def test_embeddings_only_add_pairs(tmp_path: Path) -> None:
    records, _ = households(3, 600)
    path = written(tmp_path / "all.csv", records)
    without = resolve_files([path], tmp_path / "o.parquet", id_column="id")
    with_them = resolve_files([path], tmp_path / "o.parquet", id_column="id", embeddings=True)
    assert with_them.compared_pairs > without.compared_pairs


def test_clusters_can_be_csv(tmp_path: Path) -> None:
    records, _ = households(3, 30)
    resolve_files([written(tmp_path / "all.csv", records)], tmp_path / "out.csv", id_column="id")
    assert (tmp_path / "out.csv").read_text().startswith('"record_id","entity_id","confidence"\n')
    assert not list(tmp_path.glob("*.partial"))


def test_settings_are_read_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "match.toml"
    path.write_text("[blocking]\npairs_per_record = 2.5\n")
    assert read_settings(path).blocking.pairs_per_record == 2.5
    path.write_text("[blocking]\npairs = 2\n")
    with pytest.raises(InputError, match=r"--config: match.toml: .*pairs"):
        read_settings(path)
    with pytest.raises(InputError, match="cannot read"):
        read_settings(tmp_path / "none.toml")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    records, _ = households(3, 30)
    path = written(tmp_path / "all.csv", records)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"--model: bad\.json is not a matching model"):
        resolve_files([path], tmp_path / "o.parquet", id_column="id", model=tmp_path / "bad.json")
    with pytest.raises(InputError, match="B: no record has this id"):
        explain_files([path], records[0].record_id, "nobody", id_column="id")
    (tmp_path / "empty.csv").write_text("id,amount\n1,3.5\n2,4.5\n")
    with pytest.raises(InputError, match="no column is recognised"):
        resolve_files([tmp_path / "empty.csv"], tmp_path / "o.parquet", id_column="id")


def test_what_is_known_of_a_pair_holds_and_teaches(tmp_path: Path) -> None:
    """Whether the matcher would have compared the two or not, and whether they are the same in every field or not."""
    records, _ = households(3, 60)
    twice = MatchRecord("twice", records[0].values)
    path = written(tmp_path / "all.csv", [*records, twice])
    first = resolve_files([path], tmp_path / "one.parquet", id_column="id")
    found = clusters(tmp_path / "one.parquet")
    assert found["twice"] == found[records[0].record_id]
    same = next((record, entity) for record, entity in found.items() if record not in (entity, "twice"))
    apart = next((record, other) for record in found for other in found if found[record] != found[other])
    labels = tmp_path / "labels.csv"
    lines = [(*same, "no"), (*apart, "YES"), ("twice", records[0].record_id, "0")]
    labels.write_text("left,right,same\n" + "".join(f"{a},{b},{c}\n" for a, b, c in lines))
    second = resolve_files([path], tmp_path / "two.parquet", id_column="id", labels=labels)
    taught = clusters(tmp_path / "two.parquet")
    assert taught[same[0]] != taught[same[1]]
    assert taught[apart[0]] == taught[apart[1]]
    assert taught["twice"] != taught[records[0].record_id]
    assert second.model_version != first.model_version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left,same\n", 'no column "right"'),
        (
            "left,right,same\nr0,nobody,yes\nx,y,no\n",
            "to be ids of records; not so in row 1 and 1 more",
        ),
        ("left,right,same\nr0,r1,yes\nr0,r2,perhaps\n", '"same" to be yes or no; not so in row 2'),
        ("left,right,same\nr0,r0,yes\n", "to be two records"),
        ("left,right,same\nr0,r1,yes\nr1,r0,no\n", "1 pairs of records are said to be one person and two"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    records = [MatchRecord(f"r{i}", {"given_name": ("Ann",), "family_name": (f"Lee{i}",)}) for i in range(3)]
    path, labels = written(tmp_path / "all.csv", records), tmp_path / "labels.csv"
    labels.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        resolve_files([path], tmp_path / "out.parquet", id_column="id", labels=labels)
    assert str(error.value).startswith("--labels: ")
    assert "nobody" not in str(error.value)


@pytest.mark.parametrize("option", ["output", "save_model"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, option: str) -> None:
    path = written(tmp_path / "all.csv", [MatchRecord("r0", {"given_name": ("Ann",)})])
    files = {"output": tmp_path / "out.parquet", "save_model": tmp_path / "model.json"}
    files[option] = tmp_path / "none" / "file"
    with pytest.raises(InputError, match="there is no directory for file"):
        resolve_files([path], files["output"], id_column="id", save_model=files["save_model"], progress=pytest.fail)
