"""The HTTP API of a running service: through HAProxy and a replica to real shards and back."""

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serve import ray_node
from serve.settings import Settings
from tests.e2e.service import RunningService

PATIENCE_S = 60.0


@pytest.fixture
def http(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {service.admin_key}"}, timeout=30
    ) as client:
        yield client


@pytest.fixture
def person() -> str:
    """An id that no other test uses."""
    return uuid.uuid4().hex[:12]


def send(http: httpx.Client, *messages: dict[str, Any]) -> dict[str, Any]:
    response = http.post("/v1/batch?wait=true", json={"batch": list(messages)})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def test_events_become_a_profile_that_an_acknowledged_read_sees(http: httpx.Client, person: str) -> None:
    order = {"order_id": person, "revenue": 19.99, "currency": "EUR"}
    batch = [
        {
            "type": "identify",
            "userId": person,
            "anonymousId": f"a{person}",
            "traits": {"email": f"{person}@example.com"},
        },
        {"type": "track", "userId": person, "event": "Order Completed", "properties": order},
    ]
    taken = http.post("/v1/batch", json={"batch": batch}).json()
    assert (taken["success"], taken["accepted"]) == (True, 2)
    for key in (f"user_id:{person}", f"anonymous_id:a{person}", f"email:{person.upper()}@example.com"):
        profile = http.get(f"/v1/profiles/{key}", params={"min_seq": taken["sequence"]}).json()
        assert profile["transactions"]["revenue"] == "19.99"
    first = http.get(f"/v1/profiles/user_id:{person}/events", params={"limit": 1}).json()
    assert first["cursor"]["has_more"]
    rest = http.get(f"/v1/profiles/user_id:{person}/events", params={"cursor": first["cursor"]["next"]}).json()
    assert {event["type"] for event in first["data"] + rest["data"]} == {"identify", "track"}
    assert not rest["cursor"]["has_more"]
    assert http.get(f"/v1/profiles/user_id:{person}/links").json()["data"]
    assert http.get("/v1/profiles/user_id:nobody-of-this-name").status_code == 404


def test_waiting_tells_the_result_and_a_duplicate(http: httpx.Client, person: str) -> None:
    message = {"type": "identify", "userId": person, "messageId": person, "traits": {"plan": "pro"}}
    (first,) = send(http, message)["results"]
    assert (first["status"], first["created"], first["confidence"]) == ("applied", True, 1.0)
    assert "attributes.plan" in first["profile_updates"]
    assert first["processing_ms"] > 0
    (second,) = send(http, message)["results"]
    assert second["status"] == "duplicate"


def test_two_people_become_one_and_two_again(http: httpx.Client, person: str) -> None:
    send(http, *({"type": "track", "userId": f"{side}{person}", "event": side} for side in ("left", "right")))
    left, right = (http.get(f"/v1/profiles/user_id:{side}{person}").json()["customer_id"] for side in ("left", "right"))
    assert left != right
    tried = http.post(
        "/v1/identity/resolve", json={"identifiers": [f"user_id:left{person}", f"user_id:right{person}"]}
    ).json()
    assert not tried["created"]
    keys = {"left": f"user_id:left{person}", "right": f"user_id:right{person}"}
    merged = http.post("/v1/identity/merge", json=keys).json()
    assert merged["customer_id"] in (left, right)
    (record,) = http.get(f"/v1/profiles/user_id:left{person}/merges").json()["data"]
    undone = http.post("/v1/identity/unmerge", json={"merge_id": record["merge_id"]})
    assert undone.json() == {"winner": record["winner"], "restored": record["loser"]}
    for side, customer_id in (("left", left), ("right", right)):
        profile = http.get(f"/v1/profiles/user_id:{side}{person}").json()
        assert profile["customer_id"] == customer_id
        assert list(profile["behaviors"]) == [side]
    assert http.post("/v1/identity/unmerge", json={"merge_id": record["merge_id"]}).status_code == 409


def test_a_segment_follows_events(http: httpx.Client, person: str) -> None:
    criteria = {"type": "demographic", "trait": f"plan_{person}", "operator": "equals", "value": "pro"}
    made = http.post("/v1/segments", json={"id": person, "name": "Pro", "criteria": criteria})
    assert made.status_code == 200, made.text

    def tell(user: str, plan: str) -> list[dict[str, Any]]:
        message = {"type": "identify", "userId": user, "traits": {f"plan_{person}": plan}}
        moves: list[dict[str, Any]] = send(http, message)["results"][0]["segment_changes"]
        return [{"segment_id": move["segment_id"], "change": move["change"]} for move in moves]

    assert tell(f"1{person}", "pro") == [{"segment_id": person, "change": "entered"}]
    tell(f"2{person}", "pro")
    tell(f"3{person}", "free")
    assert http.post("/v1/segments/preview", json={"criteria": criteria}).json()["members"] == 2
    assert len(http.get(f"/v1/segments/{person}/members").json()["data"]) == 2
    assert http.get(f"/v1/segments/{person}").json()["members"] == 2
    seen = http.get(f"/v1/segments/{person}/changes").json()
    assert [change["change"] for change in seen["data"]] == ["entered", "entered"]
    assert tell(f"1{person}", "free") == [{"segment_id": person, "change": "exited"}]
    later = http.get(f"/v1/segments/{person}/changes", params={"after": seen["cursor"]["next"]}).json()
    assert [change["change"] for change in later["data"]] == ["exited"]
    assert http.delete(f"/v1/segments/{person}").status_code == 200
    assert http.get(f"/v1/segments/{person}").status_code == 404


def test_keys_count_and_stop_counting_within_a_second(http: httpx.Client, person: str) -> None:
    made = http.post("/v1/admin/keys", json={"name": f"k{person}", "scopes": ["ingest"]}).json()
    body = {"userId": person, "event": "x", "writeKey": made["secret"]}
    bare = {"Authorization": ""}
    assert http.post("/v1/track", json=body, headers=bare).status_code == 200
    reading = http.get("/v1/status", headers={"Authorization": f"Bearer {made['secret']}"})
    assert (reading.status_code, reading.json()["code"]) == (403, "forbidden")
    assert http.delete(f"/v1/admin/keys/{made['key']['id']}").status_code == 200
    time.sleep(1)
    refused = http.post("/v1/track", json=body, headers=bare)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_refused_messages_are_kept_and_replayed_once(http: httpx.Client, person: str) -> None:
    made = http.post("/v1/admin/keys", json={"name": f"k{person}", "scopes": ["ingest"]}).json()
    rule = {"document": {"type": "object", "required": ["sku"]}, "mode": "block"}
    source = f"/v1/admin/sources/k{person}"
    assert http.put(source, json={"schemas": {"track": rule}}).status_code == 200
    time.sleep(1)
    writer = {"Authorization": f"Bearer {made['secret']}"}
    answer = http.post("/v1/track", json={"userId": person, "event": "Bought"}, headers=writer)
    assert (answer.status_code, answer.json()["code"]) == (400, "schema")
    letters = [it for it in http.get("/v1/deadletters?limit=1000").json()["data"] if it["source"] == f"k{person}"]
    assert len(letters) == 1
    assert http.put(source, json={}).status_code == 200
    time.sleep(1)
    for _ in range(2):
        replayed = http.post("/v1/deadletters/replay", json={"ids": [letters[0]["id"]]})
        assert replayed.status_code == 200
    eventually(lambda: http.get(f"/v1/profiles/user_id:{person}").status_code == 200)
    assert http.get(f"/v1/profiles/user_id:{person}").json()["behaviors"]["Bought"]["count"] == 1


def test_the_stream_can_be_followed(http: httpx.Client, person: str) -> None:
    after = http.get("/v1/events?limit=1").json()["cursor"]["next"]
    send(
        http,
        *({"type": "track", "userId": f"{person}{n}", "event": "x", "messageId": f"{person}{n}"} for n in range(7)),
    )
    seen: list[str] = []
    while True:
        page = http.get("/v1/events", params={"after": after, "limit": 3}).json()
        seen += [event["message_id"] for event in page["data"]]
        after = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    assert sorted(seen) == [f"{person}{n}" for n in range(7)]
    latest = http.get("/v1/events?limit=2").json()["data"]
    assert {event["message_id"] for event in latest} <= set(seen)


def test_what_browsers_and_sdks_send_comes_through_the_proxy(http: httpx.Client, person: str) -> None:
    body = gzip.compress(json.dumps({"batch": [{"type": "track", "userId": person, "event": "x"}] * 2}).encode())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    assert http.post("/v1/b", content=body, headers=headers).json()["accepted"] == 2
    asked = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}
    preflight = http.options("/v1/t", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    large = http.post("/v1/batch", content=b" " * (4 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    nowhere = http.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")


def test_metrics_tell_what_the_replicas_counted_and_the_shards_hold(http: httpx.Client, person: str) -> None:
    send(http, {"type": "track", "userId": person, "event": "x"})

    def total(name: str, **labels: str) -> float:
        page = text_string_to_metric_families(http.get("/metrics").text)
        samples = [sample for family in page for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    assert total("onefold_shard_profiles") >= 1
    eventually(lambda: total("onefold_events_total", type="track", outcome="applied") >= 1)
    eventually(lambda: total("onefold_request_seconds_count", route="/v1/batch", transport="http") >= 1)


def test_it_is_alive_and_ready_and_describes_itself(http: httpx.Client) -> None:
    bare = {"Authorization": ""}
    assert http.get("/healthz", headers=bare).json() == {"status": "ok"}
    assert http.get("/readyz", headers=bare).json() == {"status": "ok"}
    assert "/v1/profiles/{key}" in http.get("/openapi.json", headers=bare).json()["paths"]


def logged(service: RunningService, answer: httpx.Response) -> list[dict[str, Any]]:
    """What the log says under the id of an answer, once it says anything."""
    log = service.data_dir / "logs" / "serve.log"

    def lines() -> list[dict[str, Any]]:
        whole = (line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))
        every = (json.loads(line) for line in whole if line.startswith("{"))
        return [line for line in every if line.get("request_id") in answer.headers.get_list("x-request-id")]

    eventually(lambda: bool(lines()))
    return lines()


def test_what_is_refused_is_in_the_log_under_the_id_of_its_answer(service: RunningService, http: httpx.Client) -> None:
    (line,) = logged(service, http.get("/v1/profiles/user_id:nobody-of-this-name"))
    assert (line["route"], line["status"], line["level"]) == ("/v1/profiles/{key}", 404, "warning")


def test_nothing_personal_is_in_any_log(service: RunningService, http: httpx.Client, person: str) -> None:
    canary = f"canary{person}"
    mail = f"{canary}@example.com"
    send(http, {"type": "identify", "userId": mail, "traits": {"email": mail, "name": canary}})
    http.post(
        "/v1/batch", json={"batch": [{"type": canary, "userId": mail}, {"type": "track", "userId": {canary: mail}}]}
    )
    http.post("/v1/track", content=f'{{"userId": "{mail}'.encode())
    for path in (f"email:{mail}", f"email:{canary}", canary, f"email:{mail}/events?cursor={mail}", f"email:{mail}/x"):
        http.get(f"/v1/profiles/{path}")
    http.post("/v1/profiles/batch", json={"keys": [mail], canary: canary})
    http.post("/v1/segments", json={"name": canary, "criteria": {"type": mail}})
    http.post("/v1/identity/merge", json={"left": f"email:{mail}", "right": f"user_id:{canary}"})
    http.get(f"/{canary}", headers={"X-Request-Id": mail, "User-Agent": mail})

    def waits() -> bool:
        status = http.get("/v1/status").json()
        return bool(status["in_flight"] or status["pending_matches"])

    eventually(lambda: not waits())
    logged(service, http.get("/v1/profiles/user_id:nobody-of-this-name"))  # and so is all that was before
    settings = Settings(data_dir=str(service.data_dir))
    directories = (service.data_dir / "logs", service.data_dir / "run", ray_node.ray_dir(settings))
    read = 0
    for file in (file for directory in directories for file in directory.rglob("*") if file.is_file()):
        text = file.read_bytes()
        read += len(text)
        assert canary.encode() not in text, file.name
    assert read > 1_000
