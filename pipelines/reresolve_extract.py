"""Profiles into files of records: what re-resolution resolves, one slice of a shard at a time.

Two files a slice. `records` holds what a person is matched by: unit_id and a column of lists of strings for each role,
plus `exclusive`, the unit's identifiers in namespaces of which a profile may have only one. `units` holds what the plan
needs besides: which profile a unit is part of, how it is tied to it, digests, counts of identifiers, partings, and
the segments and consents of the profile.
"""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from actors.errors import Conflict
from actors.lookups import by_shard
from actors.shard_calls import ShardCalls
from models.identity.customer_id import shard_of
from models.identity.identifiers import IdentitySettings, namespace_of
from models.identity.profile_record import profile_record, record_digest
from models.identity.record import ROLES, MatchRecord
from models.identity.resolution import Candidate
from models.profile.state import Profile, decode_profile
from models.shard.merging import candidate_of
from models.shard.protocol import MergeRecord, Paired, Pairing, StoredEvent
from models.shard.separating import Unit, first_ties, separate
from models.shard.state import MachineSettings

CALL_S = 60.0  # a shard that restarts is waited for
_PAGE = 500  # profiles
_EVENTS_PAGE = 500
_LINEAGES = 200  # asked for at once
_ROWS = 5_000  # of a row group

_STRINGS = pa.list_(pa.string())
_IDS = pa.list_(pa.int64())
RECORDS = pa.schema(
    [("unit_id", pa.int64()), *((role, _STRINGS) for role in ROLES), ("exclusive", _STRINGS)],
)
UNITS = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("profile_id", pa.int64()),
        ("winner", pa.int64()),  # the unit that it is tied to, 0 for the profile itself
        ("order", pa.int64()),
        ("digest", pa.int64()),
        ("profile_digest", pa.int64()),
        ("has_record", pa.bool_()),
        ("namespaces", _STRINGS),  # "namespace=count"
        ("lineage", _IDS),
        ("apart", _IDS),
        ("segments", _STRINGS),  # the profile's, with the unit that is the profile now
        ("consents", _STRINGS),  # "category=1" or "category=0", likewise
    ]
)


class ShardPlatform:
    """The shards, as `pipelines.reresolve_steps.Platform` and for extraction."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls

    async def settings(self) -> MachineSettings:
        """What the shards were told of the platform's settings."""
        settings: MachineSettings = await self._calls.call(0, "machine_settings", timeout_s=CALL_S)
        return settings

    async def page(self, shard: int, after: int) -> list[tuple[int, bytes]]:
        """The next profiles of a shard."""
        page: list[tuple[int, bytes]] = await self._calls.call(shard, "profile_states", after, _PAGE, timeout_s=CALL_S)
        return page

    async def candidates(self, customer_ids: Sequence[int]) -> list[Candidate | int | None]:
        """What resolution needs of each; the customer id that it was merged into; None if there is none."""
        return await self._of("candidates", customer_ids)

    async def states(self, customer_ids: Sequence[int]) -> list[bytes | None]:
        """The encoded profiles with these ids, None for those that are gone."""
        return await self._of("states_of", customer_ids)

    async def merges(self, lineages: Sequence[Candidate]) -> list[MergeRecord]:
        """All merges in the lineages of these profiles, undone ones too."""
        found: dict[str, MergeRecord] = {}
        for start in range(0, len(lineages), _LINEAGES):
            asked: dict[int, set[int]] = {}
            for one in lineages[start : start + _LINEAGES]:
                lineage = {one.customer_id, *one.lineage}
                # A record is where the winner was at the time: after an unmerge that is the other side.
                for shard in {shard_of(customer_id) for customer_id in (*lineage, *one.apart)}:
                    asked.setdefault(shard, set()).update(lineage)
            answers = await self._calls.each("merges", {s: (sorted(ids),) for s, ids in asked.items()}, CALL_S)
            found.update((record.merge_id, record) for answer in answers.values() for record in answer)
        return list(found.values())

    async def unmerge(self, merge_id: str) -> None:
        """Takes a merge back. Raises NotFound, Conflict."""
        shard, began = int(merge_id.split("_")[1]), time.time_ns() // 1_000_000
        try:
            await self._calls.call(shard, "unmerge", merge_id, timeout_s=CALL_S, attempt_s=CALL_S)
        except Conflict:
            # An attempt without an answer may have done it; its answer is then that it has been done.
            record = await self._calls.call(shard, "merge_record", merge_id, timeout_s=CALL_S)
            if record is None or record.undone_at < began:
                raise

    async def pair(self, pairing: Pairing) -> Paired:
        """Joins two profiles or sets them apart."""
        shard = shard_of(min(pairing.left, pairing.right))
        paired: Paired = await self._calls.call(shard, "pair", pairing, timeout_s=CALL_S, attempt_s=CALL_S)
        return paired

    async def events(self, customer_id: int, after: int) -> list[StoredEvent]:
        """A profile's own events with a sequence number above `after`, oldest first."""
        found: list[StoredEvent] = []
        head = -1
        while True:
            asked = [(customer_id, head)]
            (page,) = await self._calls.call(shard_of(customer_id), "events", asked, _EVENTS_PAGE + 1, timeout_s=CALL_S)
            found += [event for event in page[:_EVENTS_PAGE] if event.sequence > after]
            if len(page) <= _EVENTS_PAGE or page[-1].sequence <= after:
                return found[::-1]
            head = page[-1].sequence

    async def _of(self, method: str, customer_ids: Sequence[int]) -> list[Any]:
        groups = {s: ids for s, ids in by_shard(list(customer_ids)).items() if s < self._calls.shards}
        answers = await self._calls.each(method, {s: (ids,) for s, ids in groups.items()}, CALL_S)
        found = {c: answer for s, ids in groups.items() for c, answer in zip(ids, answers[s], strict=True)}
        return [found.get(customer_id) for customer_id in customer_ids]


class Slice(msgspec.Struct, frozen=True):
    """What a slice has come to: `following` is where the next one begins, 0 if there is none."""

    following: int
    profiles: int


async def extract_slice(
    calls: ShardCalls, shard: int, after: int, profiles_max: int, directory: Path, name: str
) -> Slice:
    """Writes the records of some `profiles_max` profiles with a customer id above `after` to `directory`."""
    platform = ShardPlatform(calls)
    settings = await platform.settings()
    profiles = 0
    with _Writer(directory / "records", name, RECORDS) as records, _Writer(directory / "units", name, UNITS) as units:
        while profiles < profiles_max:
            page = await platform.page(shard, after)
            if not page:
                after = 0
                break
            for profile, of_it in await _separated(platform, page, calls.shards, settings):
                digest = record_digest(profile_record(profile))
                for unit in of_it:
                    record = profile_record(unit.profile)
                    units.add(_unit_row(unit, record, profile, digest))
                    if record is not None:
                        records.add(_record_row(unit.profile, record, settings.identity))
            profiles += len(page)
            after = page[-1][0]
    return Slice(after, profiles)


async def _separated(
    platform: ShardPlatform, page: Sequence[tuple[int, bytes]], shards: int, settings: MachineSettings
) -> list[tuple[Profile, list[Unit]]]:
    """Each profile of a page with its units."""
    profiles = {customer_id: decode_profile(state) for customer_id, state in page}
    joined = [candidate_of(profile) for profile in profiles.values() if profile.absorbed]
    records = [record for record in await platform.merges(joined) if not record.undone_at] if joined else []
    by_loser = {record.loser: record for record in records}
    found = []
    for customer_id, state in page:
        profile = profiles[customer_id]
        mine = [by_loser[c] for c in profile.absorbed if c in by_loser]
        ties = first_ties(customer_id, mine)
        if ties:
            events = {winner: await platform.events(winner, after) for winner, after in ties.items()}
            found.append((profile, separate(state, mine, events, shards, settings)))
        else:
            found.append((profile, [Unit(profile, 0, 0)]))
    return found


def _unit_row(unit: Unit, record: MatchRecord | None, profile: Profile, profile_digest: int) -> dict[str, Any]:
    mine = unit.profile
    namespaces = Counter(namespace_of(identifier) for identifier in mine.identifiers)
    return {
        "unit_id": mine.customer_id,
        "profile_id": profile.customer_id,
        "winner": unit.winner,
        "order": unit.order,
        "digest": record_digest(record),
        "profile_digest": profile_digest,
        "has_record": record is not None,
        "namespaces": [f"{namespace}={count}" for namespace, count in sorted(namespaces.items())],
        "lineage": mine.absorbed,
        "apart": mine.apart,
        "segments": [] if unit.winner else sorted(profile.memberships),
        "consents": [] if unit.winner else [f"{c}={int(bool(o.value))}" for c, o in sorted(profile.consents.items())],
    }


def _record_row(profile: Profile, record: MatchRecord, settings: IdentitySettings) -> dict[str, Any]:
    only = [i for i in profile.identifiers if settings.limits.get(namespace_of(i), settings.limit_default) == 1]
    return {
        "unit_id": profile.customer_id,
        **{role: list(record.values[role]) if role in record.values else None for role in ROLES},
        "exclusive": sorted(only),
    }


class _Writer:
    """A Parquet file that is there whole or not at all."""

    def __init__(self, directory: Path, name: str, schema: Any) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._path = directory / f"{name}.parquet"
        self._draft = directory / f".{name}.new"
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def __enter__(self) -> "_Writer":
        self._draft.touch(mode=0o600)
        self._writer = pq.ParquetWriter(self._draft, self._schema)
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row."""
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None and self._rows:
            self._flush()
        self._writer.close()
        if kind is None:
            self._draft.rename(self._path)
