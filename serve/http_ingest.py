"""POST /v1/{identify,track,page,screen,group,alias,batch,import,merge}, and their one-letter forms: events in.

The tracking API that Segment's and RudderStack's SDKs speak: point them at this host. The contract that they rely on:
200 and nothing else for success, and errors with `code` and `message` at the top level.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from models.identity.customer_id import to_text
from models.privacy.signals import from_gpc
from models.shard.protocol import EventResult
from serve.http_body import read_body
from serve.http_context import Context, authenticate, is_operator, key_in, respond
from serve.http_openapi import answers, event_body
from serve.http_schemas import (
    IngestAnswer,
    MessageNotice,
    MessageResult,
    Move,
    Reason,
    RejectedMessage,
    time_text,
)
from serve.http_scopes import INGEST_NAMES
from serve.intake import Taken

router = APIRouter(tags=["events"])


async def take_events(
    request: Request,
    context: Context,
    wait: Annotated[bool, Query(description="answer when the events are applied, with what became of each")] = False,
) -> Response:
    """Takes events. When it answers, each is durable, or refused and kept in the dead-letter store."""
    intake = context.intake
    key = key_in(request.headers)
    caller = authenticate(context, request, key, "ingest") if key else None  # a wrong key is refused unread
    body = await read_body(request, intake.parser.limits)
    caller = caller or authenticate(context, request, key_in(request.headers, body), "ingest")
    intake.admit(caller)
    services = context.services
    path = request.scope["path"].rpartition("/")[2]
    is_opted_out = from_gpc(request.headers.get("sec-gpc", ""))
    source = intake.source(caller.source_id, is_operator(request, caller), is_opted_out)
    parsed = intake.parser.parse(body, path, source, services.now(), services.new_id)
    taken = await intake.take(parsed, caller, wait)
    failure = taken.parsed.failure()
    if failure is not None:
        raise failure
    return respond(answer_of(taken, wait))


def answer_of(taken: Taken, wait: bool) -> IngestAnswer:
    """What the client is told."""
    parsed = taken.parsed
    return IngestAnswer(
        success=True,
        accepted=len(parsed.events),
        duplicates=taken.duplicates,
        suppressed=taken.suppressed,
        sequence=taken.result.sequence,
        rejected=[
            RejectedMessage(rejected.index, rejected.kind, [Reason(**reason) for reason in rejected.reasons])
            for rejected in parsed.rejected
        ],
        warnings=[MessageNotice(w.index, w.code, w.field, w.message) for w in parsed.warnings],
        results=[
            message_result(index, result) for index, result in zip(parsed.positions, taken.result.results, strict=True)
        ]
        if wait
        else UNSET,
    )


def message_result(index: int, result: EventResult) -> MessageResult:
    """What became of the message at `index` of its batch."""
    return MessageResult(
        index=index,
        message_id=result.message_id,
        status=result.status,
        customer_id=to_text(result.customer_id) if result.customer_id else None,
        created=result.created,
        confidence=result.confidence,
        methods=result.methods,
        profile_updates=result.profile_updates,
        segment_changes=[Move(move.segment_id, move.change, time_text(move.at)) for move in result.segment_changes],
        merged=[to_text(customer_id) for customer_id in result.merged],
        demoted_identifiers=result.demoted_identifiers,
        withheld=result.withheld,
        processing_ms=round(result.processing_ms, 3),
    )


for name in INGEST_NAMES:
    router.add_api_route(
        f"/v1/{name}",
        take_events,
        methods=["POST"],
        name=f"take_{name}",
        summary=f"Take events: {name}",
        responses=answers(IngestAnswer, 400, 401, 403, 413, 429, 503),
        openapi_extra=event_body(name),
        response_class=Response,
    )
