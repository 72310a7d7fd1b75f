"""The HTTP app in this process: the real routes, parser and control store, over `FakeRouter`."""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import msgspec
from fastapi import FastAPI

from actors.audit_log import AuditLog, EntryFilter
from actors.audit_trail import AuditTrail
from actors.control import ControlStore
from actors.deliverer import Deliverer
from actors.delivery_store import DeliveryStore
from actors.privacy_store import FILE as PRIVACY_FILE
from actors.privacy_store import PrivacyStore
from actors.shard_calls import ShardCalls
from actors.webhook_sender import Sent
from models.audit.chain import Entry
from models.delivery.webhook import RetryPolicy
from serve import metrics
from serve.auth import Authenticator
from serve.http_app import build_http_app
from serve.profile_reads import ProfileReads
from serve.score_reads import ScoreReads
from serve.services import Services
from serve.settings import Settings
from tests.strategies.signing import one_signer
from tests.unit.serve.fake_router import FakeRouter

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z

T = TypeVar("T")


class CountingMetrics:
    """Metrics that a test can look at."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        metrics.check(name, "counter", labels)
        self.counts[name, tuple(sorted(labels.items()))] += int(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        metrics.check(name, "histogram", labels)

    async def exposition(self) -> str:
        return "# TYPE onefold_events_total counter\n"

    def total(self, name: str, **labels: str) -> int:
        """Sum of a counter over all label sets that contain `labels`."""
        return sum(
            amount
            for (counter, found), amount in self.counts.items()
            if counter == name and labels.items() <= dict(found).items()
        )


class Receiver:
    """Takes what is sent to webhooks, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[str, dict[str, str], bytes]] = []

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        self.taken.append((url, headers, body))
        return Sent(self.status, "" if self.status == 200 else f"HTTP {self.status}")


class LocalDeliverer:
    """Calls to a deliverer of this process."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer

    async def call(self, shard: int, method: str, /, *arguments: object, timeout_s: float) -> Any:
        return await getattr(self._deliverer, method)(*arguments)


class HttpService:
    """One replica. `key` is sent as Bearer token unless a request brings its own Authorization."""

    def __init__(self, data_dir: Path, settings: Settings | None = None, loopback: bool = True) -> None:
        (data_dir / "run").mkdir(exist_ok=True)
        self.now = NOW
        self.seconds = 0.0
        self.key = ""
        self.metrics = CountingMetrics()
        self.router = FakeRouter(lambda: self.now)
        self.control = ControlStore(data_dir / "control.sqlite", create=True, clock=lambda: self.now)
        self.audit_log = AuditLog(data_dir)
        self.audit = AuditTrail(self.audit_log, lambda: self.now)
        self.privacy = PrivacyStore(data_dir / PRIVACY_FILE, b"k" * 32)
        self._ids = 0
        self.receiver = Receiver()
        deliveries = DeliveryStore(data_dir / "deliveries.sqlite")
        self.deliverer = Deliverer(
            self.control, deliveries, self.router.segment_changes, self.receiver, RetryPolicy(), lambda: self.now
        )
        router = cast(Any, self.router)
        self.services = Services(
            settings=msgspec.structs.replace(settings or Settings(), data_dir=str(data_dir)),
            router=router,
            reads=ProfileReads(router, None),
            deliveries=ShardCalls(1, LocalDeliverer(self.deliverer)),
            control=self.control,
            authenticator=Authenticator(self.control, loopback, lambda: self.now, lambda: self.seconds),
            audit=self.audit,
            audit_log=self.audit_log,
            privacy=self.privacy,
            signer=one_signer,
            metrics=self.metrics,
            now=lambda: self.now,
            new_id=self._new_id,
            scores=ScoreReads(remote=self.router.scores),
        )
        self.app: FastAPI = build_http_app(self.services)

    def create_key(self, scope: Any, name: str = "web") -> str:
        """A key's secret; from now on it counts."""
        _, secret = self.control.create_key(name, [scope])
        self.pass_time(1_000)
        return secret

    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.seconds += ms / 1000

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        client: tuple[str, int] = ("127.0.0.1", 50_000),
    ) -> httpx.Response:
        """`body` is sent as JSON, or as it is if bytes."""
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=client)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
                return await http.request(method, path, content=content, headers={**sent, **(headers or {})})

        return run(call())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, *messages: dict[str, Any]) -> dict[str, Any]:
        """Sends a batch and waits for its results."""
        response = self.post("/v1/batch?wait=true", {"batch": list(messages)})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def recorded(self) -> list[Entry]:
        """The audit log so far, oldest first."""
        run(self.audit.flush())
        return self.audit_log.entries(EntryFilter(), 1 << 62, 10_000)[::-1]

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"


def run(call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine."""
    return asyncio.run(call)
