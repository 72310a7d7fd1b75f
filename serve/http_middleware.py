"""Around every HTTP request: its id, its line in the logs, its place in the metrics, and the last catch of errors.

Plain ASGI, so that nothing is buffered and nothing happens twice. Nothing of a request's path, query, headers or body
is written anywhere: the route's template stands for it.
"""

import re
import time
from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve import logs
from serve.http_scopes import INGEST_PATHS
from serve.metrics import Metrics

UNMATCHED = "unmatched"
_CLIENT_CLOSED = 499  # nobody is there to read it; for the metrics only
_PREFLIGHT_AGE_S = 86_400
_HEADER_NAMES = re.compile(r"[A-Za-z0-9,\- ]{1,500}")
_INTERNAL = msgspec.json.encode(
    {"code": "internal", "message": "something went wrong here; the logs have it under this answer's X-Request-Id"}
)

log = logs.logger("http")


class RequestRecords:
    """Gives each request an id, and tells logs and metrics what became of it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        proposed = _header(scope, b"x-request-id")
        request_id = logs.accept_request_id(proposed) or self._new_id()
        token = logs.request_id.set(request_id)
        started_s = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or _CLIENT_CLOSED
        except Exception:
            log.exception("request failed", extra=logs.fields(route=route_of(scope), method=scope["method"]))
            if not status:
                await answer(send_with_id, 500, _INTERNAL)
        finally:
            self._record(scope, status, time.perf_counter() - started_s)
            logs.request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.count("onefold_requests", transport="http", route=route, status=str(status))
        self._metrics.observe("onefold_request_seconds", seconds, transport="http", route=route)
        if status >= 400 or log.isEnabledFor(10):
            level = 40 if status >= 500 else 30 if status >= 400 else 10
            line = logs.fields(route=route, method=scope["method"], status=status, duration_ms=round(seconds * 1000, 3))
            log.log(level, "request answered", extra=line)


class BrowserAccess:
    """Lets pages of any origin send events (their key can write and nothing else), and nothing but that.

    No cookies are used, so none are asked for. A preflight is answered 200: some SDKs know no other success.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in INGEST_PATHS or not _header(scope, b"origin"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            asked = _header(scope, b"access-control-request-headers")
            allowed = asked if _HEADER_NAMES.fullmatch(asked) else "Authorization, Content-Type, Content-Encoding"
            headers = {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": allowed,
                "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
                "Vary": "Access-Control-Request-Headers",
            }
            await answer(send, 200, b"{}", headers)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"Retry-After")]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        await self._app(scope, receive, send_with_origin)


def route_of(scope: Scope) -> str:
    """The template of the matched route, such as /v1/profiles/{key}."""
    path = getattr(scope.get("route"), "path_format", "")
    return str(path) or UNMATCHED


async def answer(send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Send a JSON body, whole."""
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    raw += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> str:
    """A request header's value, "" if it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""
