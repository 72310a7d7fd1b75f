"""/v1/segments: define them, count them, list who is in them and who came and went."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from models.identity.customer_id import shard_of, to_text
from models.segments.criteria import SegmentDefinition
from models.segments.parse import InvalidCriteria, parse_criteria, parse_definition
from models.shard.protocol import SegmentChange
from serve.errors import FieldError, InvalidFields
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
from serve.request_context import RequestContext

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])

_CALLS_MAX = 20  # to the shards for one page of changes: others' changes are skipped over


@router.get("", responses=answers(SegmentsAnswer, 401, 403, 503), response_class=Response)
async def list_segments(context: Context) -> Response:
    """All segments with their sizes."""
    definitions = context.services.control.segments()
    sizes = await _sizes(context)
    return respond(SegmentsAnswer([_entry(definition, sizes) for definition in definitions.values()]))


@router.post(
    "",
    responses=answers(SegmentEntry, 400, 401, 403, 503),
    openapi_extra=takes(SegmentRequest),
    response_class=Response,
)
async def put_segment(request: Request, context: Context) -> Response:
    """Creates a segment, or replaces the one with the same id. The shards begin to evaluate it at once."""
    services = context.services
    asked = await read_json(request, dict[str, Any])
    try:
        asked = {**asked, "created_at": services.now(), "version": 1}
        definition = parse_definition(asked)
    except InvalidCriteria as error:
        raise _invalid("the segment", error) from None
    before = services.control.segments().get(definition.id)
    if before is not None:
        definition = msgspec.structs.replace(
            definition, created_at=before.get("created_at", 0), version=before.get("version", 1) + 1
        )
    stored = msgspec.to_builtins(definition)
    services.control.put_segment(definition.id, stored)
    await services.router.put_segment(stored)
    return respond(_entry(stored, await _sizes(context)))


@router.post(
    "/preview",
    responses=answers(PreviewAnswer, 400, 401, 403, 503),
    openapi_extra=takes(PreviewRequest),
    response_class=Response,
)
async def preview(request: Request, context: Context) -> Response:
    """Counts who meets criteria now, exactly. Changes nothing."""
    asked = await read_json(request, PreviewRequest)
    try:
        parse_criteria(asked.criteria)
    except InvalidCriteria as error:
        raise _invalid("the criteria", error) from None
    return respond(PreviewAnswer(await context.services.router.preview(asked.criteria, context.services.now())))


@router.get("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 503), response_class=Response)
async def get_segment(segment_id: str, context: Context) -> Response:
    """A segment's definition and size."""
    definition = context.services.control.segment(segment_id)
    return respond(_entry(definition, await _sizes(context)))


@router.delete("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 503), response_class=Response)
async def delete_segment(segment_id: str, context: Context) -> Response:
    """Deletes a segment and its memberships. Answers with what it was."""
    definition = context.services.control.segment(segment_id)
    context.services.control.delete_segment(segment_id)
    await context.services.router.delete_segment(segment_id)
    return respond(_entry(definition, {}))


@router.get("/{segment_id}/members", responses=answers(MembersPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_members(segment_id: str, context: Context, limit: Limit = 100, cursor: PageCursor = "") -> Response:
    """Who is in the segment."""
    context.services.control.segment(segment_id)
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
    context.services.control.segment(segment_id)
    positions = parse_positions(after) if after else {}
    found: list[SegmentChange] = []
    has_more = True
    for _ in range(_CALLS_MAX):
        changes = await context.services.router.segment_changes(positions, limit)
        has_more = len(changes) >= limit
        for change in changes:
            if len(found) == limit:
                has_more = True
                break
            positions[shard_of(change.customer_id)] = change.sequence
            if change.segment_id == segment_id:
                found.append(change)
        if not has_more or len(found) == limit:
            break
    return respond(
        ChangesPage([_change_entry(change) for change in found], Cursor(positions_text(positions), has_more, limit))
    )


async def _sizes(context: RequestContext) -> dict[str, int]:
    """Members by segment id, over all shards."""
    sizes: dict[str, int] = {}
    for shard in await context.services.router.status():
        for segment_id, members in shard.segments.items():
            sizes[segment_id] = sizes.get(segment_id, 0) + members
    return sizes


def _entry(stored: dict[str, Any], sizes: dict[str, int]) -> SegmentEntry:
    definition = msgspec.convert(stored, SegmentDefinition)
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


def _invalid(what: str, error: InvalidCriteria) -> InvalidFields:
    problems = [FieldError(problem.path, problem.message) for problem in error.errors]
    return InvalidFields(f"{what} cannot be used: {error}", problems)
