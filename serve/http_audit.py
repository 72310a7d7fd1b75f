"""The audit log's place around every HTTP request: no answer begins before it is recorded as its scope asks for.

Handlers say whose data they answer with (`tell_people`), and facts of nobody, such as the id of a key that they made
(`tell`). A stream is recorded as it goes: whom a message tells of, before the message leaves.
"""

from collections.abc import Iterable
from contextvars import ContextVar

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.audit_trail import AuditTrail
from actors.errors import Unavailable
from serve import logs
from serve.audit_records import Rule, Told, note, record, rule_of
from serve.errors import http_body, http_headers, http_status
from serve.http_middleware import answer, route_of
from serve.http_scopes import NO_PEOPLE, PUBLIC, SCOPES

_CLIENT_CLOSED = "499"
# Parts of paths that name no person. What they hold is recorded only if the request succeeded: it is the id of
# something then, and not whatever a caller wrote.
_IDS = (
    *("segment_id", "key_id", "webhook_id", "review_id", "merge_id", "trait_id", "source_id"),
    *("model", "alias", "decision"),
)

_told: ContextVar[Told | None] = ContextVar("onefold_told", default=None)


def tell_people(customer_ids: Iterable[int]) -> None:
    """The answer to this request has data of these people, or it has changed them."""
    if (told := _told.get()) is not None:  # outside of requests nobody is told anything
        told.people(customer_ids)


def tell(**facts: str) -> None:
    """Facts of nobody: ids of keys, segments and the like, of things that exist."""
    if (told := _told.get()) is not None:
        told.facts |= facts


def tell_caller(key_id: str) -> None:
    """Who calls, as soon as that is known: also of one who is refused then."""
    if (told := _told.get()) is not None:
        told.actor = key_id


class AuditRecords:
    """Records every request as its scope asks for."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Told()
        token = _told.set(told)
        status = 0

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                try:
                    await self._record(scope, str(status), told)
                except Unavailable as error:
                    status = -1  # this answer takes the place of the other
                    body = msgspec.json.encode(http_body(error))
                    await answer(send, http_status(error), body, http_headers(error))
            elif told.subjects:
                await self._record(scope, str(status), told, requests=0)
            if status > 0:
                await send(message)

        outcome = _CLIENT_CLOSED  # unless something else is known: whoever goes away has the request cancelled
        try:
            await self._app(scope, receive, send_recorded)
        except ClientDisconnect:
            raise
        except Exception:
            outcome = "500"
            raise
        finally:
            if not status:
                note(self._trail, *_entry(scope, told), outcome, told)
            _told.reset(token)

    async def _record(self, scope: Scope, outcome: str, told: Told, requests: int = 1) -> None:
        """Records, and waits until the answer may leave. Raises Unavailable."""
        if outcome == "200":
            given = scope.get("path_params", {})
            told.facts = {name: str(given[name]) for name in _IDS if name in given} | told.facts
        await record(self._trail, *_entry(scope, told), outcome, told, requests)


def _entry(scope: Scope, told: Told) -> tuple[Rule, str]:
    """What is recorded of a request, and how it is called."""
    method, route = scope["method"], route_of(scope)
    rule = rule_of(SCOPES.get((method, route), PUBLIC), (method, route) not in NO_PEOPLE)
    if rule == "actions":
        told.facts["request_id"] = logs.request_id.get()
    return rule, f"{method} {route}"
