"""Corrections by the API: what holds, what is refused and where to go with it, and who may."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.serve.http_service import NOW, HttpService

PATH = "/v1/profiles/user_id:u1/corrections"
DEEP: Any = json.loads("[" * 40 + "]" * 40)


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    made.post("/v1/identify", {"userId": "u1", "traits": {"name": "Jnae", "birthday": "1990-01-01"}})
    return made


def shown(service: HttpService) -> dict[str, Any]:
    attributes = service.get("/v1/profiles/user_id:u1").json()["attributes"]
    return {name: told["value"] for name, told in attributes.items()}


def test_a_correction_is_answered_listed_and_lifted(service: HttpService) -> None:
    service.now = NOW + 1_000
    answer = service.post(PATH, {"traits": {"name": "Jane", "birthday": None}, "reason": "a typing error"})
    assert answer.status_code == 200
    assert answer.json() == service.get(PATH).json()
    entries = {each["trait"]: (each["value"], each["told"]) for each in answer.json()["data"]}
    assert entries == {"name": ("Jane", "Jnae"), "birthday": (None, "1990-01-01")}
    service.now = NOW + 2_000
    service.post("/v1/identify", {"userId": "u1", "traits": {"name": "Jnae", "birthday": "1990-01-02"}})
    assert shown(service) == {"name": "Jane"}
    service.now = NOW + 3_000
    assert [each["trait"] for each in service.post(PATH, {"lift": ["birthday"]}).json()["data"]] == ["name"]
    assert shown(service) == {"name": "Jane", "birthday": "1990-01-02"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "at least one"),
        ({"traits": {"name": "x"}, "lift": ["name"]}, "lift"),
        ({"traits": {"email": "jane@example.com"}}, "/v1/identity/unmerge"),
        ({"lift": ["phone"]}, "/v1/identity/unmerge"),
        ({"traits": {"email_opt_in": True}}, "identify call"),
        ({"traits": {"unsubscribed": True}}, "identify call"),
        ({"traits": {"": 1}}, "names of 1 to"),
        ({"traits": {"note": "x" * 100_000}}, "at most"),
        ({"traits": [1]}, "traits"),
        ({"traits": {"note": [{"size": 2**64}]}}, "traits.note[0].size: integers must fit 64 bits"),
        ({"traits": {"note": "a\0b"}}, "traits.note: text must not hold U+0000"),
        ({"traits": {"note": DEEP}}, "may be nested 32 deep"),
    ],
)
def test_what_cannot_be_corrected_is_named_with_the_way_out(service: HttpService, body: Any, told: str) -> None:
    answer = service.post(PATH, body)
    assert answer.status_code == 400
    assert told in answer.json()["message"]
    assert "jane@" not in answer.text


def test_nobody_s_key_is_not_found(service: HttpService) -> None:
    path = "/v1/profiles/user_id:nobody/corrections"
    assert service.post(path, {"traits": {"name": "x"}}).status_code == 404
    assert service.get(path).status_code == 404
