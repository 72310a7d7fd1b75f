"""The demo's run against a throwaway service: every call it makes, and what it makes of the answers."""

import io
import re
from typing import Any
from urllib.parse import unquote

import pytest
from rich.console import Console

from pipelines.demo_run import SEGMENTS, DemoReport, print_demo, run_demo
from pipelines.demo_touchpoints import TOUCHPOINTS

from .conftest import Answer, FakeService

PAGE = 1000


class FakePlatform:
    """Answers for what the demo asks: a profile for each first identifier, never merged."""

    def __init__(self, service: FakeService) -> None:
        self.service = service
        self.settling = 2
        self.filling = 1
        service.answer = self.answer

    def answer(self, path: str, body: Any) -> Answer | None:
        path = unquote(path)
        if path in ("/v1/batch", "/v1/import"):
            return None
        if path == "/v1/admin/keys":
            return 200, {}, {"key": {"id": f"key_{body['source_id']}"}, "secret": f"secret_{body['source_id']}"}
        if path.startswith("/v1/admin/keys/"):
            return 200, {}, {}
        if path == "/v1/status":
            self.settling -= 1
            return 200, {}, {"in_flight": max(self.settling, 0), "shards": [{"shard": 0}, {"shard": 1}]}
        if path == "/v1/segments/preview":
            return 200, {}, {"members": 5}
        if path.startswith("/v1/segments"):
            self.filling -= 1
            return 200, {}, {"members": 5 if self.filling < 0 else 0}
        if path.startswith("/v1/events"):
            return self.events(int(re.search(r"after=0:(\d+)", path).group(1)))  # type: ignore[union-attr]
        if path == "/v1/profiles/batch":
            return 200, {}, {"profiles": [{"customer_id": key.partition(":")[2]} for key in body["keys"]]}
        assert path.startswith("/v1/profiles/user_id:u")
        return 200, {}, {"customer_id": "cus_x", "attributes": {}}

    def events(self, start: int) -> Answer:
        messages = list(self.service.messages.values())[start : start + PAGE]
        data = [{"message_id": m["messageId"], "customer_id": _first_identifier(m)} for m in messages]
        cursor = {"next": f"0:{start + len(data)},1:0", "has_more": len(data) == PAGE}
        return 200, {}, {"data": data, "cursor": cursor}


def _first_identifier(message: dict[str, Any]) -> str:
    external = message.get("context", {}).get("externalIds") or [{}]
    return message.get("userId") or message.get("anonymousId") or external[0].get("id") or "device"


@pytest.fixture
def report(service: FakeService) -> DemoReport:
    FakePlatform(service)
    return run_demo(service.url, "127.0.0.1:50051", "admin", people=120, console=Console(file=io.StringIO()))


def test_report(report: DemoReport, service: FakeService) -> None:
    assert report.people == report.accuracy.people == 120
    assert report.accuracy.records == len(service.messages) < report.events
    assert report.duplicates == report.events - len(service.messages)
    assert report.rejected == 0
    assert report.events_per_s > 0
    assert 0.3 < report.accuracy.unified < 1
    assert [(segment.segment_id, segment.members) for segment in report.segments] == [(s["id"], 5) for s in SEGMENTS]
    assert report.profile["customer_id"] == "cus_x"
    assert 0 < report.lookup.p50_ms <= report.lookup.p99_ms
    assert report.as_json()["accuracy"]["records"] == report.accuracy.records


def test_each_system_sends_with_its_own_key_which_is_revoked(report: DemoReport, service: FakeService) -> None:
    made = [body["source_id"] for _, path, _, body in service.requests if path == "/v1/admin/keys"]
    revoked = [path for method, path, _, _ in service.requests if method == "DELETE"]
    assert sorted(made) == sorted(TOUCHPOINTS)
    assert sorted(revoked) == sorted(f"/v1/admin/keys/key_{name}" for name in TOUCHPOINTS)
    keys = {(path, headers["Authorization"]) for _, path, headers, body in service.requests if "batch" in (body or {})}
    assert len(keys) == len(TOUCHPOINTS)
    assert len([path for path, _ in keys if path == "/v1/batch"]) == 2


def test_open_service_needs_no_keys(service: FakeService) -> None:
    FakePlatform(service)
    run_demo(service.url, "127.0.0.1:50051", "", people=60, console=Console(file=io.StringIO()))
    assert not any("admin" in path for _, path, _, _ in service.requests)


def test_print(report: DemoReport) -> None:
    out = io.StringIO()
    print_demo(report, Console(file=out, width=200))
    text = out.getvalue()
    for part in ("per second", "for 120 people", "main profile", "pairwise", "Bought in the last 30 days: 5", "p99"):
        assert part in text
    assert '"customer_id": "cus_x"' in text
