"""Matchers over `LocalShards`, in the same process: real ones, with a small real scorer."""

import asyncio
from typing import Any

import msgspec

from actors.errors import Unavailable
from actors.matcher import Matcher, Vectors
from actors.shard_calls import ShardCalls
from models.identity.online import MatchingSettings, PairMatcher
from models.shard.state import MachineSettings
from tests.strategies.additive_matcher import AdditiveMatcher
from tests.unit.actors.local_shards import LocalShards, settings


def matching_settings(matchers: int) -> MachineSettings:
    return msgspec.structs.replace(settings(), matching=MatchingSettings(enabled=True, matchers=matchers))


class LocalMatchers:
    """Implements `actors.shard_calls.Shards` for matchers."""

    def __init__(
        self,
        shards: LocalShards,
        matchers: int,
        pair_matcher: PairMatcher | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        self.shards = shards
        self.count = matchers
        self.pair_matcher = pair_matcher or AdditiveMatcher()
        self.vectors = vectors
        self.running: dict[int, Matcher] = {}

    def start(self, number: int) -> None:
        machine = self.shards.settings
        calls = ShardCalls(self.shards.count, self.shards)
        self.running[number] = Matcher(
            number,
            self.count,
            calls,
            self,
            self.pair_matcher,
            machine.matching,
            machine.identity,
            self.shards.deaths.append,
            self.vectors,
        )

    def start_all(self) -> None:
        for number in range(self.count):
            self.start(number)

    async def stop(self, number: int) -> None:
        await self.running.pop(number).close()

    async def stop_all(self) -> None:
        for number in list(self.running):
            await self.stop(number)

    async def call(self, number: int, method: str, *arguments: object, timeout_s: float) -> Any:
        if number not in self.running:
            raise Unavailable(f"matcher {number} is down")
        try:
            return await asyncio.wait_for(getattr(self.running[number], method)(*arguments), timeout_s)
        except TimeoutError:
            raise Unavailable("no answer in time") from None
