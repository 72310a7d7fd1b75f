"""The made-up people of the scale benchmark."""

import random
from collections import Counter
from pathlib import Path

import nicknames
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.identity_people import COLUMNS, SOURCES, Vocabulary, people, typo, write_people, zipf


@pytest.fixture(scope="module")
def sample() -> tuple[pa.Table, pa.Table]:
    table, truth = next(people(60_000, seed=7))
    return table, truth


def test_a_set_is_the_beginning_of_any_larger_one(sample: tuple[pa.Table, pa.Table]) -> None:
    table, truth = sample
    small, small_truth = next(people(1_000, seed=7))
    assert small.equals(table.slice(0, 1_000)) and small_truth.equals(truth.slice(0, 1_000))
    assert not next(people(1_000, seed=8))[0].equals(small)


def test_records_and_columns(sample: tuple[pa.Table, pa.Table]) -> None:
    table, truth = sample
    assert tuple(table.column_names) == COLUMNS
    ids = table["record_id"].to_pylist()
    assert len(set(ids)) == len(ids) == truth.num_rows and truth["record_id"].to_pylist() == ids
    assert set(table["source"].to_pylist()) == set(SOURCES)
    assert table["first_name"].null_count == table["last_name"].null_count == 0
    assert 0.2 < table["email"].null_count / table.num_rows < 0.35


def test_neighbours_are_strangers(sample: tuple[pa.Table, pa.Table]) -> None:
    entities = sample[1]["entity_id"].to_numpy()
    assert np.count_nonzero(entities[1:] == entities[:-1]) < 30  # of 60,000; unshuffled it would be more than half


def test_people_have_several_records_with_what_stays_and_what_changes(sample: tuple[pa.Table, pa.Table]) -> None:
    rows = sample[0].append_column("person", sample[1]["entity_id"]).to_pylist()
    by_person: dict[int, list[dict[str, str | None]]] = {}
    for row in rows:
        by_person.setdefault(row["person"], []).append(row)
    several = [records for records in by_person.values() if len(records) > 1]
    assert len(several) > 0.3 * len(by_person)

    def varies(column: str) -> float:
        values = [{(row[column] or "").lower() for row in records} - {""} for records in several]
        filled = [one for one in values if one]
        return sum(len(one) > 1 for one in filled) / len(filled)

    for column, low, high in (("birth_date", 0.003, 0.05), ("last_name", 0.03, 0.25), ("first_name", 0.1, 0.5)):
        assert low < varies(column) < high, column


def test_households_share_an_address_and_a_landline(sample: tuple[pa.Table, pa.Table]) -> None:
    table, truth = sample
    entities = truth["entity_id"].to_pylist()
    for column, least in (("street_address", 2_000), ("phone", 300)):
        owners: dict[str, set[int]] = {}
        for value, entity in zip(table[column].to_pylist(), entities, strict=True):
            if value:
                owners.setdefault(value.lower(), set()).add(entity)
        assert sum(len(people) > 1 for people in owners.values()) > least, column
    owners = {}
    for value, entity in zip(table["email"].to_pylist(), entities, strict=True):
        if value:
            owners.setdefault(value, set()).add(entity)
    assert sum(len(people) > 1 for people in owners.values()) < 0.01 * len(owners)


def test_names_are_as_frequent_as_zipf_says(sample: tuple[pa.Table, pa.Table]) -> None:
    families = Counter(name.lower() for name in sample[0]["last_name"].to_pylist())
    assert 0.004 < families.most_common(1)[0][1] / sample[0].num_rows < 0.015
    assert len(families) > 5_000
    chances = zipf(4, 1.0)
    assert chances[-1] == pytest.approx(1)
    assert np.diff(chances, prepend=0) == pytest.approx(np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5]) / (77 / 60))


def test_nicknames_are_short_forms_of_the_name() -> None:
    words = Vocabulary(seed=3)
    given = words.given.to_pylist()
    known = {row.name2 for row in nicknames.name_triplets() if row.name1 == "katherine"}
    assert {given[i] for i in words.nicknames[given.index("katherine")]} <= known
    full = [name for name in given[: words.full_names] if name not in {row.name1 for row in nicknames.name_triplets()}]
    assert not full
    assert words.nicknames.shape == (words.full_names, 4) and words.nicknames.max() < len(given)


def test_files_are_written_in_chunks(tmp_path: Path) -> None:
    write_people(tmp_path / "p.parquet", tmp_path / "t.parquet", 150_000, seed=1)
    file = pq.ParquetFile(tmp_path / "p.parquet")
    assert file.metadata.num_rows == 150_000 and file.num_row_groups > 1
    truth = pq.read_table(tmp_path / "t.parquet")
    assert truth["record_id"].equals(file.read(columns=["record_id"])["record_id"])
    assert len(set(truth["record_id"].to_pylist())) == 150_000


def test_a_typo_is_one_edit_inside_the_text() -> None:
    choose = random.Random(1)
    for _ in range(500):
        wrong = typo("katherine", choose)
        assert wrong[0] == "k" and abs(len(wrong) - 9) <= 1
    assert typo("al", choose) == "al"
