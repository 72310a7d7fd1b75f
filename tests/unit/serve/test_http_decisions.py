"""Automated decisions by the API: listed with their reviews, reviewed once, and for privacy keys alone."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from models.identity.customer_id import from_text
from models.privacy.decisions import DecisionRecord, decision_of
from tests.unit.serve.http_service import NOW, HttpService

PATH = "/v1/profiles/user_id:u1/decisions"


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    made.post("/v1/identify", {"userId": "u1", "traits": {"name": "Jane"}})
    person = from_text(made.get("/v1/profiles/user_id:u1").json()["customer_id"])
    for number in range(3):
        record = decision_of("webhook", "offers", person, f"msg_0_{number}", "ads", number == 2, NOW + number)
        asyncio.run(made.router.log_decision(record))
    return made


def test_decisions_are_listed_and_reviewed_once(service: HttpService) -> None:
    entries = service.get(f"{PATH}?limit=2").json()
    assert [each["decided"] for each in entries["data"]] == ["taken", "taken"]
    rest = service.get(f"{PATH}?cursor={entries['cursor']['next']}").json()["data"]
    assert [(each["decided"], each["cause"], each["review"]) for each in rest] == [
        ("skipped: opted out", "msg_0_2", None)
    ]
    path = f"{PATH}/{entries['data'][0]['id']}/review"
    asked = {"outcome": "overturned", "by": "a.meier", "note": "no reason was seen"}
    assert service.post(path, asked).status_code == 200
    service.now += 1_000
    again = service.post(path, asked).json()
    assert (again["review"]["outcome"], again["review"]["at"]) == ("overturned", "2026-03-01T12:30:00.000Z")
    assert service.post(path, {**asked, "outcome": "upheld"}).status_code == 409
    assert [each["review"] is not None for each in service.get(PATH).json()["data"]] == [True, False, False]


def test_of_two_reviews_at_once_one_is_told_that_it_does_not_hold(
    service: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_decision = service.router.log_decision
    decision = service.get(PATH).json()["data"][0]["id"]

    async def late(record: DecisionRecord) -> None:
        await log_decision(msgspec.structs.replace(record, decided="overturned", by="the other"))
        await log_decision(record)

    monkeypatch.setattr(service.router, "log_decision", late)
    assert service.post(f"{PATH}/{decision}/review", {"outcome": "upheld", "by": "a.meier"}).status_code == 409


def test_what_is_not_there_is_not_found(service: HttpService) -> None:
    asked = {"outcome": "upheld", "by": "a.meier"}
    assert service.post(f"{PATH}/dec_0/review", asked).status_code == 404
    assert service.post(f"{PATH}/dec_0/review", {**asked, "outcome": "maybe"}).status_code == 400
    assert service.get("/v1/profiles/user_id:nobody/decisions").status_code == 404
