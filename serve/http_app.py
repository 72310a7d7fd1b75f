"""The HTTP app: routes, middleware, and how every error is answered.

POST /v1/{identify,track,page,screen,group,alias,batch,import,merge}   events in        serve.http_ingest
GET  /v1/profiles/{key}...                                            one person       serve.http_profiles
GET  /v1/decisions/{decision}/impact                                  decision points  serve.http_policies
*    /v1/identity/{resolve,explain,merges,merge,unmerge}               who is who       serve.http_identity
*    /v1/identity/reviews...                                          who may be       serve.http_reviews
*    /v1/segments...                                                  groups           serve.http_segments
*    /v1/webhooks..., GET /v1/segments...stream                       who comes, goes  serve.http_webhooks
*    /v1/models...                                                    scoring models   serve.http_models
GET  /v1/events, /v1/deadletters...                                   the stream       serve.http_events
*    /v1/status, /v1/admin...                                         operators        serve.http_admin
*    /v2...                                                           data subjects    serve.http_open_dsr
*    /v1/privacy...                                                   their requests   serve.http_privacy
GET  /v1/audit...                                                    who did what     serve.http_audit_routes
GET  /healthz, /readyz, /metrics                                      machines         serve.http_health
"""

import time
from importlib.metadata import PackageNotFoundError, version

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from actors.errors import OnefoldError
from actors.tenants import DEFAULT
from models.events.outcome import WireError
from serve import (
    http_admin,
    http_audit_routes,
    http_computed_traits,
    http_consents,
    http_corrections,
    http_decide,
    http_decisions,
    http_events,
    http_health,
    http_identity,
    http_impact,
    http_ingest,
    http_minimisation,
    http_models,
    http_open_dsr,
    http_policies,
    http_privacy,
    http_profiles,
    http_ranking,
    http_reviews,
    http_segment_analysis,
    http_segment_stream,
    http_segments,
    http_webhooks,
)
from serve.errors import FieldError, InvalidFields, http_body, http_headers, http_status
from serve.http_audit import AuditRecords
from serve.http_key_route import allowed, leave_to_others
from serve.http_middleware import BrowserAccess, RequestRecords
from serve.http_openapi import install_openapi
from serve.request_context import RequestContext
from serve.services import Services

_DESCRIPTION = (
    "A customer data platform: events in, one live profile per person, segments that move. "
    "Authenticate with an API key, as Bearer token or as Basic user name."
)


def build_http_app(services: Services, probes: http_health.Probes | None = None) -> FastAPI:
    """The app of one tenant in one replica. `probes` answers for the replica; by default it has no other tenant."""
    app = FastAPI(
        title="Onefold",
        version=_version(),
        description=_DESCRIPTION,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.state.context = RequestContext(services)
    app.state.probes = probes or http_health.Probes(lambda: {DEFAULT: services}, time.monotonic)
    app.state.streams = http_segment_stream.Streams(services)
    modules = (
        *(
            http_ingest,
            http_consents,
            http_corrections,
            http_decisions,
            http_decide,
            http_policies,
            http_ranking,
            http_profiles,
            http_identity,
            http_reviews,
        ),
        *(http_segment_analysis, http_segment_stream, http_impact),  # before segments: "schema" and "stream" are no ids
        *(http_segments, http_computed_traits, http_webhooks, http_models),
        *(http_open_dsr, http_privacy, http_minimisation),
        *(http_events, http_admin, http_audit_routes, http_health),
    )
    for module in modules:
        # Not include_router: that makes every route again, and a request is then matched against routers, then routes.
        app.router.routes.extend(module.router.routes)
    leave_to_others(app.router.routes)
    app.add_exception_handler(OnefoldError, _refused)
    app.add_exception_handler(WireError, _refused_by_parser)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _no_such_route)
    # The last one added is the outermost.
    app.add_middleware(AuditRecords, trail=services.audit)
    app.add_middleware(BrowserAccess)
    app.add_middleware(RequestRecords, metrics=services.metrics, new_id=services.new_id)
    install_openapi(app)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, OnefoldError)
    status = http_status(error)
    if status in (401, 403, 413, 429):
        _count_refusal(request, error.code)
    return _json(http_body(error), status, http_headers(error))


async def _refused_by_parser(request: Request, error: Exception) -> Response:
    assert isinstance(error, WireError)
    if error.status == 413:
        _count_refusal(request, error.code)
    return _json({"code": error.code, "message": error.message}, error.status)


async def _invalid_parameters(request: Request, error: Exception) -> Response:
    """Path and query parameters. FastAPI's own answer quotes the values; this one does not."""
    assert isinstance(error, RequestValidationError)
    problems = [FieldError(".".join(map(str, entry["loc"][1:])), str(entry["msg"])) for entry in error.errors()]
    message = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return _json(http_body(InvalidFields(message, problems)), 400)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {
        404: ("not_found", "there is no such path: /docs lists them all"),
        405: ("method_not_allowed", "this path is used with another method: /docs lists them all"),
    }
    code, message = known.get(error.status_code, ("http_error", "the request cannot be answered"))
    headers = dict(error.headers or {})
    if error.status_code == 405:  # Starlette names the methods of one of the path's routes
        methods = allowed(request.app.routes, getattr(request.scope.get("route"), "path", ""))
        headers["Allow"] = ", ".join(sorted(methods)) or headers.get("Allow", "")
    return _json({"code": code, "message": message}, error.status_code, headers)


def _count_refusal(request: Request, code: str) -> None:
    context: RequestContext = request.app.state.context
    context.services.metrics.count("onefold_refusals", code=code)


def _json(body: dict[str, object], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def _version() -> str:
    try:
        return version("onefold")
    except PackageNotFoundError:
        return "0"
