"""Segments on a real service: told to webhooks through failures and kills, streamed, explained, and there after a
restart."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
SEGMENT = {
    "id": "shoppers",
    "name": "Shoppers",
    "criteria": {
        "type": "behavioral",
        "event": "Product Viewed",
        "operator": "at_least",
        "value": 1,
        "window": {"last": "30d"},
        "where": [{"property": "category", "operator": "equals", "value": "shoes"}],
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    service = RunningService(
        tmp_path_factory.mktemp("segments") / "data",
        ONEFOLD_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES="true",
        ONEFOLD_WEBHOOKS__DELAYS_S="1,1,1,1,1",
    )
    with service:
        yield service


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it has not come to be in time"
        time.sleep(0.05)


def view(running: RunningService, *numbers: int) -> list[str]:
    """People look at shoes; their customer ids."""
    batch = [
        {"type": "track", "event": "Product Viewed", "userId": f"p{n}", "properties": {"category": "shoes"}}
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
    old = view(running, *range(5))
    with running.client() as client:
        made = client.post("/v1/segments", SEGMENT)
        assert (made["members"], made["state"]) == (5, "live")
        hook: dict[str, Any] = {"id": "crm", "url": receiver.url, "segments": ["shoppers"], "from_start": True}
        secret = client.post("/v1/webhooks", hook)["secret"]
        assert client.post("/v1/webhooks/crm/test", {})["status"] in (204, 503)
        expected = set(old) | set(view(running, *range(5, 10)))
        wait_until(lambda: receiver.people() >= expected)
        (deliverer,) = [pid for pid in running.processes() if title(pid) == "ray::DelivererActor"]
        os.kill(deliverer, signal.SIGKILL)
        expected |= set(view(running, *range(10, 20)))
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
    connection, response = stream(running, "/v1/segments/stream")
    (person,) = view(running, 100)
    lines: list[bytes] = []
    while not any(line.startswith(b"data:") for line in lines):
        lines.append(response.readline())
    data = json.loads(next(line for line in lines if line.startswith(b"data:")).removeprefix(b"data: "))
    assert (data["customer_id"], data["segment_id"], data["change"]) == (person, "shoppers", "entered")
    position = next(line for line in lines if line.startswith(b"id:")).removeprefix(b"id: ").strip().decode()
    connection.close()
    (missed,) = view(running, 101)
    connection, response = stream(running, "/v1/segments/shoppers/stream", {"Last-Event-ID": position})
    while not (line := response.readline()).startswith(b"data:"):
        pass
    assert json.loads(line.removeprefix(b"data: "))["customer_id"] == missed
    connection.close()


def test_segments_are_the_same_after_a_restart(running: RunningService, tmp_path: Path) -> None:
    why = running.cli("segments", "why", "shoppers", "user_id:p1")
    assert why["member"]
    assert why["criteria"]["occurrences"][0]["message_id"]
    before = running.cli("segments", "members", "shoppers", "--limit", "500")
    connection, response = stream(running, "/v1/segments/stream")
    running.stop()
    assert response.read() == b""  # it has ended, and was not cut off
    connection.close()
    running.start()
    (listed,) = running.cli("segments", "list")
    assert (listed["members"], listed["state"]) == (len(before), "live")
    assert running.cli("segments", "members", "shoppers", "--limit", "500") == before
    assert running.cli("segments", "history", "shoppers", "--step", "1h")["data"][-1]["members"] == len(before)
    view(running, 200)
    assert len(running.cli("segments", "members", "shoppers", "--limit", "500")) == len(before) + 1
    output = tmp_path / "shoppers.lance"
    assert running.cli("segments", "export", "shoppers", str(output))["members"] == len(before) + 1
    assert lancedb.connect(tmp_path).open_table("shoppers").count_rows() == len(before) + 1
    preview = running.cli("segments", "preview", json.dumps(SEGMENT))
    assert preview["members"] == len(before) + 1


def test_discovered_segments_are_created_as_they_were_drafted(running: RunningService, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    known, came = (now - timedelta(days=days) for days in (60, 10))
    sent: list[dict[str, Any]] = []
    for number in range(600):
        user, gold = f"d{number}", number % 3 == 0
        traits = {"plan": "gold" if gold else ("basic", "plus")[number % 2]}
        sent.append({"type": "identify", "userId": user, "traits": traits, "timestamp": known.isoformat()})
        if number % 10 < (8 if gold else 2):
            sent.append({"type": "track", "userId": user, "event": "Came Back", "timestamp": came.isoformat()})
    with running.client() as client:
        client.post("/v1/batch?wait=true", {"batch": sent})
    spec = tmp_path / "comes_back.toml"
    spec.write_text(
        'name = "comes_back"\nhorizon_days = 25\noutcome = { kind = "event", event = "Came Back" }\n'
        'features.plan = { trait = "plan", text = true }\n'
    )
    as_of = ("--as-of", (now - timedelta(days=30)).isoformat())
    drafts = tmp_path / "drafts"
    told = running.cli("segments", "discover", str(spec), *as_of, "--holdout", "10", "--output", str(drafts))
    assert told["people"] == told["checked"] == 600
    (group,) = (each for each in told["groups"] if each["conditions"] == ["plan is gold"])
    assert (group["people"], group["verdict"]) == (200, "differs")
    assert group["difference"]["low"] > 0.3
    draft = drafts / f"{group['segment']['id']}.json"
    assert json.loads(draft.read_text()) == group["segment"]
    assert draft.stat().st_mode & 0o077 == 0
    made = running.cli("segments", "create", str(draft))
    assert running.cli("segments", "preview", str(draft))["members"] == 200
    assert made["holdout"] == 10
    usual = running.cli("segments", "discover", "--outcome", "event Came Back", "--horizon", "25", *as_of)
    assert any("plan is gold" in each["conditions"] for each in usual["groups"])
    assert running.command("segments", "discover", "--outcome", "fame").returncode == 2
