"""The OpenAPI document: what each route takes and answers, in FastAPI's terms, from the shapes in `http_schemas`,
`http_identity_schemas`, `http_segment_schemas`, `http_model_schemas`, `http_audit_schemas` and `http_privacy_schemas`.

Bodies are read and written as msgspec structs (they are checked faster and their errors quote no values), so FastAPI
is told their schemas; paths, parameters and descriptions it takes from the handlers themselves.
"""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serve import (
    http_audit_schemas,
    http_identity_schemas,
    http_model_schemas,
    http_privacy_schemas,
    http_schemas,
    http_segment_schemas,
)
from serve.http_event_schemas import EVENT_SCHEMAS, PROFILE_SCHEMA, body_name
from serve.http_scopes import PUBLIC, SCOPES

PROFILE = "Profile"
ERROR = "ErrorBody"
_REFERENCE = "#/components/schemas/{name}"
_DESCRIPTIONS = {
    400: "The request is wrong; the message says where and the way out",
    401: "No API key, or one that is not valid",
    403: "The API key does not allow this",
    404: "There is no such thing",
    405: "The path is another route's, which is used with the methods in `Allow`",
    409: "It contradicts what is there",
    413: "Too large",
    429: "Too much, too fast: `Retry-After` says how many seconds to wait",
    503: "Not now: try again after `Retry-After` seconds, with the same ids",
}
_ALLOW = {"Allow": {"description": "methods, separated by commas", "schema": {"type": "string"}}}
_RETRY_AFTER = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}


def answers(
    kind: type[msgspec.Struct] | str, *errors: int, status: int = 200, error: str = ERROR
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers `status` with `kind` (a struct, or a component's name), or these errors,
    each an `error`."""
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": "Success", "content": _json(kind if isinstance(kind, str) else kind.__name__)}
    }
    for refused in errors:
        responses[refused] = {"description": _DESCRIPTIONS[refused], "content": _json(error)}
        if refused in (429, 503):
            responses[refused]["headers"] = _RETRY_AFTER
        if refused == 405:
            responses[refused]["headers"] = _ALLOW
    responses["default"] = {"description": "Any other error", "content": _json(error)}
    return responses


def drawn_answers(kind: type[msgspec.Struct], *errors: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with a `kind`, or draws it as text or as a picture."""
    responses = answers(kind, *errors)
    responses[200]["content"] |= {media: {"schema": {"type": "string"}} for media in ("text/plain", "image/svg+xml")}
    return responses


def takes(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads a `kind`."""
    return {"requestBody": {"required": True, "content": _json(kind.__name__)}}


def event_body(name: str) -> dict[str, Any]:
    """The `openapi_extra` of the route /v1/{name} that takes events."""
    content = _json(body_name(name))
    return {"requestBody": {"required": True, "content": {**content, "text/plain": content["application/json"]}}}


def install_openapi(app: FastAPI) -> None:
    """Makes the app's document complete: shapes, security schemes, and the scope that each operation asks for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    modules = (
        *(http_schemas, http_identity_schemas, http_segment_schemas, http_model_schemas),
        *(http_audit_schemas, http_privacy_schemas),
    )
    shapes = [shape for module in modules for shape in vars(module).values()]
    kinds = list(dict.fromkeys(kind for kind in shapes if isinstance(kind, type) and issubclass(kind, msgspec.Struct)))
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    document["components"] = {
        "schemas": {**components, **EVENT_SCHEMAS, PROFILE: PROFILE_SCHEMA},
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as the token"},
            "basic": {"type": "http", "scheme": "basic", "description": "An API key as the user name, no password"},
        },
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = SCOPES[(method.upper(), path)]
            if scope == PUBLIC:
                operation["security"] = []
            else:
                operation["security"] = [{"bearer": []}, {"basic": []}]
                operation["x-scope"] = scope
            if scope == "ingest":
                operation["security"].append({})  # the key may be in the body, as writeKey
    return document


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=name)}}}
