"""The ingestion benchmark against a throwaway service: what it counts, and that its events are what it says."""

import io
import os
import time

from rich.console import Console

from bench.ingest import bench_ingest, print_ingest
from bench.ingest_load import Load
from bench.processes import resident_by_title, resident_bytes, title
from models.events.wire import Source, WireParser

from .conftest import Answer, FakeService


def test_load_is_a_mix_that_the_api_takes() -> None:
    load = Load("run", 0.2, seed=1)
    load.batch(3000)  # until there are people to come back
    start = load.people
    parsed = WireParser().parse(load.batch(1000), "batch", Source("s"), time.time_ns() // 10**6, lambda: "new")
    assert parsed.rejected == []
    assert parsed.warnings == []
    assert 0.16 < (load.people - start) / 1000 < 0.24
    kinds = [event.type for event in parsed.events]
    assert 0.25 < kinds.count("identify") / 1000 < 0.35
    assert len({event.message_id for event in parsed.events}) == 1000


def _status(path: str) -> Answer | None:
    return (200, {}, {"in_flight": 0}) if path in ("/v1/status", "/readyz") else None


def test_closed_loop(service: FakeService) -> None:
    service.answer = lambda path, body: _status(path)
    console = Console(file=io.StringIO())
    report = bench_ingest(service.url, "", seconds=1.2, connections=2, batch_events=20, pids=lambda: [os.getpid()],
                          console=console)  # fmt: skip
    assert report.failed == 0
    assert report.events == len(service.messages) > 100
    assert report.events_per_s > 0
    assert 0 < report.p50_ms <= report.p99_ms
    assert len(report.periods) == 1
    assert all(size > 1 for size in report.periods[0].resident_mb.values())
    out = io.StringIO()
    print_ingest(report, Console(file=out, width=250))
    assert "closed loop, 2 connections, 20 a batch" in out.getvalue()


def test_open_loop_counts_from_when_a_batch_was_due(service: FakeService) -> None:
    stalled = [True]

    def answer(path: str, body: object) -> Answer | None:
        if path == "/v1/batch" and stalled.pop() if stalled else False:
            time.sleep(0.4)  # one stall, with the service's lock held, delays all that fall due meanwhile
        return _status(path)

    service.answer = answer
    report = bench_ingest(service.url, "", seconds=1.0, connections=2, batch_events=10, rate=500,
                          console=Console(file=io.StringIO()))  # fmt: skip
    assert 300 <= report.events <= 520
    assert report.late_share > 0.1
    assert report.p99_ms > 200


def test_refused_batches_are_failures(service: FakeService) -> None:
    service.answer = lambda path, body: _status(path) or (400, {}, {"code": "bad", "message": "no"})
    report = bench_ingest(service.url, "", seconds=0.2, connections=1, batch_events=10,
                          console=Console(file=io.StringIO()))  # fmt: skip
    assert report.events == 0
    assert report.failed > 0


def test_memory_of_processes() -> None:
    assert resident_bytes(os.getpid()) > 1024**2
    assert resident_bytes(2**22 + 1) == 0
    assert title(2**22 + 1) == ""
    assert sum(resident_by_title([os.getpid(), 2**22 + 1]).values()) > 1024**2
