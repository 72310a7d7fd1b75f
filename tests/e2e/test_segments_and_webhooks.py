"""Segments on a real service: told to webhooks through failures and kills, streamed, explained, exported."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import lancedb
import pytest

from bench.processes import title
from tests.e2e.service import RunningService

WAIT_S = 60


def segment_of(category: str) -> dict[str, Any]:
    """The segment of those who have looked at something of a category, with its name. Each test has one of its own."""
    return {
        "id": category,
        "name": category.title(),
        "criteria": {
            "type": "behavioral",
            "event": "Product Viewed",
            "operator": "at_least",
            "value": 1,
            "window": {"last": "30d"},
            "where": [{"property": "category", "operator": "equals", "value": category}],
        },
    }


class Receiver:
    """Takes messages; refuses the first ones."""

    def __init__(self, refused: int) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refused = refused
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.refused > 0:
                    receiver.refused -= 1
                    self.send_response(503)
                else:
                    receiver.taken.append(({key.lower(): value for key, value in self.headers.items()}, body))
                    self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def people(self) -> set[str]:
        return {json.loads(body)["data"]["customer_id"] for _, body in self.taken}


@pytest.fixture
def running(service: RunningService) -> RunningService:
    return service


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it has not come to be in time"
        time.sleep(0.05)


def view(running: RunningService, category: str, *numbers: int) -> list[str]:
    """People look at something of a category; their customer ids."""
    batch = [
        {"type": "track", "event": "Product Viewed", "userId": f"p{n}", "properties": {"category": category}}
        for n in numbers
    ]
    with running.client() as client:
        results = client.post("/v1/batch?wait=true", {"batch": batch})["results"]
    return [result["customer_id"] for result in results]


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def stream(
    running: RunningService, path: str, headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A stream of server-sent events, after its first lines."""
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=WAIT_S)
    connection.request("GET", path, headers={"Authorization": f"Bearer {running.admin_key}", **(headers or {})})
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [response.readline(), response.readline()] == [b"retry: 1000\n", b"\n"]
    return connection, response


def test_webhooks_are_told_through_failures_and_kills(running: RunningService) -> None:
    receiver = Receiver(refused=3)
    old = view(running, "shoes", *range(5))
    with running.client() as client:
        made = client.post("/v1/segments", segment_of("shoes"))
        assert (made["members"], made["state"]) == (5, "live")
        hook: dict[str, Any] = {"id": "crm", "url": receiver.url, "segments": ["shoes"], "from_start": True}
        secret = client.post("/v1/webhooks", hook)["secret"]
        assert client.post("/v1/webhooks/crm/test", {})["status"] in (204, 503)
        expected = set(old) | set(view(running, "shoes", *range(5, 10)))
        wait_until(lambda: receiver.people() >= expected)
        deliverers = [pid for pid in running.processes() if title(pid) == "ray::DelivererActor"]
        assert deliverers  # one a tenant
        for pid in deliverers:
            os.kill(pid, signal.SIGKILL)
        expected |= set(view(running, "shoes", *range(10, 20)))
        wait_until(lambda: receiver.people() >= expected)
        ids = {headers["webhook-id"] for headers, _ in receiver.taken}
        assert len(ids) >= 20
        assert all(is_signed(secret, headers, body) for headers, body in receiver.taken)
        wait_until(lambda: client.get("/v1/webhooks/crm")["waiting"] == 0)
        found = client.get("/v1/webhooks/crm")
        assert (found["dead"], found["behind"], found["late_ms"]) == (0, 0, 0)
        assert found["retried"] >= 2
        assert found["delivered"] >= 20
    with urlopen(f"{running.url}/metrics") as page:
        assert b'onefold_webhook_waiting{tenant="default",webhook="crm"} 0.0' in page.read()
    mode = (running.data_dir / "deliveries.sqlite").stat().st_mode
    assert mode & 0o777 == 0o600
    receiver.server.shutdown()


def test_a_stream_tells_at_once_and_goes_on_from_a_position(running: RunningService) -> None:
    with running.client() as client:
        client.post("/v1/segments", segment_of("sandals"))
    connection, response = stream(running, "/v1/segments/stream")
    (person,) = view(running, "sandals", 100)
    lines: list[bytes] = []
    while not any(line.startswith(b"data:") for line in lines):
        lines.append(response.readline())
    data = json.loads(next(line for line in lines if line.startswith(b"data:")).removeprefix(b"data: "))
    assert (data["customer_id"], data["segment_id"], data["change"]) == (person, "sandals", "entered")
    position = next(line for line in lines if line.startswith(b"id:")).removeprefix(b"id: ").strip().decode()
    connection.close()
    (missed,) = view(running, "sandals", 101)
    connection, response = stream(running, "/v1/segments/sandals/stream", {"Last-Event-ID": position})
    while not (line := response.readline()).startswith(b"data:"):
        pass
    assert json.loads(line.removeprefix(b"data: "))["customer_id"] == missed
    connection.close()


def test_members_are_explained_listed_counted_and_exported(running: RunningService, tmp_path: Path) -> None:
    with running.client() as client:
        client.post("/v1/segments", segment_of("clogs"))
    view(running, "clogs", *range(300, 303))
    why = running.cli("segments", "why", "clogs", "user_id:p301")
    assert why["member"]
    assert why["criteria"]["occurrences"][0]["message_id"]
    members = running.cli("segments", "members", "clogs", "--limit", "500")
    (listed,) = [each for each in running.cli("segments", "list") if each["id"] == "clogs"]
    assert (listed["members"], listed["state"]) == (len(members), "live")
    assert running.cli("segments", "history", "clogs", "--step", "1h")["data"][-1]["members"] == len(members)
    view(running, "clogs", 200)
    assert len(running.cli("segments", "members", "clogs", "--limit", "500")) == len(members) + 1
    output = tmp_path / "clogs.lance"
    assert running.cli("segments", "export", "clogs", str(output))["members"] == len(members) + 1
    assert lancedb.connect(tmp_path).open_table("clogs").count_rows() == len(members) + 1
    preview = running.cli("segments", "preview", json.dumps(segment_of("clogs")))
    assert preview["members"] == len(members) + 1


def test_discovered_segments_are_created_as_they_were_drafted(running: RunningService, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    known, came = (now - timedelta(days=days) for days in (60, 10))
    sent: list[dict[str, Any]] = []
    for number in range(600):
        user, gold = f"d{number}", number % 3 == 0
        traits = {"member_plan": "gold" if gold else ("basic", "plus")[number % 2]}
        sent.append({"type": "identify", "userId": user, "traits": traits, "timestamp": known.isoformat()})
        if number % 10 < (8 if gold else 2):
            sent.append({"type": "track", "userId": user, "event": "Came Back", "timestamp": came.isoformat()})
    with running.client() as client:
        client.post("/v1/batch?wait=true", {"batch": sent})
    spec = tmp_path / "comes_back.toml"
    spec.write_text(
        'name = "comes_back"\nhorizon_days = 25\noutcome = { kind = "event", event = "Came Back" }\n'
        'features.member_plan = { trait = "member_plan", text = true }\n'
    )
    as_of = ("--as-of", (now - timedelta(days=30)).isoformat())
    drafts = tmp_path / "drafts"
    told = running.cli("segments", "discover", str(spec), *as_of, "--holdout", "10", "--output", str(drafts))
    assert told["people"] == told["checked"] >= 600  # with those whom others' tests know for long
    (group,) = (each for each in told["groups"] if each["conditions"] == ["member_plan is gold"])
    assert (group["people"], group["verdict"]) == (200, "differs")
    assert group["difference"]["low"] > 0.3
    draft = drafts / f"{group['segment']['id']}.json"
    assert json.loads(draft.read_text()) == group["segment"]
    assert draft.stat().st_mode & 0o077 == 0
    made = running.cli("segments", "create", str(draft))
    assert running.cli("segments", "preview", str(draft))["members"] == 200
    assert made["holdout"] == 10
    usual = running.cli("segments", "discover", "--outcome", "event Came Back", "--horizon", "25", *as_of)
    assert any("member_plan is gold" in each["conditions"] for each in usual["groups"])
    assert running.command("segments", "discover", "--outcome", "fame").returncode == 2
