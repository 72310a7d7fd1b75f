"""The sending end of a channel: envelopes to one other shard, each delivered exactly once and in order.

The envelopes are in this shard's outbox, committed together with what caused them. The receiver notes the number of
the latest one that it has taken in the same transaction as what it did with it, takes only the next number, and
answers with what it has. So any loss, repetition or restart of either end is mended by sending again from there.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from actors.errors import OnefoldError

# In one call: below the size (100 KiB) from which Ray puts arguments into shared memory.
BATCH_BYTES_MAX = 80 * 1024
BATCH_ENVELOPES_MAX = 128
_PAUSE_S_MIN = 0.02
_PAUSE_S_MAX = 1.0

log = logging.getLogger("onefold.channel")

Send = Callable[[int, list[bytes]], Awaitable[int]]
"""Number of the first envelope, envelopes -> number of the latest one that the destination has. Raises Unavailable."""


class Channel:
    """One batch is on its way at a time; what comes meanwhile goes with the next."""

    def __init__(self, destination: int, send: Send, received: Callable[[int], None]) -> None:
        """`received` is told the number of the latest envelope that has arrived."""
        self._destination = destination
        self._send = send
        self._received = received
        self._envelopes: deque[tuple[int, bytes]] = deque()
        self._work = asyncio.Event()

    def post(self, envelopes: list[tuple[int, bytes]]) -> None:
        """Queues numbered envelopes that follow on those before."""
        self._envelopes.extend(envelopes)
        self._work.set()

    @property
    def waiting(self) -> int:
        """Envelopes that are not known to have arrived."""
        return len(self._envelopes)

    async def run(self) -> None:
        """Sends until it is cancelled."""
        pause = _PAUSE_S_MIN
        while True:
            await self._work.wait()
            self._work.clear()
            while self._envelopes:
                if await self._send_batch():
                    pause = _PAUSE_S_MIN
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _PAUSE_S_MAX)

    async def _send_batch(self) -> bool:
        """Sends the oldest envelopes; whether any of them has arrived."""
        first = self._envelopes[0][0]
        batch: list[bytes] = []
        size = 0
        for _, body in self._envelopes:
            size += len(body)
            if batch and (size > BATCH_BYTES_MAX or len(batch) == BATCH_ENVELOPES_MAX):
                break
            batch.append(body)
        try:
            latest = await self._send(first, batch)
        except OnefoldError:
            return False
        if latest < first - 1:
            # It acknowledged these once, and we have dropped them: its file is older than what it has told us.
            log.error(
                "a shard has lost envelopes that it had taken: its store was replaced",
                extra={"fields": {"shard": self._destination}},
            )
            return False
        while self._envelopes and self._envelopes[0][0] <= latest:
            self._envelopes.popleft()
        if latest >= first:
            self._received(latest)
        return latest >= first
