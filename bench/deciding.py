"""`python -m bench.deciding`: how long it takes to decide what to do for a person, over HTTP and gRPC.

Starts a service with people and a decision point. First by chance, then by a champion that was fitted to made-up
decisions: a new decision, the same asked for again, and a lookup of the same person, over both transports, one request
after the other and in turns. Latencies are those of a client. A decision is on disk when it is told, so it costs a
commit more than a lookup. The first decisions after the start are told apart. Exit code 1 if the median of new
decisions by the champion is more than RATIO_MAX times that of lookups.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from actors.control import ControlStore
from actors.free_ports import free_ports
from bench.kill import Service
from bench.latencies import Latency, in_turns, timed
from models.scoring.deciding import DecisionParameters, columns
from models.scoring.decision_point import DecisionPoint
from models.scoring.next_best_action import History, fit_actions
from models.scoring.registry import NEXT_BEST_ACTION, AliasChange, ModelVersion
from pipelines.batch_client import ApiClient
from protos.client import Client

RATIO_MAX = 4.0
NAME = "welcome"
SETTINGS = """
[scoring.decisions.welcome]
response = { kind = "event", event = "Product Viewed" }
value = { kind = "revenue", currency = "EUR" }
[scoring.decisions.welcome.features]
plan = { trait = "plan", text = true }
repeat_purchases = { history = "repeat_purchases" }
mean_spend = { history = "mean_spend" }
days_known = { history = "days_known" }
activity = { history = "activity" }
viewed = { computed = { type = "behavioral", event = "Product Viewed", measure = "count" } }
[scoring.decisions.welcome.actions]
none = {}
letter = { cost = 0.5 }
call = { cost = 1.0 }
"""
POINT = msgspec.convert(tomllib.loads(SETTINGS)["scoring"]["decisions"][NAME], DecisionPoint)
EVENTS = 12  # of each person
FIRST = 5  # decisions after the start that are told apart
_LEARNED_FROM = 6_000  # made-up decisions
_BATCH = 200
_SETTLE_S = 120.0


class DecidingReport(msgspec.Struct, frozen=True):
    """What was measured."""

    people: int
    first_ms: list[float]  # decisions over HTTP, the first after the start
    by_chance: dict[str, Latency]
    by_champion: dict[str, Latency]
    ratio_p50: float  # a new decision by the champion over a lookup, both over HTTP
    ratio_p99: float
    met: bool


def events_of(person: int, rng: random.Random) -> list[dict[str, Any]]:
    """What a person tells and does."""
    user, now = f"u{person}", datetime.now(UTC)
    plan = rng.choice(["gold", "basic"])
    found: list[dict[str, Any]] = [{"type": "identify", "userId": user, "traits": {"plan": plan}}]
    for number in range(EVENTS):
        at = (now - timedelta(days=rng.uniform(1, 200))).isoformat()
        event: dict[str, Any] = {"type": "track", "userId": user, "timestamp": at, "event": "Product Viewed"}
        if number % 3 == 0:
            properties = {"order_id": f"{person}.{number}", "revenue": 20, "currency": "EUR"}
            event |= {"event": "Order Completed", "properties": properties}
        found.append(event)
    return found


def champion(seed: int) -> ModelVersion:
    """A version that has learned that letters suit some people and calls the others."""
    rng = np.random.default_rng(seed)
    actions = tuple(POINT.actions)
    n, k = _LEARNED_FROM, len(actions)
    gold, taken = rng.random(n) < 0.5, rng.integers(0, k, n)
    suits = np.array([taken == 0, gold, ~gold])[taken, np.arange(n)] & (taken > 0)
    responded = rng.random(n) < np.where(suits, 0.6, 0.1)
    numbers = [name for name, feature in POINT.features.items() if not feature.is_text]
    people = [
        {"plan": "gold" if gold[row] else "basic", **{name: float(rng.gamma(2, 3)) for name in numbers}}
        for row in range(n)
    ]
    told = columns(POINT.features, people, [dict.fromkeys(actions)] * n)
    values = np.where(responded, rng.gamma(4, 3, n), 0.0)
    history = History(told, taken, np.full((n, k), 1 / k), responded, values)
    parameters = DecisionParameters(
        name=NAME,
        features=POINT.features,
        response=POINT.response,
        value=POINT.value,
        horizon_days=POINT.horizon_days,
        model=fit_actions(actions, history, POINT.costs),
    )
    return ModelVersion(
        name=NAME,
        version=0,
        source="builtin",
        target=NEXT_BEST_ACTION,
        signature=parameters.signature,
        parameters=msgspec.to_builtins(parameters),
    )


def settle(client: ApiClient) -> None:
    """Returns when matching has worked off what came in. Raises RuntimeError if it does not."""
    until = time.monotonic() + _SETTLE_S
    while any(shard["pending_matches"] for shard in client.get("/v1/status")["shards"]):
        if time.monotonic() > until:
            raise RuntimeError("matching does not come to rest")
        time.sleep(0.2)


def measure(
    http: ApiClient, grpc: Client, people: int, rounds: int, seconds_max: float, rng: random.Random
) -> dict[str, Latency]:
    """Latencies of new decisions, of the same asked for again, and of lookups, in turns."""

    def asked() -> dict[str, Callable[[], Any]]:
        key, mine, theirs = f"user_id:u{rng.randrange(people)}", f"{rng.getrandbits(64)}", f"{rng.getrandbits(64)}"
        decide = partial(http.post, f"/v1/profiles/{key}/decide", {"decision": NAME, "decision_id": mine})
        return {
            "decision": decide,
            "decision_again": decide,
            "decision_without_id": partial(http.post, f"/v1/profiles/{key}/decide", {"decision": NAME}),
            "lookup": partial(http.get, f"/v1/profiles/{key}"),
            "grpc_decision": partial(grpc.decide, key, NAME, theirs),
            "grpc_decision_again": partial(grpc.decide, key, NAME, theirs),
            "grpc_lookup": partial(grpc.get, key),
        }

    return in_turns(asked, rounds, seconds_max)


def run(people: int, rounds: int, seconds_max: float, seed: int) -> DecidingReport:
    """Measures a service of its own."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="onefold-deciding-") as folder:
        data_dir, (http_port, grpc_port) = Path(folder) / "data", free_ports(2)
        service = Service(data_dir, 2, http_port, grpc_port)
        with (data_dir / "onefold.toml").open("a") as file:
            file.write(SETTINGS)
        try:
            service.start()
            with ApiClient(service.url, service.key) as http, Client(f"127.0.0.1:{grpc_port}", service.key) as grpc:
                events = [event for person in range(people) for event in events_of(person, rng)]
                for start in range(0, len(events), _BATCH):
                    http.post("/v1/batch?wait=true", {"batch": events[start : start + _BATCH]})
                settle(http)
                decide = partial(http.post, "/v1/profiles/user_id:u0/decide", {"decision": NAME})
                first = [round(timed(decide), 1) for _ in range(FIRST)]
                by_chance = measure(http, grpc, people, rounds, seconds_max, rng)
                with closing(ControlStore(data_dir / "control.sqlite")) as control:
                    made = control.register_model(champion(seed))
                    control.set_model_aliases(AliasChange(NAME, "champion", made.version, 1, "benchmark"))
                until = time.monotonic() + 60
                while not decide()["personal"]:
                    if time.monotonic() > until:
                        raise RuntimeError("the service does not notice the champion")
                    time.sleep(0.1)
                by_champion = measure(http, grpc, people, rounds, seconds_max, rng)
        finally:
            service.stop()
    mine, lookup = by_champion["decision"], by_champion["lookup"]
    return DecidingReport(
        people=people,
        first_ms=first,
        by_chance=by_chance,
        by_champion=by_champion,
        ratio_p50=round(mine.p50_ms / lookup.p50_ms, 2),
        ratio_p99=round(mine.p99_ms / lookup.p99_ms, 2),
        met=mine.p50_ms <= RATIO_MAX * lookup.p50_ms,
    )


def main() -> int:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description="How long a decision about a person takes over HTTP and gRPC.")
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=400, help="of each kind")
    parser.add_argument("--seconds", type=float, default=120.0, help="at most, by chance and by the champion each")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    report = run(asked.people, asked.requests, asked.seconds, asked.seed)
    print(json.dumps(msgspec.to_builtins(report), indent=2))
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
