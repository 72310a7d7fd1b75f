"""`onefold bench lookup`: how fast profiles are looked up over gRPC, beside a bare server that answers the same bytes.

The same load process sends the same requests to both, in turns, within one run: rates rise until the 99th percentile
passes LATENCY_MAX_MS, then close in. Bars and method: docs/decisions/0004-lookup-path.md. Takes about two minutes.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import msgspec

from bench.bare_server import GET, bare_server
from bench.open_loop import LoadProcess, Outcome, Work
from protos.onefold.v1.profile_pb2 import BatchGetRequest, GetRequest

LATENCY_MAX_MS = 40.0  # 99th percentile that a rate must keep
BATCH = 64  # keys of a BatchGet
KEYS_MAX = 5_000
_FIRST_RATE = 500.0
_GROWTH = 1.5
_CLIMB = 1.1
_CLOSE_IN = 3  # halvings of the interval between the last rate kept and the first one lost
_STEP_S = 3.0
_SEARCH_S = 120.0  # for both servers, at most
_SERIAL_S = 3.0
_STEADY_S = 5.0
_BATCH_S = 6.0
_BATCHES_IN_FLIGHT = 4
_BUSY_S = 1.0
_BUSY_MAX = 0.2  # share of CPU time beyond which the figures say little
_SLACK = 0.97  # share of the calls sent in time that a rate must see answered


class Step(msgspec.Struct, frozen=True):
    """One rate on one server."""

    server: str  # onefold or bare
    rate: float  # calls a second, sent
    achieved: float  # calls a second, answered
    p50_ms: float
    p99_ms: float
    errors: int
    kept: bool  # the rate was answered within LATENCY_MAX_MS


class Bar(msgspec.Struct, frozen=True):
    """A figure and what it has to be."""

    name: str
    value: float
    limit: float
    at_least: bool  # else at most
    met: bool


class Report(msgspec.Struct, frozen=True):
    """All that was measured. Rates in calls (batch: profiles) a second, latencies in ms."""

    keys: int
    reply_bytes: float  # mean
    serial_p50_ms: float
    serial_p99_ms: float
    bare_serial_p50_ms: float
    steady_p99_ms: float  # at 500 calls a second
    onefold_rate: float
    bare_rate: float
    ratio: float
    batch_profiles_per_s: float
    batch_p99_ms: float
    origins: dict[str, int]  # of sampled answers: cache (encoded before), file, shard
    cache_hit_ratio: float
    busy_before: float  # share of the machine's CPU time that was in use before the load began
    seconds: float
    steps: list[Step]
    bars: list[Bar]


def run(target: str, api_key: str, keys: Sequence[str], progress: Callable[[str], None] = lambda line: None) -> Report:
    """Measures the service at `target` with lookups of `keys` (the first KEYS_MAX of them that are somebody's).

    `progress` is told of each step. Raises ValueError if no key is anybody's, grpc.RpcError if the service refuses.
    """
    started_s = time.monotonic()
    busy_before = _busy()
    replies = _replies(target, api_key, keys[:KEYS_MAX])
    if not replies:
        raise ValueError("keys: none of them is anybody's; load some people first (`onefold demo`)")
    found = list(replies)
    requests = [GetRequest(key=key).SerializeToString() for key in found]
    batches = [
        BatchGetRequest(keys=[found[(start + offset) % len(found)] for offset in range(BATCH)]).SerializeToString()
        for start in range(0, len(found), BATCH)
    ]
    bytes_by_request = dict(zip(requests, replies.values(), strict=True))
    with bare_server(bytes_by_request) as bare_target, LoadProcess() as load:
        measure = _Measurement(load, target, bare_target, api_key, requests, progress)
        serial = measure.serial("onefold")
        bare_serial = measure.serial("bare")
        steady = measure.steady()
        onefold_rate, bare_rate = measure.best_rates()
        batch = measure.batches(batches)
    ratio = onefold_rate / bare_rate
    profiles_per_s = batch.achieved * BATCH
    origins = measure.origins
    return Report(
        keys=len(found),
        reply_bytes=sum(map(len, replies.values())) / len(replies),
        serial_p50_ms=serial.p50_ms,
        serial_p99_ms=serial.p99_ms,
        bare_serial_p50_ms=bare_serial.p50_ms,
        steady_p99_ms=steady.p99_ms,
        onefold_rate=onefold_rate,
        bare_rate=bare_rate,
        ratio=ratio,
        batch_profiles_per_s=profiles_per_s,
        batch_p99_ms=batch.p99_ms,
        origins=dict(origins),
        cache_hit_ratio=origins["cache"] / max(1, origins.total()),
        busy_before=busy_before,
        seconds=time.monotonic() - started_s,
        steps=measure.steps,
        bars=[
            _at_least("rate, as a share of the bare server's", ratio, 0.35),
            _at_most("one after the other, p50 ms", serial.p50_ms, 2.0),
            _at_most("at 500 a second, p99 ms", steady.p99_ms, 10.0),
            _at_least(f"BatchGet of {BATCH}, profiles a second", profiles_per_s, 30_000),
        ],
    )


def lines(report: Report) -> list[str]:
    """The report as a table for people."""
    table = [
        f"{report.keys:,} people, {report.reply_bytes:,.0f} bytes an answer, {report.cache_hit_ratio:.0%} from cache",
        "",
        f"{'server':<9}{'rate/s':>9}{'answered/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}",
    ]
    for step in report.steps:
        kept = "" if step.kept else "   too slow"
        table.append(
            f"{step.server:<9}{step.rate:>9,.0f}{step.achieved:>12,.0f}{step.p50_ms:>9.2f}{step.p99_ms:>9.2f}"
            f"{step.errors:>8}{kept}"
        )
    table += [
        "",
        f"best at p99 <= {LATENCY_MAX_MS:g} ms: onefold {report.onefold_rate:,.0f}/s, bare {report.bare_rate:,.0f}/s",
    ]
    table.append(f"one after the other: p50 {report.serial_p50_ms:.2f} ms, bare {report.bare_serial_p50_ms:.2f} ms")
    if report.busy_before > _BUSY_MAX:
        table.append(
            f"{report.busy_before:.0%} of this machine was in use before it began: measure again when it is quiet"
        )
    for bar in report.bars:
        sign = ">=" if bar.at_least else "<="
        table.append(f"{'ok  ' if bar.met else 'MISS'} {bar.name}: {bar.value:,.2f} ({sign} {bar.limit:,g})")
    return table


class _Measurement:
    """Steps of one run."""

    def __init__(
        self,
        load: LoadProcess,
        target: str,
        bare_target: str,
        api_key: str,
        requests: list[bytes],
        progress: Callable[[str], None],
    ) -> None:
        self._load = load
        self._targets = {"onefold": (target, api_key), "bare": (bare_target, "")}
        self._requests = requests
        self._progress = progress
        self.steps: list[Step] = []
        self.origins: Counter[str] = Counter()

    def serial(self, server: str) -> Outcome:
        """One call after the other; a first round warms up."""
        self._send(server, GET, self._requests, 1.0, in_flight=8)
        outcome = self._send(server, GET, self._requests, _SERIAL_S)
        self._progress(f"{server}: one after the other, p50 {outcome.p50_ms:.2f} ms")
        return outcome

    def steady(self) -> Outcome:
        """500 calls a second on Onefold."""
        outcome = self._send("onefold", GET, self._requests, _STEADY_S, rate=500.0)
        self._progress(f"onefold: at 500 a second, p99 {outcome.p99_ms:.2f} ms")
        return outcome

    def best_rates(self) -> tuple[float, float]:
        """The highest rates that Onefold and the bare server keep. They take turns: a busy minute hits both."""
        searches = {server: RateSearch() for server in self._targets}
        end_s = time.monotonic() + _SEARCH_S
        while any(not search.done for search in searches.values()) and time.monotonic() < end_s:
            for server, search in searches.items():
                if not search.done:
                    step = self._step(server, search.rate)
                    search.tell(step.kept, step.achieved)
        return searches["onefold"].best, searches["bare"].best

    def batches(self, batches: list[bytes]) -> Outcome:
        """BatchGet on Onefold, some calls at a time."""
        method = GET.replace("/Get", "/BatchGet")
        outcome = self._send("onefold", method, batches, _BATCH_S, in_flight=_BATCHES_IN_FLIGHT)
        self._progress(f"onefold: BatchGet, {outcome.achieved * BATCH:,.0f} profiles a second")
        return outcome

    def _step(self, server: str, rate: float) -> Step:
        """One rate; a second try, if it was too much, tells a hiccup of the machine from the server's limit."""
        for _ in range(2):
            outcome = self._send(server, GET, self._requests, _STEP_S, rate=rate)
            in_time = outcome.answered >= _SLACK * rate * _STEP_S
            step = Step(
                server=server,
                rate=rate,
                achieved=outcome.achieved,
                p50_ms=outcome.p50_ms,
                p99_ms=outcome.p99_ms,
                errors=outcome.errors,
                kept=in_time and not outcome.errors and outcome.p99_ms <= LATENCY_MAX_MS,
            )
            self.steps.append(step)
            self._progress(f"{server}: {rate:,.0f}/s, p99 {step.p99_ms:.1f} ms")
            if step.kept:
                break
        return step

    def _send(
        self, server: str, method: str, requests: list[bytes], seconds: float, rate: float = 0.0, in_flight: int = 1
    ) -> Outcome:
        target, api_key = self._targets[server]
        outcome = self._load.run(Work(target, method, requests, seconds, rate, in_flight, api_key))
        self.origins.update(outcome.origins)
        return outcome


class RateSearch:
    """For the highest rate that is kept: growing steps until one is lost, then halving what is between, then upwards.

    The last climb is for a rate that was lost because somebody else used the machine.
    """

    def __init__(self) -> None:
        self.rate = _FIRST_RATE
        self.best = 0.0  # answers a second at the highest rate kept
        self.done = False
        self._kept = 0.0
        self._lost = float("inf")
        self._left = _CLOSE_IN
        self._climbing = False

    def tell(self, kept: bool, achieved: float) -> None:
        """What became of `rate`; sets the next one, or `done`."""
        if kept:
            self._kept, self.best = self.rate, achieved
        else:
            self._lost = self.rate
        if self._lost == float("inf"):
            self.rate *= _GROWTH
        elif self._left:
            self._left -= 1
            self.rate = (self._kept + self._lost) / 2
        elif self._climbing and not kept:
            self.done = True
        else:
            self._climbing = True
            self.rate = self._kept * _CLIMB


def _replies(target: str, api_key: str, keys: Sequence[str]) -> dict[str, bytes]:
    """The answer for each key that is somebody's, as bytes."""
    replies: dict[str, bytes] = {}
    metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
    with grpc.insecure_channel(target) as channel:
        get = channel.unary_unary(GET, GetRequest.SerializeToString, bytes)
        for start in range(0, len(keys), BATCH):
            chunk = keys[start : start + BATCH]
            requests = [GetRequest(key=key) for key in chunk]
            calls = [get.future(request, timeout=30, metadata=metadata, wait_for_ready=True) for request in requests]
            for key, call in zip(chunk, calls, strict=True):
                if call.code() != grpc.StatusCode.NOT_FOUND:
                    replies[key] = call.result()
    return replies


def _busy() -> float:
    """Share of the machine's CPU time that is in use now, Onefold's own idling included."""

    def ticks() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # idle and iowait

    total, idle = ticks()
    time.sleep(_BUSY_S)
    total_after, idle_after = ticks()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def _at_least(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, True, value >= limit)


def _at_most(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, False, value <= limit)
