"""What a router asks of all shards about segments, and what it makes of their answers."""

import asyncio
import heapq
from functools import reduce
from typing import Any

import msgspec

from actors.errors import Invalid
from actors.shard_calls import ShardCalls
from models.identity.customer_id import from_text, to_text
from models.impact.holdout_outcomes import Measure, Sums
from models.profile.state import Profile, decode_profile
from models.segments.analytics import Summary, join
from models.segments.catalogue import Resolved
from models.shard.protocol import SegmentChange

SEGMENTS_TIMEOUT_S = 60.0  # of a question about all profiles
COUNT_TIMEOUT_S = 30.0

_sums = msgspec.msgpack.Decoder(Sums)
_summary = msgspec.msgpack.Decoder(Summary)


class SegmentCalls:
    """The part of `actors.router.Router` that is about segments."""

    def __init__(self, calls: ShardCalls, timeout_s: float) -> None:
        self._calls = calls
        self._timeout_s = timeout_s

    async def put_segment(self, resolved: Resolved) -> bool:
        """Installs a segment that the control store has already.

        Returns when every existing profile has been evaluated, and True; or False after COUNT_TIMEOUT_S, when that
        still goes on.
        """
        segment_id = resolved.definition.id
        await self._calls.all("put_segment", segment_id, msgspec.json.encode(resolved), timeout_s=self._timeout_s)
        calls = (
            self._calls.call(
                shard, "counted", segment_id, COUNT_TIMEOUT_S, timeout_s=self._timeout_s, attempt_s=COUNT_TIMEOUT_S + 10
            )
            for shard in range(self._calls.shards)
        )
        return all(await asyncio.gather(*calls))

    async def delete_segment(self, segment_id: str) -> None:
        """Removes a segment that the control store has no more; its members leave it."""
        await self._calls.all("delete_segment", segment_id, timeout_s=self._timeout_s)

    async def segment_members(
        self, segment_id: str, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[tuple[int, int]], str, int]:
        """A page of members by customer id, with the time of entry (ms), of those for whom a purpose has a basis; the
        cursor of the next page; and how many were withheld."""
        pages = await self._ask("members", segment_id, decode_id_cursor(cursor), limit + 1, purpose)
        found: list[tuple[int, int]] = sorted(member for page in pages for member in page.members)
        page = found[:limit]
        following = to_text(page[-1][0]) if len(found) > limit else ""
        return page, following, sum(each.withheld for each in pages)

    async def member_profiles(
        self, segment_id: str, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[tuple[int, Profile]], str, int]:
        """A page of members as of `segment_members`: the time of entry (ms) and the profile; the cursor of the next
        page; and how many were withheld."""
        pages = await self._ask("member_states", segment_id, decode_id_cursor(cursor), limit + 1, purpose)
        found = sorted(member for members, _ in pages for member in members)
        page = [(entered, decode_profile(state)) for _, entered, state in found[:limit]]
        following = to_text(found[limit - 1][0]) if len(found) > limit else ""
        return page, following, sum(withheld for _, withheld in pages)

    async def members_at(
        self, segment_id: str, at: int, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[int], str]:
        """A page of those who were in a segment at a past time (ms), by customer id, without those for whom a purpose
        has no basis now; and the next page's cursor."""
        pages = await self._ask("members_at", segment_id, at, decode_id_cursor(cursor), limit + 1, purpose)
        found = sorted(customer_id for page in pages for customer_id in page)
        page = found[:limit]
        return page, to_text(page[-1]) if len(found) > limit else ""

    async def preview(self, resolved: Resolved, now: int) -> tuple[int, int]:
        """How many people meet a segment's criteria at `now` ms, exactly, and how many people there are."""
        counts = await self._ask("preview", msgspec.json.encode(resolved), now)
        return sum(members for members, _ in counts), sum(people for _, people in counts)

    async def backtest(self, resolved: Resolved, times: list[int]) -> list[int]:
        """How many people meet a segment's criteria at each of these times (ms), as far as they are known now."""
        counts = await self._ask("backtest", msgspec.json.encode(resolved), times)
        return [sum(of_time) for of_time in zip(*counts, strict=True)]

    async def segment_flow(self, segment_id: str, times: list[int]) -> tuple[int, list[tuple[int, int]]]:
        """Members now, and how many entered and left between these ascending times (ms), and from the last on."""
        found = await self._ask("segment_flow", segment_id, times)
        flows = [
            (sum(entered for entered, _ in steps), sum(left for _, left in steps))
            for steps in zip(*(flow for _, flow in found), strict=True)
        ]
        return sum(members for members, _ in found), flows

    async def segment_summary(
        self, segment_id: str, holdout: float, since: int, until: int, event: str, within: int
    ) -> Summary:
        """What the members are like; conversion of those who entered from `since` to `until` ms, within so many ms."""
        parts = await self._ask("segment_summary", segment_id, holdout, since, until, event, within)
        return join([_summary.decode(part) for part in parts])

    async def holdout_start(self, segment_id: str) -> int:
        """When somebody was first held out of a segment on entering, ms; 0 if nobody was."""
        return min((at for at in await self._ask("holdout_start", segment_id) if at), default=0)

    async def segment_impact(self, segment_id: str, since: int, measure: Measure, purpose: str) -> Sums:
        """What people brought who entered a segment from `since` ms on, as far as the purpose may look at them."""
        parts = await self._ask("segment_impact", segment_id, since, msgspec.json.encode(measure), purpose)
        return reduce(Sums.join, map(_sums.decode, parts), Sums())

    async def member_ids(self, segment_id: str) -> dict[int, bytes]:
        """The customer ids of all members by shard, packed (`models.segments.bulk_moves.pack_ids`)."""
        return dict(enumerate(await self._ask("member_ids", segment_id)))

    async def segment_overlap(self, segment_ids: list[str]) -> list[list[int]]:
        """How many are in both of each two of the segments."""
        parts = await self._ask("segment_overlap", segment_ids)
        return [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*parts, strict=True)]

    async def segment_changes(self, after: dict[int, int], limit: int) -> list[SegmentChange]:
        """Up to `limit` entries and exits that follow each shard's position, in order in each shard."""
        logs = await self._after("segment_changes", after, limit)
        return list(heapq.merge(*logs, key=lambda change: change.at))[:limit]

    async def _ask(self, method: str, *arguments: Any) -> list[Any]:
        """Asks every shard what may take a while."""
        calls = (
            self._calls.call(shard, method, *arguments, timeout_s=SEGMENTS_TIMEOUT_S, attempt_s=SEGMENTS_TIMEOUT_S)
            for shard in range(self._calls.shards)
        )
        return list(await asyncio.gather(*calls))

    async def _after(self, method: str, after: dict[int, int], limit: int) -> list[Any]:
        """The shards' pages of a log, each from its position on."""
        calls = {shard: (after.get(shard, 0), limit) for shard in range(self._calls.shards)}
        return list((await self._calls.each(method, calls, self._timeout_s)).values())


def decode_id_cursor(cursor: str) -> int:
    """The customer id that a page of members ended with; 0 for the first page. Raises Invalid."""
    try:
        return from_text(cursor) if cursor else 0
    except ValueError:
        raise Invalid("cursor: expected the cursor of the page before, as it was given") from None
