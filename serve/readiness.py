"""Whether this replica can do its work now: all shards of all tenants answer."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from actors.errors import OnefoldError

TIMEOUT_S = 2.0
KEEP_S = 1.0  # an answer is good for this long: probes must not become load


class Shards(Protocol):
    """`actors.router.Router`, as far as it is needed here."""

    async def status(self) -> list[Any]: ...


class AllShards:
    """The shards of several tenants, as if they were one's. `tenants` says which ones there are."""

    def __init__(self, tenants: Callable[[], Iterable[Shards]]) -> None:
        self._tenants = tenants

    async def status(self) -> list[Any]:
        answers = await asyncio.gather(*(shards.status() for shards in self._tenants()))
        return [status for answer in answers for status in answer]


class Readiness:
    """Asks the shards, at most once in KEEP_S."""

    def __init__(self, shards: Shards, monotonic_s: Callable[[], float]) -> None:
        self._shards = shards
        self._monotonic_s = monotonic_s
        self._asked_s = float("-inf")
        self._ready = False

    async def is_ready(self) -> bool:
        """Whether every shard has answered within TIMEOUT_S."""
        now_s = self._monotonic_s()
        if now_s - self._asked_s >= KEEP_S:
            self._asked_s = now_s
            try:
                await asyncio.wait_for(self._shards.status(), TIMEOUT_S)
                self._ready = True
            except (OnefoldError, TimeoutError):
                self._ready = False
        return self._ready
