"""How fast a scan for an erased person is: `python -m bench.privacy_scan`. Takes a minute or two.

One process each: raw bytes of a shard, packed profiles within these bytes, and rows of its tables, decoded; then
the whole scan of a data directory of two shards, in a process for each core.
"""

import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from actors.reader import shard_path
from actors.schema import create_shards
from models.events.event import Event, encode_event
from models.privacy.needles import Search, needles_of
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile, encode_profile
from pipelines.privacy_scan import scan
from pipelines.scan_raw import search_packed, search_raw
from pipelines.scan_tables import search_sqlite

SHARDS = 2
PROFILES = 20_000  # of a shard
EVENTS = 8  # of a profile
START_MS = 1_790_000_000_000
NAMES = ("Product Viewed", "Product Added", "Order Completed", "Email Opened")


class Report(msgspec.Struct, frozen=True):
    """Rates of one process; of the whole scan, with how many processes."""

    raw_mb_s: float
    packed_mb_s: float
    decoded_rows_s: float
    scan_s: float
    scan_mb: float
    scan_rows: int
    processes: int


def run(directory: Path) -> Report:
    """Measures in an empty directory."""
    create_shards(directory, SHARDS)
    for shard in range(SHARDS):
        _fill(shard_path(directory, shard), shard)
    needles = needles_of(
        ["email:nobody@example.com", "user_id:1234567890", "phone:+15551234567", "anonymous_id:5f0c2a77-1a2b"],
        [],
        b"k" * 32,
    )
    search = Search(needles)
    path = shard_path(directory, 0)
    size = path.stat().st_size
    raw_s = _seconds(lambda: search_raw(path, search))
    packed_s = _seconds(lambda: search_packed(path, search))
    started_s = time.perf_counter()
    rows = search_sqlite(path, search).rows
    rows_s = rows / (time.perf_counter() - started_s)
    report = scan(directory, needles)
    if not report.clean:
        raise RuntimeError(f"the scan found what is not there, or failed: {report.failures}")
    return Report(
        size / raw_s / 1e6,
        size / packed_s / 1e6,
        rows_s,
        report.seconds,
        sum(store.bytes for store in report.stores) / 1e6,
        sum(store.rows for store in report.stores),
        os.cpu_count() or 1,
    )


def _fill(path: Path, shard: int) -> None:
    """People with events, profiles and identifiers, as a shard keeps them."""
    chosen = random.Random(shard)
    policy = ProfilePolicy()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for number in range(PROFILES):
            identifiers = (f"user_id:u{shard}-{number}", f"email:person{number}@shop{shard}.example")
            profile = Profile(number, START_MS)
            for position in range(EVENTS):
                event = _event(chosen, f"{number}-{position}", identifiers, START_MS + number * 977 + position * 60_000)
                for identifier in identifiers:
                    add_identifier(profile, identifier, event)
                apply(profile, event, policy)
                sequence = number * EVENTS + position + 1
                db.execute("INSERT INTO events VALUES (?, ?, 0, ?)", (sequence, number, encode_event(event)))
            db.execute("INSERT INTO profiles VALUES (?, 1, 0, ?)", (number, encode_profile(profile)))
            db.executemany("INSERT INTO identifiers VALUES (?, ?)", [(each, number) for each in identifiers])
        db.execute("COMMIT")


def _event(chosen: random.Random, message_id: str, identifiers: tuple[str, ...], at: int) -> Event:
    return Event(
        message_id,
        "track",
        chosen.choice(NAMES),
        at,
        at,
        "web",
        identifiers,
        identifiers[0],
        properties={"order_id": message_id, "revenue": chosen.randrange(10_000) / 100, "sku": f"s{chosen.random()}"},
        context={"page": {"url": f"https://shop.example/p/{chosen.randrange(10**6)}", "title": "Something"}},
    )


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def lines(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"raw bytes, one process          {report.raw_mb_s:.0f} MB/s"
    yield f"profiles within bytes, one      {report.packed_mb_s:.0f} MB/s"
    yield f"rows decoded, one process       {report.decoded_rows_s:,.0f} rows/s"
    yield (
        f"the whole scan, {report.processes} processes     {report.scan_s:.1f} s for {report.scan_mb:,.0f} MB and "
        f"{report.scan_rows:,} rows"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(run(Path(name)))))
