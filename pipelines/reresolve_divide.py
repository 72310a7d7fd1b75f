"""From the new partition to a plan: which units change together, and what that takes.

Only ids are held as a whole, as arrays; everything else is read file by file, and put into buckets by group, so that
each bucket is planned by itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from numpy.typing import NDArray

from actors.errors import Invalid
from models.identity.identifiers import IdentitySettings
from models.identity.reresolution import Block, Group, PlannedUnit, allocate, changed_groups, planned_steps
from models.identity.resolution import Candidate
from pipelines.reresolve_report import Counts, Touched, touch

Ids = NDArray[np.int64]

BUCKET_GROUPS = 5_000

_encode = msgspec.msgpack.Encoder().encode


class Settled(NamedTuple):
    """What was extracted: profiles, units, pairs that must not be joined, profiles left out since they moved."""

    profiles: int
    units: int
    cannot_links: int
    moved: int


def settle(directory: Path) -> Settled:
    """Makes what the slices hold consistent, and writes cannot_links.parquet (left, right: unit ids, left < right).

    A profile that was merged into one of another shard while the slices were read can be there twice: all profiles that
    hold a unit twice are left out.
    """
    table = _units(directory, ["unit_id", "profile_id"])
    units, profiles = _ids(table["unit_id"]), _ids(table["profile_id"])
    distinct, counts = np.unique(units, return_counts=True)
    twice = np.isin(units, distinct[counts > 1])
    moved = np.unique(profiles[twice])
    if len(moved):
        gone = np.unique(units[np.isin(profiles, moved)])
        for path in [*_files(directory / "records"), *_files(directory / "units")]:
            _leave_out(path, gone)
        table = _units(directory, ["unit_id", "profile_id"])
        units, profiles = _ids(table["unit_id"]), _ids(table["profile_id"])
    left, right = _cannot_links(directory)
    pq.write_table(pa.table({"left": left, "right": right}), directory / "cannot_links.parquet")
    return Settled(len(np.unique(profiles)), len(units), len(left), len(moved))


def group(directory: Path) -> int:
    """Reads entities.parquet and writes groups.parquet (unit_id, group, entity), by unit id, for the units that change.
    Returns how many groups there are. Raises Invalid if the partition lacks a unit or names one twice."""
    table = _units(directory, ["unit_id", "profile_id", "winner", "has_record"])
    order = np.argsort(_ids(table["unit_id"]))
    units, profiles, winners = (_ids(table[name])[order] for name in ("unit_id", "profile_id", "winner"))
    has_record = table["has_record"].to_numpy()[order]
    found = pq.read_table(directory / "entities.parquet", columns=["unit_id", "entity_id"])
    entity = _entities(units, has_record, found)
    _keep_with_winner(units, winners, entity)
    groups = changed_groups(units, profiles, entity)
    changed = groups.number >= 0
    columns = {"unit_id": units[changed], "group": groups.number[changed], "entity": entity[changed]}
    pq.write_table(pa.table(columns), directory / "groups.parquet")
    return groups.groups


def deal(directory: Path, name: str, buckets: int) -> None:
    """Puts the units of one slice that change into their buckets."""
    mapping = pq.read_table(directory / "groups.parquet")
    units = pq.read_table(directory / "units" / name)
    known, ids = _ids(mapping["unit_id"]), _ids(units["unit_id"])
    at = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
    inside = known[at] == ids if len(known) else np.zeros(len(ids), bool)
    units = units.filter(pa.array(inside))
    for column in ("group", "entity"):
        units = units.append_column(column, pa.array(_ids(mapping[column])[at[inside]]))
    bucket = _ids(units["group"]) * buckets // max(int(_ids(mapping["group"]).max(initial=0)) + 1, 1)
    for number in np.unique(bucket).tolist():
        folder = directory / "buckets" / f"{number:05d}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(units.filter(pa.array(bucket == number)), folder / name)


def plan_bucket(directory: Path, number: int, settings: IdentitySettings) -> Counts:
    """Plans the groups of a bucket: writes plans/<number>.parquet (number, body) and returns what they come to."""
    folder = directory / "buckets" / f"{number:05d}"
    plans = directory / "plans"
    plans.mkdir(mode=0o700, exist_ok=True)
    counts = Counts()
    numbers: list[int] = []
    bodies: list[bytes] = []
    if folder.exists():
        for rows in _by_group(folder):
            planned = _planned(rows, settings, counts)
            if planned is not None:
                numbers.append(planned.number)
                bodies.append(_encode(planned))
    table = pa.table({"number": pa.array(numbers, pa.int64()), "body": pa.array(bodies, pa.binary())})
    _write(table, plans / f"{number:05d}.parquet")
    return counts


def _planned(rows: Sequence[dict[str, Any]], settings: IdentitySettings, counts: Counts) -> Group | None:
    """The plan of one group, None if nothing can be done."""
    by_block: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        by_block.setdefault((row["entity"], row["profile_id"]), []).append(row)
    by_entity: dict[int, list[Block]] = {}
    for (entity, _), members in sorted(by_block.items()):
        by_entity.setdefault(entity, []).append(_block(members))
    person_of: dict[int, int] = {}
    for blocks in by_entity.values():
        allocated = allocate(blocks, settings.limits, settings.limit_default)
        counts.kept_apart_by_limits += allocated.limits
        counts.kept_apart_by_partings += allocated.apart
        for person in allocated.people:
            units = [unit for block in person for unit in block.units]
            person_of.update(dict.fromkeys(units, min(units)))
    found = Group(
        rows[0]["group"],
        [
            PlannedUnit(r["unit_id"], r["profile_id"], person_of[r["unit_id"]], r["winner"], r["order"], r["digest"])
            for r in rows
        ],
        {row["profile_id"]: row["profile_digest"] for row in rows},
    )
    steps = planned_steps(found)
    if not steps.restores and not steps.joins:
        return None
    owners = [Touched(r["profile_id"], r["segments"], r["consents"]) for r in rows if not r["winner"]]
    touch(counts, found, steps, owners)
    return found


def _block(rows: Sequence[dict[str, Any]]) -> Block:
    """Units of a profile as one candidate. Its identifiers are told apart by number: the rules only count them."""
    totals: Counter[str] = Counter()
    for row in rows:
        for text in row["namespaces"]:
            namespace, _, count = text.rpartition("=")
            totals[namespace] += int(count)
    units = tuple(sorted(row["unit_id"] for row in rows))
    identifiers = [f"{namespace}:{number}" for namespace, count in totals.items() for number in range(count)]
    lineage = [*units[1:], *(c for row in rows for c in row["lineage"])]
    return Block(units, Candidate(units[0], identifiers, lineage, [c for row in rows for c in row["apart"]]))


def _by_group(folder: Path) -> Iterator[list[dict[str, Any]]]:
    table = pa.concat_tables([pq.read_table(path) for path in _files(folder)]).sort_by(
        [("group", "ascending"), ("unit_id", "ascending")]
    )
    numbers = _ids(table["group"])
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for start, end in pairwise(bounds):
        yield table.slice(start, end - start).to_pylist()


def _entities(units: Ids, has_record: NDArray[np.bool_], found: Any) -> Ids:
    """By unit the number of its entity; -1 for units without a record."""
    named = _ids(found["unit_id"])
    codes = found["entity_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    if len(np.unique(named)) != len(named):
        raise Invalid("entities: the partition names a unit twice; expected each unit of the records once")
    at = np.searchsorted(units, named)
    known = (at < len(units)) & (units[np.minimum(at, max(len(units) - 1, 0))] == named)
    entity = np.full(len(units), -1, np.int64)
    entity[at[known]] = codes[known]
    missing = int((has_record & (entity < 0)).sum())
    if missing:
        raise Invalid(f"entities: the partition lacks {missing} units; expected each unit of the records once")
    return entity


def _keep_with_winner(units: Ids, winners: Ids, entity: Ids) -> None:
    """Units without a record stay with what they were taken into; by themselves, they are of an entity of their own."""
    alone = (entity < 0) & (winners == 0)
    entity[alone] = entity.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    while (entity < 0).any():
        open_ = np.flatnonzero(entity < 0)
        entity[open_] = entity[np.searchsorted(units, winners[open_])]


def _cannot_links(directory: Path) -> tuple[Ids, Ids]:
    """Pairs of units that were set apart, themselves or by what was merged into them."""
    lineage_of: list[Ids] = []
    lineage: list[Ids] = []
    apart_of: list[Ids] = []
    apart: list[Ids] = []
    for path in _files(directory / "units"):
        table = pq.read_table(path, columns=["unit_id", "lineage", "apart"])
        ids = _ids(table["unit_id"])
        lineage_of.append(ids)
        lineage.append(ids)
        for column, owners, others in (("lineage", lineage_of, lineage), ("apart", apart_of, apart)):
            array = table[column].combine_chunks()
            owners.append(ids[pc.list_parent_indices(array).to_numpy(zero_copy_only=False)])
            others.append(pc.list_flatten(array).to_numpy(zero_copy_only=False))
    empty = np.empty(0, np.int64)
    known, unit_of = np.concatenate([empty, *lineage]), np.concatenate([empty, *lineage_of])
    order = np.argsort(known, kind="stable")
    known, unit_of = known[order], unit_of[order]
    owner, other = np.concatenate([empty, *apart_of]), np.concatenate([empty, *apart])
    at = np.minimum(np.searchsorted(known, other), max(len(known) - 1, 0))
    there = known[at] == other if len(known) else np.zeros(len(other), bool)
    pairs = np.sort(np.stack([owner[there], unit_of[at[there]]], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return pairs[:, 0], pairs[:, 1]


def _leave_out(path: Path, gone: Ids) -> None:
    table = pq.read_table(path)
    _write(table.filter(pa.array(~np.isin(_ids(table["unit_id"]), gone))), path)


def _write(table: Any, path: Path) -> None:
    draft = path.with_name(f".{path.stem}.new")
    pq.write_table(table, draft)
    draft.rename(path)


def _units(directory: Path, columns: list[str]) -> Any:
    return pads.dataset([str(path) for path in _files(directory / "units")], format="parquet").to_table(columns)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _ids(column: Any) -> Ids:
    ids: Ids = column.to_numpy().astype(np.int64, copy=False)
    return ids


def slice_names(directory: Path) -> list[str]:
    """The files of units."""
    return [path.name for path in _files(directory / "units")]


def bodies(directory: Path, number: int, rows: int) -> Iterator[list[tuple[int, bytes]]]:
    """The plans of a bucket, `rows` at a time."""
    file = pq.ParquetFile(directory / "plans" / f"{number:05d}.parquet")
    for batch in file.iter_batches(batch_size=rows):
        yield list(zip(batch["number"].to_pylist(), batch["body"].to_pylist(), strict=True))
