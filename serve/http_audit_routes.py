"""/v1/audit: who did what, and whose data a key has seen or changed."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from actors.errors import Invalid
from serve.audit_reads import affected_person, audit_entry, entry_filter
from serve.http_audit import tell
from serve.http_audit_schemas import AffectedPage, AuditEntriesPage
from serve.http_context import Context, Limit, PageCursor, authorise, respond
from serve.http_openapi import answers
from serve.http_pages import cursor_of, page

_NUMBER_MAX = 1 << 62

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(authorise)])

Since = Annotated[str, Query(alias="from", description="ISO 8601; without it, from the start")]
Until = Annotated[str, Query(alias="to", description="ISO 8601, exclusive; without it, until now")]
KeyName = Annotated[str, Query(alias="key", description='id or name of a key, or "cli:" and a user')]


@router.get("/entries", responses=answers(AuditEntriesPage, 400, 401, 403, 404, 409, 503), response_class=Response)
async def list_entries(
    context: Context,
    key: KeyName = "",
    action: Annotated[str, Query(description="as entries have it", examples=["GET /v1/profiles/{key}"])] = "",
    since: Since = "",
    until: Until = "",
    subject: Annotated[str, Query(description="customer id of a person")] = "",
    limit: Limit = 100,
    cursor: PageCursor = "",
) -> Response:
    """The audit log, the latest entries first: all, or those of a key, an action, a time, a person."""
    services = context.services
    wanted = entry_filter(services.control, key, action, since, until, subject)
    before = _parse_cursor(cursor)
    await services.audit.flush()
    found = await asyncio.to_thread(services.audit_log.entries, wanted, before, limit + 1)
    following = str(found[limit - 1].number) if len(found) > limit else ""
    return respond(AuditEntriesPage([audit_entry(entry) for entry in found[:limit]], cursor_of(following, limit)))


@router.get("/affected", responses=answers(AffectedPage, 400, 401, 403, 404, 409, 503), response_class=Response)
async def list_affected(
    context: Context,
    key: KeyName,
    since: Since = "",
    until: Until = "",
    limit: Limit = 100,
    cursor: PageCursor = "",
) -> Response:
    """Whose data a key has read or changed (GDPR 33 and 34): everybody, with how often and when."""
    services = context.services
    if not key:
        raise Invalid("key: expected the id or name of a key")
    wanted = entry_filter(services.control, key, since=since, until=until)
    await services.audit.flush()
    people = [affected_person(each) for each in await asyncio.to_thread(services.audit_log.affected, wanted)]
    found, following = page(people, lambda person: person.customer_id, limit, cursor)
    actor = wanted.actor or ""
    tell(key_id=actor)
    return respond(AffectedPage(actor, len(people), found, following))


def _parse_cursor(cursor: str) -> int:
    """The number that the page before ended at."""
    if not cursor:
        return _NUMBER_MAX
    if not (cursor.isascii() and cursor.isdecimal() and int(cursor) < _NUMBER_MAX):
        raise Invalid("cursor: expected `cursor.next` of the page before, as it was given")
    return int(cursor)
