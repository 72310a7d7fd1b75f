"""`onefold bench ingest`: durable events per second through POST /v1/batch, and how long acknowledgements take.

Closed loop (no rate): every connection sends as soon as it was answered, which finds the most the service takes.
Open loop (a rate): batches fall due by the clock whatever the answers do, and latency counts from when a batch
was due, so that a stall is not hidden by the generator waiting with it.
"""

import http.client
import re
import secrets
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.ingest_load import Load
from bench.processes import resident_by_title
from pipelines.batch_client import ApiClient, ApiError

_PERIOD_S = 10
_SETTLE_S_MAX = 120.0
_MB = 1024 * 1024
_OF_NOTE = re.compile("ray::(Shard|ServeReplica)")  # the processes whose memory may grow with what is sent


@dataclass(frozen=True)
class Period:
    """Ten seconds of a run (the last one may be shorter)."""

    start_s: float
    events_per_s: float
    p50_ms: float
    p99_ms: float
    resident_mb: dict[str, float]  # by process title, at the end of the period


@dataclass
class IngestReport:
    """What a run measured. Events count when their acknowledgement, which means durable, has arrived."""

    seconds: float
    connections: int
    batch_events: int
    new_share: float
    rate: float  # events per second that were due; 0 for a closed loop
    events: int = 0
    failed: int = 0  # events of batches that were refused or not answered
    people: int = 0
    events_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    late_share: float = 0.0  # open loop: batches that were sent over 10 ms late for lack of a free connection
    settle_s: float = 0.0  # after the last acknowledgement, until every event was applied
    flatness: float = 0.0  # events per second of the slowest full period over that of the median one
    periods: list[Period] = field(default_factory=list)
    resident_mb_before: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def bench_ingest(
    base_url: str,
    key: str,
    *,
    seconds: float = 60.0,
    connections: int = 8,
    batch_events: int = 100,
    new_share: float = 0.2,
    rate: float = 0.0,
    seed: int = 1,
    pids: Callable[[], list[int]] | None = None,
    console: Console | None = None,
) -> IngestReport:
    """Loads the service for `seconds` and reports.

    `key` needs the scopes ingest and read (for the wait at the end). `rate` is in events per second, 0 for a
    closed loop. `pids` gives the service's processes, whose memory is sampled. Raises ApiError if the service
    cannot be reached at all.
    """
    report = IngestReport(seconds, connections, batch_events, new_share, rate)
    load = Load(secrets.token_hex(4), new_share, seed)
    with ApiClient(base_url, key, timeout_s=60.0, patience_s=5.0) as client:
        client.get("/readyz")
        report.resident_mb_before = _resident_mb(pids)
        run = _Run(client, load, report)
        run.go(pids, console or Console(stderr=True))
        ended = time.monotonic()
        _settle(client)
        report.settle_s = time.monotonic() - ended
    return report


class _Run:
    """The connections' threads and what they measured."""

    def __init__(self, client: ApiClient, load: Load, report: IngestReport) -> None:
        self.client, self.load, self.report = client, load, report
        self.lock = threading.Lock()
        self.slot = 0  # number of the next batch that is due
        self.late = 0
        self.taken: list[tuple[float, float]] = []  # (when acknowledged, seconds it took) of each batch
        self.failed = 0
        self.started = 0.0

    def go(self, pids: Callable[[], list[int]] | None, console: Console) -> None:
        report = self.report
        threads = [threading.Thread(target=self.connection, daemon=True) for _ in range(report.connections)]
        self.started = time.monotonic()
        for thread in threads:
            thread.start()
        memory: list[dict[str, float]] = []
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("ingest", total=report.seconds, rate="")
            while (elapsed := time.monotonic() - self.started) < report.seconds:
                time.sleep(min(1.0, report.seconds - elapsed))
                elapsed = time.monotonic() - self.started
                if elapsed >= (len(memory) + 1) * _PERIOD_S:
                    memory.append(_resident_mb(pids))
                with self.lock:
                    sent = len(self.taken) * report.batch_events
                bar.update(task, completed=elapsed, rate=f"{sent / elapsed:,.0f} events/s")
        for thread in threads:
            thread.join()
        memory.append(_resident_mb(pids))
        self.summarise(time.monotonic() - self.started, memory)

    def connection(self) -> None:
        """One connection's life: make a batch, wait until it is due, send it, note the time."""
        report = self.report
        interval = report.batch_events / report.rate if report.rate else 0.0
        while True:
            body = self.load.batch(report.batch_events)
            with self.lock:
                due = self.started + self.slot * interval
                self.slot += 1
            now = time.monotonic()
            if max(now, due) >= self.started + report.seconds:
                return
            if not interval:
                due = now
            elif due > now:
                time.sleep(due - now)
            late = interval > 0 and time.monotonic() - due > 0.01
            try:
                answer = self.client.request("POST", "/v1/batch", body)
                good = answer["accepted"] == report.batch_events
            except (ApiError, http.client.HTTPException):
                good = False
            done = time.monotonic()
            with self.lock:
                self.late += late
                if good:
                    self.taken.append((done, done - due))
                else:
                    self.failed += 1

    def summarise(self, elapsed: float, memory: list[dict[str, float]]) -> None:
        report, size = self.report, self.report.batch_events
        report.seconds = elapsed
        report.people = self.load.people
        report.failed = self.failed * size
        report.events = len(self.taken) * size
        report.events_per_s = report.events / elapsed
        times = [taken * 1000 for _, taken in self.taken]
        report.p50_ms, report.p99_ms = _quantiles(times)
        report.max_ms = max(times, default=0.0)
        report.late_share = self.late / max(len(self.taken) + self.failed, 1)
        for number, sampled in enumerate(memory):
            start = number * _PERIOD_S
            length = min(_PERIOD_S, elapsed - start)
            if length < 1:
                break
            within = [taken * 1000 for at, taken in self.taken if start <= at - self.started < start + _PERIOD_S]
            report.periods.append(Period(start, len(within) * size / length, *_quantiles(within), sampled))
        full = [period.events_per_s for period in report.periods if elapsed - period.start_s >= _PERIOD_S]
        if full:
            report.flatness = min(full) / max(statistics.median(full), 1e-9)


def print_ingest(report: IngestReport, console: Console) -> None:
    """The report for people."""
    loop = f"open loop at {report.rate:,.0f} events/s" if report.rate else "closed loop"
    console.print(
        f"{report.events:,} events durable in {report.seconds:.0f} s: [bold]{report.events_per_s:,.0f} events/s[/] "
        f"({loop}, {report.connections} connections, {report.batch_events} a batch, {report.new_share:.0%} new people, "
        f"{report.people:,} people); acknowledged p50 {report.p50_ms:.1f} ms, [bold]p99 {report.p99_ms:.1f} ms[/], "
        f"max {report.max_ms:.0f} ms; {report.failed:,} events failed; all applied {report.settle_s:.1f} s later; "
        f"slowest period {report.flatness:.0%} of the median",
        highlight=False,
        soft_wrap=True,
    )
    if report.rate:
        console.print(f"{report.late_share:.1%} of the batches were sent late", highlight=False)
    for period in report.periods:
        of_note = {name: size for name, size in period.resident_mb.items() if _OF_NOTE.match(name)}
        memory = ", ".join(f"{name.removeprefix('ray::')} {size:.0f} MB" for name, size in of_note.items())
        console.print(
            f"  {period.start_s:4.0f} s  {period.events_per_s:8,.0f}/s  p50 {period.p50_ms:6.1f} ms  "
            f"p99 {period.p99_ms:6.1f} ms  {memory}",
            highlight=False,
            soft_wrap=True,
        )


def _settle(client: ApiClient) -> None:
    deadline = time.monotonic() + _SETTLE_S_MAX
    while client.get("/v1/status")["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.1)


def _resident_mb(pids: Callable[[], list[int]] | None) -> dict[str, float]:
    if pids is None:
        return {}
    return {name: round(size / _MB, 1) for name, size in resident_by_title(pids()).items()}


def _quantiles(times_ms: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    if len(times_ms) < 2:
        return (times_ms[0], times_ms[0]) if times_ms else (0.0, 0.0)
    cuts = statistics.quantiles(times_ms, n=100)
    return cuts[49], cuts[98]
