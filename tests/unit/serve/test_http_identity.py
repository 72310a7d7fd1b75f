"""Matching over HTTP: dry runs with traits, explanations, evidence, the graph of a person, reviews, status."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.matcher import MatcherStatus
from models.identity.customer_id import from_text
from models.identity.drawing_waterfall import check_sum, waterfall_text
from models.identity.evidence import Explanation
from tests.unit.serve.http_service import HttpService

MARTHA = {"firstName": "Martha", "lastName": "<Cunningham & Sons>", "birthday": "1968-03-12"}
MARTA = {**MARTHA, "firstName": "Marta"}
STRANGER = {"firstName": "Yusuf", "lastName": "Oliveira", "birthday": "1990-01-01"}
MATCHER = MatcherStatus(0, "additive-1", True, 3, 9, 0, 0, 5, 2, 0, 0, 0, 1_000_000)


def identify(user_id: str, traits: dict[str, Any]) -> dict[str, Any]:
    return {"type": "identify", "messageId": f"m-{user_id}", "userId": user_id, "traits": traits}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    """Two people who are much alike, one who is not, and one of whom nothing is known."""
    service = HttpService(tmp_path)
    service.send(identify("u1", MARTHA), identify("u2", MARTA), identify("u3", STRANGER), identify("u4", {}))
    return service


def customer_id(service: HttpService, user_id: str) -> str:
    found: str = service.get(f"/v1/profiles/user_id:{user_id}").json()["customer_id"]
    return found


def evidence_of(body: Any) -> Explanation:
    """Evidence in an answer, checked to be whole."""
    explanation = msgspec.convert(body, Explanation)
    check_sum(explanation)
    return explanation


def match(service: HttpService, method: str = "probabilistic") -> str:
    """Joins u1 and u2 as matching (or an operator) does; the id of the merge."""
    left, right = (from_text(customer_id(service, user_id)) for user_id in ("u1", "u2"))
    return service.router.join_people(left, right, method, "matching")


# Dry runs


def test_without_traits_a_dry_run_is_of_the_identifiers_alone(service: HttpService) -> None:
    answer = service.post("/v1/identity/resolve", {"identifiers": ["user_id:u1"]}).json()
    assert (answer["customer_id"], answer["matching"]) == (customer_id(service, "u1"), None)


def test_traits_tell_whom_somebody_resembles(service: HttpService) -> None:
    answer = service.post("/v1/identity/resolve", {"traits": MARTHA}).json()
    assert (answer["customer_id"], answer["created"]) == (None, True)
    matching = answer["matching"]
    assert (matching["decision"], matching["customer_id"]) == ("link", customer_id(service, "u1"))
    first, second = matching["candidates"]
    assert (first["customer_id"], first["standing"]) == (customer_id(service, "u1"), "free")
    assert second["customer_id"] == customer_id(service, "u2")
    assert evidence_of(first["evidence"]).confidence == matching["confidence"]
    assert evidence_of(first["evidence"]).score > evidence_of(second["evidence"]).score
    assert len(service.router.people) == 4
    nobody = service.post("/v1/identity/resolve", {"traits": {"firstName": "Ann", "birthday": "1940-01-01"}}).json()
    assert nobody["matching"]["decision"] == "new" and nobody["matching"]["candidates"] == []


def test_traits_are_identifiers_too_as_in_an_event(service: HttpService) -> None:
    service.send(identify("u5", {"email": "jane@example.com"}))
    answer = service.post("/v1/identity/resolve", {"traits": {"email": " JANE@example.com", "phone": 7}}).json()
    assert answer["customer_id"] == answer["matching"]["customer_id"] == customer_id(service, "u5")
    assert answer["matching"]["decision"] == "link"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "identifiers"),
        ({"traits": {}}, "identifiers"),
        ({"identifiers": []}, "identifiers"),
        ({"identifiers": [f"crm_id:{n}" for n in range(33)]}, "identifiers"),
        ({"identifiers": ["user_id:u1"], "traits": []}, "traits"),
        ({"identifiers": ["jane"], "traits": {}}, "identifiers[0]"),
    ],
)
def test_a_dry_run_needs_somebody(service: HttpService, body: Any, place: str) -> None:
    response = service.post("/v1/identity/resolve", body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["message"].startswith(place)


# Explanations and drawings


def test_two_people_are_explained(service: HttpService) -> None:
    response = service.get("/v1/identity/explain?left=user_id:u1&right=userId:u2")
    assert response.headers["content-type"] == "application/json"
    explanation = evidence_of(response.json())
    assert {field.field: field.level for field in explanation.fields}["birth_date"] == "equal"
    text = service.get("/v1/identity/explain?left=user_id:u1&right=user_id:u2&format=text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == waterfall_text(explanation)


def test_a_picture_is_an_svg_that_can_do_nothing(service: HttpService) -> None:
    response = service.get("/v1/identity/explain?left=user_id:u1&right=user_id:u2&format=svg")
    assert response.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'; sandbox" in response.headers["content-security-policy"]
    root = ET.fromstring(response.content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<cunningham & sons>" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("query", "status", "place"),
    [
        ("left=user_id:u1", 400, "right"),
        ("left=jane&right=user_id:u2", 400, "left"),
        ("left=user_id:u1&right=jane", 400, "right"),
        ("left=user_id:u1&right=user_id:u1", 400, "right"),
        ("left=user_id:u1&right=user_id:u2&format=png", 400, "format"),
        ("left=user_id:u1&right=user_id:u4", 404, ""),
    ],
)
def test_what_cannot_be_explained(service: HttpService, query: str, status: int, place: str) -> None:
    response = service.get(f"/v1/identity/explain?{query}")
    assert response.status_code == status
    assert response.json()["message"].startswith(place)


# Evidence of merges, and the graph of a person


def test_a_merge_keeps_its_evidence(service: HttpService) -> None:
    merge_id = match(service)
    (merge,) = service.get("/v1/profiles/user_id:u1/merges").json()["data"]
    evidence = service.get(f"/v1/identity/merges/{merge_id}/evidence").json()
    assert merge["evidence"] == evidence and evidence_of(evidence).confidence > 0.8
    links = service.get("/v1/profiles/user_id:u1/links").json()["data"]
    assert [link["evidence"] for link in links] == [evidence]
    svg = service.get(f"/v1/identity/merges/{merge_id}/evidence?format=svg")
    assert svg.headers["content-type"].startswith("image/svg+xml")


def test_a_stated_merge_has_none(service: HttpService) -> None:
    service.post("/v1/identity/merge", {"left": "user_id:u1", "right": "user_id:u3"})
    (merge,) = service.get("/v1/profiles/user_id:u1/merges").json()["data"]
    assert merge["evidence"] is None
    for merge_id in (merge["merge_id"], "mrg_x"):
        assert service.get(f"/v1/identity/merges/{merge_id}/evidence").status_code == 404


def test_the_graph_of_a_person_marks_the_weakest_merge(service: HttpService) -> None:
    stated = service.post("/v1/identity/merge", {"left": "user_id:u1", "right": "user_id:u3"}).json()
    found = match(service)
    graph = service.get("/v1/profiles/user_id:u2/graph").json()
    assert graph["customer_id"] == stated["customer_id"] == graph["nodes"][0]["customer_id"]
    assert {node["label"] for node in graph["nodes"]} == {"user_id:u1", "user_id:u2", "user_id:u3"}
    assert all(0 <= node[axis] <= 1 for node in graph["nodes"] for axis in "xy")
    first, last = graph["edges"]
    assert (first["method"], first["confidence"], first["weakest"]) == ("exact", 1.0, False)
    assert (last["merge_id"], last["method"], last["weakest"]) == (found, "probabilistic", True)
    assert first["score"] > last["score"]
    text = service.get("/v1/profiles/user_id:u1/graph?format=text").text
    assert "3 records, 2 edges" in text and "<- weakest" in text
    svg = service.get("/v1/profiles/user_id:u1/graph?format=svg")
    assert ET.fromstring(svg.content).tag.endswith("svg")


def test_the_graph_of_somebody_who_was_never_merged(service: HttpService) -> None:
    graph = service.get("/v1/profiles/user_id:u4/graph").json()
    assert [node["label"] for node in graph["nodes"]] == ["user_id:u4"] and graph["edges"] == []
    assert service.get("/v1/profiles/user_id:nobody/graph").status_code == 404


# Reviews


def test_a_review_is_listed_shown_and_accepted(service: HttpService) -> None:
    service.key = service.create_key("admin", "support")
    review = service.router.open_review("user_id:u1", "user_id:u2", "limits")
    page = service.get("/v1/identity/reviews").json()
    (entry,) = page["data"]
    assert page["cursor"] == {"next": "", "has_more": False, "limit": 100}
    assert (entry["review_id"], entry["reason"], entry["rejected_at"]) == (review.review_id, "limits", None)
    assert {entry["left"], entry["right"]} == {customer_id(service, "u1"), customer_id(service, "u2")}
    assert evidence_of(entry["evidence"]).confidence == entry["confidence"]
    path = f"/v1/identity/reviews/{review.review_id}"
    assert service.get(path).json() == entry
    accepted = service.request("POST", f"{path}/accept").json()
    assert (accepted["customer_id"], accepted["merged"]) == (entry["left"], entry["right"])
    (merge,) = service.get("/v1/profiles/user_id:u2/merges").json()["data"]
    assert (merge["merge_id"], merge["method"], merge["source"]) == (accepted["merge_id"], "operator", "support")
    again = service.request("POST", f"{path}/accept").json()
    assert again == {"customer_id": entry["left"], "merged": None, "merge_id": None}
    assert service.get(path).status_code == 404
    assert service.get("/v1/identity/reviews").json()["data"] == []


def test_a_review_is_rejected_for_good(service: HttpService) -> None:
    service.key = service.create_key("admin", "support")
    path = f"/v1/identity/reviews/{service.router.open_review('user_id:u1', 'user_id:u2').review_id}"
    rejected = service.request("POST", f"{path}/reject").json()
    assert (rejected["rejected_by"], rejected["rejected_at"]) == ("support", "2026-03-01T12:30:01.000Z")
    assert service.get(path).json() == rejected
    assert service.get("/v1/identity/reviews").json()["data"] == []
    response = service.request("POST", f"{path}/accept")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_reviews_come_in_pages(service: HttpService) -> None:
    pairs = (("u1", "u2"), ("u1", "u3"), ("u2", "u3"))
    opened = {service.router.open_review(f"user_id:{a}", f"user_id:{b}").review_id for a, b in pairs}
    first = service.get("/v1/identity/reviews?limit=2").json()
    assert len(first["data"]) == 2 and first["cursor"]["has_more"]
    rest = service.get(f"/v1/identity/reviews?limit=2&cursor={first['cursor']['next']}").json()
    assert {review["review_id"] for review in first["data"] + rest["data"]} == opened
    assert not rest["cursor"]["has_more"]
    assert service.get("/v1/identity/reviews?cursor=x").status_code == 400


# Status


def test_the_status_tells_how_matching_does(service: HttpService) -> None:
    assert service.get("/v1/status").json()["matchers"] == []
    service.router.matchers = [MATCHER]
    service.router.open_review("user_id:u1", "user_id:u2")
    status = service.get("/v1/status").json()
    assert (status["reviews"], status["pending_matches"], status["pending_match_ms"]) == (1, 0, 0)
    assert sum(shard["reviews"] for shard in status["shards"]) == 1
    (matcher,) = status["matchers"]
    assert (matcher["model"], matcher["ready"], matcher["linked"]) == ("additive-1", True, 2)


def test_the_status_is_told_without_matchers_that_do_not_answer(service: HttpService) -> None:
    service.router.matchers = None
    status = service.get("/v1/status").json()
    assert status["matchers"] is None and status["profiles"] == 4
