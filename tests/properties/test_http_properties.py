"""Whatever comes in over HTTP, the answer is one of the API's own: never a mistake of ours, never without a code."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.http_scopes import SCOPES
from tests.unit.serve.http_service import HttpService

WRITES = sorted((method, path) for method, path in SCOPES if method in ("POST", "PUT", "DELETE"))
ENDLESS = {"/v1/segments/stream"}
READS = sorted(
    path for method, path in SCOPES if method == "GET" and path.startswith(("/v1/", "/v2/")) and path not in ENDLESS
)
FIELDS = [
    *("batch", "type", "event", "userId", "anonymousId", "previousId", "groupId", "traits", "properties", "context"),
    *("messageId", "timestamp", "sentAt", "mergeProperties", "value", "externalIds", "keys", "min_seq", "identifiers"),
    *("left", "right", "merge_id", "ids", "all", "any", "not", "name", "scopes", "source_id", "criteria", "id"),
    *("regulation", "subject_request_id", "subject_request_type", "submitted_time", "subject_identities"),
    *("identity_type", "identity_value", "identity_format", "status_callback_urls", "extensions", "reason", "method"),
    *("operator", "trait", "window", "last", "kind", "priority", "schemas", "identify", "document", "mode"),
]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)
bodies = st.binary(max_size=200) | (objects | values).map(lambda value: json.dumps(value).encode())
names = st.text(min_size=1, max_size=40)


@pytest.fixture(scope="module")
def service() -> HttpService:
    return HttpService(Path(tempfile.mkdtemp()))


def check(service: HttpService, method: str, path: str, body: bytes | None) -> None:
    response = service.request(method, path, body)
    assert response.status_code in (200, 201, 202, 400, 404, 405, 409, 413), (path, response.status_code, response.text)
    if response.status_code >= 400:
        answer = response.json()
        assert {"code", "message"} <= answer.get("error", answer).keys()  # /v2 has OpenDSR's form


@pytest.mark.parametrize(("method", "path"), WRITES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, name=names)
def test_any_body(service: HttpService, method: str, path: str, body: bytes, name: str) -> None:
    if path != "/v1/admin/keys":  # a key would close the door to the other requests
        check(service, method, in_path(path, name), body)


@pytest.mark.parametrize("path", READS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, limit=names, cursor=names)
def test_any_path_and_query(service: HttpService, path: str, name: str, limit: str, cursor: str) -> None:
    check(service, "GET", in_path(path, name) + f"?limit={quoted(limit)}", None)
    check(service, "GET", in_path(path, name) + f"?cursor={quoted(cursor)}&after={quoted(cursor)}", None)


def in_path(path: str, name: str) -> str:
    head, brace, tail = path.partition("{")
    return head + quoted(name) + tail.partition("}")[2] if brace else path


def quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
