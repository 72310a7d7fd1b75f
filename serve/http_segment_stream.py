"""/v1/segments/stream: entries to segments and exits from them as server-sent events, as they happen.

Each event's id is a position: a client that comes back with it (`Last-Event-ID`, which browsers send by themselves) is
told all that it has missed.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response, StreamingResponse

from actors.errors import Unavailable
from models.identity.customer_id import shard_of
from serve import segment_registry
from serve.http_context import Context, authorise
from serve.http_openapi import answers
from serve.http_pages import parse_positions, positions_text
from serve.http_segment_schemas import ChangeEntry
from serve.http_segments import change_entry
from serve.services import Services

PAGE = 500
LOOK_S = 0.1  # between two looks for changes
HEARTBEAT_S = 15.0

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])

_ANSWERS = answers(ChangeEntry, 400, 401, 403, 404, 503)
_ANSWERS[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}

After = Annotated[str, Query(description="`id` of the last event seen; without it, from now on")]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", description="the same, as browsers send it")]


@router.get("/stream", responses=_ANSWERS, response_class=StreamingResponse)
async def stream_all(context: Context, after: After = "", last_event_id: LastEventId = "") -> Response:
    """Who enters and leaves any segment, as server-sent events."""
    return await _stream(context.services, "", last_event_id or after)


@router.get("/{segment_id}/stream", responses=_ANSWERS, response_class=StreamingResponse)
async def stream_one(segment_id: str, context: Context, after: After = "", last_event_id: LastEventId = "") -> Response:
    """Who enters and leaves a segment, as server-sent events."""
    segment_registry.definition_of(context.services, segment_id)
    return await _stream(context.services, segment_id, last_event_id or after)


async def _stream(services: Services, segment_id: str, after: str) -> Response:
    if after:
        positions = parse_positions(after)
    else:
        positions = {status.shard: status.sequence for status in await services.router.status()}
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(services, segment_id, positions), media_type="text/event-stream", headers=headers)


async def events(services: Services, segment_id: str, positions: dict[int, int]) -> AsyncIterator[bytes]:
    """The events after these positions, for ever; comments in between, so that connections stay open."""
    quiet_s = 0.0
    yield b"retry: 1000\n\n"
    while True:
        try:
            found, following, has_more = await segment_registry.changes(services, segment_id, positions, PAGE)
        except Unavailable:  # a shard is starting
            found, following, has_more = [], positions, False
        for change in found:
            positions = {**positions, shard_of(change.customer_id): change.sequence}
            data = msgspec.json.encode(change_entry(change)).decode()
            yield f"id: {positions_text(positions)}\nevent: {change.change}\ndata: {data}\n\n".encode()
        positions = following
        quiet_s = 0.0 if found else quiet_s + LOOK_S
        if quiet_s >= HEARTBEAT_S:
            quiet_s = 0.0
            yield f"id: {positions_text(positions)}\n: still here\n\n".encode()
        if not has_more:
            await asyncio.sleep(LOOK_S)
