"""What surrounds every gRPC method: who calls, what an error becomes, and what is counted.

Ray Serve finds a method by its bare name on the deployment, hands it the parsed request and a context, and asks the
reply for `SerializeToString`. An error is set on the context and answered with an empty reply instead of being raised:
Serve would log what is raised, message and all.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import grpc

from actors.api_keys import Scope
from actors.errors import Conflict, Invalid, NotFound, OnefoldError, Unavailable
from models.delivery.addresses import is_loopback
from serve import logs
from serve.audit_records import REFUSED_KEYS, Told, note, record, rule_of
from serve.auth import OPEN, Authenticator, Principal, credential_of
from serve.errors import Forbidden, RateLimited, TooLarge, Unauthenticated
from serve.grpc_context import GrpcContext
from serve.request_context import PURPOSE_HEADER

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


class Context(Protocol):
    """The part of `ray.serve.grpc_util.RayServegRPCContext` that is used here."""

    def invocation_metadata(self) -> list[tuple[str, str]]: ...

    def peer(self) -> str: ...

    def set_code(self, code: grpc.StatusCode) -> None: ...

    def set_details(self, details: str) -> None: ...

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None: ...


class Call:
    """One call: who makes it, whose data is answered, and the way to say more than the reply."""

    __slots__ = ("_authenticator", "_context", "_scope", "principal", "told")

    def __init__(self, authenticator: Authenticator, context: Context, scope: Scope, told: Told) -> None:
        self._authenticator = authenticator
        self._context = context
        self._scope = scope
        self.told = told
        self.principal = self.check()

    def check(self) -> Principal:
        """Who calls, if they may (still) do so. Raises Unauthenticated, Forbidden."""
        authorization = _metadata(self._context, "authorization")
        principal = self._authenticator.caller(credential_of(authorization) if authorization else None)
        self.told.actor = principal.key_id
        principal.require(self._scope)
        if principal is OPEN and not is_local(self._context.peer()):
            # Replicas listen on every interface, so that proxies of other nodes reach them.
            raise Forbidden("no API key was ever made, so only callers on the same machine are served: make a key")
        return principal

    @property
    def wants_origin(self) -> bool:
        """Whether the caller asked, with the metadata entry `explain`, where the answer came from."""
        return bool(_metadata(self._context, "explain"))

    @property
    def purpose(self) -> str:
        """The purpose that the caller declares, with a metadata entry; "" for none."""
        return _metadata(self._context, PURPOSE_HEADER)

    def tell_origin(self, origin: str) -> None:
        """Answers that, in the trailing metadata entry `served-from`."""
        self._context.set_trailing_metadata([("served-from", origin)])


class Methods:
    """Base of the classes that hold a service's methods. `context` is there before the first call."""

    context: GrpcContext


_NOTHING = Encoded(b"")
_CANCELLED = "CANCELLED"

Unary = Callable[[Any, Request, Call], Awaitable[Reply]]
Stream = Callable[[Any, Request, Call], AsyncIterator[Reply]]


def unary(service: str, scope: Scope) -> Callable[[Unary[Request]], Callable[..., Awaitable[Reply]]]:
    """Makes a method of `service` (its full name) out of `handler(self, request, call) -> reply`.

    The handler may raise any OnefoldError. Requests may be streams of requests.
    """

    def decorate(handler: Unary[Request]) -> Callable[..., Awaitable[Reply]]:
        route = f"/{service}/{handler.__name__}"
        rule = rule_of(scope)

        async def call(self: Methods, request: Request, grpc_context: Context) -> Reply:
            context, services, told = self.context, self.context.services, Told()
            started_s = time.perf_counter()
            status = _CANCELLED
            try:
                reply: Reply = _NOTHING
                try:
                    reply = await handler(self, request, Call(services.authenticator, grpc_context, scope, told))
                    status = "OK"
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

        return _named_like(handler, call)

    return decorate


def stream(
    service: str, scope: Scope, name: str = ""
) -> Callable[[Stream[Request]], Callable[..., AsyncIterator[Reply]]]:
    """Like `unary`, for `async def handler(self, request, call)` that yields replies. `name`, if not the handler's."""

    def decorate(handler: Stream[Request]) -> Callable[..., AsyncIterator[Reply]]:
        route = f"/{service}/{name or handler.__name__}"
        rule = rule_of(scope)

        async def call(self: Methods, request: Request, grpc_context: Context) -> AsyncIterator[Reply]:
            context, services, told = self.context, self.context.services, Told()
            status, requests = _CANCELLED, 1
            try:
                admitted = Call(services.authenticator, grpc_context, scope, told)
                async for reply in handler(self, request, admitted):
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

        return _named_like(handler, call)

    return decorate


def status_of(error: OnefoldError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


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
    else:
        log.error("request failed", exc_info=error, extra=logs.fields(route=route))
        code, details = grpc.StatusCode.INTERNAL, "internal error: the service's log has more"
    context.set_code(code)
    context.set_details(details)
    return str(code.name)


def _named_like(handler: Callable[..., Any], call: Function) -> Function:
    """Not functools.wraps: Serve reads the signature of what it calls, and `wraps` would show it the handler's."""
    call.__name__, call.__qualname__, call.__doc__ = handler.__name__, handler.__qualname__, handler.__doc__
    return call
