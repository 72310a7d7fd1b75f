"""Several shards in one process, reached without Ray: real machines, stores and channels, and crashes on demand."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from actors.errors import Unavailable
from actors.router import Router
from actors.schema import create_shards
from actors.shard import Shard
from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.state import MachineSettings

NOW = 1_760_000_000_000


def settings() -> MachineSettings:
    return MachineSettings(identity=IdentitySettings(), policy=ProfilePolicy(), lifecycle=LifecycleRules())


class LocalShards:
    """Implements `actors.shard_calls.Shards` and `actors.shard.Peers`. `lost_replies` answers go missing, once each."""

    def __init__(self, data_dir: Path, shards: int, machine_settings: MachineSettings | None = None) -> None:
        create_shards(data_dir, shards)
        self.settings = machine_settings or settings()
        self.data_dir = data_dir
        self.count = shards
        self.running: dict[int, Shard] = {}
        self.calls: list[tuple[int, str]] = []
        self.lost_replies = 0
        self.deaths: list[BaseException] = []

    def start(self, shard: int) -> None:
        self.running[shard] = Shard(shard, self.count, self.data_dir, self.settings, self, self.deaths.append)

    def start_all(self) -> None:
        for shard in range(self.count):
            self.start(shard)

    async def stop(self, shard: int) -> None:
        await self.running.pop(shard).close()

    async def stop_all(self) -> None:
        for shard in list(self.running):
            await self.stop(shard)

    async def call(self, shard: int, method: str, *arguments: object, timeout_s: float) -> Any:
        self.calls.append((shard, method))
        try:
            answer = await asyncio.wait_for(getattr(self._running(shard), method)(*arguments), timeout_s)
        except TimeoutError:
            raise Unavailable("no answer in time") from None
        if self.lost_replies:
            self.lost_replies -= 1
            raise Unavailable("the answer was lost")
        return answer

    async def receive(self, destination: int, source: int, first: int, envelopes: list[bytes]) -> int:
        return int(await self.call(destination, "receive", source, first, envelopes, timeout_s=1))

    def _running(self, shard: int) -> Shard:
        if shard not in self.running:
            raise Unavailable(f"shard {shard} is down")
        return self.running[shard]


def track(message_id: str, *identifiers: str, name: str = "Seen", at: int = NOW, **properties: Any) -> Event:
    return Event(message_id, "track", name, at, at, "web", identifiers, identifiers[0], properties=properties)


def identify(message_id: str, *identifiers: str, at: int = NOW, **traits: Any) -> Event:
    return Event(message_id, "identify", "", at, at, "web", identifiers, identifiers[0], traits=traits)


def run_scenario(
    data_dir: Path,
    shards: int,
    scenario: Callable[[Router, LocalShards], Awaitable[None]],
    machine_settings: MachineSettings | None = None,
) -> None:
    """Runs a scenario in its own event loop, with all shards up at the start. None of them may end by itself."""

    async def main() -> None:
        local = LocalShards(data_dir, shards, machine_settings)
        local.start_all()
        try:
            await scenario(Router(shards, data_dir, local, timeout_s=5), local)
        finally:
            await local.stop_all()
        assert not local.deaths

    asyncio.run(main())
