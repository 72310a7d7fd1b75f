"""Consents by the API: statements, the ledger at any time, Sec-GPC, and who may."""

from pathlib import Path
from typing import Any

import pytest

from models.privacy.purposes import RESTRICTED, DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from serve.http_schemas import time_text
from serve.settings import Settings
from tests.unit.serve.http_service import NOW, HttpService

PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(events=("Ad *",)), opt_out=True),
    },
    default="service",
)


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=PURPOSES)))
    made.router.purposes = PURPOSES
    made.post("/v1/identify", {"userId": "u1", "traits": {"plan": "pro"}})
    return made


def state(service: HttpService, decisions: Any, **more: Any) -> Any:
    return service.post("/v1/profiles/user_id:u1/consents", {"decisions": decisions, **more})


def test_a_statement_is_answered_with_receipts_and_stands_in_the_ledger(service: HttpService) -> None:
    answer = state(service, {"ads": True, RESTRICTED: False}, notice_version="v3", jurisdiction="DE")
    assert answer.status_code == 200
    entries = answer.json()["data"]
    assert [(e["purpose"], e["granted"], e["basis"]) for e in entries] == [
        ("ads", True, "consent"),
        (RESTRICTED, False, ""),
    ]
    assert {(e["notice_version"], e["jurisdiction"], *e["methods"]) for e in entries} == {("v3", "DE", "api")}
    assert len({e["receipt_id"] for e in entries}) == 2
    assert state(service, {"ads": True}).json()["data"] == []  # nothing has changed
    service.now = NOW + 1000
    assert [e["granted"] for e in state(service, {"ads": False}).json()["data"]] == [False]
    ledger = "/v1/profiles/user_id:u1/ledger"
    assert [e["granted"] for e in service.get(ledger).json()["data"]] == [True, False, False]
    before = service.get(f"{ledger}?at={time_text(NOW + 999)}").json()["data"]
    assert {e["purpose"]: e["granted"] for e in before} == {"ads": True, RESTRICTED: False}
    assert service.get(f"{ledger}?at={time_text(NOW - 1)}").json()["data"] == []
    consents = service.get("/v1/profiles/user_id:u1/consents").json()["data"]
    assert {c["category"]: c["granted"] for c in consents} == {"ads": False, RESTRICTED: False}


@pytest.mark.parametrize("decisions", [{}, {"!other": True}, {"unknown": True}, {"ads": "yes"}])
def test_what_cannot_be_stated_is_named(service: HttpService, decisions: Any) -> None:
    answer = state(service, decisions)
    assert answer.status_code == 400
    assert "decisions" in answer.json()["message"]


def test_nobody_s_key_and_a_bad_time(service: HttpService) -> None:
    assert service.post("/v1/profiles/user_id:nobody/consents", {"decisions": {"ads": True}}).status_code == 404
    assert service.get("/v1/profiles/user_id:u1/ledger?at=soon").status_code == 400


def test_global_privacy_control_is_a_no_to_what_it_is_about(service: HttpService) -> None:
    state(service, {"ads": True})
    service.now = NOW + 1000
    headers = {"Sec-GPC": "1"}
    service.post("/v1/track", {"userId": "u1", "event": "Seen", "context": {"consent": {}}}, **headers)
    (last,) = [e for e in service.get("/v1/profiles/user_id:u1/ledger").json()["data"] if not e["granted"]]
    assert (last["purpose"], last["methods"]) == ("ads", ["gpc"])
    service.post("/v1/track", {"userId": "u1", "event": "Seen"}, **{"Sec-GPC": "0"})
    assert len(service.get("/v1/profiles/user_id:u1/ledger").json()["data"]) == 2


def test_an_answer_holds_what_is_for_its_purpose_and_says_what_it_leaves_out(service: HttpService) -> None:
    state(service, {"ads": True})
    service.now = NOW + 1000
    service.post("/v1/track", {"userId": "u1", "event": "Ad Clicked", "properties": {"x": 1}})
    whole = "/v1/profiles/user_id:u1"
    served = service.get(whole)
    assert (served.json()["attributes"].keys(), served.json()["behaviors"]) == ({"plan"}, {})
    assert (served.json()["withheld"], served.headers["onefold-withheld"]) == ({"behaviors": 1}, "behaviors=1")
    ads = service.get(whole, **{"Onefold-Purpose": "ads"})
    assert (ads.json()["attributes"], ads.json()["behaviors"].keys()) == ({}, {"Ad Clicked"})
    assert ads.json()["identities"] == []
    assert ads.json()["withheld"].keys() >= {"attributes", "identities"}
    events = service.get(f"{whole}/events", **{"Onefold-Purpose": "ads"})
    assert [entry["name"] for entry in events.json()["data"] if entry["name"]] == ["Ad Clicked"]
    assert service.get(f"{whole}/traits", **{"Onefold-Purpose": "ads"}).json()["traits"] == {}
    state(service, {"ads": False})
    gone = service.get(whole, **{"Onefold-Purpose": "ads"}).json()
    assert gone["withheld"] == {"everything": 1}
    assert not any(gone[section] for section in ("attributes", "behaviors", "identities", "segments"))
    assert service.get(f"{whole}/events", **{"Onefold-Purpose": "ads"}).json()["data"] == []
    assert service.get(whole, **{"Onefold-Purpose": "other"}).status_code == 400
    batch = service.post("/v1/profiles/batch", {"keys": ["user_id:u1", "user_id:none"]}, **{"Onefold-Purpose": "ads"})
    assert batch.headers["onefold-withheld"] == "everything=1"


def test_members_for_a_purpose_are_those_for_whom_it_has_a_basis(service: HttpService) -> None:
    criteria = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": criteria})
    service.post("/v1/identify", {"userId": "u2", "traits": {"plan": "pro"}})
    state(service, {"ads": True})
    members = "/v1/segments/pro/members"
    assert len(service.get(members).json()["data"]) == 2
    for_ads = service.get(members, **{"Onefold-Purpose": "ads"})
    assert (len(for_ads.json()["data"]), for_ads.headers["onefold-withheld"]) == (1, "members=1")
    rows = service.get(f"{members}/profiles?traits=plan", **{"Onefold-Purpose": "ads"})
    assert rows.status_code == 400  # the plan is not for ads
    rows = service.get(f"{members}/profiles", **{"Onefold-Purpose": "ads"})
    assert len(rows.json()["data"]) == 1
    assert "onefold-withheld" not in service.get(f"{members}/profiles?traits=plan").headers
