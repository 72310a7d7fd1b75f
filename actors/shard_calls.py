"""Calls to shards (and to matchers) that are made again until they are answered or their time is over.

A shard that was killed is back within seconds; a call made meanwhile waits for it instead of failing. Every method of a
shard and of a matcher may be called again: see `actors.shard`, `actors.matcher`.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

from actors.errors import Unavailable

ATTEMPT_S = 5.0  # an attempt without an answer in this time is taken for lost
_PAUSE_S_MIN = 0.02
_PAUSE_S_MAX = 0.5


class Shards(Protocol):
    """How one of several shards, or matchers, is reached: `actors.cluster.RayShards`, or directly in tests."""

    async def call(self, shard: int, method: str, /, *arguments: object, timeout_s: float) -> Any:
        """Calls a method of `actors.shard.Shard` once. Raises what it raises, and Unavailable if it did not answer."""


class ShardCalls:
    """Repeats calls to `shards` shards."""

    def __init__(self, shards: int, reach: Shards) -> None:
        self.shards = shards
        self.reach = reach

    async def call(
        self, shard: int, method: str, *arguments: object, timeout_s: float, attempt_s: float = ATTEMPT_S
    ) -> Any:
        """The answer of one shard. Raises Unavailable when `timeout_s` is over, and what the method raises."""
        deadline = time.monotonic() + timeout_s
        pause = _PAUSE_S_MIN
        while True:
            left = deadline - time.monotonic()
            try:
                return await self.reach.call(shard, method, *arguments, timeout_s=max(min(left, attempt_s), 0.001))
            except Unavailable:
                if time.monotonic() + pause >= deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE_S_MAX)

    async def each(self, method: str, calls: Mapping[int, tuple[object, ...]], timeout_s: float) -> dict[int, Any]:
        """The answers of several shards: shard -> arguments gives shard -> answer. Raises the first error."""
        answers = await asyncio.gather(
            *(self.call(shard, method, *arguments, timeout_s=timeout_s) for shard, arguments in calls.items())
        )
        return dict(zip(calls, answers, strict=True))

    async def all(self, method: str, *arguments: object, timeout_s: float) -> list[Any]:
        """The answers of all shards to the same call, by shard."""
        answers = await self.each(method, {shard: arguments for shard in range(self.shards)}, timeout_s)
        return list(answers.values())
