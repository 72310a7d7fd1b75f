"""A restriction holds without a registry of purposes: data is kept, and told to nobody until it is lifted."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from actors.basis_check import BasisCheck
from models.identity.customer_id import from_text
from models.privacy.purposes import NO_PURPOSES
from serve.http_schemas import time_text
from tests.unit.serve.http_service import NOW, HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
PERSON = "/v1/profiles/user_id:u1"


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    made.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    for user in ("u1", "u2"):
        made.post("/v1/identify", {"userId": user, "traits": {"plan": "pro", "note": f"note of {user}"}})
    return made


def restrict(service: HttpService, restricted: bool) -> None:
    service.now += 1_000
    service.post(f"{PERSON}/consents", {"decisions": {"!restricted": restricted}, "reason": "contested"})


def everything_told(service: HttpService) -> dict[str, Any]:
    """What each way of reading tells of both people."""
    paths = {
        "profile": PERSON,
        "traits": f"{PERSON}/traits",
        "events": f"{PERSON}/events",
        "identities": f"{PERSON}/identities",
        "members": "/v1/segments/pro/members",
        "member profiles": "/v1/segments/pro/members/profiles?traits=note",
        "past members": f"/v1/segments/pro/members?at={quote(time_text(NOW))}",
        "changes": "/v1/segments/pro/changes",
        "log": "/v1/events",
    }
    told = {name: service.get(path).text for name, path in paths.items()}
    told["batch"] = service.post("/v1/profiles/batch", {"keys": ["user_id:u1", "user_id:u2"]}).text
    return told


def test_a_restricted_person_is_told_to_nobody_and_kept(service: HttpService) -> None:
    person = service.get(PERSON).json()["customer_id"]
    marks = {"members": person, "past members": person, "changes": person, "identities": '"u1"'}
    before = everything_told(service)
    assert all(marks.get(name, "note of u1") in text for name, text in before.items())
    restrict(service, True)
    assert service.get(PERSON).json()["withheld"] == {"everything": 1}
    assert service.get("/v1/segments/pro/members").headers["onefold-withheld"] == "members=1"
    during = everything_told(service)
    assert not any(marks.get(name, "note of u1") in text for name, text in during.items())
    assert (
        "note of u2" in during["batch"] and "note of u2" in during["member profiles"] and "note of u2" in during["log"]
    )
    service.post("/v1/identify", {"userId": "u1", "traits": {"plan": "pro", "city": "Oslo"}})
    assert "Oslo" not in service.get(PERSON).text
    restrict(service, False)
    assert all(marks.get(name, "note of u1") in text for name, text in everything_told(service).items())
    assert service.get(PERSON).json()["attributes"]["city"]["value"] == "Oslo"
    ledger = service.get(f"{PERSON}/ledger").json()["data"]
    assert [(each["granted"], each["reason"]) for each in ledger] == [(True, "contested"), (False, "contested")]


def test_a_webhook_without_a_registry_leaves_restricted_and_erased_people_out(service: HttpService) -> None:
    people = [from_text(service.get(f"/v1/profiles/user_id:{user}").json()["customer_id"]) for user in ("u1", "u2")]
    check = BasisCheck(service.router.profiles, dict, NO_PURPOSES, lambda: NOW)
    erased = (12345, "pro")  # whose entry a webhook that is behind has not been told of
    entries = [(customer_id, "pro") for customer_id in people]
    assert set(asyncio.run(check.entries([*entries, erased], ""))) == set(entries)
    restrict(service, True)
    assert set(asyncio.run(check.entries([*entries, erased], ""))) == set(entries[1:])


def test_a_suppression_is_lifted_for_normal_identifiers(service: HttpService) -> None:
    path = "/v1/privacy/suppressions/lift"
    assert service.post(path, {"identifiers": ["email:Jane@Example.com", "user_id:u9"]}).json() == {"lifted": 2}
    assert service.router.lifted == ["email:jane@example.com", "user_id:u9"]
    for wrong in ([], ["jane"], None):
        assert service.post(path, {"identifiers": wrong}).status_code == 400
