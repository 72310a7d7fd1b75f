"""Matching in a running service, with the model that comes with Onefold: linked, explained, reviewed, taken back."""

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from protos.client import Client
from tests.e2e.service import RunningService

PATIENCE_S = 60.0
PEOPLE: list[dict[str, Any]] = [
    {
        "firstName": given,
        "lastName": family,
        "birthday": born,
        "address": {"street": street, "city": city, "state": "MN", "postalCode": postcode},
    }
    for given, family, born, street, city, postcode in (
        ("Leonora", "Vankirk", "1971-08-23", "17 Quarry Hill Road", "Duluth", "55803"),
        ("Rupert", "Haverstock", "1988-02-11", "400 Lake Avenue", "Winona", "55987"),
        ("Philippa", "Oakenfeld", "1954-11-30", "9 Mill Lane", "Bemidji", "56601"),
        ("Thaddeus", "Brandvold", "1963-05-07", "81 Orchard Street", "Ely", "55731"),
        ("Ottilie", "Saarinen", "1979-09-30", "5 Foundry Square", "Hibbing", "55746"),
    )
]


@pytest.fixture
def http(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {service.admin_key}"}, timeout=30
    ) as client:
        yield client


def identify(http: httpx.Client, traits: dict[str, Any], **ids: str) -> str:
    """Sends what is known of somebody; their customer id."""
    message = {"type": "identify", "messageId": json.dumps(ids), "traits": traits, **ids}
    response = http.post("/v1/batch?wait=true", json={"batch": [message]})
    assert response.status_code == 200, response.text
    customer_id: str = response.json()["results"][0]["customer_id"]
    return customer_id


def get(http: httpx.Client, path: str, **query: str) -> Any:
    response = http.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


def matched(http: httpx.Client) -> dict[str, Any]:
    """The status as soon as nothing waits to be matched."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status: dict[str, Any] = get(http, "/v1/status")
        if status["matchers"] and not (status["in_flight"] or status["pending_matches"]):
            return status
        time.sleep(0.05)
    raise AssertionError("something stays pending")


def adds_up(evidence: dict[str, Any]) -> bool:
    total: float = evidence["prior"] + sum(field["weight"] for field in evidence["fields"]) - evidence["score"]
    return abs(total) < 1e-6


def reviews(service: RunningService) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.cli("reviews", "list", "--limit", "10000")
    return found


def picture(http: httpx.Client, path: str, **query: str) -> str:
    """All text of an SVG picture."""
    response = http.get(path, params={"format": "svg", **query})
    assert response.headers["content-type"] == "image/svg+xml; charset=utf-8"
    return "".join(ET.fromstring(response.content).itertext())


def test_one_person_on_two_devices_is_found_and_taken_back(service: RunningService, http: httpx.Client) -> None:
    traits = PEOPLE[0]
    other = {**traits, "firstName": "Leonara", "address": {**traits["address"], "street": "17 Quarry Hill Rd"}}
    older = identify(http, traits, anonymousId="quarry-phone")
    younger = identify(http, other, anonymousId="quarry-laptop")
    assert older != younger
    status = matched(http)
    assert sum(matcher["linked"] for matcher in status["matchers"]) >= 1
    assert get(http, "/v1/profiles/anonymous_id:quarry-laptop")["customer_id"] == older
    (merge,) = get(http, "/v1/profiles/anonymous_id:quarry-phone/merges")["data"]
    assert (merge["winner"], merge["loser"], merge["method"]) == (older, younger, "probabilistic")
    evidence = get(http, f"/v1/identity/merges/{merge['merge_id']}/evidence")
    assert evidence == merge["evidence"] and adds_up(evidence) and evidence["confidence"] > 0.8
    assert {field["field"]: field["level"] for field in evidence["fields"]}["birth_date"] == "exact"
    assert "vankirk" in picture(http, f"/v1/identity/merges/{merge['merge_id']}/evidence").lower()
    (link,) = get(http, "/v1/profiles/anonymous_id:quarry-phone/links")["data"]
    assert link["evidence"] == evidence
    graph = get(http, "/v1/profiles/anonymous_id:quarry-phone/graph")
    assert [node["label"] for node in graph["nodes"]] == ["anonymous_id:quarry-phone", "anonymous_id:quarry-laptop"]
    assert [(edge["merge_id"], edge["weakest"]) for edge in graph["edges"]] == [(merge["merge_id"], True)]
    assert "2 records, 1 edge" in picture(http, "/v1/profiles/anonymous_id:quarry-phone/graph")
    assert http.post("/v1/identity/unmerge", json={"merge_id": merge["merge_id"]}).status_code == 200
    matched(http)
    assert get(http, "/v1/profiles/anonymous_id:quarry-laptop")["customer_id"] == younger
    assert len(get(http, "/v1/profiles/anonymous_id:quarry-phone/graph")["nodes"]) == 1
    # They are compared as they are now, and what was taken back stays so.
    told = get(http, "/v1/identity/explain", left=older, right="anonymous_id:quarry-laptop")
    assert adds_up(told) and told["confidence"] == evidence["confidence"]


def test_two_accounts_are_for_an_operator_to_decide(service: RunningService, http: httpx.Client) -> None:
    decided = {}
    for number, decision in ((1, "accept"), (2, "reject")):
        left, right = (identify(http, PEOPLE[number], userId=f"{decision}-{n}") for n in (1, 2))
        matched(http)
        (review,) = [review for review in reviews(service) if {review["left"], review["right"]} == {left, right}]
        assert review["reason"] == "limits" and adds_up(review["evidence"])
        assert service.cli("reviews", "show", review["review_id"]) == review
        decided[decision] = service.cli("reviews", decision, review["review_id"])
    assert decided["reject"]["rejected_by"] and decided["reject"]["rejected_at"]
    matched(http)
    assert not {decided["accept"]["customer_id"], decided["reject"]["left"]} & {
        review["left"] for review in reviews(service)
    }
    ids = {key: get(http, f"/v1/profiles/user_id:{key}")["customer_id"] for key in ("accept-1", "accept-2", "reject-1")}
    assert ids["accept-1"] == ids["accept-2"] == decided["accept"]["customer_id"]
    assert ids["reject-1"] != get(http, "/v1/profiles/user_id:reject-2")["customer_id"]
    (merge,) = get(http, "/v1/profiles/user_id:accept-1/merges")["data"]
    assert (merge["merge_id"], merge["method"]) == (decided["accept"]["merge_id"], "operator")
    assert merge["evidence"]["confidence"] > 0.8
    assert service.command("reviews", "accept", decided["reject"]["review_id"]).returncode == 1


def test_somebody_is_tried_out_and_explained(service: RunningService, http: httpx.Client) -> None:
    customer_id = identify(http, PEOPLE[3], userId="orchard")
    identify(http, PEOPLE[4], userId="somebody-else")
    events = matched(http)["events"]
    with Client(service.grpc_target, service.admin_key, timeout_s=30) as onefold:
        known = onefold.resolve(traits=PEOPLE[3])
        assert (known.created, known.matching.decision, known.matching.customer_id) == (True, "link", customer_id)
        assert known.matching.candidates[0].evidence.confidence > 0.8
        other_account = onefold.resolve(["user_id:orchard-2"], PEOPLE[3]).matching
        assert (other_account.decision, other_account.candidates[0].standing) == ("review", "limits")
        stranger = {"firstName": "Wilhelmina", "lastName": "Tarkington", "birthday": "1931-04-19"}
        assert onefold.resolve(traits=stranger).matching.decision == "new"
        assert not onefold.resolve(["user_id:orchard"]).HasField("matching")
        told = onefold.explain("user_id:orchard", "user_id:somebody-else", drawing="text")
        assert told.evidence.confidence < 0.5 and "confidence that the two are one person" in told.drawing
        assert list(onefold.graph("user_id:orchard").edges) == []
    assert get(http, "/v1/status")["events"] == events
