"""Group commit: everything that waits is handled by the machine, made durable in one transaction, then answered.

The machine's memory is ahead of the disk from the first command of a group until its commit returns. In that time
nothing leaves the shard: no reply, no envelope, and no read (`consistent`). If a step or a commit fails, memory and
disk have parted for good, so the process has to end; what was not committed was not acknowledged either. Only the
caller whose command failed the step is told so: it must not send the same again and again.
"""

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from actors.errors import OnefoldError
from actors.store import Envelopes
from models.shard.commands import Command
from models.shard.tables import Effects

# A group ends when either is reached, so that the commands behind it do not wait long for theirs.
GROUP_EVENTS_MAX = 512
GROUP_HANDLE_S_MAX = 0.03
# Acknowledgements of envelopes may wait this long for a group to ride on: losing one only makes a repetition.
ACKNOWLEDGE_DELAY_S = 0.05


class Machine(Protocol):
    """`models.shard.machine.ShardMachine`."""

    def handle(self, command: Command, now: int) -> None: ...
    def drain(self) -> Effects: ...


class TransactionalStore(Protocol):
    """`actors.store.Store`."""

    def begin(self) -> None: ...
    def write(self, effects: Effects) -> Envelopes: ...
    def acknowledge(self, received: dict[int, int]) -> None: ...
    def commit(self) -> None: ...


class _Handled(NamedTuple):
    """A command for the machine."""

    number: int  # of the call; 0 if nobody waits
    command: Command
    events: int


class _Written(NamedTuple):
    """Something for the store alone, within the group's transaction."""

    action: Callable[[], object]
    done: asyncio.Future[None]


class GroupCommit:
    """The one writer of a shard. Construct it, and call it, in the event loop's thread."""

    def __init__(
        self,
        machine: Machine,
        store: TransactionalStore,
        now: Callable[[], int],
        settled: Callable[[], int],
        committed: Callable[[Effects, Envelopes], None],
    ) -> None:
        """`now` gives ms; `settled` is the machine's; `committed` is called after each commit, before any reply."""
        self._machine = machine
        self._store = store
        self._now = now
        self._machine_settled = settled
        self._committed = committed
        self._queue: deque[_Handled | _Written] = deque()
        self._between: list[_Written] = []
        self._received: dict[int, int] = {}  # destination -> envelopes that it has taken, not yet noted on disk
        self._calls: dict[int, asyncio.Future[Any]] = {}
        # Not from 1: an unmerge outlives a restart with its caller's number, which must not be a new caller's.
        self._numbers = itertools.count(now() << 20)
        self._work = asyncio.Event()
        self._ahead = False  # memory is ahead of the disk
        self._readers: list[asyncio.Future[None]] = []
        self._settled = settled()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # heap of (sequence, number, who waits)
        self._acknowledging = False
        # SQLite's commit waits for the disk without the interpreter's lock: one thread, since one commits at a time.
        self._thread = ThreadPoolExecutor(1, "commit")

    # Writing

    def submit(self, make: Callable[[int], Command], events: int = 1) -> asyncio.Future[Any]:
        """Queues the command that `make` builds around its call number. The future is its reply, after the commit."""
        number = next(self._numbers)
        reply = self._calls[number] = asyncio.get_running_loop().create_future()
        self._queue.append(_Handled(number, make(number), events))
        self._work.set()
        return reply

    def write(self, action: Callable[[], None]) -> asyncio.Future[None]:
        """Queues writes to the store that are not the machine's. The future is done after their commit."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Written(action, done))
        self._work.set()
        return done

    def between(self, action: Callable[[], object]) -> asyncio.Future[None]:
        """Queues something that the store does outside of any transaction, after the next group."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._between.append(_Written(action, done))
        self._work.set()
        return done

    def post(self, command: Command) -> None:
        """Queues a command that nobody waits for."""
        self._queue.append(_Handled(0, command, 1))
        self._work.set()

    def acknowledge(self, destination: int, received: int) -> None:
        """Notes, with some later group, that a destination has taken all envelopes up to `received`."""
        self._received[destination] = received
        if not self._acknowledging:
            self._acknowledging = True
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_DELAY_S, self._work.set)

    # Reading

    async def consistent(self) -> None:
        """Returns when memory and disk agree; until the caller awaits again, they still do."""
        while self._ahead:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(done)
            await done

    @property
    def settled(self) -> int:
        """Every event taken in with at most this sequence has been applied, durably."""
        return self._settled

    async def settle(self, sequence: int) -> None:
        """Returns when `settled` has reached `sequence`."""
        if self._settled < sequence:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (sequence, next(self._numbers), done))
            await done

    # The loop

    async def run(self) -> None:
        """Commits group after group, until it is cancelled. An exception means that the process must end.

        When it returns, nothing uses the store any more: SQLite crashes if it is closed under a commit.
        """
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._queue or self._received or self._between:
                    await self._commit_group()
        finally:
            self._thread.shutdown()

    async def _commit_group(self) -> None:
        self._ahead = True
        written = self._handle_some()
        effects = self._machine.drain()
        received, self._received = self._received, {}
        self._acknowledging = False
        store = self._store
        store.begin()
        envelopes = store.write(effects)
        if received:
            store.acknowledge(received)
        for item in written:
            item.action()
        await asyncio.get_running_loop().run_in_executor(self._thread, store.commit)
        between, self._between = self._between, []
        for item in between:
            await asyncio.get_running_loop().run_in_executor(self._thread, item.action)
        self._ahead = False
        self._settled = self._machine_settled()
        self._committed(effects, envelopes)
        for number, result in effects.replies:
            _resolve(self._calls.pop(number, None), result)
        for item in (*written, *between):
            _resolve(item.done, None)
        while self._waiting and self._waiting[0][0] <= self._settled:
            _resolve(heapq.heappop(self._waiting)[2], None)
        readers, self._readers = self._readers, []
        for reader in readers:
            _resolve(reader, None)
        # Those who were waiting to read go first: the next group puts memory ahead again.
        await asyncio.sleep(0)

    def _handle_some(self) -> list[_Written]:
        """Runs the commands of one group; returns the writes that go along."""
        written: list[_Written] = []
        now = self._now()
        events = 0
        until = time.perf_counter() + GROUP_HANDLE_S_MAX
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, _Written):
                written.append(item)
                continue
            try:
                self._machine.handle(item.command, now)
            except Exception:
                failure = OnefoldError("the shard failed at this request; its log tells more")
                _resolve(self._calls.pop(item.number, None), failure)
                raise
            events += item.events
            if events >= GROUP_EVENTS_MAX or time.perf_counter() >= until:
                break
        return written


def _resolve(future: asyncio.Future[Any] | None, result: object) -> None:
    """Answers, unless the caller has gone."""
    if future is None or future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
