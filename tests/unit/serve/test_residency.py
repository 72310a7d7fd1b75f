"""Residency at the doors of a replica: what comes in, who is answered, who is told."""

from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from actors.webhook_residency import PermittedWebhooks
from models.privacy.residency import NO_RESIDENCY, Region, Residency, Transfer
from models.shard.protocol import DeadLetter
from protos.onefold.v1 import profile_pb2 as pb
from serve.settings import Settings, SettingsError, load
from tests.unit.serve.grpc_service import GrpcService, Refused
from tests.unit.serve.http_service import HttpService

REGIONS = {"eu": Region(countries=("DE",)), "us": Region(countries=("US",), url="https://us.example.com")}
CLOSED = Residency(region="eu", regions=REGIONS)
OPEN = msgspec.structs.replace(CLOSED, transfers={"eu->us": Transfer("scc", "contract 7")})
CANARY = "zyzzyva"
READS = ("/v1/profiles/user_id:u1", "/v1/events", "/v1/deadletters", "/v1/audit/entries", "/v1/admin/keys")


def service_of(path: Path, residency: Residency) -> HttpService:
    return HttpService(path, Settings(residency=residency))


def key_in(service: HttpService, region: str, *scopes: Any) -> str:
    _, secret = service.control.create_key("reader", scopes, region=region)
    service.pass_time(1_000)
    return secret


def person(country: str) -> dict[str, Any]:
    return {"type": "identify", "userId": f"u-{country}", "traits": {"name": CANARY, "address": {"country": country}}}


def files(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_what_belongs_elsewhere_is_not_written(tmp_path: Path) -> None:
    service = service_of(tmp_path, CLOSED)
    broken = {"type": "track", "userId": CANARY, "context": {"location": {"country": "US"}}}
    answer = service.send(person("DE"), person("US"), broken, {"type": "track", "userId": "here"})
    assert answer["accepted"] == 1
    first, second, third = answer["rejected"]
    assert [each["index"] for each in (first, second, third)] == [1, 2, 3]
    for each in (first, second):
        (reason,) = each["reasons"]
        assert reason["code"] == "wrong_region" and "https://us.example.com" in reason["message"]
    assert third["reasons"][0]["code"] != "wrong_region"
    assert list(service.router.index) == ["user_id:u-DE"]
    (letter,) = service.get("/v1/deadletters").json()["data"]
    assert CANARY not in str(letter)
    assert CANARY.encode() not in files(tmp_path)
    refused = service.post("/v1/identify", person("US"))
    assert (refused.status_code, refused.json()["code"]) == (400, "wrong_region")


def test_letters_of_before_are_not_brought_in_from_elsewhere(tmp_path: Path) -> None:
    service = service_of(tmp_path, CLOSED)
    for number, country in enumerate(("DE", "US")):
        letter = DeadLetter(f"l{number}", service.now, "web", "identify", [], msgspec.json.encode(person(country)))
        service.router.letters[letter.letter_id] = letter
    answer = service.post("/v1/deadletters/replay", {"all": True}).json()
    assert answer["replayed"] == 1
    (rejected,) = answer["rejected"]
    assert [reason["code"] for reason in rejected["reasons"]] == ["wrong_region"]
    assert list(service.router.index) == ["user_id:u-DE"]


def test_profiles_say_where_they_are(tmp_path: Path) -> None:
    for name, residency, region in (("eu", CLOSED, "eu"), ("off", NO_RESIDENCY, "")):
        (tmp_path / name).mkdir()
        service = GrpcService(tmp_path / name, Settings(residency=residency))
        service.http.send(person("DE"))
        assert service.http.get("/v1/profiles/user_id:u-DE").json().get("region", "") == region
        assert pb.Profile.FromString(service.call("Get", pb.GetRequest(key="user_id:u-DE"))).region == region


@pytest.mark.parametrize("path", READS)
def test_readers_in_another_region_need_a_mechanism(tmp_path: Path, path: str) -> None:
    for name, residency, status in (("closed", CLOSED, 403), ("open", OPEN, 200)):
        (tmp_path / name).mkdir()
        service = service_of(tmp_path / name, residency)
        service.send({"type": "identify", "userId": "u1"})
        service.key = key_in(service, "us", "read", "privacy", "admin")
        answer = service.get(path)
        assert answer.status_code == status, answer.text
        if status == 403:
            assert "eu->us" in answer.json()["message"]
            assert "u1" not in answer.text
        elif "admin" not in path:
            entry = service.recorded()[-1]
            assert (entry.detail["transfer"], entry.detail["mechanism"]) == ("eu->us", "scc")
        for here in ("", "eu"):
            service.key = key_in(service, here, "read", "privacy", "admin")
            assert service.get(path).status_code == 200
            assert "transfer" not in service.recorded()[-1].detail


def test_writers_and_counts_cross_no_border(tmp_path: Path) -> None:
    service = service_of(tmp_path, CLOSED)
    service.key = key_in(service, "us", "ingest", "analyse")
    assert service.send(person("DE"))["accepted"] == 1
    assert service.get("/v1/segments").status_code == 200


def test_who_sends_from_elsewhere_is_told_of_people_under_a_mechanism_only(tmp_path: Path) -> None:
    for name, residency, told in (("closed", CLOSED, False), ("open", OPEN, True)):
        (tmp_path / name).mkdir()
        service = service_of(tmp_path / name, residency)
        service.key = key_in(service, "us", "ingest", "read")
        answer = service.post("/v1/batch?wait=true", {"batch": [{"type": "identify", "userId": "u1"}]}).json()
        (result,) = answer["results"]
        assert result["status"] == "applied"
        assert bool(result["customer_id"]) == told


def test_the_same_over_grpc(tmp_path: Path) -> None:
    for name, residency in (("closed", CLOSED), ("open", OPEN)):
        (tmp_path / name).mkdir()
        service = GrpcService(tmp_path / name, Settings(residency=residency))
        service.http.send({"type": "identify", "userId": "u1"})
        service.key = key_in(service.http, "us", "read")
        if residency is OPEN:
            assert service.call("Get", pb.GetRequest(key="user_id:u1"))
            assert service.http.recorded()[-1].detail["transfer"] == "eu->us"
        else:
            with pytest.raises(Refused, match="eu->us") as caught:
                service.call("Get", pb.GetRequest(key="user_id:u1"))
            assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_receivers_of_webhooks(tmp_path: Path) -> None:
    service = service_of(tmp_path, CLOSED)
    hook = {"id": "crm", "url": "https://example.com/"}
    for region in ({}, {"region": "us"}, {"region": "mars"}):
        refused = service.post("/v1/webhooks", {**hook, **region})
        assert refused.status_code == 400 and "region: expected one" in refused.json()["message"]
    assert service.post("/v1/webhooks", {**hook, "region": "eu"}).json()["region"] == "eu"
    # The settings change, or the webhook is from before.
    stored = service.control.webhooks()["crm"]
    service.control.update_webhook("crm", lambda _: msgspec.structs.replace(stored, region="us"))
    closed = PermittedWebhooks(service.control, CLOSED).webhooks()["crm"]
    assert not closed.enabled and "eu->us" in closed.disabled_because
    assert PermittedWebhooks(service.control, OPEN).webhooks()["crm"].enabled


def test_keys_say_where_they_are_used(tmp_path: Path) -> None:
    service = service_of(tmp_path, CLOSED)
    wrong = service.post("/v1/admin/keys", {"name": "a", "scopes": ["read"], "region": "mars"})
    assert wrong.status_code == 400 and "eu, us" in wrong.json()["message"]
    made = service.post("/v1/admin/keys", {"name": "a", "scopes": ["read"], "region": "us"}).json()
    assert made["key"]["region"] == "us"
    key, _, _ = service.control.rotate_key(made["key"]["id"], 0)
    assert key.region == "us"


def test_settings() -> None:
    given = {
        "ONEFOLD_RESIDENCY__REGION": "eu",
        "ONEFOLD_RESIDENCY__REGIONS": '{"eu": {"countries": ["DE"]}, "us": {}}',
        "ONEFOLD_RESIDENCY__TRANSFERS": '{"eu->us": {"mechanism": "scc", "reference": "contract 7"}}',
    }
    residency = load(environment=given).settings.residency
    assert residency.region_of("web", {"address": {"country": "DE"}}, {}) == "eu"
    with pytest.raises(SettingsError, match=r"residency\.region"):
        load(environment={**given, "ONEFOLD_RESIDENCY__REGION": "mars"})


def test_the_record_of_processing_says_what_may_go_where(tmp_path: Path) -> None:
    service = service_of(tmp_path, OPEN)
    service.post("/v1/webhooks", {"id": "crm", "url": "https://example.com/", "region": "us"})
    record = service.get("/v1/privacy/record").json()
    assert record["transfers"] == [{"rule": "eu->us", "mechanism": "scc", "reference": "contract 7"}]
    assert [(each["id"], each["region"]) for each in record["recipients"] if each["kind"] == "webhook"] == [
        ("crm", "us")
    ]
    (tmp_path / "closed").mkdir()
    closed = service_of(tmp_path / "closed", CLOSED)
    closed.control.create_webhook(service.control.webhooks()["crm"])
    record = closed.get("/v1/privacy/record").json()
    assert (record["region"], record["transfers"]) == ("eu", [])
    assert all(each["kind"] != "webhook" for each in record["recipients"])  # it is off
