"""Segments, events, dead letters, administration and health over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.control import SchemaRule, Source
from serve import dead_letters
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    service = HttpService(tmp_path)
    service.send(*(person(number) for number in range(10)))
    return service


def person(number: int) -> dict[str, Any]:
    plan = "pro" if number % 2 else "free"
    return {"type": "identify", "messageId": f"m{number}", "userId": f"u{number}", "traits": {"plan": plan}}


# Segments


def test_a_segment_is_made_listed_shown_and_deleted(service: HttpService) -> None:
    made = service.post("/v1/segments", {"name": "Pro Plan", "description": "they pay", "criteria": PRO})
    assert made.status_code == 200
    expected = {
        "id": "pro-plan",
        "name": "Pro Plan",
        "description": "they pay",
        "criteria": PRO,
        "version": 1,
        "created_at": "2026-03-01T12:30:00.000Z",
        "refresh": "real_time",
        "holdout": 0.0,
        "purpose": "",
        "members": 5,
        "state": "live",
        "evaluated_at": None,
        "late_ms": 0,
        "error": "",
        "notes": [],
    }
    assert made.json() == expected
    assert service.get("/v1/segments").json() == {"segments": [expected]}
    assert service.get("/v1/segments/pro-plan").json() == expected
    assert service.control.segments()["pro-plan"]["name"] == "Pro Plan"
    assert service.request("DELETE", "/v1/segments/pro-plan").status_code == 200
    assert service.get("/v1/segments").json() == {"segments": []}
    for path in ("/v1/segments/pro-plan", "/v1/segments/pro-plan/members", "/v1/segments/pro-plan/changes"):
        assert service.get(path).status_code == 404
    assert service.request("DELETE", "/v1/segments/pro-plan").json()["code"] == "not_found"


def test_the_same_id_again_is_the_next_version(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "s", "name": "A", "criteria": PRO})
    service.pass_time(5_000)
    again = service.post("/v1/segments", {"id": "s", "name": "B", "criteria": PRO}).json()
    assert (again["version"], again["name"], again["created_at"]) == (2, "B", "2026-03-01T12:30:00.000Z")


def test_every_error_of_a_definition_is_told_with_its_path(service: HttpService) -> None:
    criteria = {"all": [PRO, {"type": "behavioral", "event": "x", "operator": "at_least", "value": -1}, {"type": "?"}]}
    response = service.post("/v1/segments", {"name": "", "criteria": criteria})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    fields = [error["field"] for error in response.json()["errors"]]
    assert "segment.name" in fields
    assert "criteria.all[1].value" in fields
    assert "criteria.all[2].type" in fields
    assert service.control.segments() == {}


def test_members_come_in_pages(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    first = service.get("/v1/segments/pro/members?limit=3").json()
    assert first["cursor"]["has_more"]
    second = service.get(f"/v1/segments/pro/members?limit=3&cursor={first['cursor']['next']}").json()
    assert not second["cursor"]["has_more"]
    members = [member["customer_id"] for member in first["data"] + second["data"]]
    assert len(set(members)) == 5
    assert first["data"][0]["entered_at"] == "2026-03-01T12:30:00.000Z"


def test_criteria_can_be_counted_before_they_are_used(service: HttpService) -> None:
    assert service.post("/v1/segments/preview", {"criteria": {"not": PRO}}).json() == {
        "members": 5,
        "people": 10,
        "share": 0.5,
    }
    response = service.post("/v1/segments/preview", {"criteria": {"not": {"type": "?"}}})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "criteria.not.type"


def test_changes_of_one_segment_can_be_followed(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    service.post("/v1/segments", {"id": "free", "name": "Free", "criteria": {"not": PRO}})
    seen: list[dict[str, Any]] = []
    after = ""
    while True:
        page = service.get(f"/v1/segments/pro/changes?limit=2&after={after}").json()
        seen += page["data"]
        after = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    assert len({change["customer_id"] for change in seen}) == len(seen) == 5
    service.send({"type": "identify", "userId": "u1", "messageId": "left", "traits": {"plan": "free"}})
    (change,) = service.get(f"/v1/segments/pro/changes?after={after}").json()["data"]
    assert (change["change"], change["cause"], change["segment_id"]) == ("exited", "left", "pro")
    assert service.get("/v1/segments/pro/changes?after=x").status_code == 400


# Events and dead letters


def test_the_latest_events_and_then_what_came_since(service: HttpService) -> None:
    latest = service.get("/v1/events?limit=3").json()
    assert len(latest["data"]) == 3
    after = latest["cursor"]["next"]
    nothing = service.get(f"/v1/events?after={after}").json()
    assert (nothing["data"], nothing["cursor"]["next"]) == ([], after)
    service.send({"type": "track", "event": "New", "userId": "u1", "messageId": "new"})
    since = service.get(f"/v1/events?after={after}").json()
    assert [event["message_id"] for event in since["data"]] == ["new"]


def test_all_events_can_be_read_from_the_start(service: HttpService) -> None:
    seen = []
    after = "0:0"
    while True:
        page = service.get(f"/v1/events?limit=4&after={after}").json()
        seen += [event["message_id"] for event in page["data"]]
        after = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    assert sorted(seen) == [f"m{number}" for number in range(10)]


def test_dead_letters_are_listed_and_replayed_when_the_schema_is_mended(service: HttpService) -> None:
    service.key = service.create_key("admin", "crm")
    strict = SchemaRule({"type": "object", "required": ["sku"]}, "block")
    service.control.put_source(Source("crm", schemas={"track": strict}))
    service.pass_time(1_000)
    refused = {"type": "track", "event": "Bought", "userId": "u77"}
    service.send(refused, {"type": "track", "userId": "u78"})
    letters = service.get("/v1/deadletters").json()["data"]
    assert [letter["source"] for letter in letters] == ["crm", "crm"]
    assert letters[0]["reasons"][0]["field"] == "properties.sku"
    assert '"u77"' in letters[0]["body"]
    still = service.post("/v1/deadletters/replay", {"all": True}).json()
    assert (still["replayed"], len(still["rejected"])) == (0, 2)
    service.control.put_source(Source("crm"))
    service.pass_time(1_000)
    answer = service.post("/v1/deadletters/replay", {"all": True}).json()
    assert answer["replayed"] == 1
    assert [rejected["id"] for rejected in answer["rejected"]] == [letters[1]["id"]]
    event = service.get("/v1/profiles/user_id:u77/events").json()["data"][0]
    assert event["received_at"] == letters[0]["received_at"]
    assert event["message_id"] == letters[0]["id"]
    listed = service.get("/v1/deadletters").json()["data"]
    assert [bool(letter["replayed_at"]) for letter in listed] == [True, False]


def test_some_dead_letters_can_be_replayed(service: HttpService) -> None:
    service.send({"type": "nope"}, {"type": "nope"})
    first = service.get("/v1/deadletters?limit=1").json()
    assert first["cursor"]["has_more"]
    answer = service.post("/v1/deadletters/replay", {"ids": [first["data"][0]["id"]]}).json()
    assert len(answer["rejected"]) == 1


def test_letters_that_never_pass_keep_no_others_back(service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    service.send(*[{"type": "nope"}] * 5)
    after, refused = "", 0
    while True:
        answer = service.post("/v1/deadletters/replay", {"all": True, "after": after}).json()
        refused += len(answer["rejected"])
        after = answer["cursor"]["next"]
        if not answer["cursor"]["has_more"]:
            break
    assert refused == 5
    assert service.post("/v1/deadletters/replay", {"all": True, "after": "x"}).status_code == 400


def test_dead_letters_can_be_deleted(service: HttpService) -> None:
    service.send({"type": "nope"}, {"type": "nope"}, {"type": "nope"})
    ids = [letter["id"] for letter in service.get("/v1/deadletters").json()["data"]]
    assert service.request("DELETE", "/v1/deadletters", {"ids": ids[:1]}).json() == {"deleted": 1}
    assert [letter["id"] for letter in service.get("/v1/deadletters").json()["data"]] == ids[1:]
    assert service.request("DELETE", "/v1/deadletters", {"all": True}).json() == {"deleted": 2}
    assert service.get("/v1/deadletters").json()["data"] == []
    assert service.request("DELETE", "/v1/deadletters", {}).status_code == 400


@pytest.mark.parametrize("body", [{}, {"ids": ["x"], "all": True}, {"all": False}, {"ids": "x"}])
def test_a_replay_says_which(service: HttpService, body: dict[str, Any]) -> None:
    assert service.post("/v1/deadletters/replay", body).status_code == 400


# Administration


def test_a_keys_secret_is_shown_once(service: HttpService) -> None:
    made = service.post("/v1/admin/keys", {"name": "web", "scopes": ["admin"]}).json()
    secret = made["secret"]
    assert made["key"]["hint"] == secret[:8]
    service.pass_time(1_000)
    service.key = secret
    listed = service.get("/v1/admin/keys")
    assert listed.json()["keys"] == [made["key"]]
    assert secret not in listed.text
    revoked = service.request("DELETE", f"/v1/admin/keys/{made['key']['id']}").json()
    assert revoked["revoked_at"]
    service.pass_time(999)
    assert service.get("/v1/admin/keys").status_code == 401


@pytest.mark.parametrize(
    "body",
    [{"name": "web", "scopes": []}, {"name": "web", "scopes": ["all"]}, {"name": "Web!", "scopes": ["read"]}, {}],
)
def test_a_key_needs_a_name_and_scopes(service: HttpService, body: dict[str, Any]) -> None:
    assert service.post("/v1/admin/keys", body).status_code == 400


def test_an_unknown_key_cannot_be_revoked(service: HttpService) -> None:
    assert service.request("DELETE", "/v1/admin/keys/key_x").status_code == 404


def test_sources_are_put_and_listed(service: HttpService) -> None:
    schemas = {"identify": {"document": {"type": "object"}, "mode": "omit"}}
    put = service.request("PUT", "/v1/admin/sources/crm", {"kind": "crm", "schemas": schemas})
    assert put.json() == {"id": "crm", "kind": "crm", "schemas": schemas}
    assert put.json() in service.get("/v1/admin/sources").json()["sources"]


@pytest.mark.parametrize(
    "schemas",
    [
        {"identify": {"document": {"type": "objet"}}},
        {"invoice": {"document": {}}},
        {"identify:x": {"document": {}}},
        {"identify": {"document": {}, "mode": "omit"}, "track": {"document": {}, "mode": "block"}},
        {"identify": {"document": {"$ref": "https://example.com/schema"}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(service: HttpService, schemas: dict[str, Any]) -> None:
    response = service.request("PUT", "/v1/admin/sources/crm", {"schemas": schemas})
    assert response.status_code == 400
    assert response.json()["message"].startswith("schemas: ")


def test_the_status_sums_up_the_shards(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    status = service.get("/v1/status").json()
    assert (status["profiles"], status["events"], status["segments"]) == (10, 10, {"pro": 5})
    assert sum(shard["profiles"] for shard in status["shards"]) == 10


# Health


def test_the_process_lives_whatever_the_shards_do(service: HttpService) -> None:
    service.router.down = True
    assert service.get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_while_every_shard_answers(tmp_path: Path) -> None:
    up, down = HttpService(tmp_path), HttpService(tmp_path)
    down.router.down = True
    assert up.get("/readyz").status_code == 200
    assert (down.get("/readyz").status_code, down.get("/readyz").json()["code"]) == (503, "unavailable")


def test_metrics_are_prometheus_text_with_the_shards(service: HttpService) -> None:
    response = service.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert sum(sample.value for sample in families["onefold_shard_profiles"].samples) == 10


def test_metrics_are_given_without_shards_that_do_not_answer(service: HttpService) -> None:
    service.router.down = True
    response = service.get("/metrics")
    assert response.status_code == 200
    assert "onefold_shard_profiles" not in response.text


def test_requests_are_counted_by_route_and_status(service: HttpService) -> None:
    service.get("/v1/profiles/user_id:u1")
    service.get("/v1/profiles/user_id:nobody")
    service.get("/nowhere/jane@example.com")
    route = "/v1/profiles/{key}"
    assert service.metrics.total("onefold_requests", route=route, status="200", transport="http") == 1
    assert service.metrics.total("onefold_requests", route=route, status="404", transport="http") == 1
    assert service.metrics.total("onefold_requests", route="unmatched", status="404", transport="http") == 1
