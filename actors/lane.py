"""A lane to a shard: what callers ask one by one goes in few calls.

While a call is on its way, what is asked meanwhile queues, and goes together with the next. So a busy shard gets few
large calls (a call costs a millisecond, an item in it microseconds), and an idle one answers at once. A call without an
answer is made again, after a pause, for as long as any of its callers has time; so calls must be repeatable.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from actors.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_PAUSE_S_MIN = 0.02
_PAUSE_S_MAX = 0.5


class LaneLimits:
    """Bounds of a lane. `size` measures an item, in units of `size_max`."""

    def __init__(self, items_max: int, size_max: int, queued_max: int, calls_max: int = 1) -> None:
        self.items_max = items_max  # in one call
        self.size_max = size_max  # in one call, unless a single item is larger
        self.queued_max = queued_max  # items that wait; beyond, callers are refused
        self.calls_max = calls_max  # at the same time


class _Ask(Generic[Answer]):
    """One caller's items and the answers to them so far."""

    def __init__(self, count: int, deadline: float) -> None:
        self.answers: dict[int, Answer] = {}
        self.count = count
        self.deadline = deadline
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, index: int, answer: Answer) -> None:
        self.answers[index] = answer
        if len(self.answers) == self.count and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Lane(Generic[Item, Answer]):
    """Coalesces the items of many callers into calls."""

    def __init__(
        self,
        call: Callable[[list[Item], float], Awaitable[Sequence[Answer]]],
        limits: LaneLimits,
        size: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        """`call` takes items and the seconds that it may take; it answers each, in order, or raises Unavailable."""
        self._call = call
        self._limits = limits
        self._size = size
        self._queue: deque[tuple[Item, int, _Ask[Answer]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    async def ask(self, items: Sequence[Item], timeout_s: float) -> list[Answer]:
        """The answers to the items, in order. Raises Unavailable when `timeout_s` is over, and what the call raises."""
        if not items:
            return []
        if len(self._queue) + len(items) > self._limits.queued_max and self._queue:
            raise Unavailable("too much is waiting for this shard: send again a little later")
        ask: _Ask[Answer] = _Ask(len(items), time.monotonic() + timeout_s)
        self._queue.extend((item, index, ask) for index, item in enumerate(items))
        self._dispatch()
        try:
            async with asyncio.timeout(timeout_s):
                await ask.done
        except TimeoutError:
            raise Unavailable("the shard did not answer in time; it recovers by itself") from None
        finally:
            ask.done.cancel()  # what is still queued of it is skipped
        return [ask.answers[index] for index in range(len(items))]

    def _dispatch(self) -> None:
        while len(self._calls) < self._limits.calls_max and (batch := self._take()):
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._calls.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._dispatch()

    def _take(self) -> list[tuple[Item, int, _Ask[Answer]]]:
        """The next call's worth of items, without those whose caller has gone."""
        batch: list[tuple[Item, int, _Ask[Answer]]] = []
        size = 0
        while self._queue and len(batch) < self._limits.items_max:
            entry = self._queue[0]
            if entry[2].done.done():
                self._queue.popleft()
                continue
            size += self._size(entry[0])
            if batch and size > self._limits.size_max:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _run(self, batch: list[tuple[Item, int, _Ask[Answer]]]) -> None:
        """Makes the call until it is answered or nobody waits for the answer any more."""
        pause = _PAUSE_S_MIN
        while batch:
            left = max(ask.deadline for _, _, ask in batch) - time.monotonic()
            try:
                answers = await self._call([item for item, _, _ in batch], max(left, 0.001))
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_S_MAX)
                batch = [entry for entry in batch if not entry[2].done.done()]
                continue
            except Exception as error:
                for _, _, ask in batch:
                    ask.fail(error)
                return
            for (_, index, ask), answer in zip(batch, answers, strict=True):
                ask.answer(index, answer)
            return
