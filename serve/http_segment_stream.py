"""/v1/segments/stream: entries to segments and exits from them as server-sent events, as they happen.

Each event's id is a position: a client that comes back with it (`Last-Event-ID`, which browsers send by themselves) is
told all that it has missed. A stream ends when its client goes, when the service stops, when its key is revoked; and
with an error, when what it follows fails.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from actors.basis_check import FreshCheck
from actors.change_feed import ChangeFeed
from actors.errors import OnefoldError, Unavailable
from models.identity.customer_id import shard_of
from models.shard.protocol import SegmentChange
from serve import instance, logs, segment_registry
from serve.http_audit import tell_people
from serve.http_context import Context, Declared, authorise, check
from serve.http_openapi import answers
from serve.http_pages import parse_positions, positions_text
from serve.http_segment_schemas import ChangeEntry
from serve.http_segments import change_entry
from serve.request_context import RequestContext
from serve.services import Services

PAGE = 500
TICK_S = 0.5  # between two looks at whether the stream is to end
AWAY_S = 1.0
HEARTBEAT_S = 15.0

log = logs.logger("segment_stream")

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])

_ANSWERS = answers(ChangeEntry, 400, 401, 403, 404, 503)
_ANSWERS[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}

After = Annotated[str, Query(description="`id` of the last event seen; without it, from now on")]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", description="the same, as browsers send it")]


class Streams:
    """The streams of one replica: as long as there are any, the shards are asked for news, once for all of them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._look: _Look | None = None

    @contextmanager
    def following(self) -> Iterator[ChangeFeed]:
        """The feed, while it is followed. Within a running event loop."""
        look = self._look
        if look is None or look.task.done():
            feed = ChangeFeed(self._services.router.segment_changes)
            look = self._look = _Look(feed, self._services.settings.service_path)
        look.open += 1
        try:
            yield look.feed
        finally:
            look.open -= 1
            if not look.open:
                look.task.cancel()
                look.held.close()
                if self._look is look:
                    self._look = None


class _Look:
    """A feed with the task that looks for its news, how many streams follow it, and what the service waits for."""

    def __init__(self, feed: ChangeFeed, data_dir: Path) -> None:
        self.feed = feed
        self.held = ExitStack()
        self.held.enter_context(instance.streaming(data_dir))
        self.task = asyncio.get_running_loop().create_task(feed.run())
        self.task.add_done_callback(_log_failure)
        self.open = 0


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("streams of entries and exits end: nobody looks for news any more", exc_info=error)


@router.get("/stream", responses=_ANSWERS, response_class=StreamingResponse)
async def stream_all(
    request: Request, context: Context, purpose: Declared, after: After = "", last_event_id: LastEventId = ""
) -> Response:
    """Who enters any segment, of those for whom the purpose has a basis then, and who leaves, as server-sent events."""
    return await _stream(request, context, "", purpose, last_event_id or after)


@router.get("/{segment_id}/stream", responses=_ANSWERS, response_class=StreamingResponse)
async def stream_one(
    segment_id: str,
    request: Request,
    context: Context,
    purpose: Declared,
    after: After = "",
    last_event_id: LastEventId = "",
) -> Response:
    """Who enters a segment, of those for whom the purpose has a basis then, and who leaves, as server-sent events."""
    segment_registry.definition_of(context.services, segment_id)
    context.check_segment(segment_id, context.purpose_of(purpose, segment_id))
    return await _stream(request, context, segment_id, purpose, last_event_id or after)


async def _stream(request: Request, context: RequestContext, segment_id: str, purpose: str, after: str) -> Response:
    services = context.services
    asked = parse_positions(after) if after else {}
    positions = {}
    for status in await services.router.status():
        # Without a position the present; nor later than that, so that nobody waits for what has been.
        latest = status.sequence
        positions[status.shard] = min(asked.get(status.shard, 0), latest) if after else latest

    async def may_go_on() -> bool:
        if instance.is_stopping(services.settings.service_path):
            return False
        try:
            await check(request)
        except OnefoldError:
            return False
        return True

    streams: Streams = request.app.state.streams
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    parts = events(streams, segment_id, positions, may_go_on, context.fresh_check(purpose))
    return StreamingResponse(parts, media_type="text/event-stream", headers=headers)


async def events(
    streams: Streams,
    segment_id: str,
    positions: dict[int, int],
    may_go_on: Callable[[], Awaitable[bool]],
    check_of: Callable[[list[SegmentChange]], FreshCheck],
) -> AsyncIterator[bytes]:
    """The events after these positions, as long as they may go on; comments in between keep the connection open.

    `check_of` makes the check of the entries of a page. In the place of one that may not be told there is its position,
    and a comment that says so.
    """
    yield b"retry: 1000\n\n"
    spoke_s = time.monotonic()
    with streams.following() as feed:
        page = asyncio.ensure_future(_next_page(feed, positions))
        try:
            while await may_go_on():
                await asyncio.wait({page}, timeout=TICK_S)
                if page.done():
                    found = [each for each in page.result() if segment_id in ("", each.segment_id)]
                    check = check_of(found)
                    for change in page.result():
                        positions = {**positions, shard_of(change.customer_id): change.sequence}
                        if segment_id not in ("", change.segment_id):
                            continue
                        if change.change == "entered" and not await _allows(check, change):
                            yield f"id: {positions_text(positions)}\n: withheld\n\n".encode()
                        else:
                            tell_people([change.customer_id])
                            yield _event(change, positions)
                        spoke_s = time.monotonic()
                    page = asyncio.ensure_future(_next_page(feed, positions))
                if time.monotonic() - spoke_s >= HEARTBEAT_S:
                    yield f"id: {positions_text(positions)}\n: still here\n\n".encode()
                    spoke_s = time.monotonic()
        finally:
            page.cancel()


async def _allows(check: FreshCheck, change: SegmentChange) -> bool:
    """Whether an entry may be told now; waits for shards that are starting."""
    while True:
        try:
            return await check.allows((change.customer_id, change.segment_id))
        except Unavailable:
            await asyncio.sleep(AWAY_S)


async def _next_page(feed: ChangeFeed, positions: dict[int, int]) -> list[SegmentChange]:
    """The entries and exits after these positions, as soon as there are any."""
    while True:
        generation = feed.generation
        try:
            if page := await feed.after(positions, PAGE):
                return page
            await feed.news(generation)
        except Unavailable:  # a shard is starting
            await asyncio.sleep(AWAY_S)


def _event(change: SegmentChange, positions: dict[int, int]) -> bytes:
    data = msgspec.json.encode(change_entry(change)).decode()
    return f"id: {positions_text(positions)}\nevent: {change.change}\ndata: {data}\n\n".encode()
