"""/v1/events and /v1/deadletters: what came in, and what could not be taken."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from actors.errors import Invalid
from models.identity.customer_id import to_text
from models.shard.protocol import DeadLetter, StoredEvent
from serve.dead_letters import PAGE, replay, replay_waiting
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Caller, Context, Limit, PageCursor, Purpose, authorise, respond, respond_withheld
from serve.http_openapi import answers, takes
from serve.http_pages import cursor_of, parse_positions, positions_text
from serve.http_schemas import (
    Cursor,
    EventEntry,
    EventsPage,
    LetterEntry,
    LettersDeleteAnswer,
    LettersDeleteRequest,
    LettersPage,
    Reason,
    ReplayAnswer,
    ReplayRejection,
    ReplayRequest,
    time_text,
    time_text_or_none,
)
from serve.purpose_reads import events_for

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(authorise)])


@router.get("/events", responses=answers(EventsPage, 400, 401, 403, 503), response_class=Response)
async def tail_events(
    context: Context,
    purpose: Purpose,
    limit: Limit = 100,
    after: Annotated[str, Query(description="`cursor.next` of an earlier answer; without it, the latest events")] = "",
) -> Response:
    """The shards' logs: the latest events, then, from `cursor.next`, those that came since; of each what is for the
    purpose."""
    shards = context.services.router
    if after:
        positions = parse_positions(after)
        events = await shards.tail(positions, limit)
        has_more = len(events) >= limit
        for stored in events:
            positions[stored.shard] = max(stored.sequence, positions.get(stored.shard, 0))
    else:
        events, positions = await shards.latest(limit)
        has_more = False
    shown, withheld = await events_for(context, events, purpose)
    tell_people(stored.customer_id for stored in shown)
    cursor = Cursor(positions_text(positions), has_more, limit)
    return respond_withheld(EventsPage([event_entry(stored) for stored in shown], cursor), withheld)


@router.get("/deadletters", responses=answers(LettersPage, 400, 401, 403, 503), response_class=Response)
async def list_dead_letters(
    context: Context, caller: Caller, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = ""
) -> Response:
    """Messages that were refused, with their reasons. Whose they are is not known for certain: with a registry of
    purposes, what they say is told for the default one alone, to keys with the scope `admin` or `privacy`."""
    letters, following = await context.services.router.dead_letters(limit, cursor)
    sees_all = caller.allows("admin") or caller.allows("privacy")
    told = not context.purposes.is_on or (sees_all and purpose == context.purposes.default)
    entries = [_letter_entry(letter, told) for letter in letters]
    return respond_withheld(LettersPage(entries, cursor_of(following, limit)), {"bodies": 0 if told else len(letters)})


@router.post(
    "/deadletters/replay",
    responses=answers(ReplayAnswer, 400, 401, 403, 503),
    openapi_extra=takes(ReplayRequest),
    response_class=Response,
)
async def replay_dead_letters(request: Request, context: Context) -> Response:
    """Tries refused messages again, as if they came in now. What is refused again stays.

    All of them are tried page by page: while `cursor.has_more`, give `cursor.next` as `after`.
    """
    asked = await read_json(request, ReplayRequest)
    if (asked.ids is UNSET) is not asked.all:
        raise Invalid('body: expected either "ids", a list of ids of dead letters, or "all": true')
    if asked.ids is UNSET:
        replayed = await replay_waiting(context, parse_positions(asked.after) if asked.after else {})
    else:
        replayed = await replay(context, asked.ids)
    rejected = [
        ReplayRejection(letter_id, [Reason(**reason) for reason in reasons])
        for letter_id, reasons in replayed.rejected.items()
    ]
    following = positions_text(replayed.positions) if replayed.has_more else ""
    return respond(ReplayAnswer(replayed.count, rejected, cursor_of(following, PAGE)))


@router.delete(
    "/deadletters",
    responses=answers(LettersDeleteAnswer, 400, 401, 403, 503),
    openapi_extra=takes(LettersDeleteRequest),
    response_class=Response,
)
async def delete_dead_letters(request: Request, context: Context) -> Response:
    """Deletes refused messages, replayed ones too, for good."""
    asked = await read_json(request, LettersDeleteRequest)
    if (asked.ids is UNSET) is not asked.all:
        raise Invalid('body: expected either "ids", a list of ids of dead letters, or "all": true')
    ids = None if asked.ids is UNSET else asked.ids
    return respond(LettersDeleteAnswer(await context.services.router.delete_dead_letters(ids)))


def event_entry(stored: StoredEvent) -> EventEntry:
    """A stored event as it is shown."""
    event = stored.event
    return EventEntry(
        message_id=event.message_id,
        type=event.type,
        name=event.name,
        timestamp=time_text(event.timestamp),
        received_at=time_text(event.received_at),
        source=event.source,
        customer_id=to_text(stored.customer_id),
        sequence=positions_text({stored.shard: stored.sequence}),
        identifiers=list(event.identifiers),
        traits=event.traits,
        properties=event.properties,
        context=event.context,
        group_id=event.group_id,
    )


def _letter_entry(letter: DeadLetter, with_body: bool) -> LetterEntry:
    return LetterEntry(
        id=letter.letter_id,
        received_at=time_text(letter.received_at),
        source=letter.source,
        type=letter.kind,
        reasons=[Reason(**reason) for reason in letter.reasons],
        body=letter.body.decode(errors="replace") if with_body else None,
        replayed_at=time_text_or_none(letter.replayed_at),
    )
