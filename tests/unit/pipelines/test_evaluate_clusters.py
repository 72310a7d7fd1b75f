"""Clusters and truth from files: which columns are read, how records are joined, and what is refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.identity.evaluation import evaluate
from pipelines.evaluate_clusters import EvaluationError, evaluate_files, report_lines

CLUSTERS = "record_id,entity_id\nr1,x\nr2,x\nr3,y\nr4,y\nr5,y\nr6,z\n"
TRUTH = "record_id,entity_id\nr6,c\nr5,b\nr4,b\nr3,a\nr2,a\nr1,a\n"
SCORES = evaluate(list("xxyyyz"), list("aaabbc"))


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.csv"
    path.write_text(CLUSTERS)
    return path


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def write_parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def refusal(clusters: Path, truth: Path, **options: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate_files(clusters, truth, **options)
    return caught.value.message


def test_records_are_joined_by_id_whatever_their_order(clusters: Path, tmp_path: Path) -> None:
    found = evaluate_files(clusters, write(tmp_path / "truth.csv", TRUTH))
    assert found.scores == SCORES
    assert (found.clusters.records, found.truth.records) == (6, 6)
    assert (found.clusters.left_out, found.truth.left_out) == (0, 0)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("person,record_id\na,r1\na,r2\na,r3\nb,r4\nb,r5\nc,r6\n", ("record_id", "person")),
        ("rec;truth\nr1;a\nr2;a\nr3;a\nr4;b\nr5;b\nr6;c\n", ("rec", "truth")),
        ("entity_id\trec\na\tr1\na\tr2\na\tr3\nb\tr4\nb\tr5\nc\tr6\n", ("rec", "entity_id")),
        ("n,entity_id,record_id\n1,a,r1\n2,a,r2\n3,a,r3\n4,b,r4\n5,b,r5\n6,c,r6\n", ("record_id", "entity_id")),
        (' record_id , entity_id\n r1, a\n"r2",a\nr3 ,a\r\nr4,b\n\nr5,b\nr6,c', ("record_id", "entity_id")),
    ],
)
def test_columns_are_found_by_name_or_because_there_are_two(
    clusters: Path, tmp_path: Path, text: str, used: tuple[str, str]
) -> None:
    found = evaluate_files(clusters, write(tmp_path / "truth.csv", text, "utf-8-sig"))
    assert (found.truth.record_column, found.truth.entity_column) == used
    assert found.scores == SCORES


def test_the_truth_is_looked_up_under_the_record_column_of_the_clusters(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "both.parquet", key=list("abc"), mine=[1, 1, 2], real=["p", "p", "q"])
    found = evaluate_files(path, path, record_column="key", entity_column="mine", truth_entity_column="real")
    assert (found.truth.record_column, found.truth.entity_column) == ("key", "real")
    assert found.scores.entities_exact == 2


def test_whole_numbers_and_categories_in_parquet_are_text(tmp_path: Path) -> None:
    clusters = write(tmp_path / "clusters.csv", "record_id,entity_id\n1,x\n2,x\n03,y\n")
    records = pa.array(["1", "2", "03"], pa.string_view())
    truth = write_parquet(
        tmp_path / "truth.parquet", record_id=records, entity_id=pa.array([7, 7, 8]).dictionary_encode()
    )
    assert evaluate_files(clusters, truth).scores.entities_exact == 2
    truth = write_parquet(tmp_path / "truth.parquet", record_id=[1, 2, 3], entity_id=[7, 7, 8])
    assert "records in the clusters only: 1; in the truth only: 1; in both: 2" in refusal(clusters, truth)


def test_records_of_one_file_only_are_counted_if_allowed_and_refused_if_not(clusters: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", TRUTH.replace("r6,c", "r7,c\nr8,d\nr9,d"))
    message = refusal(clusters, truth)
    assert "records in the clusters only: 1; in the truth only: 3; in both: 5" in message
    assert "--allow-missing" in message
    found = evaluate_files(clusters, truth, allow_missing=True)
    assert (found.clusters.records, found.clusters.left_out) == (6, 1)
    assert (found.truth.records, found.truth.left_out) == (8, 3)
    assert found.scores == evaluate(list("xxyyy"), list("aaabb"))
    assert "left out  1 records in the clusters only, 3 in the truth only" in report_lines(found)


def test_files_without_a_common_record_are_refused_even_if_missing_is_allowed(clusters: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "id,person\ns1,a\n")
    message = refusal(clusters, truth, allow_missing=True)
    assert 'no record is in both files: "record_id" of the clusters and "id" of the truth' in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "truth: expected a header line"),
        ("record_id,entity_id\n", "truth: expected at least one record, found none"),
        ("record_id\nr1\n", 'truth: there is no column "entity_id"; say with --truth-entity-column'),
        ("a,b,c\nr1,a,b\n", 'truth: there is no column "record_id"; say with --truth-record-column which one it is'),
        ("record_id,record_id\nr1,a\n", "truth: two columns have the same name"),
        ('record_id,"entity_id\nr1,a\n', "truth: the quotes in the header line"),
        ("record_id,entity_id\nr1,a\n\nr2,b,c\n", "rows with another number: 1, the first is row 2"),
        ("record_id,entity_id\nr1,a\nr2,b\nr1,a\nr1,c\n", 'rows where "record_id" repeats an earlier id: 2, the first'),
        ("record_id,entity_id\nr1,a\nr2, \n", 'rows where "entity_id" is empty: 1, the first is row 2'),
        ("record_id,entity_id\n,a\nr2,b\n", 'rows where "record_id" is empty: 1, the first is row 1'),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_the_reason(
    clusters: Path, tmp_path: Path, text: str, message: str
) -> None:
    assert message in refusal(clusters, write(tmp_path / "truth.csv", text))


def test_columns_that_are_named_must_be_there_and_differ(clusters: Path) -> None:
    message = refusal(clusters, clusters, record_column="id")
    assert message == '--record-column: there is no column "id"; the columns are record_id, entity_id'
    message = refusal(clusters, clusters, truth_entity_column="person")
    assert message.startswith('--truth-entity-column: there is no column "person"')
    message = refusal(clusters, clusters, record_column="entity_id", entity_column="entity_id")
    assert 'record and entity are both column "entity_id"' in message


def test_what_is_no_table_is_refused_without_quoting_it(clusters: Path, tmp_path: Path) -> None:
    assert "cannot read" in refusal(clusters, tmp_path / "nowhere.csv")
    assert 'the ending ".md" says nothing' in refusal(clusters, write(tmp_path / "truth.md", TRUTH))
    assert "is not a Parquet file" in refusal(clusters, write(tmp_path / "truth.parquet", TRUTH))
    latin = refusal(clusters, write(tmp_path / "truth.csv", TRUTH.replace("r2", "Müller"), "latin-1"))
    assert "not CSV in UTF-8" in latin and "ller" not in latin
    floats = write_parquet(tmp_path / "floats.parquet", record_id=[1.0, 2.0], entity_id=["a", "b"])
    assert 'column "record_id" holds double; expected text or whole numbers' in refusal(clusters, floats)
    empty = write_parquet(tmp_path / "empty.parquet", record_id=["r1"], entity_id=pa.nulls(1))
    assert 'rows where "entity_id" is empty: 1' in refusal(clusters, empty)


def test_the_report_is_a_table(clusters: Path, tmp_path: Path) -> None:
    lines = report_lines(evaluate_files(clusters, write(tmp_path / "truth.csv", TRUTH)))
    assert lines[2:] == [
        "",
        "               precision    recall        F1",
        "pairwise          0.5000    0.5000    0.5000    2 pairs wrong, 2 missed",
        "B-cubed           0.7778    0.7778    0.7778",
        "adjusted Rand                         0.3182",
        "",
        "records                       6",
        "true entities                 3",
        "  exactly right               1    33.33%",
        "  split                       1    33.33%",
        "clusters                      3",
        "  over-merged                 1    33.33%",
    ]
