"""The partition of a re-resolution by the bulk engine: in stages on disk, spread over the cluster by the plan's tasks.

Any function of `pipelines.reresolve_run.Partition` can take its place.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from models.identity.fields import Fields
from models.identity.matcher import Matcher
from models.identity.model import MatchModel
from models.identity.record import ROLES
from models.identity.resolve import ResolveSettings, resolve
from pipelines.record_store import load, save, write_slice
from pipelines.resolve_bulk import SLICE_RECORDS, TooFew, buckets_for, resolve_bulk
from pipelines.resolve_files import arrow_column
from pipelines.resolve_stages import MODEL, Plan
from pipelines.task_runner import Progress, Runner, Stages

_OUTPUT_ROWS = 1_000_000


def partition(
    matcher: Matcher,
    link_confidence: float,
    records: Path,
    cannot_links: Path,
    output: Path,
    runner: Runner,
    progress: Progress,
) -> None:
    """Who is who by the matcher's model. Cannot-links are left to the plan."""
    work = records.with_name("partition")
    work.mkdir(mode=0o700, exist_ok=True)
    (work / MODEL).write_bytes(matcher.model.encode())
    files = sorted(records.glob("*.parquet"))
    slices = _slices(files)
    stages = Stages(work, runner, progress)
    stages.one("ids", unit_ids, work, files)
    stages.many("read", read_units, {number: (work, number, some) for number, some in enumerate(slices)})
    model = matcher.model
    plan = Plan(
        str(work),
        len(slices),
        buckets_for(sum(map(_rows, files))),
        list(model.mixture.fields),
        model.reading,
        model.blocking,
        link_confidence,
    )
    try:
        resolve_bulk(plan, runner, model, progress)
    except TooFew:
        stages.one("whole", resolve_whole, work, files, matcher, link_confidence)
    stages.one("entities", write_entities, work, output)
    shutil.rmtree(work)


def unit_ids(work: Path, files: Sequence[Path]) -> None:
    """`ids.npy`: the units' ids, ascending; a unit's place there is its position."""
    ids = [pq.read_table(path, columns=["unit_id"])["unit_id"].to_numpy() for path in files]
    save(work / "ids.npy", np.sort(np.concatenate([*ids, np.empty(0, np.int64)])))


def read_units(work: Path, number: int, files: Sequence[Path]) -> None:
    """Writes the slice of some files' units."""
    units, fields = _read(files, MatchModel.decode((work / MODEL).read_bytes()))
    write_slice(work, number, np.searchsorted(load(work / "ids.npy"), units), fields)


def resolve_whole(work: Path, files: Sequence[Path], matcher: Matcher, link_confidence: float) -> None:
    """Resolves units that are too few for stages: all their pairs are compared."""
    ids = load(work / "ids.npy")
    units, fields = _read(files, matcher.model)
    order = np.argsort(units)
    ordered = {field: column._replace(codes=column.codes[order]) for field, column in fields.items()}
    settings = ResolveSettings(link_confidence=link_confidence)
    found = resolve(ordered, matcher.model.reading, matcher.nicknames, settings, model=matcher.model)
    assert len(found.entities) == len(ids)
    save(work / "entity.npy", found.entities)
    save(work / "confidence.npy", found.confidence)


def write_entities(work: Path, output: Path) -> None:
    """Writes the partition's file (see `pipelines.reresolve_run.Partition`)."""
    ids, entity, confidence = (load(work / f"{name}.npy") for name in ("ids", "entity", "confidence"))
    schema = pa.schema({"unit_id": pa.int64(), "entity_id": pa.int64(), "confidence": pa.float64()})
    partial = output.with_name(output.name + ".partial")
    with pq.ParquetWriter(partial, schema) as writer:
        for start in range(0, len(ids), _OUTPUT_ROWS):
            rows = slice(start, start + _OUTPUT_ROWS)
            columns = (ids[rows], ids[entity[rows]], confidence[rows])
            writer.write_table(pa.table([pa.array(np.array(column)) for column in columns], schema=schema))
    partial.replace(output)


def _slices(files: Sequence[Path]) -> list[list[Path]]:
    """The files in groups of some SLICE_RECORDS units, one group at least."""
    groups: list[list[Path]] = [[]]
    rows = 0
    for path in files:
        if rows >= SLICE_RECORDS:
            groups.append([])
            rows = 0
        groups[-1].append(path)
        rows += _rows(path)
    return groups


def _rows(path: Path) -> int:
    rows: int = pq.read_metadata(path).num_rows
    return rows


def _read(files: Sequence[Path], model: MatchModel) -> tuple[Any, Fields]:
    """Units and their fields."""
    if not files:
        return np.empty(0, np.int64), model.read({}, 0)
    table = pads.dataset([str(path) for path in files], format="parquet").to_table()
    roles = {role: [arrow_column(table[role])] for role in ROLES if pc.count(table[role]).as_py()}
    return table["unit_id"].to_numpy(), model.read(roles, table.num_rows)
