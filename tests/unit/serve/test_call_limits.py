"""Limits of calls: by key, by the address that shows wrong keys, by size."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.onefold.v1 import profile_pb2
from serve.http_scopes import SCOPES
from serve.rate_limit import CLIENT_HEADER, FailureLimiter
from serve.settings import Limits, Settings
from serve.tls import TlsSettings
from tests.unit.serve.grpc_service import GrpcService, Refused
from tests.unit.serve.http_service import HttpService

LIMITS = Limits(calls_per_second=1, calls_burst=2, failed_keys_per_minute=3)


def limited(folder: Path) -> Settings:
    return Settings(data_dir=str(folder), limits=LIMITS)


def test_calls_of_a_key_over_http(tmp_path: Path) -> None:
    service = HttpService(tmp_path, limited(tmp_path))
    service.key = service.create_key("admin")
    paths = ("/v1/status", "/v1/admin/keys", "/v1/profiles/user_id:nobody")
    assert [service.get(path).status_code for path in paths] == [200, 200, 429]
    refused = service.get("/v1/status")
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate_limited", "1")
    assert service.post("/v1/identify", {"userId": "u1"}).status_code == 200  # events have a limit of their own
    service.key = service.create_key("read")
    assert service.get("/v1/status").status_code == 200  # so has another key
    service.now += 1_000
    assert service.get("/v1/status").status_code == 200


def test_waiting_is_one_call_however_long_it_takes(tmp_path: Path) -> None:
    service = HttpService(tmp_path, limited(tmp_path))
    service.key = service.create_key("read")
    cursor = service.get("/v1/profiles/changes").json()["cursor"]
    service.now += 1_000
    path = f"/v1/profiles/changes?timeout_s=0.1&after={cursor}"
    assert [service.get(path).status_code for _ in range(3)] == [200, 200, 429]


def test_calls_of_a_key_over_grpc(tmp_path: Path) -> None:
    service = GrpcService(tmp_path, limited(tmp_path))
    service.key = service.http.create_key("read")
    request = profile_pb2.BatchGetRequest(keys=["user_id:u1"])
    for _ in range(2):
        service.call("BatchGet", request)
    with pytest.raises(Refused, match="calls per second") as caught:
        service.call("BatchGet", request)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert service.last.trailing == [("retry-after", "1")]


def test_an_address_that_shows_wrong_keys_is_not_listened_to_for_a_while(tmp_path: Path) -> None:
    service = HttpService(tmp_path, limited(tmp_path))
    right = service.create_key("read")

    def ask(key: str, address: str) -> int:
        headers = {"Authorization": f"Bearer {key}", CLIENT_HEADER: address}
        return service.request("GET", "/v1/status", headers=headers).status_code

    assert [ask("wrong", "192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
    assert ask(right, "192.0.2.1") == 429
    assert ask(right, "192.0.2.2") == 200
    service.now += 60_000
    assert ask(right, "192.0.2.1") == 200


def test_the_same_over_grpc(tmp_path: Path) -> None:
    service = GrpcService(tmp_path, limited(tmp_path))
    right, service.key = service.http.create_key("read"), "wrong"
    request = profile_pb2.BatchGetRequest(keys=["user_id:u1"])
    for code in (*[grpc.StatusCode.UNAUTHENTICATED] * 3, grpc.StatusCode.RESOURCE_EXHAUSTED):
        with pytest.raises(Refused) as caught:
            service.call("BatchGet", request, metadata=((CLIENT_HEADER, "192.0.2.1"),))
        assert caught.value.code is code
    service.key = right
    service.call("BatchGet", request, metadata=((CLIENT_HEADER, "192.0.2.2"),))


def test_addresses_that_failed_long_ago_are_forgotten_first() -> None:
    failures = FailureLimiter(1)
    for number in range(10_001):
        failures.fail(str(number), 0)
    assert failures.wait_s("0", 0) == 0
    assert failures.wait_s("1", 0) == failures.wait_s("10000", 0) == 60


def test_replicas_take_calls_of_the_machine_only_where_the_proxy_ends_tls(tmp_path: Path) -> None:
    service = GrpcService(tmp_path, Settings(data_dir=str(tmp_path), tls=TlsSettings(certificate="x", key="y")))
    service.key = service.http.key = service.http.create_key("read")
    request = profile_pb2.BatchGetRequest(keys=["user_id:u1"])
    service.call("BatchGet", request)
    with pytest.raises(Refused, match="own proxy") as caught:
        service.call("BatchGet", request, peer="ipv4:192.0.2.1:40000")
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    for host, status in (("127.0.0.1", 200), ("192.0.2.7", 403)):
        assert service.http.request("GET", f"http://{host}/v1/status").status_code == status


def operations(service: HttpService) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of all that the document has."""
    paths = service.get("/openapi.json").json()["paths"]
    return [(method.upper(), path, each) for path, methods in paths.items() for method, each in methods.items()]


def test_every_body_has_a_limit(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    with_body = [(method, path) for method, path, each in operations(service) if "requestBody" in each]
    assert len(with_body) > 30
    refused = {}
    for method, path in with_body:
        assert (method, path) in SCOPES
        refused[path] = service.request(method, path, {}, headers={"content-length": str(1 << 30)}).status_code
    # There is no such webhook or alias, and no tokens to reveal: the body is not looked at.
    webhook = "/v1/webhooks/{webhook_id}"
    others = {path for path, status in refused.items() if status != 413}
    assert others <= {
        webhook,
        f"{webhook}/dead-letters/replay",
        "/v1/privacy/reveal",
        "/v1/models/{model}/aliases/{alias}",
    }


def test_every_list_has_pages_of_a_limited_length(tmp_path: Path) -> None:
    paged = 0
    for method, path, each in operations(HttpService(tmp_path)):
        parameters = {parameter["name"]: parameter["schema"] for parameter in each.get("parameters", [])}
        if "limit" in parameters:
            paged += 1
            assert parameters["limit"]["maximum"] <= 1_000, (method, path)
        else:
            assert "cursor" not in parameters, (method, path)
    assert paged > 10
