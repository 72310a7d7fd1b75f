"""/openapi.json: a valid document, true to the routes and to what they answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from serve.http_openapi import PROFILE
from serve.http_scopes import PUBLIC, SCOPES
from tests.unit.serve.http_service import HttpService

DATA_SUBJECT = {
    "regulation": "gdpr",
    "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
    "subject_request_type": "access",
    "submitted_time": "2026-02-27T15:00:00Z",
    "subject_identities": [{"identity_type": "cookie", "identity_value": "a1", "identity_format": "raw"}],
}
PERSON = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12"}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return HttpService(tmp_path)


@pytest.fixture
def document(service: HttpService) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def validator(document: dict[str, Any], reference: str) -> Draft202012Validator:
    registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    return Draft202012Validator({"$ref": f"urn:document{reference}"}, registry=registry)


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_is_in_it_with_its_scope(document: dict[str, Any]) -> None:
    described = operations(document)
    assert set(SCOPES) - set(described) == {("GET", "/openapi.json"), ("GET", "/docs")}
    assert set(described) <= set(SCOPES)
    for route, operation in described.items():
        scope = SCOPES[route]
        assert operation.get("x-scope", PUBLIC) == scope
        assert ({} in operation["security"] or not operation["security"]) == (scope in (PUBLIC, "ingest"))


def test_every_operation_says_what_it_takes_and_answers(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        assert operation["summary"]
        assert operation["description"]
        assert {"200", "201", "202"} & operation["responses"].keys()
        assert "422" not in operation["responses"], "requests that are wrong are answered 400"
        # The path says it all.
        says_all = ("/rotate-secret", "/test", "/purge", "/rescore")
        decides = path.startswith("/v1/identity/reviews/") or path.endswith(says_all)
        with_body = (method in ("POST", "PUT") and not decides) or (method, path) == ("DELETE", "/v1/deadletters")
        assert ("requestBody" in operation) == with_body, path
        if SCOPES[method, path] != PUBLIC:
            assert {"401", "403", "default"} <= operation["responses"].keys()


def test_nothing_is_described_that_is_not_used(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_answers_are_what_the_document_says(service: HttpService, document: dict[str, Any]) -> None:
    """Real requests of every kind of answer, each checked against the schema of its operation and status."""
    pro = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
    identify = {"userId": "u1", "anonymousId": "a1", "messageId": "m1", "traits": {"plan": "pro"}, "type": "identify"}
    calls: list[tuple[str, str, str, Any]] = [
        ("POST", "/v1/segments", "", {"id": "pro", "name": "Pro", "criteria": pro}),
        ("POST", "/v1/segments", "", {"name": "Pro", "criteria": {}}),
        ("POST", "/v1/identify", "?wait=true", {key: identify[key] for key in identify if key != "type"}),
        (
            "POST",
            "/v1/batch",
            "?wait=1",
            {"batch": [identify, {"type": "track"}, {**identify, "userId": "u2", "x": 1}]},
        ),
        ("POST", "/v1/batch", "", {"batch": []}),
        ("GET", "/v1/segments", "", None),
        ("GET", "/v1/segments/{segment_id}/members", "", None),
        ("GET", "/v1/segments/{segment_id}/changes", "", None),
        ("POST", "/v1/segments/preview", "", {"criteria": pro}),
        *(
            ("GET", path, "", None)
            for method, path in SCOPES
            if method == "GET" and path.startswith("/v1/profiles/{key}")
        ),
        ("GET", "/v1/profiles/{key}/traits", "?limit=0", None),
        ("GET", "/v1/profiles/changes", "", None),
        ("GET", "/v1/profiles/changes", "?after=later", None),
        ("POST", "/v1/profiles/batch", "", {"keys": ["user_id:u1", "user_id:u9"]}),
        ("POST", "/v1/identity/resolve", "", {"identifiers": ["user_id:u9"]}),
        ("POST", "/v1/identity/resolve", "", {"traits": PERSON}),
        ("POST", "/v1/identify", "?wait=true", {"userId": "p1", "traits": PERSON}),
        ("POST", "/v1/identify", "?wait=true", {"userId": "p2", "traits": PERSON}),
        ("POST", "/v1/identity/resolve", "", {"traits": PERSON}),
        ("GET", "/v1/identity/explain", "?left=user_id:p1&right=user_id:p2", None),
        ("GET", "/v1/identity/explain", "?left=user_id:p1", None),
        ("GET", "/v1/identity/reviews", "", None),
        ("GET", "/v1/identity/reviews/{review_id}", "", None),
        ("POST", "/v1/identity/reviews/{review_id}/reject", "", None),
        ("POST", "/v1/identity/reviews/{review_id}/accept", "", None),
        ("POST", "/v1/identity/merge", "", {"left": "user_id:u1", "right": "user_id:u2"}),
        ("GET", "/v1/profiles/{key}/merges", "", None),
        ("GET", "/v1/profiles/{key}/graph", "", None),
        ("GET", "/v1/identity/merges/{merge_id}/evidence", "", None),
        ("POST", "/v1/identity/unmerge", "", {"merge_id": "mrg_0"}),
        ("GET", "/v1/events", "", None),
        ("GET", "/v1/deadletters", "", None),
        ("POST", "/v1/deadletters/replay", "", {"all": True}),
        ("DELETE", "/v1/deadletters", "", {"all": True}),
        ("GET", "/v1/status", "", None),
        ("PUT", "/v1/admin/sources/{source_id}", "", {"schemas": {"track": {"document": {}}}}),
        ("GET", "/v1/admin/sources", "", None),
        ("GET", "/v2/discovery", "", None),
        ("POST", "/v2/requests", "", DATA_SUBJECT),
        ("POST", "/v2/requests", "", {}),
        ("GET", "/v2/requests/{subject_request_id}", "", None),
        ("POST", "/v1/privacy/requests/{subject_request_id}/verify", "", {"verified_by": "team", "method": "letter"}),
        ("POST", "/v1/privacy/requests/{subject_request_id}/extend", "", {"reason": "many at once"}),
        ("GET", "/v1/privacy/requests", "", None),
        ("DELETE", "/v2/requests/{subject_request_id}", "", None),
        ("DELETE", "/v2/requests/{subject_request_id}", "", None),
        ("GET", "/v1/privacy/results/{name}", "", None),
        ("GET", "/healthz", "", None),
        ("GET", "/readyz", "", None),
        ("GET", "/v1/admin/keys", "", None),
        ("DELETE", "/v1/segments/{segment_id}", "", None),
        ("GET", "/v1/segments/{segment_id}", "", None),
        ("POST", "/v1/admin/keys", "", {"name": "web", "scopes": ["ingest"]}),
    ]
    review_id = ""
    for method, path, query, body in calls:
        if path.startswith("/v1/identity/reviews") and not review_id:
            review_id = service.router.open_review("user_id:p1", "user_id:p2").review_id
        concrete = path.replace("{key}", "user_id:u1").replace("{segment_id}", "pro").replace("{source_id}", "src")
        concrete = concrete.replace("{review_id}", review_id)
        concrete = concrete.replace("{subject_request_id}", str(DATA_SUBJECT["subject_request_id"]))
        response = service.request(method, concrete + query, body)
        status = str(response.status_code)
        place = path.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
        schema = f"#/paths/{place}/{method.lower()}/responses/{status}/content/application~1json/schema"
        assert status in document["paths"][path][method.lower()]["responses"], (path, response.text)
        validator(document, schema).validate(response.json())


def test_the_profiles_schema_has_the_sections_of_the_document(service: HttpService, document: dict[str, Any]) -> None:
    service.send({"type": "track", "event": "x", "userId": "u1"})
    profile = service.get("/v1/profiles/user_id:u1").json()
    schema = document["components"]["schemas"][PROFILE]
    assert schema["required"] == list(profile)
    # The last ones are there only with residency, or if something was left out.
    assert list(schema["properties"]) == [*profile, "region", "withheld", "beyond_limits"]


@pytest.mark.parametrize(
    "body",
    [
        {"batch": [{"type": "track", "event": "x", "userId": 7}], "sentAt": "2026-01-01T00:00:00Z", "writeKey": "k"},
        {
            "batch": [{"type": "identify", "userId": None, "anonymousId": "a", "context": {"traits": {}}}],
            "context": None,
        },
    ],
)
def test_what_sdks_send_fits_the_schema(document: dict[str, Any], body: dict[str, Any]) -> None:
    validator(document, "#/components/schemas/EventBatch").validate(body)


def test_the_documentation_page_is_there(service: HttpService) -> None:
    response = service.get("/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text
