"""What one process has to tell the audit log, on its way there.

Actions (changes, and all that operators do) are in the log before they are answered. Reads of people and refusals are
gathered and written by one task: reads at most FLUSH_S later, so that a lookup pays a microsecond and not a write to
disk. What is gathered is bounded: beyond PENDING_MAX whoever reads has to wait for `room`; nothing is dropped. Reads of
the same caller, action and outcome in that time are one entry, which names each customer once for each time. Refusals
of the same kind within COLLAPSE_S are one entry too, so that nobody fills the disk by being refused.

For one event loop at a time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from typing import Protocol

from actors.errors import Unavailable
from models.audit.chain import Kind, Point, Record

FLUSH_S = 0.25
COLLAPSE_S = 1.0
PENDING_MAX = 50_000  # requests and customer ids
SUBJECTS_MAX = 10_000  # of one entry
ROOM_S = 5.0

log = logging.getLogger("onefold.audit")

Facts = tuple[tuple[str, str], ...]


class Log(Protocol):
    """Where entries are kept: `actors.audit_log.AuditLog`."""

    def append(self, records: Sequence[Record]) -> Point: ...


class _Gathered:
    """Requests that become one entry."""

    __slots__ = ("at", "requests", "subjects")

    def __init__(self, at: int) -> None:
        self.at = at
        self.requests = 0
        self.subjects: list[int] = []


_Gathering = dict[tuple[str, str, str, Facts], _Gathered]


class AuditTrail:
    """The way of one process to the log. `now` gives ms."""

    def __init__(self, log: Log, now: Callable[[], int]) -> None:
        self._log = log
        self._now = now
        self._reads: _Gathering = {}
        self._refusals: _Gathering = {}
        self._actions: list[tuple[Record, asyncio.Future[None]]] = []
        self._flushes: list[asyncio.Future[None]] = []
        self._held: list[Record] = []  # what could not be written and will be tried again
        self._size = 0
        self._is_over = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")  # the process's others may be busy for long
        self._task: asyncio.Task[None] | None = None
        self._urgent = self._written = asyncio.Event()  # of an event loop, made anew with the task

    def read(
        self, actor: str, action: str, outcome: str, subjects: Sequence[int], facts: Facts = (), requests: int = 1
    ) -> None:
        """Notes a read of people. If it `is_full` then, the answer has to wait for `room`."""
        key = (actor, action, outcome, facts)
        gathered = self._reads.get(key)
        if gathered is None:
            gathered = self._reads[key] = _Gathered(self._now())
        gathered.requests += requests
        gathered.subjects += subjects
        self._size += requests + len(subjects)
        if self._task is None or self._task.done():
            self._start()

    def refusal(self, actor: str, action: str, outcome: str) -> None:
        """Notes that somebody was refused."""
        key = (actor, action, outcome, ())
        gathered = self._refusals.get(key)
        if gathered is None:
            gathered = self._refusals[key] = _Gathered(self._now())
            self._size += 1
        gathered.requests += 1
        if self._task is None or self._task.done():
            self._start()

    def action(
        self, actor: str, action: str, outcome: str, subjects: Sequence[int], facts: Facts
    ) -> asyncio.Future[None]:
        """Notes an action. When what it returns is done, the entry is on disk.

        Unavailable is raised there if that cannot be; the entry is kept then, and tried again. It is written too if
        nobody waits for it: a client that goes away leaves its trace.
        """
        written = _awaited()
        record = Record(self._now(), actor, action, outcome, tuple(subjects), _detail("action", facts))
        self._actions.append((record, written))
        self._size += 1 + len(record.subjects)
        if self._task is None or self._task.done():
            self._start()
        self._urgent.set()
        return written

    @property
    def is_full(self) -> bool:
        """Whether more is on its way than may be."""
        return self._size > PENDING_MAX

    async def room(self) -> None:
        """Waits while too much is on its way. Raises Unavailable if that takes too long."""
        if not self.is_full:
            return
        if self._task is None or self._task.done():
            self._start()
        try:
            async with asyncio.timeout(ROOM_S):
                while self.is_full:
                    self._urgent.set()
                    await self._written.wait()
        except TimeoutError:
            raise _unwritten() from None

    async def flush(self) -> None:
        """Writes all that waits, refusals too. Raises Unavailable if that cannot be."""
        written = _awaited()
        self._flushes.append(written)
        if self._task is None or self._task.done():
            self._start()
        self._urgent.set()
        await written

    async def end(self) -> None:
        """Writes all that waits. What is noted from then on is not kept: the log is being deleted."""
        try:
            await self.flush()
        finally:
            self._is_over = True

    def _start(self) -> None:
        self._urgent, self._written = asyncio.Event(), asyncio.Event()
        # With nothing of the request that happens to start it: not its id in the logs, either.
        self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def _run(self) -> None:
        """Writes until nothing is left. Nobody else does, so that no write ends with the request that asked for it."""
        while self._reads or self._refusals or self._actions or self._flushes or self._held:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._urgent.wait()
            self._urgent.clear()
            if not await self._write():
                await asyncio.sleep(FLUSH_S)

    async def _write(self) -> bool:
        """Writes what is due. Returns whether it could."""
        actions, self._actions = self._actions, []
        flushes, self._flushes = self._flushes, []
        records = [*self._held, *self._due(everything=bool(flushes)), *(record for record, _ in actions)]
        self._held = []
        waiting = [*(written for _, written in actions), *flushes]
        submitted = self._thread.submit(self._append, records)
        try:
            await asyncio.wrap_future(submitted)
        except asyncio.CancelledError:  # the event loop ends
            if submitted.cancelled():
                self._held = records
            else:
                self._size -= sum(_size(record) for record in records)
            raise
        except Exception as error:
            log.error("the audit log cannot be written", exc_info=error)
            self._held = records
            for written in waiting:
                if not written.done():
                    written.set_exception(_unwritten())
            return False
        self._size -= sum(_size(record) for record in records)
        for written in waiting:
            if not written.done():
                written.set_result(None)
        done, self._written = self._written, asyncio.Event()
        done.set()
        return True

    def _append(self, records: Sequence[Record]) -> None:
        """In the thread, one after the other: even of nothing the end says that all before it are written."""
        if records and not self._is_over:
            self._log.append(records)

    def _due(self, everything: bool) -> list[Record]:
        """Takes the reads, and the refusals that have been gathered long enough."""
        reads, self._reads = self._reads, {}
        records = [record for key, gathered in reads.items() for record in _reads(key, gathered)]
        latest = self._now() - int(COLLAPSE_S * 1000)
        for key in [key for key, gathered in self._refusals.items() if everything or gathered.at <= latest]:
            gathered = self._refusals.pop(key)
            actor, action, outcome, _ = key
            detail = _detail("refusal", ()) | {"requests": gathered.requests}
            records.append(Record(gathered.at, actor, action, outcome, (), detail))
        return records


def _reads(key: tuple[str, str, str, Facts], gathered: _Gathered) -> list[Record]:
    """Reads as an entry, or several if they are of very many people: the first tells how many requests they were."""
    actor, action, outcome, facts = key
    records = []
    requests = gathered.requests
    for start in range(0, len(gathered.subjects) or 1, SUBJECTS_MAX):
        subjects = tuple(gathered.subjects[start : start + SUBJECTS_MAX])
        detail = _detail("read", facts) | {"requests": requests}
        records.append(Record(gathered.at, actor, action, outcome, subjects, detail))
        requests = 0
    return records


def _detail(kind: Kind, facts: Facts) -> dict[str, str | int]:
    return {"kind": kind, **dict(facts)}


def _size(record: Record) -> int:
    """What a record counted for while it waited."""
    if record.detail["kind"] == "read":
        return int(record.detail["requests"]) + len(record.subjects)
    return 1 + len(record.subjects)


def _awaited() -> asyncio.Future[None]:
    """A future whose error is nobody's trouble if nobody waits for it any more."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _unwritten() -> Unavailable:
    return Unavailable(
        "the audit log cannot be written, so nothing is answered: what was asked for may have been done; the service's "
        "log says why"
    )
