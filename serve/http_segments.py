"""/v1/segments: define them, count them, list who is in them and who came and went."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from models.identity.customer_id import to_text
from models.segments.criteria import SegmentDefinition
from models.shard.protocol import SegmentChange
from serve import segment_registry
from serve.http_body import read_json
from serve.http_context import Context, Limit, PageCursor, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_pages import cursor_of, parse_positions, positions_text
from serve.http_schemas import (
    ChangeEntry,
    ChangesPage,
    Cursor,
    MemberEntry,
    MembersPage,
    PreviewAnswer,
    PreviewRequest,
    SegmentEntry,
    SegmentRequest,
    SegmentsAnswer,
    time_text,
)

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(SegmentsAnswer, 401, 403, 503), response_class=Response)
async def list_segments(context: Context) -> Response:
    """All segments with their sizes."""
    sizes = await segment_registry.sizes(context.services)
    definitions = segment_registry.definitions(context.services)
    return respond(SegmentsAnswer([_entry(definition, sizes) for definition in definitions]))


@router.post(
    "",
    responses=answers(SegmentEntry, 400, 401, 403, 503),
    openapi_extra=takes(SegmentRequest),
    response_class=Response,
)
async def put_segment(request: Request, context: Context) -> Response:
    """Creates a segment, or replaces the one with the same id. The shards begin to evaluate it at once."""
    asked = await read_json(request, dict[str, Any])
    definition = await segment_registry.put(context.services, asked)
    return respond(_entry(definition, await segment_registry.sizes(context.services)))


@router.post(
    "/preview",
    responses=answers(PreviewAnswer, 400, 401, 403, 503),
    openapi_extra=takes(PreviewRequest),
    response_class=Response,
)
async def preview(request: Request, context: Context) -> Response:
    """Counts who meets criteria now, exactly. Changes nothing."""
    asked = await read_json(request, PreviewRequest)
    return respond(PreviewAnswer(await segment_registry.preview(context.services, asked.criteria)))


@router.get("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 503), response_class=Response)
async def get_segment(segment_id: str, context: Context) -> Response:
    """A segment's definition and size."""
    definition = segment_registry.definition_of(context.services, segment_id)
    return respond(_entry(definition, await segment_registry.sizes(context.services)))


@router.delete("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 503), response_class=Response)
async def delete_segment(segment_id: str, context: Context) -> Response:
    """Deletes a segment and its memberships. Answers with what it was."""
    return respond(_entry(await segment_registry.delete(context.services, segment_id), {}))


@router.get("/{segment_id}/members", responses=answers(MembersPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_members(segment_id: str, context: Context, limit: Limit = 100, cursor: PageCursor = "") -> Response:
    """Who is in the segment."""
    segment_registry.definition_of(context.services, segment_id)
    members, following = await context.services.router.segment_members(segment_id, limit, cursor)
    entries = [MemberEntry(to_text(customer_id), time_text(entered)) for customer_id, entered in members]
    return respond(MembersPage(entries, cursor_of(following, limit)))


@router.get("/{segment_id}/changes", responses=answers(ChangesPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_changes(
    segment_id: str,
    context: Context,
    limit: Limit = 100,
    after: Annotated[str, Query(description="`cursor.next` of an earlier answer; without it, from the start")] = "",
) -> Response:
    """Who entered and left, oldest first. Go on from `cursor.next`, also when there was nothing new."""
    segment_registry.definition_of(context.services, segment_id)
    positions = parse_positions(after) if after else {}
    found, following, has_more = await segment_registry.changes(context.services, segment_id, positions, limit)
    cursor = Cursor(positions_text(following), has_more, limit)
    return respond(ChangesPage([_change_entry(change) for change in found], cursor))


def _entry(definition: SegmentDefinition, sizes: dict[str, int]) -> SegmentEntry:
    return SegmentEntry(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        criteria=definition.criteria,
        version=definition.version,
        created_at=time_text(definition.created_at),
        members=sizes.get(definition.id),
    )


def _change_entry(change: SegmentChange) -> ChangeEntry:
    return ChangeEntry(
        customer_id=to_text(change.customer_id),
        segment_id=change.segment_id,
        change=change.change,
        at=time_text(change.at),
        cause=change.cause,
    )
