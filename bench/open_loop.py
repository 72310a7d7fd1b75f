"""Load on a gRPC server from a process of its own: calls sent when they are due, whether or not earlier ones came back.

A call's latency counts from when it was due, so that a server that stops is charged for everybody who would have
called meanwhile (Gil Tene's "coordinated omission"). Load, server and Onefold share this machine's cores: that is part
of what is measured, and the same for every server.
"""

import asyncio
import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import grpc
import msgspec

CHANNELS = 2  # connections, as two client processes would have
CALL_TIMEOUT_S = 5.0
EXPLAIN_EVERY = 50  # one call in so many asks where its answer came from
_BACKLOG_MAX_S = 0.5  # of calls on their way: the server has lost, there is no need to wait for the end
_TICK_S = 0.001
_MESSAGE_BYTES_MAX = 64 << 20


class Work(msgspec.Struct, frozen=True):
    """What to send. `rate` in calls a second; 0: `in_flight` calls at a time, each followed by the next."""

    target: str
    method: str
    requests: list[bytes]  # encoded, sent in turn
    seconds: float
    rate: float = 0.0
    in_flight: int = 1
    api_key: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What came back. Latencies in ms."""

    sent: int
    answered: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    origins: dict[str, int]  # of the answers that were asked for theirs: cache, file, shard -> number

    @property
    def achieved(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


class LoadProcess:
    """The process. A context manager."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_main, args=(there,), daemon=True)

    def __enter__(self) -> "LoadProcess":
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def run(self, work: Work) -> Outcome:
        """Does the work and waits for its outcome. Raises RuntimeError if nothing was answered."""
        self._connection.send(msgspec.msgpack.encode(work))
        try:
            answer = self._connection.recv()
        except EOFError:
            raise RuntimeError("the load process ended") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return msgspec.msgpack.decode(answer, type=Outcome)


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _main(connection: "Connection[bytes | str, bytes]") -> None:
    asyncio.run(_obey(connection))


async def _obey(connection: "Connection[bytes | str, bytes]") -> None:
    generators: dict[str, _Generator] = {}
    while True:
        work = msgspec.msgpack.decode(await asyncio.to_thread(connection.recv), type=Work)
        generator = generators.get(work.target) or generators.setdefault(work.target, _Generator(work.target))
        try:
            connection.send(msgspec.msgpack.encode(await generator.run(work)))
        except ValueError as error:
            connection.send(str(error))


class _Generator:
    """Connections to one server, and what is known of the calls on them."""

    def __init__(self, target: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX)]
        self._channels = [grpc.aio.insecure_channel(target, options) for _ in range(CHANNELS)]
        self._latencies_s: list[float] = []
        self._errors: Counter[str] = Counter()
        self._origins: Counter[str] = Counter()

    async def run(self, work: Work) -> Outcome:
        self._latencies_s, self._errors, self._origins = [], Counter(), Counter()
        calls = [channel.unary_unary(work.method, bytes, bytes) for channel in self._channels]
        metadata = (("authorization", f"Bearer {work.api_key}"),) if work.api_key else ()
        gc.collect()
        gc.disable()
        started_s = time.perf_counter()
        send = self._open_loop if work.rate else self._closed_loop
        sent = await send(work, calls, metadata)
        seconds = time.perf_counter() - started_s
        gc.enable()
        latencies_ms = sorted(latency * 1000 for latency in self._latencies_s)
        if not latencies_ms:
            raise ValueError(f"no call was answered: {dict(self._errors)}")
        return Outcome(
            sent=sent,
            answered=len(latencies_ms),
            errors=self._errors.total(),
            seconds=seconds,
            p50_ms=percentile(latencies_ms, 0.5),
            p99_ms=percentile(latencies_ms, 0.99),
            max_ms=latencies_ms[-1],
            origins=dict(self._origins),
        )

    async def _open_loop(self, work: Work, calls: list[Any], metadata: tuple[Any, ...]) -> int:
        backlog_max = int(work.rate * _BACKLOG_MAX_S) + 100
        total = int(work.rate * work.seconds)
        on_their_way: set[asyncio.Task[None]] = set()
        start_s = time.perf_counter()
        sent = 0
        while sent < total and len(on_their_way) <= backlog_max:
            due = min(total, int((time.perf_counter() - start_s) * work.rate) + 1)
            while sent < due:
                due_s = start_s + sent / work.rate
                task = asyncio.create_task(self._call(work, calls, metadata, sent, due_s))
                on_their_way.add(task)
                task.add_done_callback(on_their_way.discard)
                sent += 1
            await asyncio.sleep(_TICK_S if start_s + sent / work.rate - time.perf_counter() > _TICK_S / 2 else 0)
        await asyncio.gather(*on_their_way)
        return sent

    async def _closed_loop(self, work: Work, calls: list[Any], metadata: tuple[Any, ...]) -> int:
        end_s = time.perf_counter() + work.seconds
        sent = 0

        async def one_after_another() -> None:
            nonlocal sent
            while (now_s := time.perf_counter()) < end_s:
                number, sent = sent, sent + 1
                await self._call(work, calls, metadata, number, now_s)

        await asyncio.gather(*(one_after_another() for _ in range(work.in_flight)))
        return sent

    async def _call(self, work: Work, calls: list[Any], metadata: tuple[Any, ...], number: int, due_s: float) -> None:
        explain = number % EXPLAIN_EVERY == 0
        call = calls[number % CHANNELS](
            work.requests[number % len(work.requests)],
            metadata=(*metadata, ("explain", "1")) if explain else metadata,
            timeout=CALL_TIMEOUT_S,
        )
        try:
            await call
        except grpc.RpcError as error:
            self._errors[error.code().name] += 1
            return
        self._latencies_s.append(time.perf_counter() - due_s)
        if explain:
            for name, value in await call.trailing_metadata() or ():
                if name == "served-from":
                    self._count_origin(value)

    def _count_origin(self, text: str) -> None:
        """ "cache", or "cache=60,file=4" of a batch."""
        for part in text.split(","):
            origin, _, number = part.partition("=")
            self._origins[origin] += int(number or 1)
