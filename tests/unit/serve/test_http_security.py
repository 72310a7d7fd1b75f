"""Who may call what over HTTP, and that nothing personal is logged or counted."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from actors.api_keys import SCOPES as ALL_SCOPES
from actors.api_keys import Scope, allows
from serve import logs
from serve.disclosure import SHOWS
from serve.http_context import declared_of
from serve.http_scopes import PUBLIC, SCOPES
from tests.unit.serve.http_service import HttpService

GUARDED = sorted((method, path) for (method, path), scope in SCOPES.items() if scope != PUBLIC)
MAIL = "jane.doe@example.com"
PHONE = "+41791234567"


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return HttpService(tmp_path)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger(logs.ROOT)
    before = (root.handlers[:], root.level, root.propagate)
    stream = io.StringIO()
    logs.configure("debug", stream)
    yield stream
    root.handlers[:], root.level, root.propagate = before


def routes_of(service: HttpService) -> set[tuple[str, str]]:
    found = set()
    for context in iter_route_contexts(service.app.routes):
        path = str(getattr(context, "path_format", None) or getattr(context.original_route, "path", ""))
        found |= {(method, path) for method in context.methods or () if method != "HEAD"}
    return found


def test_every_route_states_its_scope_or_that_it_is_public(service: HttpService) -> None:
    assert routes_of(service) == set(SCOPES)


def test_every_route_states_what_it_shows_and_one_that_shows_people_takes_the_purpose_of_its_read(
    service: HttpService,
) -> None:
    assert routes_of(service) == set(SHOWS)
    for context in iter_route_contexts(service.app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        takes = declared_of in {each.call for each in dependants_of(route.dependant)}
        shown = {SHOWS[method, route.path_format] for method in route.methods or ()}
        assert takes is bool(shown & {"purpose", "letters"}), route.path


def dependants_of(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from dependants_of(each)


def test_only_these_are_public() -> None:
    public = {path for (_, path), scope in SCOPES.items() if scope == PUBLIC}
    assert public == {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/v2/certificate"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> tuple[HttpService, dict[Scope, str], list[str]]:
    """A service with one key of each scope, and what is no key, or none any more."""
    service = HttpService(tmp_path_factory.mktemp("keyed"))
    _, expired = service.control.create_key("expired", ["admin"], lifetime_ms=1)
    key, revoked = service.control.create_key("revoked", ["admin"])
    service.control.revoke_key(key.key_id)
    keys = {scope: service.create_key(scope, scope) for scope in ALL_SCOPES}
    return service, keys, ["", "ofk_wrong", expired, revoked]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_route_asks_for_its_scope(
    keyed: tuple[HttpService, dict[Scope, str], list[str]], method: str, path: str
) -> None:
    service, keys, refused = keyed
    concrete = re.sub(r"\{\w+\}", "user_id:nobody", path)

    def status(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return service.request(method, concrete, b"{}", headers).status_code

    assert {status(secret) for secret in refused} == {401}
    asked = SCOPES[method, path]
    assert asked != PUBLIC
    for scope, secret in keys.items():
        if path == "/v1/segments/stream" and allows((scope,), asked):
            continue  # it never ends
        if allows((scope,), asked):
            assert status(secret) not in (401, 403), scope
        else:
            assert status(secret) == 403, scope


def test_without_keys_a_service_for_others_is_closed(tmp_path: Path) -> None:
    service = HttpService(tmp_path, loopback=False)
    assert service.get("/v1/status").status_code == 401
    assert service.post("/v1/track", {"userId": "u", "event": "x"}).status_code == 401


def test_without_keys_only_this_machine_is_served(service: HttpService) -> None:
    for path, body in (("/v1/status", None), ("/v1/track", {"userId": "u", "event": "x"})):
        method = "GET" if body is None else "POST"
        assert service.request(method, path, body).status_code == 200
        assert service.request(method, path, body, client=("::ffff:127.0.0.1", 5)).status_code == 200
        refused = service.request(method, path, body, client=("10.0.0.7", 5))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "onefold keys create" in refused.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example.com"}, {"Origin": "null"}, {"Host": "rebound.example.com:8080"}, {"Host": ""}],
)
def test_without_keys_no_web_page_reaches_more_than_the_ingestion(
    service: HttpService, headers: dict[str, str]
) -> None:
    body = {"name": "mine", "scopes": ["admin"]}
    assert service.request("POST", "/v1/admin/keys", body, headers).status_code == 403
    assert service.request("GET", "/v1/status", headers=headers).status_code == 403
    assert service.control.keys() == []
    assert service.request("POST", "/v1/track", {"userId": "u", "event": "x"}, headers).status_code == 200


def test_pages_of_this_machine_may(service: HttpService) -> None:
    assert service.get("/v1/status", Origin="http://localhost:3000", Host="localhost:8080").status_code == 200


def test_the_same_secret_in_a_query_is_no_key(service: HttpService) -> None:
    secret = service.create_key("admin")
    assert service.get(f"/v1/status?writeKey={secret}").status_code == 401


def test_every_answer_names_its_request(service: HttpService) -> None:
    assert len(service.get("/healthz").headers["x-request-id"]) == 32
    proposed = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    assert service.request("GET", "/nowhere", headers={"X-Request-Id": proposed}).headers["x-request-id"] == proposed
    assert service.request("GET", "/healthz", headers={"X-Request-Id": MAIL}).headers["x-request-id"] != MAIL


def test_an_error_of_ours_is_500_without_its_message(service: HttpService, stream: io.StringIO) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"row of {MAIL} is broken")

    service.router.profile = broken  # type: ignore[assignment]
    response = service.get(f"/v1/profiles/email:{MAIL}")
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert MAIL not in response.text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "request failed"]
    assert (line["error"], line["route"]) == ("RuntimeError", "/v1/profiles/{key}")
    assert line["request_id"] == response.headers["x-request-id"]
    assert MAIL not in stream.getvalue()


def test_nothing_personal_is_logged_or_counted(service: HttpService, stream: io.StringIO) -> None:
    person = {"userId": MAIL, "traits": {"email": MAIL, "phone": PHONE}, MAIL: MAIL}
    secret = service.create_key("admin")
    service.key = secret
    bodies = (
        person,
        {**person, "type": MAIL},
        {"batch": [{**person, "type": "identify"}, {**person, "type": MAIL}, MAIL]},
    )
    for path in (
        "/v1/identify",
        "/v1/track",
        "/v1/batch",
        "/v1/merge",
        f"/v1/{MAIL}",
        "/v1/segments",
        "/v1/admin/keys",
    ):
        for body in bodies:
            service.request(
                "POST", path, body, {"X-Request-Id": MAIL, "User-Agent": MAIL, "Referer": f"https://x/{MAIL}"}
            )
    for path in ("email:" + MAIL, f"email:{MAIL}/events", f"{MAIL}", f"email:{MAIL}/traits?cursor={MAIL}&limit={MAIL}"):
        service.get(f"/v1/profiles/{path}")
    service.post("/v1/profiles/batch", {"keys": [f"email:{MAIL}", MAIL], MAIL: 1})
    service.post("/v1/identity/merge", {"left": MAIL, "right": f"phone:{PHONE}"})
    service.get(f"/v1/segments/{MAIL}")
    service.get("/v1/status", Authorization=f"Bearer {MAIL}")
    service.router.down = True
    service.get(f"/v1/profiles/email:{MAIL}")
    written = stream.getvalue() + repr(service.metrics.counts)
    assert written.count("request answered") > 20
    for canary in (MAIL, MAIL.partition("@")[0], PHONE.removeprefix("+"), secret):
        assert canary not in written


def test_a_key_that_only_sends_is_told_nothing_of_people(service: HttpService) -> None:
    message = {"type": "identify", "userId": "u1", "traits": {"email": MAIL}}
    cases: list[tuple[tuple[Scope, ...], bool]] = [(("ingest",), False), (("ingest", "read"), True)]
    for scopes, told in cases:
        _, secret = service.control.create_key("-".join(scopes), scopes)
        headers = {"Authorization": f"Bearer {secret}"}
        (result,) = service.post("/v1/batch?wait=true", {"batch": [message]}, **headers).json()["results"]
        assert result["status"] == "applied"
        assert bool(result["customer_id"]) == bool(result["methods"]) == told
