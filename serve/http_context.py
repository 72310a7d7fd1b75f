"""What HTTP handlers share: the replica's context, who may call, and how answers are written."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from fastapi import Depends, Header, Query, Request
from starlette.datastructures import Headers
from starlette.responses import Response

from actors.api_keys import Scope
from models.delivery.addresses import is_loopback
from models.events.envelope import credential_of
from serve.auth import OPEN, Principal
from serve.disclosure import SHOWS
from serve.errors import Forbidden
from serve.http_audit import tell, tell_caller
from serve.http_middleware import route_of
from serve.http_scopes import PUBLIC, SCOPES
from serve.rate_limit import CLIENT_HEADER
from serve.request_context import PURPOSE_HEADER, WITHHELD_HEADER, RequestContext, withheld_text
from serve.residency import crossing_facts, crossing_of

_encoder = msgspec.json.Encoder()


# Dependencies are coroutines although they wait for nothing: FastAPI sends plain functions to a thread each.


async def context_of(request: Request) -> RequestContext:
    """The context that `build_http_app` gave the app."""
    context: RequestContext = request.app.state.context
    return context


def authenticate(context: RequestContext, request: Request, credential: str | None, scope: Scope) -> Principal:
    """The caller, if they may do what `scope` stands for. Raises Unauthenticated, Forbidden, RateLimited."""
    if context.services.settings.tls.is_on and not is_loopback((request.scope.get("server") or [""])[0]):
        # Replicas listen where the proxy does, in plain.
        raise Forbidden("this port is for the service's own proxy: call the one that the service tells")
    principal = context.limits.caller(credential, lambda: _address(request))
    tell_caller(principal.key_id)
    principal.require(scope)
    if crossing := crossing_of(context.services.settings.residency, principal, scope):
        tell(**crossing_facts(crossing))
    if principal is OPEN:
        _require_this_machine(request, scope)
    return principal


def is_operator(request: Request, principal: Principal) -> bool:
    """Whether this caller, who may send events, may do everything. Pages of the internet never may."""
    if not principal.allows("admin"):
        return False
    if principal is OPEN:
        try:
            _require_this_machine(request, "admin")
        except Forbidden:
            return False
    return True


async def authorise(request: Request) -> Principal | None:
    """A dependency of every route but those that take events, whose key may be in the body: the scope's check."""
    principal = await check(request)
    if principal is not None:
        (await context_of(request)).limits.admit(principal)
    return principal


async def check(request: Request) -> Principal | None:
    """Who calls, if they may (still) do so; it is no call of its own."""
    scope = SCOPES.get((request.method, route_of(request.scope)))
    if scope is None:
        raise Forbidden("this route states no scope: that is a mistake in serve.http_scopes")
    if (request.method, route_of(request.scope)) not in SHOWS:
        raise Forbidden("this route does not state what it shows: that is a mistake in serve.disclosure")
    if scope == PUBLIC:
        return None
    context = await context_of(request)
    return authenticate(context, request, key_in(request.headers), scope)


def _address(request: Request) -> str:
    return request.headers.get(CLIENT_HEADER) or (request.client.host if request.client else "")


def key_in(headers: Headers, body: bytes = b"") -> str | None:
    """The key that a request shows: Basic, Bearer, or writeKey in a body of events."""
    credential = credential_of(headers, body)
    return credential.key if credential else None


Context = Annotated[RequestContext, Depends(context_of)]
Caller = Annotated[Principal, Depends(authorise)]


async def declared_of(
    context: Context,
    caller: Caller,
    declared: Annotated[
        str,
        Header(
            alias=PURPOSE_HEADER,
            description="what the answer is for: a purpose of the registry, else that of the key, else that of the "
            "segment that is read, else the default one",
        ),
    ] = "",
) -> str:
    """The purpose that a read declares or its key has, "" for none. Every route that shows what is for a purpose
    depends on it."""
    return context.declared_purpose(declared, caller)


Declared = Annotated[str, Depends(declared_of)]


async def purpose_of(request: Request, context: Context, declared: Declared) -> str:
    """The purpose of a read."""
    return context.purpose_of(declared, request.path_params.get("segment_id", ""))


Purpose = Annotated[str, Depends(purpose_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="entries on a page")]
PageCursor = Annotated[str, Query(description="`cursor.next` of the page before")]
MinSeq = Annotated[str, Query(description="`sequence` of an acknowledgement that the answer must include")]


def respond(answer: Any, status: int = 200) -> Response:
    """An answer (a msgspec struct, or plain data) as JSON."""
    return Response(_encoder.encode(answer), status, media_type="application/json")


def respond_withheld(answer: Any, withheld: Mapping[str, int] | None) -> Response:
    """An answer that says what was left out of it, for want of a basis or because it is for another purpose."""
    return with_withheld(respond(answer), withheld or {})


def with_withheld(response: Response, withheld: Mapping[str, int]) -> Response:
    """A response that says what was left out of it."""
    if told := withheld_text(withheld):
        response.headers[WITHHELD_HEADER] = told
    return response


def _require_this_machine(request: Request, scope: Scope) -> None:
    """While there are no keys: only this machine's own programs, and no web page that a browser here has open.

    Replicas listen on every interface, so that proxies of other nodes reach them. A page of the internet can make a
    browser call loopback, with its own Origin, or with its own Host after rebinding its name; sending events from
    pages is the one thing that browsers are meant to do.
    """
    problem = "no API key was ever made, so only programs on this machine are served: run `onefold keys create`"
    if request.client is None or not is_loopback(request.client.host.removeprefix("::ffff:")):
        raise Forbidden(problem)
    if scope == "ingest":
        return
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    if not is_loopback(host) or (origin is not None and not is_loopback(urlsplit(origin).hostname or "")):
        raise Forbidden(problem)
