"""A service for fuzzers, and who watches it: memory of its processes, and what it logs as an error.

The service has a directory of its own, people, segments, a webhook, open reviews, requests of data subjects and a
registry of purposes, so that what a fuzzer sends meets something. Addresses of webhooks may be anything: nothing
private is called, and names of .invalid lead nowhere.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from actors.control import ControlStore
from actors.free_ports import free_ports
from bench.processes import resident_by_title, with_descendants
from pipelines.batch_client import ApiClient

PEOPLE = 60
SHARDS = 2
SEGMENT = {
    "id": "shoppers",
    "name": "Shoppers",
    "criteria": {"type": "behavioral", "event": "Order Completed", "operator": "at_least", "value": 1},
}
WARM_UP = 0.25  # of the time: caches fill, allocators settle
# What may be added to what was there at the end of the warm-up: the service keeps what it is sent, and a fuzzer
# sends people, segments and dead letters.
GROWTH_SHARE_MAX = 0.10
GROWTH_MB_MIN = 40.0
HANG_S = 10.0
_START_S = 180.0
_SAMPLE_S = 1.0
_SETTINGS = """
[privacy.purposes]
default = "service"
[privacy.purposes.known.service]
basis = "contract"
[privacy.purposes.known.ads]
basis = "consent"
data = { traits = ["income"], events = ["Ad *"] }
categories = ["Advertising"]
[scoring.decisions.welcome]
response = { kind = "event", event = "Page Viewed" }
value = { kind = "revenue", currency = "EUR" }
features = { plan = { trait = "plan", text = true } }
actions = { none = {}, letter = { cost = 0.5 }, call = { cost = 1, segment = "shoppers" } }
"""


@dataclass(frozen=True)
class Place:
    """A running service. `key` may do everything; it is not the one that the service's commands use."""

    data_dir: Path
    url: str
    grpc_target: str
    key: str
    key_id: str
    pid: int

    def processes(self) -> list[int]:
        """Ids of all processes of the service."""
        return with_descendants(self.pid)

    def client(self) -> ApiClient:
        """A client with the key."""
        return ApiClient(self.url, self.key, patience_s=30)


@contextmanager
def place() -> Iterator[Place]:
    """A seeded service. It is stopped, and its data deleted, at the end."""
    with tempfile.TemporaryDirectory(prefix="onefold-fuzz-") as folder:
        data_dir = Path(folder) / "data"
        where = ["--data-dir", str(data_dir)]
        http_port, grpc_port = free_ports(2)
        ports = ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
        _onefold("init", *where, "--shards", str(SHARDS), *ports)
        with (data_dir / "onefold.toml").open("a") as file:
            file.write(_SETTINGS)
        control = ControlStore(data_dir / "control.sqlite")
        key, secret = control.create_key("fuzz", ["admin"])
        control.close()
        pid = int(_onefold("serve", "--detach", *where)["pid"])
        try:
            urls = f"http://127.0.0.1:{http_port}", f"127.0.0.1:{grpc_port}"
            made = Place(data_dir, *urls, secret, key.key_id, pid)
            with made.client() as client:
                seed(client)
            yield made
        finally:
            _onefold("stop", *where)


def seed(client: ApiClient) -> None:
    """People and what belongs to them. May be repeated: fuzzers erase people and delete segments."""
    batch: list[dict[str, Any]] = []
    for number in range(PEOPLE):
        user, mail = f"fuzz-{number}", f"fuzz{number}@example.com"
        traits = {"email": mail, "plan": "pro" if number % 2 else "free", "income": number}
        about = {"firstName": "Leonora", "lastName": f"Vankirk{number // 2}", "birthday": f"19{10 + number // 2}-08-23"}
        agreed = {"consent": {"categoryPreferences": {"Advertising": number % 3 == 0}}}
        order = {"order_id": f"{user}-{number}", "revenue": 9.5, "currency": "EUR"}
        batch.append({"type": "identify", "userId": user, "traits": traits | about, "context": agreed})
        batch.append({"type": "track", "userId": user, "event": "Order Completed", "properties": order})
        batch.append({"type": "track", "anonymousId": f"device-{number}", "event": "Page Viewed"})
        batch.append({"type": "track", "userId": user, "event": "\u0000", "timestamp": "not a time"})  # a dead letter
    for start in range(0, len(batch), 50):
        client.request("POST", "/v1/batch?wait=true", json.dumps({"batch": batch[start : start + 50]}).encode())
    client.post("/v1/segments", SEGMENT)
    client.post(
        "/v1/computed-traits",
        {
            "id": "orders",
            "name": "Orders",
            "expression": {"type": "behavioral", "event": "Order Completed", "measure": "count"},
        },
    )
    client.post(
        "/v1/webhooks", {"id": f"crm-{uuid.uuid4().hex[:8]}", "url": "https://crm.invalid/", "segments": ["shoppers"]}
    )
    client.post("/v1/identity/merge", {"left": "user_id:fuzz-0", "right": "anonymous_id:device-0"})
    client.post(
        "/v2/requests",
        {
            "regulation": "gdpr",
            "subject_request_id": str(uuid.uuid4()),
            "subject_request_type": "access",
            "submitted_time": "2026-01-01T00:00:00Z",
            "subject_identities": [
                {"identity_type": "email", "identity_value": "fuzz1@example.com", "identity_format": "raw"}
            ],
        },
    )


@dataclass
class Watch:
    """Samples the memory of a service's processes while it is entered."""

    place: Place
    samples: list[tuple[float, dict[str, int]]] = field(default_factory=list)  # seconds, bytes by title
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        began_s = time.monotonic()
        while not self._ended.wait(_SAMPLE_S):
            self.samples.append((time.monotonic() - began_s, resident_by_title(self.place.processes())))

    def findings(self) -> list[str]:
        """What is wrong: memory that grows, lines of the log. Prints the figures."""
        found = []
        if len(self.samples) >= 8:
            at = [self.samples[min(int(len(self.samples) * part), len(self.samples) - 1)] for part in (0.25, 0.5, 1)]
            total = [sum(sizes.values()) / 1e6 for _, sizes in at]
            per_minute, grown = slope_mb(self.samples)
            allowed = max(GROWTH_MB_MIN, GROWTH_SHARE_MAX * total[0])
            print(
                f"memory: {total[0]:.0f} MB at 25%, {total[1]:.0f} MB at 50%, {total[2]:.0f} MB at 100%; fitted after "
                f"warm-up {per_minute:+.2f} MB a minute, {grown:+.0f} MB in all, allowed {allowed:.0f} MB"
            )
            for title in at[2][1]:
                print("   ", title, *(f"{sizes.get(title, 0) / 1e6:.0f}" for _, sizes in at), "MB")
            if grown > allowed:
                found.append(f"memory grew by {grown:.0f} MB after the warm-up, more than {allowed:.0f} MB")
        return found + errors_logged(self.place.data_dir)


def slope_mb(samples: list[tuple[float, dict[str, int]]]) -> tuple[float, float]:
    """MB a minute, and MB in all, of the line through all samples after the warm-up."""
    times = np.array([seconds for seconds, _ in samples])
    sizes = np.array([sum(by_title.values()) for _, by_title in samples]) / 1e6
    later = times >= times[-1] * WARM_UP
    slope = float(np.polyfit(times[later], sizes[later], 1)[0])
    return slope * 60, slope * float(times[-1] - times[later][0])


def errors_logged(data_dir: Path) -> list[str]:
    """Lines of the service's log of the level error or worse, each kind once, with how often it came."""
    kinds: dict[str, int] = {}
    for line in (data_dir / "logs" / "serve.log").read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry.get("level") in ("error", "critical"):
            told = {name: entry[name] for name in sorted(entry) if name not in ("time", "request_id", "duration_ms")}
            text = "log: " + json.dumps(told)
            kinds[text] = kinds.get(text, 0) + 1
    return [f"{text} ({count} times)" for text, count in kinds.items()]


def report(found: list[str]) -> int:
    """Prints what was found. Returns the exit code."""
    for each in found:
        print("FOUND:", each)
    print(f"{len(found)} findings" if found else "nothing found")
    return 1 if found else 0


def _onefold(*arguments: str) -> Any:
    command = [sys.executable, "-m", "serve", *arguments, "--json"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ONEFOLD_", "RAY_"))}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=_START_S, check=False)
    if done.returncode:
        raise RuntimeError(f"onefold {arguments[0]} exited with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
