"""Events in over HTTP: what tracking SDKs send, and what they rely on in the answers."""

import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.control import SchemaRule, Source
from serve.http_scopes import INGEST_PATHS
from serve.settings import Limits, Settings
from tests.unit.serve.http_service import NOW, HttpService, run

TRACK = {"type": "track", "event": "Signed Up", "userId": "u1", "messageId": "m1"}
IDENTIFY = {"type": "identify", "userId": "u1", "messageId": "m0", "traits": {"email": "j@example.com", "plan": "pro"}}
BODIES: dict[str, dict[str, Any]] = {
    "identify": {"userId": "u1", "traits": {"plan": "pro"}},
    "track": {"userId": "u1", "event": "Signed Up"},
    "page": {"anonymousId": "a1", "name": "Home"},
    "screen": {"anonymousId": "a1", "name": "Home"},
    "group": {"userId": "u1", "groupId": "g1"},
    "alias": {"userId": "u1", "previousId": "a1"},
    "merge": {"mergeProperties": [{"type": "email", "value": "a@example.com"}, {"type": "user_id", "value": "u1"}]},
    "batch": {"batch": [TRACK]},
    "import": {"batch": [TRACK]},
}
ORIGIN = "https://shop.example.com"
LETTERS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch"}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return HttpService(tmp_path)


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


@pytest.mark.parametrize("path", sorted(INGEST_PATHS))
def test_every_path_takes_its_messages_and_answers_200(service: HttpService, path: str) -> None:
    name = path.removeprefix("/v1/")
    name = LETTERS.get(name, name)
    response = service.post(path, BODIES[name])
    assert response.status_code == 200, response.text
    assert response.json()["success"] is True
    assert response.json()["accepted"] == 1
    expected = "track" if name in ("batch", "import") else name
    assert [stored.event.type for stored in service.router.log] == [expected]


def test_a_message_by_its_own_path_needs_no_type(service: HttpService) -> None:
    assert service.post("/v1/track", {"userId": "u1", "event": "x", "messageId": "m"}).status_code == 200
    assert service.router.log[0].event.message_id == "m"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("encode", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_json_is_read_whatever_it_is_called(
    service: HttpService, content_type: str, encode: Callable[[bytes], bytes]
) -> None:
    body = encode(json.dumps({"batch": [TRACK]}).encode())
    headers = {"Content-Type": content_type} if content_type else {}
    response = service.request("POST", "/v1/batch", body, headers)
    assert response.status_code == 200, response.text


def test_the_key_is_taken_from_basic_bearer_and_body(service: HttpService) -> None:
    secret = service.create_key("ingest", "shop")
    answers = [
        service.post("/v1/track", {**BODIES["track"], "messageId": "1"}, Authorization=basic(secret)),
        service.post("/v1/track", {**BODIES["track"], "messageId": "2"}, Authorization=f"Bearer {secret}"),
        service.post("/v1/track", {**BODIES["track"], "messageId": "3", "writeKey": secret}),
        service.post("/v1/batch", {"batch": [{**TRACK, "messageId": "4"}], "writeKey": secret}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [stored.event.message_id for stored in service.router.log] == ["1", "2", "3", "4"]
    assert {stored.event.source for stored in service.router.log} == {"shop"}


@pytest.mark.parametrize("authorization", ["", basic("nope"), "Bearer nope", "Basic %%%", "Digest x"])
def test_a_wrong_key_is_401(service: HttpService, authorization: str) -> None:
    service.create_key("ingest")
    response = service.post("/v1/batch", {"batch": [TRACK], "writeKey": "nope"}, Authorization=authorization)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"
    assert response.headers["www-authenticate"]
    assert not service.router.log


def test_a_key_that_only_reads_is_403(service: HttpService) -> None:
    secret = service.create_key("read")
    response = service.post("/v1/batch", {"batch": [TRACK]}, Authorization=basic(secret))
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def test_waiting_tells_what_became_of_each_message(service: HttpService) -> None:
    service.post(
        "/v1/segments",
        {"name": "Pro", "criteria": {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}},
    )
    answer = service.send(IDENTIFY, TRACK, TRACK)
    first, second, third = answer["results"]
    customer_id = first.pop("customer_id")
    assert customer_id.startswith("cus_")
    assert first == {
        "index": 0,
        "message_id": "m0",
        "status": "applied",
        "created": True,
        "confidence": 1.0,
        "methods": ["new"],
        "profile_updates": first["profile_updates"],
        "segment_changes": [{"segment_id": "pro", "change": "entered", "at": "2026-03-01T12:30:00.000Z"}],
        "merged": [],
        "demoted_identifiers": [],
        "withheld": [],
        "processing_ms": first["processing_ms"],
    }
    assert "attributes.plan" in first["profile_updates"]
    assert 0 < first["processing_ms"] < 1_000
    assert (second["status"], second["customer_id"], second["created"]) == ("applied", customer_id, False)
    assert (third["status"], third["customer_id"]) == ("duplicate", None)
    assert (answer["accepted"], answer["duplicates"]) == (3, 1)
    assert answer["sequence"]


def test_only_an_operators_merge_goes_past_the_limits(service: HttpService) -> None:
    pair = [{"type": "email", "value": "jane@example.com"}, {"type": "user_id", "value": "joe"}]

    def explicit(**headers: str) -> bool:
        answer = service.post(
            "/v1/merge", {"mergeProperties": pair, "messageId": str(len(service.router.log))}, **headers
        )
        assert answer.status_code == 200
        return service.router.log[-1].event.explicit

    assert explicit()
    assert not explicit(Origin="https://elsewhere.example")
    service.key = service.create_key("ingest")
    assert not explicit()
    service.key = service.create_key("admin", "operator")
    assert explicit(Origin="https://elsewhere.example")


def test_without_waiting_the_answer_is_short(service: HttpService) -> None:
    answer = service.post("/v1/batch", {"batch": [TRACK]}).json()
    assert answer.keys() == {"success", "accepted", "duplicates", "sequence"}


def test_messages_without_an_id_are_given_one(service: HttpService) -> None:
    service.post("/v1/batch", {"batch": [{"type": "track", "event": "a", "userId": "u"}] * 2})
    given = [stored.event.message_id for stored in service.router.log]
    assert len(set(given)) == 2
    assert all(given)


def test_the_clients_clock_is_corrected(service: HttpService) -> None:
    message = {**TRACK, "timestamp": "2020-01-01T00:00:00Z"}
    service.post("/v1/batch", {"batch": [message], "sentAt": "2020-01-01T00:00:10Z"})
    assert service.router.log[0].event.timestamp == NOW - 10_000


def test_bad_messages_of_a_batch_are_reported_by_index_and_kept(service: HttpService) -> None:
    response = service.post("/v1/batch", {"batch": [TRACK, {"type": "track", "userId": "u1"}, {"type": "nope"}, 7]})
    assert response.status_code == 200
    answer = response.json()
    assert answer["accepted"] == 1
    assert [rejected["index"] for rejected in answer["rejected"]] == [1, 2, 3]
    assert answer["rejected"][0]["type"] == "track"
    assert answer["rejected"][0]["reasons"][0].keys() == {"code", "field", "message"}
    assert answer["rejected"][0]["reasons"][0]["field"] == "event"
    assert len(service.router.letters) == 3
    assert {letter.source for letter in service.router.letters.values()} == {"default"}
    assert service.metrics.total("onefold_events", outcome="rejected") == 3
    assert service.metrics.total("onefold_events", outcome="accepted") == 1


def test_a_bad_message_by_its_own_path_is_400_and_kept(service: HttpService) -> None:
    response = service.post("/v1/track", {"userId": "u1"})
    assert response.status_code == 400
    assert response.json() == {"code": "required", "message": "event, the name of what happened, is required"}
    assert len(service.router.letters) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"batch":[]}', b'{"batch":{}}', b"{}"])
def test_what_is_no_batch_is_400_with_code_and_message(service: HttpService, body: bytes) -> None:
    response = service.request("POST", "/v1/batch", body)
    assert response.status_code == 400
    assert response.json().keys() == {"code", "message"}


def test_a_message_that_says_nobody_is_400(service: HttpService) -> None:
    response = service.post("/v1/track", {"event": "x", "userId": None, "anonymousId": None})
    assert (response.status_code, response.json()["code"]) == (400, "no_id")


def test_sizes_are_limited(service: HttpService) -> None:
    message = {**TRACK, "properties": {"x": "y" * 40_000}}
    single = service.post("/v1/track", message)
    assert (single.status_code, single.json()["code"]) == (413, "event_too_large")
    batch = service.post("/v1/batch", {"batch": [message, TRACK]}).json()
    assert (batch["accepted"], batch["rejected"][0]["index"]) == (1, 0)
    many = service.post("/v1/batch", {"batch": [TRACK] * 2_501})
    assert (many.status_code, many.json()["code"]) == (413, "batch_too_long")
    large = service.request("POST", "/v1/batch", b" " * (4 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    bomb = service.request("POST", "/v1/batch", gzip.compress(b" " * (8 * 1024 * 1024)))
    assert bomb.status_code == 413
    assert service.metrics.total("onefold_refusals") == 4


def send_endlessly(service: HttpService, headers: dict[str, str]) -> tuple[int, int]:
    """Status, and bytes that were taken off a body that has no end and states no length."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield b" " * 65_536

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(service.app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.post("/v1/batch", content=endless(), headers=headers)

    return run(call()).status_code, taken


def test_a_body_without_end_is_cut_off_at_the_limit(service: HttpService) -> None:
    status, taken = send_endlessly(service, {})
    assert status == 413
    assert taken < 5 * 1024 * 1024


def test_the_body_behind_a_wrong_key_is_not_read(service: HttpService) -> None:
    service.create_key("ingest")
    status, taken = send_endlessly(service, {"Authorization": "Bearer nope"})
    assert status == 401
    assert taken <= 65_536


def test_a_key_that_sends_too_much_is_429_with_retry_after(tmp_path: Path) -> None:
    limits = Limits(events_per_second=10, events_burst=20)
    service = HttpService(tmp_path, Settings(limits=limits))
    batch = {"batch": [{**TRACK, "messageId": str(number)} for number in range(40)]}
    assert service.post("/v1/batch", batch).status_code == 200
    response = service.post("/v1/batch", batch)
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert response.headers["retry-after"] == "3"
    service.pass_time(3_000)
    assert service.post("/v1/batch", batch).status_code == 200


def test_a_shard_that_is_away_is_503_with_retry_after_and_a_retry_counts_once(service: HttpService) -> None:
    service.router.down = True
    response = service.post("/v1/batch", {"batch": [TRACK]})
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"
    service.router.down = False
    assert service.post("/v1/batch", {"batch": [TRACK]}).json()["duplicates"] == 0
    assert service.post("/v1/batch", {"batch": [TRACK]}).json()["duplicates"] == 1
    assert len(service.router.log) == 1


def test_a_sources_schema_blocks_or_leaves_out(service: HttpService) -> None:
    service.key = service.create_key("ingest", "crm")
    document = {"type": "object", "properties": {"price": {"type": "number"}}}
    message = {**TRACK, "properties": {"price": "dear", "sku": "s1"}}
    service.control.put_source(Source("crm", schemas={"track:Signed Up": SchemaRule(document, "block")}))
    service.pass_time(1_000)
    answer = service.post("/v1/batch", {"batch": [message]}).json()
    assert (answer["accepted"], answer["rejected"][0]["reasons"][0]["field"]) == (0, "properties.price")
    service.control.put_source(Source("crm", schemas={"track:Signed Up": SchemaRule(document, "omit")}))
    service.pass_time(1_000)
    answer = service.post("/v1/batch", {"batch": [message]}).json()
    assert (answer["accepted"], answer["warnings"][0]["field"]) == (1, "properties.price")
    assert service.router.log[0].event.properties == {"sku": "s1"}


def test_browsers_may_send_events_from_any_page(service: HttpService) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,anonymousid",
    }
    preflight = service.request("OPTIONS", "/v1/batch", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type,anonymousid"
    sent = service.request("POST", "/v1/t", json.dumps(BODIES["track"]).encode(), {"Origin": ORIGIN})
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, "*")
    refused = service.request("POST", "/v1/t", b"{", {"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, "*")


def test_browsers_may_not_read_profiles(service: HttpService) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    preflight = service.request("OPTIONS", "/v1/profiles/user_id:u1", headers=asked)
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers


def test_another_method_is_405_with_code_and_message(service: HttpService) -> None:
    response = service.get("/v1/batch")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_an_unknown_path_is_404_with_code_and_message(service: HttpService) -> None:
    assert service.post("/v1/bach", {}).json()["code"] == "not_found"
