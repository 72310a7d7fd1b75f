"""Paths below a key that may hold slashes: which are keys, and which methods the others are used with."""

from pathlib import Path

import pytest

from serve.http_scopes import SCOPES
from tests.unit.serve.http_service import HttpService


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return HttpService(tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("GET", "/v1/profiles/user_id:u1/decide", "POST"),
        ("GET", "/v1/profiles/user_id:a/b/rank", "POST"),
        ("GET", "/v1/profiles/user_id:u1/decisions/dec_1/review", "POST"),
        ("GET", "/v1/profiles/batch", "POST"),
        ("DELETE", "/v1/profiles/user_id:u1/consents", "GET, POST"),
        ("POST", "/v1/profiles/user_id:u1", "GET"),
        ("POST", "/v1/profiles/user_id:a/b", "GET"),
    ],
)
def test_what_goes_on_below_a_key_is_no_key(service: HttpService, method: str, path: str, methods: str) -> None:
    response = service.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, methods)


def test_a_key_may_hold_slashes(service: HttpService) -> None:
    for key in ("user_id:a/b", "user_id:decide/me", "user_id:a/decided"):
        service.post("/v1/identify?wait=true", {"userId": key.partition(":")[2], "traits": {"name": "x"}})
        assert service.get(f"/v1/profiles/{key}").status_code == 200, key


def test_no_route_below_a_key_is_read_as_one(service: HttpService) -> None:
    below = {path for _, path in SCOPES if path.startswith("/v1/profiles/{key}/")}
    for path in below:
        asked = path.replace("{key}", "user_id:u1").replace("{decision_id}", "dec_1")
        answer = service.get(asked)
        if ("GET", path) in SCOPES:
            assert answer.status_code != 405, path
        else:
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), path
