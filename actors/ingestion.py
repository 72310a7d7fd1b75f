"""Events on their way to their shards: grouped by home, coalesced, repeated until they are durable.

Repeating is safe because a shard takes each message id in once. That a repeated event is reported as a duplicate of
its own first attempt is the price of not knowing whether that one arrived.
"""

import asyncio
from typing import NamedTuple

import msgspec

from actors.lane import Lane, LaneLimits
from actors.shard_calls import ATTEMPT_S, Shards
from models.events.event import Event, encode_event
from models.identity.placement import home_shard
from models.shard.protocol import EventResult, EventStatus, IngestResult

# A call stays below the size (100 KiB) from which Ray puts arguments into shared memory.
_CALL_BYTES_MAX = 90_000
_CALL_EVENTS_MAX = 512
_QUEUED_EVENTS_MAX = 20_000
# Calls that wait for results may overlap: one waits for the slowest of its events, the next must not wait for it.
_WAITING_CALLS_MAX = 16
_STATUS_OF_LETTER: dict[int, EventStatus] = {
    ord("a"): "accepted",
    ord("p"): "applied",
    ord("d"): "duplicate",
    ord("s"): "suppressed",
}

_encode = msgspec.msgpack.Encoder().encode
_results = msgspec.msgpack.Decoder(list[EventResult])


class _Taken(NamedTuple):
    """What a shard said to one event."""

    sequence: int
    status: EventStatus
    result: EventResult | None = None


class Ingestion:
    """The write path of one replica."""

    def __init__(self, shards: int, reach: Shards) -> None:
        self._shards = shards
        self._reach = reach
        limits = LaneLimits(_CALL_EVENTS_MAX, _CALL_BYTES_MAX, _QUEUED_EVENTS_MAX)
        waiting = LaneLimits(_CALL_EVENTS_MAX, _CALL_BYTES_MAX, _QUEUED_EVENTS_MAX, _WAITING_CALLS_MAX)
        self._lanes = [self._lane(shard, limits, wait=False) for shard in range(shards)]
        self._waiting = [self._lane(shard, waiting, wait=True) for shard in range(shards)]

    async def ingest(self, events: list[Event], wait: bool, timeout_s: float) -> IngestResult:
        """Returns when all events are durable, or with `wait` when all are applied. Raises Unavailable."""
        groups: dict[int, list[int]] = {}  # shard -> positions
        for position, event in enumerate(events):
            groups.setdefault(home_shard(event.route, self._shards), []).append(position)
        lanes = self._waiting if wait else self._lanes
        answers = await asyncio.gather(
            *(
                lanes[shard].ask([encode_event(events[position]) for position in positions], timeout_s)
                for shard, positions in groups.items()
            )
        )
        results: list[EventResult | None] = [None] * len(events)
        tokens = []
        for (shard, positions), taken in zip(groups.items(), answers, strict=True):
            tokens.append(f"{shard}:{max(one.sequence for one in taken)}")
            for position, one in zip(positions, taken, strict=True):
                results[position] = one.result or EventResult(events[position].message_id, one.status)
        return IngestResult(",".join(tokens), [result for result in results if result is not None])

    def _lane(self, shard: int, limits: LaneLimits, wait: bool) -> Lane[bytes, _Taken]:
        async def call(events: list[bytes], timeout_s: float) -> list[_Taken]:
            body = _encode([msgspec.Raw(event) for event in events])
            attempt_s = timeout_s if wait else min(timeout_s, ATTEMPT_S)
            sequence, answer = await self._reach.call(shard, "ingest", body, wait, timeout_s=attempt_s)
            if wait:
                return [_Taken(sequence, result.status, result) for result in _results.decode(answer)]
            return [_Taken(sequence, _STATUS_OF_LETTER[letter]) for letter in answer]

        return Lane(call, limits, len)
