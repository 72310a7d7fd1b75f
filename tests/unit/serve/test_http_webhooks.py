"""/v1/webhooks: made, changed, tested, rotated, deleted; dead letters listed and tried again."""

import asyncio
import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.errors import Unavailable
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
HOOK = {"id": "crm", "url": "https://crm.example/hook", "segments": ["pro"]}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    made.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    return made


def step(service: HttpService, webhook_id: str) -> None:
    """Sends what is to be sent to a webhook now."""

    async def both() -> None:
        service.deliverer.follow(service.control.webhooks())
        await service.deliverer.try_again(webhook_id)
        await service.deliverer.tell(webhook_id)

    asyncio.run(both())


def enter(service: HttpService, *numbers: int) -> None:
    service.send(*({"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}} for n in numbers))


def test_made_and_told(service: HttpService) -> None:
    enter(service, 1)
    made = service.post("/v1/webhooks", HOOK).json()
    assert made["secret"].startswith("whsec_")
    assert service.get("/v1/webhooks/crm").json()["secret"] is None
    enter(service, 2, 3)
    step(service, "crm")
    assert len(service.receiver.taken) == 2  # nothing of before it was made
    url, _, body = service.receiver.taken[0]
    told = json.loads(body)
    assert (url, told["type"], told["data"]["segment_id"]) == (HOOK["url"], "segment.entered", "pro")
    (listed,) = service.get("/v1/webhooks").json()["webhooks"]
    assert (listed["delivered"], listed["waiting"], listed["dead"]) == (2, 0, 0)
    assert (listed["behind"], listed["late_ms"]) == (0, 0)
    assert listed["last_success_at"]
    all_of_it = service.post("/v1/webhooks", {**HOOK, "id": "all", "from_start": True})
    assert all_of_it.status_code == 200
    step(service, "all")
    assert len(service.receiver.taken) == 5


def test_changed_rotated_tested_and_deleted(service: HttpService) -> None:
    first = service.post("/v1/webhooks", HOOK).json()
    assert service.post("/v1/webhooks", HOOK).status_code == 409
    changed = service.request("PUT", "/v1/webhooks/crm", {"url": "https://new.example", "enabled": False}).json()
    assert (changed["url"], changed["enabled"], changed["segments"]) == ("https://new.example", False, [])
    rotated = service.post("/v1/webhooks/crm/rotate-secret", {}).json()
    assert rotated["secret"] not in (None, first["secret"])
    service.receiver.status = 500
    assert service.post("/v1/webhooks/crm/test", {}).json() == {"status": 500, "error": "HTTP 500"}
    _, headers, body = service.receiver.taken[-1]
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert json.loads(body) == {"type": "onefold.test", "timestamp": "2026-03-01T12:30:00.000Z", "data": {}}
    assert service.request("DELETE", "/v1/webhooks/crm").status_code == 200
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/dead-letters")):
        assert service.request(method, f"/v1/webhooks/crm{path}", HOOK).status_code == 404


def test_dead_letters(service: HttpService) -> None:
    service.post("/v1/webhooks", HOOK)
    service.receiver.status = 400
    enter(service, 1, 2, 3)
    step(service, "crm")
    page = service.get("/v1/webhooks/crm/dead-letters?limit=2").json()
    assert [letter["error"] for letter in page["data"]] == ["HTTP 400"] * 2
    rest = service.get(f"/v1/webhooks/crm/dead-letters?limit=2&cursor={page['cursor']['next']}").json()
    assert len(rest["data"]) == 1
    service.receiver.status = 200
    one = page["data"][0]["id"]
    assert service.post("/v1/webhooks/crm/dead-letters/replay", {"ids": [one, "gone"]}).json() == {"replayed": 1}
    assert service.post("/v1/webhooks/crm/dead-letters/replay", {}).json() == {"replayed": 2}
    step(service, "crm")
    assert service.get("/v1/webhooks/crm").json()["delivered"] == 3


def test_what_is_refused(service: HttpService) -> None:
    answer = service.post("/v1/webhooks", {"url": "gopher://x"}).json()
    assert {error["field"] for error in answer["errors"]} == {"id", "url"}
    answer = service.post("/v1/webhooks", {**HOOK, "segments": ["pro", "gone"]}).json()
    assert answer["errors"][0]["field"] == "segments[1]"


def test_what_a_change_cannot_do(service: HttpService) -> None:
    service.post("/v1/webhooks", HOOK)
    for wrong, field in (({"from_start": True}, "from_start"), ({"id": "other"}, "id")):
        answer = service.request("PUT", "/v1/webhooks/crm", {"url": HOOK["url"], **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    same = service.request("PUT", "/v1/webhooks/crm", HOOK)
    assert (same.status_code, same.json()["segments"]) == (200, ["pro"])
    for _ in range(4):
        assert service.post("/v1/webhooks/crm/rotate-secret", {}).status_code == 200
    assert service.post("/v1/webhooks/crm/rotate-secret", {}).status_code == 409


def test_one_that_is_gone_is_seen_and_can_be_begun_again(service: HttpService) -> None:
    service.post("/v1/webhooks", HOOK)
    service.receiver.status = 410
    enter(service, 1)
    step(service, "crm")
    found = service.get("/v1/webhooks/crm").json()
    assert (found["enabled"], found["waiting"], found["last_error"]) == (False, 1, "HTTP 410")
    assert "410" in found["disabled_because"]
    again = service.request("PUT", "/v1/webhooks/crm", HOOK).json()
    assert (again["enabled"], again["disabled_because"]) == (True, "")


def test_a_secret_is_not_changed_when_it_could_not_be_told(
    service: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = service.post("/v1/webhooks", HOOK).json()["secret"]

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the deliverer is away")

    monkeypatch.setattr(service.services.deliveries, "call", away)
    assert service.post("/v1/webhooks/crm/rotate-secret", {}).status_code == 503
    assert service.control.webhook("crm").secret == secret


def test_metrics_tell_of_each_webhook(service: HttpService) -> None:
    service.post("/v1/webhooks", HOOK)
    service.receiver.status = 500
    enter(service, 1, 2)
    step(service, "crm")
    enter(service, 3)
    service.pass_time(3_000)
    families = {f.name: f for f in text_string_to_metric_families(service.get("/metrics").text)}
    expected = {"delivered": 0, "failed": 2, "retried": 0, "waiting": 2, "behind": 1, "late_ms": 3_000, "gone": 0}
    for name, value in expected.items():
        (sample,) = families[f"onefold_webhook_{name}"].samples
        assert (sample.labels, sample.value) == ({"tenant": "default", "webhook": "crm"}, value), name
