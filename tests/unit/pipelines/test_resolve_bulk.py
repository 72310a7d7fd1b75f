"""Bulk resolution in stages: the same as in memory, whatever the slices and buckets, and after a kill."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.identity.columns import Column, role_columns, rows_of
from models.identity.fields import Reading, guess_reading, normalised_fields
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord
from models.identity.resolve import Resolved, ResolveSettings, resolve
from pipelines import resolve_files, resolve_files_bulk, resolve_stages
from pipelines.record_store import RecordStore, load, write_index, write_slice
from pipelines.resolve_bulk import BulkReport, TooFew, resolve_bulk
from pipelines.resolve_stages import Plan
from tests.strategies.people import households
from tests.unit.pipelines.test_resolve_files import clusters, written

SETTINGS = ResolveSettings()


class Here:
    """Runs tasks in this process, up to a number of them."""

    def __init__(self, most: int = 1_000) -> None:
        self.left = most
        self.ran: list[str] = []

    def run(self, function: Callable[..., Any], calls: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for name, arguments in calls:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.ran.append(function.__name__)
            yield name, function(*arguments)


@pytest.fixture(scope="module")
def people() -> Any:
    """Records with several values and with likes; their fields, and who is who in memory."""
    records, _ = households(9, 560)
    for number in range(0, 300, 3):
        one = records[number]
        records.append(MatchRecord(f"x{number}", one.values))
        more = {**one.values, "email": (*one.values.get("email", ()), f"other{number}@example.org")}
        records.append(MatchRecord(f"y{number}", more))
    roles = role_columns(records)
    reading = guess_reading(roles)
    fields = normalised_fields(roles, reading)
    return fields, reading, resolve(fields, reading, NicknameTable.shipped(), SETTINGS)


def sliced(directory: Path, fields: Any, reading: Reading, slices: int, buckets: int) -> Plan:
    """The records in slices, in any order."""
    count = len(next(iter(fields.values())).codes)
    parts = np.array_split(np.random.default_rng(slices).permutation(count), slices)
    for number, positions in enumerate(parts):
        write_slice(directory, number, positions, rows_of(fields, positions))
    return Plan(str(directory), slices, buckets, list(fields), reading, SETTINGS.blocking, SETTINGS.link_confidence)


def same(directory: Path, report: BulkReport, expected: Resolved) -> None:
    assert load(directory / "entity.npy").tolist() == expected.entities.tolist()
    assert load(directory / "confidence.npy").tolist() == expected.confidence.tolist()
    assert report.model.version == expected.model.version
    assert (report.distinct, report.compared_pairs) == (len(expected.distinct), len(expected.pairs.left))


@pytest.mark.parametrize(("slices", "buckets"), [(1, 1), (2, 3), (4, 7)])
def test_stages_and_memory_give_the_same(people: Any, tmp_path: Path, slices: int, buckets: int) -> None:
    fields, reading, expected = people
    assert len(set(expected.entities.tolist())) < len(expected.distinct) < len(expected.entities)
    assert fields["email"].codes.shape[1] > 1
    report = resolve_bulk(sliced(tmp_path, fields, reading, slices, buckets), Here())
    same(tmp_path, report, expected)
    assert not list(tmp_path.glob("*.arrow"))  # what nobody needs any more is gone


def test_a_trained_model_resolves_the_same(people: Any, tmp_path: Path) -> None:
    fields, reading, expected = people
    model = MatchModel.decode(expected.model.encode())
    runner = Here()
    same(tmp_path, resolve_bulk(sliced(tmp_path, fields, reading, 2, 2), runner, model), expected)
    assert not {"keys", "learn"}.intersection(runner.ran)


def test_a_run_goes_on_where_it_was_killed(people: Any, tmp_path: Path) -> None:
    fields, reading, expected = people
    plan = sliced(tmp_path, fields, reading, 2, 3)
    ran: list[str] = []
    while True:
        runner = Here(most=3)
        try:
            report = resolve_bulk(plan, runner)
        except KeyboardInterrupt:
            ran += runner.ran
            continue
        break
    same(tmp_path, report, expected)
    ran += runner.ran
    once = ["index", "settle", "keys", "learn", "connect", "collect"]
    by_slice, by_bucket = ["digests", "blocks"], ["alike", "pairs", "score", "gather", "people"]
    assert sorted(ran) == sorted(once + 2 * by_slice + 3 * by_bucket)  # nothing twice


def test_few_records_are_not_for_stages(people: Any, tmp_path: Path) -> None:
    fields, reading, _ = people
    few = rows_of(fields, slice(0, 50))
    with pytest.raises(TooFew):
        resolve_bulk(sliced(tmp_path, few, reading, 2, 2), Here())


def test_a_model_is_learned_from_some_of_the_pairs(
    people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve_stages, "LEARN_PAIRS", 1)
    fields, reading, expected = people
    report = resolve_bulk(sliced(tmp_path, fields, reading, 1, 3), Here())
    assert report.model.version != expected.model.version
    assert report.model.mixture.shares[0] == pytest.approx(expected.model.mixture.shares[0], rel=0.2)
    agreed = np.count_nonzero(load(tmp_path / "entity.npy") == expected.entities)
    assert agreed > 0.97 * len(expected.entities)


# Records on disk


def test_any_records_are_read_in_any_order(tmp_path: Path) -> None:
    fields: Any = {
        "email": Column(np.array([[0, 1], [-1, -1], [1, 2]], np.int32), ["a", "b", "c"]),
        "city": Column(np.array([[0], [0], [-1]], np.int32), ["x"]),
    }
    write_slice(tmp_path, 0, np.array([2, 0]), rows_of(fields, np.array([2, 0])))
    write_slice(tmp_path, 1, np.array([1]), {"city": fields["city"]._replace(codes=fields["city"].codes[1:2])})
    assert write_index(tmp_path, 2) == 3
    store = RecordStore(tmp_path, 2, ["email", "city", "phone"])
    found = store.fields(np.array([1, 2, 0]))
    texts = {name: [[c.values[v] for v in row if v >= 0] for row in c.codes.tolist()] for name, c in found.items()}
    assert texts == {"email": [[], ["b", "c"], ["a", "b"]], "city": [["x"], [], ["x"]], "phone": [[], [], []]}
    common, counts = store.value_counts("email", 2)
    assert common == {"b": 2} and sorted(counts.tolist()) == [1, 1, 2]
    assert store.value_counts("phone", 2)[0] == {}
    assert len(store.fields(np.empty(0, np.int64))["email"].codes) == 0


def test_a_position_that_is_missing_is_told(tmp_path: Path) -> None:
    column = Column(np.array([[0], [0]], np.int32), ["x"])
    write_slice(tmp_path, 0, np.array([0, 0]), {"city": column})
    with pytest.raises(ValueError, match="each position from 0 once"):
        write_index(tmp_path, 1)


# Files


def test_large_files_are_resolved_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_files_bulk, "Processes", Inline)
    monkeypatch.setattr(resolve_files_bulk, "SLICE_RECORDS", 600)
    records, _ = households(3, 520)
    path, config = written(tmp_path / "all.csv", records), tmp_path / "match.toml"
    config.write_text("memory_records = 100")
    steps: list[str] = []
    in_memory = resolve_files.resolve_files([path], tmp_path / "one.parquet", id_column="id")
    on_disk = resolve_files.resolve_files(
        [path], tmp_path / "two.parquet", id_column="id", config=config, progress=steps.append
    )
    assert clusters(tmp_path / "one.parquet") == clusters(tmp_path / "two.parquet")
    assert on_disk.model_version == in_memory.model_version
    assert on_disk.uncertain == in_memory.uncertain
    assert "score 1/1" in steps and "score" in on_disk.seconds
    assert not resolve_files.work_directory(tmp_path / "two.parquet").exists()


def test_work_that_was_begun_for_something_else_is_done_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_files_bulk, "Processes", Inline)
    records, _ = households(3, 520)
    config = tmp_path / "match.toml"
    config.write_text("memory_records = 100")
    output = tmp_path / "out.parquet"
    path = written(tmp_path / "all.csv", records[:-300])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Inline, "most", 4)
        resolve_files.resolve_files([path], output, id_column="id", config=config)
    assert resolve_files.work_directory(output).exists()
    written(path, records)
    report = resolve_files.resolve_files([path], output, id_column="id", config=config)
    assert report.records == len(records) == len(clusters(output))


class Inline(Here):
    """`Processes`, in this process."""

    most = 1_000

    def __init__(self) -> None:
        super().__init__(self.most)

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *exception: object) -> None:
        pass
