"""What a shard answers about segments: previews, members, past members, flows; from its columns and its log."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import numpy as np
from pyroaring import BitMap64

from actors.errors import Invalid, Unavailable
from actors.group_commit import GroupCommit
from actors.shard_log import ShardLog
from models.impact.holdout_outcomes import Entry, Measure, Measuring
from models.privacy.visibility import may_read
from models.profile.state import decode_profile
from models.segments.analytics import add_conversions, summarise
from models.segments.bulk_moves import BulkMove, pack_ids, unpack_ids
from models.segments.catalogue import Resolved
from models.segments.compile import CompiledSegment, compile_resolved
from models.segments.field_reader import InvalidCriteria
from models.segments.growing_array import Mask
from models.segments.holdout import held_out
from models.segments.spans import NEVER
from models.segments.vector import VectorEvaluator
from models.shard.core import ShardCore
from models.shard.protocol import SegmentChange, SegmentStatus

_LOAD_S_MAX = 5.0  # how long a question about all profiles waits until all are in the columns
_POLL_S = 0.05
_AT_ONCE = 32  # people who are looked at before something else has its turn


class Members(msgspec.Struct):
    """A page of members: customer id and when each entered (ms); and how many were withheld on the way."""

    members: list[tuple[int, int]] = []
    withheld: int = 0


class SegmentReads:
    """The methods of a shard's actor that tell of segments. Nothing is changed."""

    def __init__(self, core: ShardCore, commits: GroupCommit, log: ShardLog) -> None:
        self._core = core
        self._commits = commits
        self._log = log

    async def members(self, segment_id: str, after: int, limit: int, purpose: str) -> Members:
        """Members with a customer id above `after`, ascending, for whom a purpose has a basis."""
        await self._loaded()
        core = self._core
        purposes, now = core.settings.purposes, time.time_ns() // 1_000_000
        found = Members()
        while len(found.members) < limit:
            members = core.members.get(segment_id, BitMap64())
            start = members.rank(after)
            page = members[start : start + limit - len(found.members)]
            if not page:
                break
            for after in page:
                profile = decode_profile(core.profiles[after])
                core.moves.fold(profile)
                if may_read(profile, purposes, purpose, now):
                    found.members.append((after, profile.memberships[segment_id]))
                else:
                    found.withheld += 1
            if len(found.members) < limit:
                await self._loaded()
        return found

    async def preview(self, resolved: bytes, now: int) -> tuple[int, int]:
        """How many profiles meet the criteria of a segment (a Resolved as JSON) at `now` ms, and of how many."""
        compiled = self._compile(resolved)
        await self._loaded()
        return int(np.count_nonzero(self._mask(compiled, now))), len(self._core.columns)

    async def backtest(self, resolved: bytes, times: list[int]) -> list[int]:
        """How many profiles meet the criteria at each of these times (ms), as far as they are known now."""
        compiled = self._compile(resolved)
        counts = []
        for now in times:
            await self._loaded()
            counts.append(int(np.count_nonzero(self._mask(compiled, now))))
            await asyncio.sleep(0)
        return counts

    async def segment_flow(self, segment_id: str, times: list[int]) -> tuple[int, list[tuple[int, int]]]:
        """Members now, and how many entered and left between these ascending times (ms), and from the last on."""
        await self._loaded()
        members = len(self._core.members.get(segment_id, ()))
        return members, await asyncio.to_thread(self._log.flow, segment_id, [*times, _AFTER_ALL])

    async def members_at(self, segment_id: str, at: int, after: int, limit: int, purpose: str) -> list[int]:
        """Who was in a segment at a past time (ms): customer ids above `after`, ascending, without those for whom a
        purpose has no basis now."""
        await self._loaded()
        core = self._core
        members = set(core.members.get(segment_id, ()))
        undo(members, self._log.changes_since(segment_id, at))
        purposes, now = core.settings.purposes, time.time_ns() // 1_000_000
        found: list[int] = []
        for customer_id in sorted(each for each in members if each > after):
            if len(found) == limit:
                break
            is_live = core.is_live(customer_id)
            if may_read(core.peek(customer_id), purposes, purpose, now) if is_live else not purposes.is_on:
                found.append(customer_id)
        return found

    async def member_states(
        self, segment_id: str, after: int, limit: int, purpose: str
    ) -> tuple[list[tuple[int, int, bytes]], int]:
        """Members as of `members`, each with the encoded profile; and how many were withheld."""
        found = await self.members(segment_id, after, limit, purpose)
        profiles = self._core.profiles
        return [(customer_id, entered, profiles[customer_id]) for customer_id, entered in found.members], found.withheld

    async def segment_summary(
        self, segment_id: str, holdout: float, since: int, until: int, event: str, within: int
    ) -> bytes:
        """What the members are like (an encoded Summary). Conversion: of those who entered from `since` to `until` ms,
        who did `event` within `within` ms."""
        await self._loaded()
        core = self._core
        members = core.members.get(segment_id, BitMap64())
        ids = np.fromiter(members, np.int64, len(members))
        columns = core.columns
        mask = np.isin(columns.customers, ids) & columns.live
        now = time.time_ns() // 1_000_000
        summary = summarise(columns, mask, core.profile_at, now, core.settings.lifecycle)
        if holdout:
            summary.held_out = int(np.count_nonzero(held_out(segment_id, ids, holdout)))
        entries = np.full(columns.size, NEVER, np.int64)
        for change in self._log.changes_since(segment_id, since - 1):  # newest first: the first entry counts
            if change.at > until:
                continue
            if isinstance(change, BulkMove):
                entries[np.isin(columns.customers, unpack_ids(change.entered)) & columns.live] = change.at
            elif change.change == "entered" and (slot := columns.slot_of(change.customer_id)) >= 0:
                entries[slot] = change.at
        add_conversions(summary, columns, entries, event, within, now)
        return msgspec.msgpack.encode(summary)

    async def holdout_start(self, segment_id: str) -> int:
        """When somebody was first held out on entering, ms; 0 if nobody was."""
        await self._commits.consistent()
        entries = first_entries(self._log.changes_since(segment_id, 0), any_holdout=True)
        return min((entry.at for entry in entries.values()), default=0)

    async def segment_impact(self, segment_id: str, since: int, measure: bytes, purpose: str) -> bytes:
        """What people brought who entered from `since` ms on, by a Measure as JSON: encoded Sums."""
        await self._commits.consistent()
        core, now = self._core, time.time_ns() // 1_000_000
        purposes = core.settings.purposes
        asked = msgspec.json.decode(measure, type=Measure)
        measuring = Measuring(asked, now, lambda profile: may_read(profile, purposes, purpose, now))
        entries = first_entries(self._log.changes_since(segment_id, since - 1))
        for place, (customer_id, entry) in enumerate(entries.items()):
            if core.is_live(customer_id):
                measuring.add(core.peek(customer_id), entry)
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return msgspec.msgpack.encode(measuring.sums)

    async def member_ids(self, segment_id: str) -> bytes:
        """The customer ids of all members, packed (`models.segments.bulk_moves.pack_ids`)."""
        await self._loaded()
        members = self._core.members.get(segment_id, BitMap64())
        return pack_ids(np.fromiter(members, np.int64, len(members)))

    async def segment_overlap(self, segment_ids: list[str]) -> list[list[int]]:
        """How many are in both of each two of the segments."""
        await self._loaded()
        found = [self._core.members.get(segment_id, BitMap64()) for segment_id in segment_ids]
        return [[left.intersection_cardinality(right) for right in found] for left in found]

    def _compile(self, resolved: bytes) -> CompiledSegment:
        try:
            return compile_resolved(msgspec.json.decode(resolved, type=Resolved), self._core.settings.lifecycle)
        except InvalidCriteria as error:
            raise Invalid(f"criteria: {error}") from None

    def _mask(self, compiled: CompiledSegment, now: int) -> Mask:
        core = self._core
        evaluator = VectorEvaluator(core.columns, core.profile_at, now, core.settings.lifecycle)
        return evaluator.members(compiled.tree)

    async def _loaded(self) -> None:
        """Returns when memory and disk agree and every profile is in the columns."""
        deadline = time.monotonic() + _LOAD_S_MAX
        while self._core.unloaded and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        if self._core.unloaded:
            left = self._core.unloaded
            raise Unavailable(f"the shard has just started: {left} profiles are still to be loaded; ask again soon")
        await self._commits.consistent()

    def _segment_statuses(self, now: int) -> dict[str, SegmentStatus]:
        core = self._core
        statuses: dict[str, SegmentStatus] = {}
        due = core.next_due()
        clock_ms = max(now - due, 0) if due else 0
        for segment_id in {*core.members, *core.segments}:
            members, evaluated = len(core.members.get(segment_id, ())), core.counted.get(segment_id) or 0
            compiled = core.compiled.get(segment_id)
            if segment_id not in core.segments:
                statuses[segment_id] = SegmentStatus(members, "leaving")
            elif segment_id in core.stopped:
                statuses[segment_id] = SegmentStatus(members, "stopped", evaluated, error=core.stopped[segment_id])
            elif segment_id in core.uncounted or core.unloaded or compiled is None:
                statuses[segment_id] = SegmentStatus(members, "counting", evaluated)
            else:
                every = compiled.definition.refresh_ms
                late = max(now - evaluated - every, 0) if every else clock_ms if compiled.timed else 0
                statuses[segment_id] = SegmentStatus(members, "live", evaluated, late)
        return statuses


def undo(members: set[int], changes: Sequence[SegmentChange | BulkMove]) -> None:
    """Takes entries and exits, newest first, back from a set of customer ids."""
    for change in changes:
        if isinstance(change, BulkMove):
            members.difference_update(unpack_ids(change.entered).tolist())
            members.update(unpack_ids(change.exited).tolist())
        elif change.change == "entered":
            members.discard(change.customer_id)
        else:
            members.add(change.customer_id)


def first_entries(changes: Sequence[SegmentChange | BulkMove], any_holdout: bool = False) -> dict[int, Entry]:
    """Who entered first when, and whether they were held out, by customer id, from changes newest first. With
    `any_holdout` only entries that were held out."""
    found: dict[int, Entry] = {}
    for change in changes:  # an earlier one takes the place of a later one
        if isinstance(change, BulkMove):
            ids = unpack_ids(change.entered)
            kept = held_out(change.segment_id, ids, change.holdout)
            told = zip(ids.tolist(), kept.tolist(), strict=True)
            found |= {each: Entry(change.at, out) for each, out in told if out or not any_holdout}
        elif change.change == "entered" and (change.held_out or not any_holdout):
            found[change.customer_id] = Entry(change.at, change.held_out)
    return found


_AFTER_ALL = 1 << 62
