"""The bulk engine as tasks of a Ray cluster: the partition of a re-resolution, however the units lie in files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.identity.columns import role_columns
from models.identity.matcher import Matcher
from models.identity.record import ROLES, MatchRecord
from models.identity.resolve import ResolveSettings, resolve
from pipelines import reresolve_partition, resolve_bulk
from pipelines.reresolve_store import PlanStore
from pipelines.reresolve_tasks import Tasks
from tests.strategies.people import households

UNIT_IDS = 10**17  # as large as profiles' ids


def written(directory: Path, records: list[MatchRecord], shards: int) -> Path:
    """The records as the slices of so many shards."""
    folder = directory / "records"
    folder.mkdir()
    for shard in range(shards):
        own = [(number, record) for number, record in enumerate(records) if number % shards == shard]
        columns: dict[str, Any] = {"unit_id": pa.array([UNIT_IDS + number for number, _ in own], pa.int64())}
        for role in ROLES:
            values = [list(record.values.get(role, ())) or None for _, record in own]
            columns[role] = pa.array(values, pa.list_(pa.string()))
        pq.write_table(pa.table(columns), folder / f"{shard:03d}-000000.parquet")
    return folder


def test_one_two_and_four_shards_give_what_memory_gives(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reresolve_partition, "SLICE_RECORDS", 500)
    monkeypatch.setattr(resolve_bulk, "BUCKET_RECORDS", 700)
    records, _ = households(4, 700)
    matcher = Matcher.shipped()
    fields = matcher.model.read(role_columns(records), len(records))
    expected = resolve(fields, matcher.model.reading, matcher.nicknames, ResolveSettings(), model=matcher.model)
    assert len(set(expected.entities.tolist())) < len(expected.distinct)
    told: list[str] = []
    for shards in (1, 2, 4):
        plan = tmp_path / str(shards)
        PlanStore.create(plan).close()
        folder = written(plan, records, shards)
        output = plan / "entities.parquet"
        tasks = Tasks(plan, parallel=2)
        reresolve_partition.partition(
            matcher, 0.8, folder, plan / "none", output, tasks, lambda stage, done, of: told.append(stage)
        )
        found = pq.read_table(output)
        assert (found["unit_id"].to_numpy() == UNIT_IDS + np.arange(len(records))).all()
        assert (found["entity_id"].to_numpy() - UNIT_IDS == expected.entities).all()
        assert found["confidence"].to_numpy() == pytest.approx(expected.confidence)
        assert not (plan / "partition").exists()
    assert {"read", "pairs", "score", "people"} <= set(told)


def test_few_units_are_resolved_as_a_whole(node: Path, tmp_path: Path) -> None:
    records, _ = households(4, 20)
    matcher = Matcher.shipped()
    for count in (0, 1, len(records)):
        plan = tmp_path / str(count)
        PlanStore.create(plan).close()
        folder = written(plan, records[:count], 1 if count else 0)
        output = plan / "entities.parquet"
        tasks = Tasks(plan)
        reresolve_partition.partition(matcher, 0.8, folder, plan / "none", output, tasks, lambda *told: None)
        assert pq.read_table(output)["unit_id"].to_pylist() == [UNIT_IDS + number for number in range(count)]
