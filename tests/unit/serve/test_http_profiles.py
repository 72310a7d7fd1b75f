"""Profiles and identity over HTTP."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.serve.http_service import HttpService

ORDER = {
    "type": "track",
    "event": "Order Completed",
    "messageId": "m2",
    "userId": "u1",
    "properties": {"order_id": "o1", "revenue": 19.99, "currency": "EUR"},
}
PERSON = {
    "type": "identify",
    "messageId": "m1",
    "userId": "u1",
    "anonymousId": "a1",
    "traits": {"email": "jane@example.com", "plan": "pro", "city": "Bern"},
    "context": {"consent": {"categoryPreferences": {"advertising": False, "analytics": True}}},
}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    service = HttpService(tmp_path)
    service.send(PERSON, ORDER)
    return service


def everything(service: HttpService, path: str, limit: int) -> list[Any]:
    """All entries of a paged list, page by page."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = service.get(f"{path}?limit={limit}&cursor={cursor}").json()
        assert page["cursor"]["limit"] == limit
        found += page["data"] if "data" in page else page["traits"].items()
        cursor = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            assert cursor == ""
            return found


@pytest.mark.parametrize("key", ["user_id:u1", "userId:u1", "email:JANE@example.com", "anonymous_id:a1"])
def test_a_person_is_found_by_any_of_their_identifiers(service: HttpService, key: str) -> None:
    profile = service.get(f"/v1/profiles/{key}").json()
    assert profile["attributes"]["plan"]["value"] == "pro"
    assert profile["transactions"]["revenue"] == "19.99"


def test_a_person_is_found_by_their_customer_id(service: HttpService) -> None:
    customer_id = service.get("/v1/profiles/user_id:u1").json()["customer_id"]
    for key in (customer_id, f"customer_id:{customer_id}"):
        assert service.get(f"/v1/profiles/{key}").json()["customer_id"] == customer_id


def test_identifiers_with_slashes_and_colons_can_be_asked_for(service: HttpService) -> None:
    value = "https://example.com/u/1?x=ä#y"
    entry = {"id": value, "type": "page_url"}
    service.send({"type": "track", "event": "x", "userId": "u2", "context": {"externalIds": [entry]}})
    for suffix in ("", "/traits", "/events"):
        response = service.get(f"/v1/profiles/page_url:{quote(value, safe='')}{suffix}")
        assert response.status_code == 200, response.text


def test_nobody_is_404_and_says_so(service: HttpService) -> None:
    for suffix in ("", "/traits", "/events", "/identities", "/segments", "/scores", "/consents", "/links", "/merges"):
        response = service.get(f"/v1/profiles/user_id:nobody{suffix}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), suffix
        assert "min_seq" in response.json()["message"]


@pytest.mark.parametrize("key", ["jane", "email:jane", "customer_id:cus_x", "phone:12", "user_id:", "user_id:null"])
def test_a_key_that_is_none_is_400_and_says_what_is(service: HttpService, key: str) -> None:
    response = service.get(f"/v1/profiles/{key}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["message"].startswith("key: ")


def test_a_read_can_ask_for_what_was_acknowledged(service: HttpService) -> None:
    sequence = service.send({**ORDER, "messageId": "m3"})["sequence"]
    assert service.get(f"/v1/profiles/user_id:u1?min_seq={sequence}").status_code == 200
    response = service.get("/v1/profiles/user_id:u1?min_seq=yesterday")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["message"].startswith("min_seq: ")


def test_sections_are_those_of_the_document(service: HttpService) -> None:
    profile = service.get("/v1/profiles/user_id:u1").json()
    assert service.get("/v1/profiles/user_id:u1/traits").json()["traits"] == profile["attributes"]
    identities = service.get("/v1/profiles/user_id:u1/identities").json()["data"]
    assert {identity["namespace"] for identity in identities} == {"user_id", "anonymous_id", "email"}
    consents = service.get("/v1/profiles/user_id:u1/consents").json()["data"]
    assert [(consent["category"], consent["granted"]) for consent in consents] == [
        ("advertising", False),
        ("analytics", True),
    ]
    assert service.get("/v1/profiles/user_id:u1/scores").json()["data"] == []


def test_segments_carry_their_names(service: HttpService) -> None:
    criteria = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
    service.post("/v1/segments", {"id": "pro", "name": "Paying", "criteria": criteria})
    service.pass_time(1_000)
    (segment,) = service.get("/v1/profiles/user_id:u1/segments").json()["data"]
    assert (segment["id"], segment["name"]) == ("pro", "Paying")


def test_lists_come_in_pages(service: HttpService) -> None:
    traits = everything(service, "/v1/profiles/user_id:u1/traits", 1)
    assert [name for name, _ in traits] == sorted(name for name, _ in traits)
    assert len(traits) == len(service.get("/v1/profiles/user_id:u1").json()["attributes"])
    assert len(everything(service, "/v1/profiles/user_id:u1/identities", 2)) == 3
    events = everything(service, "/v1/profiles/user_id:u1/events", 1)
    assert [event["message_id"] for event in events] == ["m2", "m1"]
    assert len(everything(service, "/v1/profiles/user_id:u1/links", 1)) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=%25%25%25", "cursor=_w"])
def test_wrong_pages_are_400_and_name_the_parameter(service: HttpService, query: str) -> None:
    response = service.get(f"/v1/profiles/user_id:u1/traits?{query}")
    assert response.status_code == 400
    assert response.json()["message"].startswith(query.partition("=")[0])


def test_an_event_is_shown_as_it_was_taken(service: HttpService) -> None:
    event = service.get("/v1/profiles/user_id:u1/events?limit=1").json()["data"][0]
    assert event["type"] == "track"
    assert event["name"] == "Order Completed"
    assert event["timestamp"] == "2026-03-01T12:30:00.000Z"
    assert event["properties"]["order_id"] == "o1"
    assert event["source"] == "default"


def test_many_profiles_at_once_in_the_order_of_the_keys(service: HttpService) -> None:
    service.send({"type": "track", "event": "x", "userId": "u2"})
    keys = ["user_id:u2", "user_id:nobody", "email:jane@example.com"]
    profiles = service.post("/v1/profiles/batch", {"keys": keys}).json()["profiles"]
    assert [profile and profile["identities"][0]["value"] for profile in profiles][:2] == ["u2", None]
    assert profiles[2] == service.get("/v1/profiles/user_id:u1").json()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"keys": ["user_id:u1", "jane"]}, "keys[1]"),
        ({"keys": ["user_id:u1", 7]}, "keys[1]"),
        ({"keys": []}, "keys"),
        ({"keys": ["user_id:u"] * 1_001}, "keys"),
        ({}, "keys"),
        ({"keys": ["user_id:u1"], "kyes": 1}, "kyes"),
        ([], "body"),
        (b"{", "body"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_with_its_place(service: HttpService, body: Any, place: str) -> None:
    response = service.post("/v1/profiles/batch", body)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert place in response.json()["message"]


def test_a_shard_that_is_away_is_503(service: HttpService) -> None:
    service.router.down = True
    response = service.get("/v1/profiles/user_id:u1")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_resolution_can_be_tried_without_doing_it(service: HttpService) -> None:
    service.send({"type": "track", "event": "x", "userId": "u2"})
    known = service.post("/v1/identity/resolve", {"identifiers": ["user_id:u1", "user_id:u2"]}).json()
    assert known["customer_id"].startswith("cus_")
    assert (known["created"], len(known["merges"])) == (False, 1)
    unknown = service.post("/v1/identity/resolve", {"identifiers": ["user_id:u9"]}).json()
    assert (unknown["customer_id"], unknown["created"]) == (None, True)


def test_a_merge_can_be_stated_and_taken_back_once(service: HttpService) -> None:
    service.send({"type": "track", "event": "x", "userId": "u2", "messageId": "m9"})
    merged = service.post("/v1/identity/merge", {"left": "user_id:u1", "right": "user_id:u2"}).json()
    assert merged["status"] == "applied"
    assert len(merged["merged"]) == 1
    both = [service.get(f"/v1/profiles/user_id:{user}").json()["customer_id"] for user in ("u1", "u2")]
    assert both[0] == both[1] == merged["customer_id"]
    (record,) = service.get("/v1/profiles/user_id:u1/merges").json()["data"]
    assert (record["winner"], record["undone_at"]) == (merged["customer_id"], None)
    undone = service.post("/v1/identity/unmerge", {"merge_id": record["merge_id"]}).json()
    assert undone == {"winner": record["winner"], "restored": record["loser"]}
    assert service.get("/v1/profiles/user_id:u2").json()["customer_id"] == record["loser"]
    again = service.post("/v1/identity/unmerge", {"merge_id": record["merge_id"]})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert service.post("/v1/identity/unmerge", {"merge_id": "mrg_9"}).status_code == 404


def test_links_show_their_evidence(service: HttpService) -> None:
    links = service.get("/v1/profiles/user_id:u1/links").json()["data"]
    assert {(link["message_id"], link["method"], link["confidence"]) for link in links} == {("m1", "exact", 1.0)}
    assert {link["left"] for link in links} == {"user_id:u1", "email:jane@example.com"}


def test_changes_are_followed_from_a_cursor(service: HttpService) -> None:
    start = service.get("/v1/profiles/changes").json()
    assert start["customer_ids"] == []
    service.send({"type": "identify", "userId": "newcomer", "messageId": "newcomer"})
    changed = service.get(f"/v1/profiles/changes?after={start['cursor']}&timeout_s=1").json()
    assert changed["customer_ids"] == [service.get("/v1/profiles/user_id:newcomer").json()["customer_id"]]
    rest = service.get(f"/v1/profiles/changes?after={changed['cursor']}&timeout_s=1").json()
    assert rest == {"customer_ids": [], "cursor": changed["cursor"]}
    for wrong in ("after=later", "timeout_s=0", "timeout_s=soon"):
        assert service.get(f"/v1/profiles/changes?{wrong}").status_code == 400
