"""`python -m bench.segments`: segments over many profiles, through the API of a real service.

    --preview   how long a preview takes (5 criteria: two traits, a count, a sum, a not), beside DuckDB on these columns
    --create    how long a segment takes from its definition to being live, over profiles with a history
    --entry     from sending an event to the entry being seen, at a steady rate
    --live      what events cost with 10 and with 1,000 live segments

Profiles are filled in as the shards would have left them (`bench.memory_fill`); ratios are taken within one run.
Matching is off: after a start its processes read all profiles, which takes a core for minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.control import ControlStore
from bench.ingest import bench_ingest
from bench.memory_fill import fill
from bench.segments_duckdb import compare
from pipelines.batch_client import ApiClient

SHARDS = 2
LOAD_S_MAX = 1_800
MANY = {"operator": "at_least", "value": 2}
HUNDRED = {"operator": "at_least", "value": 100}
# Two traits, a 30-day count, a revenue sum, and a not.
FIVE: dict[str, Any] = {
    "all": [
        {"type": "demographic", "trait": "loyaltyTier", "operator": "not_equals", "value": "none"},
        {"type": "demographic", "trait": "address.country", "operator": "in", "value": ["GB", "DE", "US", "FR"]},
        {
            "type": "behavioral",
            "event": "Product Viewed",
            "operator": "at_least",
            "value": 2,
            "window": {"last": "30d"},
        },
        {
            "type": "transactional",
            "measure": "revenue",
            "operator": "at_least",
            "value": 100,
            "window": {"last": "365d"},
        },
        {"not": {"type": "behavioral", "event": "Email Unsubscribed", "operator": "exists"}},
    ]
}


@dataclass(frozen=True)
class Bar:
    """A figure, and what it has to be."""

    name: str
    value: float
    limit: float
    unit: str
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


class Client(ApiClient):
    """With its key at hand, for those who make clients of their own."""

    def __enter__(self) -> "Client":
        return self

    def __init__(self, base_url: str, key: str) -> None:
        super().__init__(base_url, key, timeout_s=120, patience_s=60)
        self.api_key = key


@contextmanager
def service(profiles: int, ports: tuple[int, int]) -> Iterator[Client]:
    """A service with so many profiles; the client has an admin key. It is stopped, and its data deleted, at the end."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        where = ["--data-dir", str(data_dir)]
        addresses = ["--http-port", str(ports[0]), "--grpc-port", str(ports[1])]
        _onefold("init", *where, "--shards", str(SHARDS), *addresses)
        if profiles:
            now = time.time_ns() // 1_000_000
            fill(data_dir, SHARDS, profiles, now, progress=lambda done: _say(f"filled {done:,}"))
        control = ControlStore(data_dir / "control.sqlite")
        _, key = control.create_key("bench", ["admin", "ingest", "read"])
        control.close()
        _onefold("serve", "--detach", *where)
        try:
            with Client(f"http://127.0.0.1:{ports[0]}", key) as client:
                _wait_loaded(client)
                yield client
        finally:
            _onefold("stop", *where)


def preview(client: Client, runs: int) -> list[Bar]:
    """Previews one after the other; then the same in DuckDB over the same columns, on one core each."""
    took = []
    for _ in range(5):  # to warm up
        client.post("/v1/segments/preview", {"criteria": FIVE})
    for _ in range(runs):
        started = time.perf_counter()
        answer = client.post("/v1/segments/preview", {"criteria": FIVE})
        took.append((time.perf_counter() - started) * 1000)
    _say(f"{answer['members']:,} of {answer['people']:,} people; preview p50 {statistics.median(took):.0f} ms")
    return [Bar("preview of 5 criteria, p95", _percentile(took, 95), 100, "ms")]


def create(client: Client) -> list[Bar]:
    """Creates segments over history: of traits and events, of properties, of a sequence."""
    cases: dict[str, dict[str, Any]] = {
        "five criteria": FIVE,
        "everybody with an event": {"type": "behavioral", "event": "Page Viewed", "operator": "exists"},
        "properties": {
            "type": "behavioral",
            "event": "Product Viewed",
            "operator": "at_least",
            "value": 2,
            "window": {"last": "180d"},
            "where": [{"property": "category", "operator": "equals", "value": "shoes"}],
        },
        "a sequence": {
            "type": "sequence",
            "steps": [
                {"event": "Product Viewed"},
                {
                    "event": "Product Added",
                    "within": "1d",
                    "where": [
                        {"property": "product_id", "operator": "equals", "value": {"step": 0, "property": "product_id"}}
                    ],
                },
            ],
        },
    }
    bars = []
    for number, (name, criteria) in enumerate(cases.items()):
        started = time.perf_counter()
        made = client.post("/v1/segments", {"id": f"bench-{number}", "name": name, "criteria": criteria})
        took = time.perf_counter() - started
        counted = client.post("/v1/segments/preview", {"criteria": criteria})
        _say(f"{name}: {made['members']:,} members after {took:.2f} s, {made['state']}; preview {counted['members']:,}")
        bars.append(Bar(f"created: {name}", took, 3, "s"))
    return bars


def entry(client: Client, rate: int, seconds: int) -> list[Bar]:
    """A steady rate of events, and among them, one after the other, people who enter a segment: until the answer that
    tells of it, after which every reader sees it (which is checked)."""
    criteria = {"type": "behavioral", "event": "Signed Up Now", "operator": "exists", "window": {"last": "1d"}}
    client.post("/v1/segments", {"id": "entry", "name": "Entry", "criteria": criteria})
    options: dict[str, Any] = {"seconds": seconds, "connections": 2, "batch_events": 20, "rate": rate}
    load = threading.Thread(target=bench_ingest, args=(client.base_url, client.api_key), kwargs=options)
    load.start()
    time.sleep(3)
    took: list[float] = []
    number = 0
    while load.is_alive():
        number += 1
        event = {"type": "track", "event": "Signed Up Now", "userId": f"entry-{number}", "messageId": f"entry-{number}"}
        started = time.perf_counter()
        (result,) = client.post("/v1/batch?wait=true", {"batch": [event]})["results"]
        took.append((time.perf_counter() - started) * 1000)
        if not (result["segment_changes"] and _is_member(client, f"user_id:entry-{number}")):
            raise SystemExit("an event was acknowledged and its entry not seen")
        time.sleep(0.02)
    load.join()
    _say(f"{len(took)} entries at {rate} events a second: p50 {statistics.median(took):.1f} ms")
    return [Bar(f"event to visible entry at {rate} events/s, p99", _percentile(took, 99), 50, "ms")]


def _is_member(client: Client, key: str) -> bool:
    return bool(client.get(f"/v1/profiles/{key}/segments")["data"])


def live(client: Client, seconds: int) -> list[Bar]:
    """Closed-loop ingestion with 10 live segments, then with 1,000 that read the same events, traits and orders."""
    rates = []
    for count in (10, 1_000):
        for number in range(count):
            client.post("/v1/segments", {"id": f"live-{number}", "name": "Live", "criteria": _live_criteria(number)})
        report = bench_ingest(client.base_url, client.api_key, seconds=seconds, connections=3)
        rates.append(report.events_per_s)
        _say(f"{count} segments: {report.events_per_s:,.0f} events/s")
    return [Bar("events/s with 1,000 live segments / with 10", rates[1] / rates[0], 0.5, "", at_most=False)]


def _live_criteria(number: int) -> dict[str, Any]:
    """Segments of a shop: as many kinds as there are things to read."""
    event = ("Product Viewed", "Product Added", "Order Completed", f"Campaign {number}", f"Page {number}")[number % 5]
    kinds: tuple[dict[str, Any], ...] = (
        {
            "type": "behavioral",
            "event": event,
            "operator": "at_least",
            "value": number % 7 + 1,
            "window": {"last": "30d"},
        },
        {"type": "demographic", "trait": f"trait_{number % 200}", "operator": "equals", "value": "x"},
        {"type": "behavioral", "event": f"Feature {number} Used", "operator": "exists", "window": {"last": "7d"}},
        {"type": "demographic", "trait": "plan", "operator": "equals", "value": f"plan {number}"},
        {
            "all": [
                {"type": "demographic", "trait": "address.city", "operator": "equals", "value": f"City {number}"},
                {"type": "transactional", "measure": "revenue", "operator": "at_least", "value": number},
            ]
        },
    )
    return kinds[number // 5 % 5]


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _wait_loaded(client: Client) -> None:
    started = time.monotonic()
    while left := sum(shard["unloaded"] for shard in client.get("/v1/status")["shards"]):
        if time.monotonic() - started > LOAD_S_MAX:
            raise SystemExit("the shards did not load their profiles in time")
        _say(f"{left:,} profiles still to be loaded")
        time.sleep(5)
    _say(f"loaded {time.monotonic() - started:.0f} s after the first answer")


def _onefold(*arguments: str) -> None:
    command = [sys.executable, "-m", "serve", *arguments]
    environment = {**os.environ, "ONEFOLD_MATCHING__ENABLED": "false"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Runs what is asked for and prints the bars; exits 1 if one is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.segments", description=__doc__)
    for part in ("preview", "create", "entry", "live"):
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--profiles", type=int, default=1_000_000, help="that the service holds at the start")
    parser.add_argument("--seconds", type=int, default=30, help="of each load")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second of --entry")
    parser.add_argument("--http-port", type=int, default=18_080)
    parser.add_argument("--grpc-port", type=int, default=18_081)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bars: list[Bar] = []
    if options.preview:
        ours, theirs, members = compare(options.profiles // SHARDS, FIVE)
        _say(
            f"on one core, {options.profiles // SHARDS:,} profiles: {ours:.1f} ms, DuckDB {theirs:.1f} ms ({members:,})"
        )
        bars.append(Bar("time of DuckDB over the same columns", ours / theirs, 1.0, "x"))
    with service(options.profiles, (options.http_port, options.grpc_port)) as client:
        bars += preview(client, 100) if options.preview else []
        bars += create(client) if options.create else []
        bars += entry(client, options.rate, options.seconds) if options.entry else []
        bars += live(client, options.seconds) if options.live else []
    if options.json:
        print(json.dumps([asdict(bar) | {"met": bar.met} for bar in bars], indent=2))
    for bar in bars:
        sign = "<=" if bar.at_most else ">="
        _say(f"{'met' if bar.met else 'MISSED'}  {bar.name}: {bar.value:.3g} {bar.unit} ({sign} {bar.limit:g})")
    sys.exit(0 if all(bar.met for bar in bars) else 1)


if __name__ == "__main__":
    main()
