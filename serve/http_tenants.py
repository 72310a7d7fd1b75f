"""In front of the tenants' HTTP apps: hands each request to that of the tenant whose key it shows."""

from typing import Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.events.envelope import decompress
from models.events.limits import Limits
from models.events.outcome import WireError
from serve.errors import Unauthenticated, http_body, http_status
from serve.http_context import key_in
from serve.http_middleware import answer
from serve.http_scopes import INGEST_PATHS


class Apps(Protocol):
    """The apps of the tenants: `serve.app.Ingress`."""

    @property
    def is_alone(self) -> bool:
        """Whether there is but one."""

    def app_of(self, credential: str | None) -> ASGIApp:
        """That of the tenant whose key this is; the default one's for an unknown key, or None. Raises
        Unauthenticated."""


class TenantRouting:
    """The app of a replica. `limits` bound what is read of a body to find the key that it may hold."""

    def __init__(self, apps: Apps, limits: Limits) -> None:
        self._apps = apps
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credential = None
        if scope["type"] == "http" and not self._apps.is_alone:
            headers = Headers(scope=scope)
            credential = key_in(headers)
            if credential is None and scope["method"] == "POST" and scope["path"] in INGEST_PATHS:
                body, receive = await _read_ahead(receive, self._limits.request_bytes_max)
                credential = _key_in_body(headers, body, self._limits)
        try:
            app = self._apps.app_of(credential)
        except Unauthenticated as error:
            await answer(send, http_status(error), msgspec.json.encode(http_body(error)))
            return
        await app(scope, receive, send)


async def _read_ahead(receive: Receive, bytes_max: int) -> tuple[bytes, Receive]:
    """The body as far as it is read, up to more than `bytes_max`, and a `receive` that gives it all again."""
    messages: list[Message] = []
    chunks: list[bytes] = []
    size = 0
    while size <= bytes_max:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if not message.get("more_body", False):
            break
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return b"".join(chunks), again


def _key_in_body(headers: Headers, body: bytes, limits: Limits) -> str | None:
    try:
        return key_in(headers, decompress(body, limits))
    except WireError:  # whoever answers says what is wrong
        return None
