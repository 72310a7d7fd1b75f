"""`python -m bench.ranking`: how long one call takes that ranks 1,000 products for a person, over HTTP.

Starts a service with buyers, trains `affinity` on them and makes it the champion. Then, one request after the other and
in turns: a ranking, a lookup of the same person, and the health route, which does next to nothing. Latencies are those
of a client, with JSON on both sides. Then rankings from several connections at once. Exit code 1 if the 99th percentile
of rankings is above P99_MS_MAX.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from actors.free_ports import free_ports
from bench.kill import Service
from bench.latencies import Latency, in_turns
from pipelines.batch_client import ApiClient

P99_MS_MAX = 100.0
ITEMS = 1_000
PRODUCTS = 3_000
CATEGORIES = 40
ORDERS = 12  # of each person, of two products each
DAYS = 200
HORIZON_DAYS = 30
CONNECTIONS = 4
_BATCH = 200


class RankingReport(msgspec.Struct, frozen=True):
    """What was measured."""

    people: int
    items: int
    requests: int  # of each kind
    ranking: Latency  # with what was learned of products
    plain_ranking: Latency  # without
    lookup: Latency
    health: Latency
    rankings_per_s: float  # from CONNECTIONS connections
    met: bool


def orders(people: int, rng: random.Random) -> list[dict[str, Any]]:
    """Orders of everybody, each mostly of products near the same ones."""
    now = datetime.now(UTC)
    found = []
    for person in range(people):
        taste = rng.randrange(PRODUCTS)
        for number in range(ORDERS):
            chosen = [(taste + int(rng.expovariate(1 / 20))) % PRODUCTS for _ in range(2)]
            lines = [{"product_id": f"p{each}", "category": f"c{each % CATEGORIES}", "price": 10} for each in chosen]
            properties = {"order_id": f"{person}.{number}", "revenue": 20, "currency": "EUR", "products": lines}
            found.append(
                {
                    "type": "track",
                    "userId": f"u{person}",
                    "event": "Order Completed",
                    "timestamp": (now - timedelta(days=rng.uniform(1, DAYS))).isoformat(),
                    "properties": properties,
                }
            )
    return found


def measure(client: ApiClient, people: int, requests: int, rng: random.Random) -> dict[str, Latency]:
    """Latencies of rankings, lookups and the health route, in turns."""

    def asked() -> dict[str, Callable[[], Any]]:
        person, body = f"/v1/profiles/user_id:u{rng.randrange(people)}", ranking_of(rng)
        return {
            "ranking": partial(client.post, f"{person}/rank", body),
            "lookup": partial(client.get, person),
            "health": partial(client.get, "/healthz"),
        }

    return in_turns(asked, requests)


def ranking_of(rng: random.Random) -> dict[str, Any]:
    """What is to be ranked."""
    chosen = rng.sample(range(PRODUCTS), ITEMS)
    return {"items": [{"id": f"p{each}", "category": f"c{each % CATEGORIES}"} for each in chosen]}


def rate(client: ApiClient, people: int, requests: int, rng: random.Random) -> float:
    """Rankings a second from CONNECTIONS connections."""
    asked = [(f"/v1/profiles/user_id:u{rng.randrange(people)}/rank", ranking_of(rng)) for _ in range(requests)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda ask: client.post(*ask), asked[:CONNECTIONS]))
        started = time.perf_counter()
        list(pool.map(lambda ask: client.post(*ask), asked))
        return requests / (time.perf_counter() - started)


def run(people: int, requests: int, seed: int) -> RankingReport:
    """Measures a service of its own."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="onefold-ranking-") as folder:
        service = Service(Path(folder) / "data", 2, *free_ports(2))
        try:
            service.start()
            with ApiClient(service.url, service.key) as client:
                events = orders(people, rng)
                for start in range(0, len(events), _BATCH):
                    client.post("/v1/batch?wait=true", {"batch": events[start : start + _BATCH]})
                plain = measure(client, people, requests, rng)
                made = service.cli("models", "train", "affinity", "--horizon", str(HORIZON_DAYS))
                reference = f"{made['name']}@{made['version']}"
                service.cli("models", "promote", reference, "--force", "--reason", "benchmark")
                until = time.monotonic() + 60
                while client.post("/v1/profiles/user_id:u0/rank", ranking_of(rng))["version"] != reference:
                    if time.monotonic() > until:
                        raise RuntimeError("the service does not notice the champion")
                    time.sleep(0.1)
                found = measure(client, people, requests, rng)
                per_second = rate(client, people, requests, rng)
        finally:
            service.stop()
    return RankingReport(
        people=people,
        items=ITEMS,
        requests=requests,
        ranking=found["ranking"],
        plain_ranking=plain["ranking"],
        lookup=found["lookup"],
        health=found["health"],
        rankings_per_s=per_second,
        met=found["ranking"].p99_ms <= P99_MS_MAX,
    )


def main() -> int:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description="How long a ranking of 1,000 products takes over HTTP.")
    parser.add_argument("--people", type=int, default=1_500)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    report = run(asked.people, asked.requests, asked.seed)
    print(json.dumps(msgspec.to_builtins(report), indent=2))
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
