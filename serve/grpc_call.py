"""What surrounds every gRPC method: who calls, what an error becomes, and what is counted.

Ray Serve finds a method by its bare name on the deployment, hands it the parsed request and a context, and asks the
reply for `SerializeToString`. An error is set on the context and answered with an empty reply instead of being raised:
Serve would log what is raised, message and all.
"""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import grpc

from actors.api_keys import Scope
from actors.errors import Conflict, Invalid, NotFound, OnefoldError, Unavailable
from models.delivery.addresses import is_loopback
from serve import logs
from serve.audit_records import REFUSED_KEYS, Told, note, record, rule_of
from serve.auth import OPEN, Principal, credential_of
from serve.disclosure import Shows
from serve.errors import Forbidden, RateLimited, TooLarge, Unauthenticated
from serve.grpc_context import GrpcContext
from serve.rate_limit import CLIENT_HEADER
from serve.request_context import PURPOSE_HEADER, WITHHELD_HEADER, withheld_text
from serve.residency import crossing_facts, crossing_of

log = logs.logger("grpc")

Request = TypeVar("Request")
Function = TypeVar("Function", bound=Callable[..., Any])

# First match counts: subclasses stand before their base.
_STATUS: tuple[tuple[type[OnefoldError], grpc.StatusCode], ...] = (
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Conflict, grpc.StatusCode.FAILED_PRECONDITION),
    (TooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (RateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)


class Reply(Protocol):
    """What Serve needs of a reply: a protobuf message, or `Encoded`."""

    def SerializeToString(self) -> bytes: ...


class Encoded:
    """A reply that is bytes already."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def SerializeToString(self) -> bytes:
        return self._data


class Unreadable:
    """What came in the place of a request. `error` says what is wrong with it."""

    __slots__ = ("error",)

    def __init__(self, error: OnefoldError) -> None:
        self.error = error


class Context(Protocol):
    """The part of `ray.serve.grpc_util.RayServegRPCContext` that is used here."""

    def invocation_metadata(self) -> list[tuple[str, str]]: ...

    def peer(self) -> str: ...

    def set_code(self, code: grpc.StatusCode) -> None: ...

    def set_details(self, details: str) -> None: ...

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None: ...


def credential_in(context: Context) -> str | None:
    """The key that a call shows in its metadata."""
    authorization = _metadata(context, "authorization")
    return credential_of(authorization) if authorization else None


class Call:
    """One call: who makes it, what for, whose data is answered, and the way to say more than the reply."""

    __slots__ = ("_context", "_replica", "_scope", "_trailing", "has_purpose", "principal", "told")

    def __init__(self, replica: GrpcContext, context: Context, scope: Scope, told: Told) -> None:
        self._replica = replica
        self._context = context
        self._scope = scope
        self._trailing: list[tuple[str, str]] = []
        self.has_purpose = False  # whether the method has asked what it is for
        self.told = told
        self.principal = self.check()
        if scope != "ingest":
            replica.limits.admit(self.principal)

    def check(self) -> Principal:
        """Who calls, if they may (still) do so. Raises Unauthenticated, Forbidden, RateLimited."""
        if self._replica.services.settings.tls.is_on and not is_local(self._context.peer()):
            # Replicas listen on every interface, in plain.
            raise Forbidden("this port is for the service's own proxy: call the one that the service tells")
        principal = self._replica.limits.caller(credential_in(self._context), self._address)
        self.told.actor = principal.key_id
        principal.require(self._scope)
        if crossing := crossing_of(self._replica.services.settings.residency, principal, self._scope):
            self.told.facts |= crossing_facts(crossing)
        if principal is OPEN and not is_local(self._context.peer()):
            # Replicas listen on every interface, so that proxies of other nodes reach them.
            raise Forbidden("no API key was ever made, so only callers on the same machine are served: make a key")
        return principal

    def _address(self) -> str:
        return _metadata(self._context, CLIENT_HEADER) or self._context.peer().rpartition(":")[0]

    @property
    def wants_origin(self) -> bool:
        """Whether the caller asked, with the metadata entry `explain`, where the answer came from."""
        return bool(_metadata(self._context, "explain"))

    def declared_purpose(self) -> str:
        """The purpose that the caller declares, with a metadata entry, or that of the key; "" for none. Raises Invalid,
        Forbidden."""
        self.has_purpose = True
        return self._replica.declared_purpose(_metadata(self._context, PURPOSE_HEADER), self.principal)

    def purpose(self, segment_id: str = "") -> str:
        """The purpose of the read, of a segment if one is named: see `RequestContext.purpose_of`. Raises Invalid,
        Forbidden."""
        return self._replica.purpose_of(self.declared_purpose(), segment_id)

    def tell_origin(self, origin: str) -> None:
        """Answers that, in the trailing metadata entry `served-from`."""
        self._tell("served-from", origin)

    def tell_withheld(self, withheld: Mapping[str, int]) -> None:
        """Says what was left out of the reply, in the trailing metadata entry `onefold-withheld`."""
        if text := withheld_text(withheld):
            self._tell(WITHHELD_HEADER, text)

    def _tell(self, name: str, text: str) -> None:
        self._trailing.append((name, text))
        self._context.set_trailing_metadata(list(self._trailing))


class Methods:
    """Base of the classes that hold a service's methods. `context` is there before the first call."""

    context: GrpcContext

    def of(self, grpc_context: Context) -> "Methods":
        """The methods of the tenant whose key a call shows. Raises Unauthenticated."""
        return self


_NOTHING = Encoded(b"")
_CANCELLED = "CANCELLED"

Unary = Callable[[Any, Request, Call], Awaitable[Reply]]
Stream = Callable[[Any, Request, Call], AsyncIterator[Reply]]


def unary(service: str, scope: Scope, shows: Shows) -> Callable[[Unary[Request]], Callable[..., Awaitable[Reply]]]:
    """Makes a method of `service` (its full name) out of `handler(self, request, call) -> reply`.

    One that shows what is for a purpose must ask the call for that, or its reply does not leave. The handler may raise
    any OnefoldError. Requests may be streams of requests.
    """

    def decorate(handler: Unary[Request]) -> Callable[..., Awaitable[Reply]]:
        route = f"/{service}/{handler.__name__}"
        rule = rule_of(scope)

        async def call(self: Methods, request: Request, grpc_context: Context) -> Reply:
            try:
                own = self.of(grpc_context)
            except Unauthenticated as error:
                _fail(grpc_context, error, route)
                return _NOTHING
            context, services, told = own.context, own.context.services, Told()
            started_s = time.perf_counter()
            status = _CANCELLED
            try:
                reply: Reply = _NOTHING
                try:
                    admitted = Call(context, grpc_context, scope, told)
                    made = await handler(own, _readable(request), admitted)
                    _check_purpose(admitted, shows)
                    reply, status = made, "OK"
                except Exception as error:
                    status = _fail(grpc_context, error, route)
                await record(services.audit, rule, route, status, told)
                return reply
            except Unavailable as error:  # it could not be recorded
                status = _fail(grpc_context, error, route)
                return _NOTHING
            finally:
                if status == _CANCELLED:
                    note(services.audit, rule, route, status, told)
                context.records.add(route, status, time.perf_counter() - started_s)

        return _named_like(handler, call, shows)

    return decorate


def stream(
    service: str, scope: Scope, shows: Shows, name: str = ""
) -> Callable[[Stream[Request]], Callable[..., AsyncIterator[Reply]]]:
    """Like `unary`, for `async def handler(self, request, call)` that yields replies. `name`, if not the handler's."""

    def decorate(handler: Stream[Request]) -> Callable[..., AsyncIterator[Reply]]:
        route = f"/{service}/{name or handler.__name__}"
        rule = rule_of(scope)

        async def call(self: Methods, request: Request, grpc_context: Context) -> AsyncIterator[Reply]:
            try:
                own = self.of(grpc_context)
            except Unauthenticated as error:
                _fail(grpc_context, error, route)
                return
            context, services, told = own.context, own.context.services, Told()
            status, requests = _CANCELLED, 1
            try:
                admitted = Call(context, grpc_context, scope, told)
                async for reply in handler(own, _readable(request), admitted):
                    _check_purpose(admitted, shows)
                    admitted.check()  # the key may have ended since
                    await record(services.audit, rule, route, "OK", told, requests)
                    requests = 0
                    yield reply
                status = "OK"
            except Exception as error:
                status = _fail(grpc_context, error, route)
            finally:
                if requests or status in REFUSED_KEYS:
                    note(services.audit, rule, route, status, told, requests)
                context.records.add(route, status)

        return _named_like(handler, call, shows)

    return decorate


def status_of(error: OnefoldError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def _readable(request: Any) -> Any:
    """The request, or the stream of requests, as it came. Raises Invalid or TooLarge for one that cannot be read."""
    if isinstance(request, Unreadable):
        raise request.error
    return _all_readable(request) if hasattr(request, "__aiter__") else request


async def _all_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _readable(request)


def _metadata(context: Context, name: str) -> str:
    """What the caller sent in a metadata entry, "" for nothing."""
    for key, value in context.invocation_metadata():
        if key == name:
            return value
    return ""


def is_local(peer: str) -> bool:
    """Whether a gRPC peer ("ipv4:127.0.0.1:5000", "ipv6:%5B::1%5D:5000", "unix:...") is on this machine."""
    if peer.startswith(("ipv4:127.0.0.1:", "unix:")):
        return True
    address = peer.partition(":")[2]
    host = address.rpartition(":")[0].replace("%5B", "").replace("%5D", "")
    return is_loopback(host.removeprefix("::ffff:"))


def _fail(context: Context, error: Exception, route: str) -> str:
    """Puts the error on the context. Returns the name of its status."""
    if isinstance(error, OnefoldError):
        code, details = status_of(error), error.message
        if isinstance(error, RateLimited):
            context.set_trailing_metadata([("retry-after", str(math.ceil(error.retry_after_s)))])
    else:
        log.error("request failed", exc_info=error, extra=logs.fields(route=route))
        code, details = grpc.StatusCode.INTERNAL, "internal error: the service's log has more"
    context.set_code(code)
    context.set_details(details)
    return str(code.name)


def _check_purpose(call: Call, shows: Shows) -> None:
    if shows == "purpose" and not call.has_purpose:
        raise TypeError("a method that shows what is for a purpose has not asked what it is for")


def _named_like(handler: Callable[..., Any], call: Function, shows: Shows) -> Function:
    """Not functools.wraps: Serve reads the signature of what it calls, and `wraps` would show it the handler's."""
    call.__name__, call.__qualname__, call.__doc__ = handler.__name__, handler.__qualname__, handler.__doc__
    call.__dict__["shows"] = shows
    return call
