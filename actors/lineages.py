"""What happened to a person: events, links and merges of the profile and of all that were merged into it.

Each of these profiles keeps its own chain of events and its own evidence on its own shard; nothing is copied when they
become one, so an unmerge has nothing to sort out. A page takes from every chain and goes on where each one was.
"""

import base64
import heapq
from typing import NamedTuple

import msgspec

from actors.errors import Invalid
from actors.lookups import Lookups, by_shard
from actors.shard_calls import ShardCalls
from models.identity.customer_id import shard_of
from models.privacy.decisions import DecisionRecord, first_of, record_id_of
from models.privacy.ledger import ConsentRecord
from models.shard.protocol import Link, MergeRecord, StoredEvent

_NEWEST = -1


class _Position(NamedTuple):
    """Where a chain goes on: sequence number of its next event, or _NEWEST."""

    customer_id: int
    head: int


_cursor = msgspec.msgpack.Decoder(list[_Position])


class Lineages:
    """Reads over all profiles that a person has been."""

    def __init__(self, calls: ShardCalls, lookups: Lookups) -> None:
        self._calls = calls
        self._lookups = lookups

    async def events(self, key: str, limit: int, cursor: str, timeout_s: float) -> tuple[list[StoredEvent], str]:
        """A page of the person's events, newest first, and the cursor of the next page ("" at the end).

        Newest by the time of receipt; one profile's events stay in the order in which they were applied.
        """
        if cursor:
            positions = _decode_cursor(cursor, self._calls.shards)
        else:
            positions = [_Position(customer_id, _NEWEST) for customer_id in await self._lineage(key, timeout_s)]
        chains = await self._chains(positions, limit + 1, timeout_s)
        merged = heapq.merge(*chains, key=lambda stored: -stored.event.received_at)
        page: list[StoredEvent] = []
        following = {stored.customer_id: stored.sequence for chain in chains for stored in chain[:1]}
        rest = [iter(chain[1:]) for chain in chains]
        by_chain = dict(zip((chain[0].customer_id for chain in chains), rest, strict=True))
        for stored in merged:
            if len(page) == limit:
                break
            page.append(stored)
            successor = next(by_chain[stored.customer_id], None)
            if successor is None:
                del following[stored.customer_id]
            else:
                following[stored.customer_id] = successor.sequence
        return page, _encode_cursor([_Position(*item) for item in following.items()])

    async def links(self, key: str, timeout_s: float) -> list[Link]:
        """The edges of the person's identity graph, oldest first.

        An edge is where it was found. After an unmerge some of this side's are at the other, and those between the two
        hold no more: what counts is that both ends are this person's.
        """
        (profile,) = await self._lookups.profiles([key], "", timeout_s)
        if profile is None:
            return []
        groups = by_shard(list(dict.fromkeys([profile.customer_id, *profile.absorbed, *profile.apart])))
        answers = await self._calls.each("links", {s: (group,) for s, group in groups.items()}, timeout_s)
        mine = profile.identifiers
        links: list[Link] = [x for answer in answers.values() for x in answer if x.left in mine and x.right in mine]
        return sorted(links, key=lambda link: (link.at, link.sequence))

    async def consents(self, key: str, timeout_s: float) -> list[ConsentRecord]:
        """All answers on consent of the person, by the time at which they were given."""
        groups = by_shard(await self._lineage(key, timeout_s))
        answers = await self._calls.each("consents", {s: (group,) for s, group in groups.items()}, timeout_s)
        records: list[ConsentRecord] = [record for answer in answers.values() for record in answer]
        return sorted(records, key=lambda record: (record.at, record.recorded_at, record.sequence))

    async def decisions(self, key: str, timeout_s: float) -> list[DecisionRecord]:
        """Automated decisions about the person, and reviews of them, oldest first."""
        groups = by_shard(await self._lineage(key, timeout_s))
        answers = await self._calls.each("decisions", {s: (group,) for s, group in groups.items()}, timeout_s)
        records: list[DecisionRecord] = [record for answer in answers.values() for record in answer]
        return sorted(records, key=lambda record: (record.at, record.record_id))

    async def decision(self, people: list[int], decision: DecisionRecord, timeout_s: float) -> DecisionRecord | None:
        """An automated decision about a person as it is in the log, whichever of these customer ids they had then: the
        first, if there is more than one."""
        groups = by_shard(people)
        ids = {shard: ([record_id_of(decision, each) for each in group],) for shard, group in groups.items()}
        answers = await self._calls.each("decisions_named", ids, timeout_s)
        return first_of(record for answer in answers.values() for record in answer)

    async def merges(self, key: str, timeout_s: float) -> list[MergeRecord]:
        """The merges that made the person, and those taken back, oldest first."""
        (profile,) = await self._lookups.profiles([key], "", timeout_s)
        if profile is None:
            return []
        lineage = [profile.customer_id, *profile.absorbed]
        # A record is where the winner was at the time: after an unmerge that is the other side.
        shards = {shard_of(customer_id) for customer_id in [*lineage, *profile.apart]}
        answers = await self._calls.each("merges", {shard: (lineage,) for shard in shards}, timeout_s)
        records: list[MergeRecord] = [record for answer in answers.values() for record in answer]
        return sorted(records, key=lambda record: (record.at, record.merge_id))

    async def _lineage(self, key: str, timeout_s: float) -> list[int]:
        """Customer ids that the person has had, the present one first; empty if there is no such person."""
        (profile,) = await self._lookups.profiles([key], "", timeout_s)
        return [] if profile is None else list(dict.fromkeys([profile.customer_id, *profile.absorbed]))

    async def _chains(self, positions: list[_Position], limit: int, timeout_s: float) -> list[list[StoredEvent]]:
        """Up to `limit` events of each chain, without empty chains."""
        chains: list[list[StoredEvent]] = []
        for shard, group in _positions_by_shard(positions).items():
            answer = await self._calls.call(shard, "events", group, limit, timeout_s=timeout_s)
            chains += [chain for chain in answer if chain]
        return chains


def _positions_by_shard(positions: list[_Position]) -> dict[int, list[tuple[int, int]]]:
    groups: dict[int, list[tuple[int, int]]] = {}
    for position in positions:
        groups.setdefault(shard_of(position.customer_id), []).append((position.customer_id, position.head))
    return groups


def _encode_cursor(positions: list[_Position]) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(positions)).decode() if positions else ""


def _decode_cursor(cursor: str, shards: int) -> list[_Position]:
    try:
        positions = _cursor.decode(base64.urlsafe_b64decode(cursor))
    except (ValueError, msgspec.MsgspecError):
        positions = []
    if not positions or any(shard_of(position.customer_id) >= shards or position.head < 1 for position in positions):
        raise Invalid("cursor: expected the cursor of the page before, as it was given")
    return positions
