"""Reads the shards' entries and exits for many who follow them, and tells them when there are new ones.

Those that have been told all wait here, so that the shards are asked by one and not by all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from actors.errors import OnefoldError
from models.identity.customer_id import shard_of
from models.shard.protocol import SegmentChange

POLL_S = 0.1
_ERROR_S = 1.0

Changes = Callable[[dict[int, int], int], Awaitable[list[SegmentChange]]]


class ChangeFeed:
    """`changes(after, limit)` reads the logs: see `actors.segment_calls.SegmentCalls.segment_changes`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._seen: dict[int, int] = {}  # shard -> the highest sequence number that anybody has seen
        self._is_read = False  # somebody has begun
        self._more = asyncio.Event()
        self._has_ended = False
        self.generation = 0  # grows when there may be more than somebody has read

    async def after(self, positions: Mapping[int, int], limit: int) -> list[SegmentChange]:
        """Up to `limit` entries and exits that follow each shard's position. Raises Unavailable."""
        self._is_read = True
        found = await self._changes(dict(positions), limit)
        self._see(positions)
        self._see({shard_of(change.customer_id): change.sequence for change in found})
        return found

    async def news(self, generation: int, timeout_s: float | None = None) -> None:
        """Returns when there may be more than what was read at this generation, or the time is over if one is given.
        Raises RuntimeError when `run` has ended: there will be no more."""
        if self.generation == generation and not self._has_ended:
            try:
                await asyncio.wait_for(self._more.wait(), timeout_s)
            except TimeoutError:
                return
        if self._has_ended:
            raise RuntimeError("nobody looks for entries and exits any more")

    async def run(self) -> None:
        """Looks for what nobody has seen, until it is cancelled. If it fails, nobody is left waiting."""
        try:
            await self._look()
        finally:
            self._has_ended = True
            self._more.set()

    async def _look(self) -> None:
        while True:
            pause = POLL_S
            if self._is_read:
                try:
                    await self.after(dict(self._seen), 1)
                except OnefoldError:  # a shard is starting
                    pause = _ERROR_S
            await asyncio.sleep(pause)

    def _see(self, positions: Mapping[int, int]) -> None:
        news = {shard: number for shard, number in positions.items() if number > self._seen.get(shard, 0)}
        if news:
            self._seen |= news
            self.generation += 1
            self._more.set()
            self._more = asyncio.Event()
