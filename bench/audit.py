"""What the audit log costs a lookup: `python -m bench.audit`. Takes some seconds.

The event loop's part is what a lookup waits for: noting who read whom, and its share of handing the notes over. The
rest is done by a thread, four times a second: its processor time, spread over the lookups, is told apart, and how long
an action (a change, or anything that an operator does) waits until it is on disk.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from actors.audit_log import AuditLog
from actors.audit_trail import AuditTrail

LOOKUPS = 200_000
BURST = 1_000  # lookups between two writes: 4,000 a second, of ten keys
ACTIONS = 100
ACTION = "/onefold.v1.ProfileService/Get"


class Report(msgspec.Struct, frozen=True):
    """Times of one lookup in microseconds, of one action in milliseconds."""

    note_us: float
    loop_us: float
    thread_us: float
    bytes: float  # on disk, of one lookup
    action_ms: float  # median
    verify_s: float  # of the whole log


def run(directory: Path) -> Report:
    """Measures in an empty directory."""
    with closing(AuditLog(directory)) as log:
        note_us, loop_us, thread_us = asyncio.run(_lookups(log))
        size = sum(file.stat().st_size for file in directory.iterdir() if file.name.startswith("audit.sqlite"))
        action_ms = asyncio.run(_actions(log))
        started_s = time.perf_counter()
        log.verify()
        return Report(note_us, loop_us, thread_us, size / LOOKUPS, action_ms, time.perf_counter() - started_s)


async def _lookups(log: AuditLog) -> tuple[float, float, float]:
    """Microseconds of a lookup: noted, noted and handed over, written."""
    trail = AuditTrail(log, lambda: time.time_ns() // 1_000_000)
    noting_s = loop_s = process_s = 0.0
    for start in range(0, LOOKUPS, BURST):
        began_s = time.thread_time()
        for number in range(start, start + BURST):
            trail.read(f"key_{number % 10}", ACTION, "OK", [1 << 55 | number])
            if trail.is_full:
                await trail.room()
        noting_s += time.thread_time() - began_s
        all_began_s = time.process_time()
        handing_s = time.thread_time()
        await trail.flush()
        loop_s += time.thread_time() - handing_s
        process_s += time.process_time() - all_began_s
    micros = 1e6 / LOOKUPS
    return noting_s * micros, (noting_s + loop_s) * micros, (process_s - loop_s) * micros


async def _actions(log: AuditLog) -> float:
    """Milliseconds until one is on disk, the median."""
    trail = AuditTrail(log, lambda: time.time_ns() // 1_000_000)
    times = []
    for _ in range(ACTIONS):
        began_s = time.perf_counter()
        await trail.action("key_1", "POST /v1/admin/keys", "200", [], ())
        times.append((time.perf_counter() - began_s) * 1000)
    return sorted(times)[ACTIONS // 2]


def lines(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"a lookup, in the event loop     {report.loop_us:.2f} us ({report.note_us:.2f} us of it noting)"
    yield f"a lookup, in the writing thread {report.thread_us:.2f} us"
    yield f"a lookup, on disk               {report.bytes:.0f} bytes"
    yield f"an action until it is on disk   {report.action_ms:.1f} ms"
    yield f"verifying {LOOKUPS:,} lookups      {report.verify_s:.2f} s"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(run(Path(name)))))
