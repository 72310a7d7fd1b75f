"""/v1/segments: define them, count them, list who is in them and who came and went."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from actors.errors import Invalid
from models.identity.customer_id import to_text
from models.privacy.visibility import serves_trait
from models.segments.criteria import SegmentDefinition
from models.segments.holdout import is_held_out
from models.shard.protocol import SegmentChange, SegmentStatus
from serve import segment_analysis, segment_registry
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import (
    Caller,
    Context,
    Declared,
    Limit,
    PageCursor,
    Purpose,
    authorise,
    respond,
    respond_withheld,
)
from serve.http_openapi import answers, takes
from serve.http_pages import cursor_of, parse_positions, positions_text
from serve.http_schemas import Cursor, time_text
from serve.http_segment_schemas import (
    ChangeEntry,
    ChangesPage,
    MemberEntry,
    MemberRowsPage,
    MembersPage,
    PreviewAnswer,
    PreviewRequest,
    SegmentEntry,
    SegmentRequest,
    SegmentsAnswer,
)
from serve.loose_ends import Notes
from serve.segment_analysis import Suppression

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(SegmentsAnswer, 401, 403, 503), response_class=Response)
async def list_segments(context: Context, caller: Caller) -> Response:
    """All segments with their sizes, and whether they are up to date."""
    statuses = await segment_registry.statuses(context.services)
    suppression = Suppression(context.services, caller)
    definitions, notes = segment_registry.definitions(context.services), segment_registry.notes(context.services)
    return respond(SegmentsAnswer([_entry(each, statuses, suppression, notes) for each in definitions]))


@router.post(
    "",
    responses=answers(SegmentEntry, 400, 401, 403, 503),
    openapi_extra=takes(SegmentRequest),
    response_class=Response,
)
async def put_segment(request: Request, context: Context, caller: Caller) -> Response:
    """Creates a segment, or replaces the one with the same id. Answers when all people have been evaluated."""
    asked = await read_json(request, dict[str, Any])
    definition = await segment_registry.put(context.services, asked)
    tell(segment_id=definition.id)
    statuses = await segment_registry.statuses(context.services)
    services = context.services
    return respond(_entry(definition, statuses, Suppression(services, caller), segment_registry.notes(services)))


@router.post(
    "/preview",
    responses=answers(PreviewAnswer, 400, 401, 403, 503),
    openapi_extra=takes(PreviewRequest),
    response_class=Response,
)
async def preview(request: Request, context: Context, caller: Caller) -> Response:
    """Counts who meets criteria now, exactly. Changes nothing."""
    asked = await read_json(request, PreviewRequest)
    members, people = await segment_registry.preview(context.services, asked.criteria)
    told = Suppression(context.services, caller).count(members)
    return respond(PreviewAnswer(told, people, None if told is None or not people else round(told / people, 6)))


@router.get("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 503), response_class=Response)
async def get_segment(segment_id: str, context: Context, caller: Caller) -> Response:
    """A segment's definition and size, and whether it is up to date."""
    definition = segment_registry.definition_of(context.services, segment_id)
    statuses = await segment_registry.statuses(context.services)
    services = context.services
    return respond(_entry(definition, statuses, Suppression(services, caller), segment_registry.notes(services)))


@router.delete("/{segment_id}", responses=answers(SegmentEntry, 401, 403, 404, 409, 503), response_class=Response)
async def delete_segment(segment_id: str, context: Context, caller: Caller) -> Response:
    """Deletes a segment and its memberships. Answers with what it was."""
    definition = await segment_registry.delete(context.services, segment_id)
    services = context.services
    return respond(_entry(definition, {}, Suppression(services, caller), segment_registry.notes(services)))


@router.get("/{segment_id}/members", responses=answers(MembersPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_members(
    segment_id: str,
    context: Context,
    purpose: Purpose,
    limit: Limit = 100,
    cursor: PageCursor = "",
    at: Annotated[str, Query(description="who was in it at this past time (ISO 8601); without it, now")] = "",
) -> Response:
    """Who is in the segment, or was, of those for whom the purpose has a basis now."""
    services, withheld = context.services, 0
    definition = segment_registry.definition_of(services, segment_id)
    context.check_segment(segment_id, purpose)
    if at:
        past, following = await segment_analysis.members_at(context, segment_id, at, limit, cursor, purpose)
        tell_people(past)
        entries = [_member(definition, customer_id, None) for customer_id in past]
    else:
        members, following, withheld = await services.router.segment_members(segment_id, limit, cursor, purpose)
        tell_people(customer_id for customer_id, _ in members)
        entries = [_member(definition, customer_id, time_text(entered)) for customer_id, entered in members]
    return respond_withheld(MembersPage(entries, cursor_of(following, limit)), {"members": withheld})


@router.get(
    "/{segment_id}/members/profiles",
    responses=answers(MemberRowsPage, 400, 401, 403, 404, 503),
    response_class=Response,
)
async def get_member_rows(
    segment_id: str,
    context: Context,
    purpose: Purpose,
    limit: Limit = 100,
    cursor: PageCursor = "",
    traits: Annotated[
        str, Query(description="names of traits, with commas between them; `address.city` looks into an object")
    ] = "",
) -> Response:
    """Who is in the segment, of those for whom the purpose has a basis, with traits that serve it: rows for files and
    tables."""
    services = context.services
    names = segment_analysis.trait_names(traits)
    for name in names:
        if not serves_trait(context.purposes, purpose, name):
            raise Invalid(f"traits: {name} does not serve the purpose {purpose}; leave it out or declare another")
    definition = segment_registry.definition_of(services, segment_id)
    context.check_segment(segment_id, purpose)
    members, following, withheld = await services.router.member_profiles(segment_id, limit, cursor, purpose)
    tell_people(profile.customer_id for _, profile in members)
    rows = [
        segment_analysis.flat_row(profile, entered, _held_out(definition, profile.customer_id), names)
        for entered, profile in members
    ]
    return respond_withheld(MemberRowsPage(rows, cursor_of(following, limit)), {"members": withheld})


@router.get("/{segment_id}/changes", responses=answers(ChangesPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_changes(
    segment_id: str,
    context: Context,
    purpose: Declared,
    limit: Limit = 100,
    after: Annotated[str, Query(description="`cursor.next` of an earlier answer; without it, from the start")] = "",
) -> Response:
    """Who entered, of those for whom the purpose has a basis now, and who left, oldest first. Go on from `cursor.next`,
    also when there was nothing new."""
    segment_registry.definition_of(context.services, segment_id)
    context.check_segment(segment_id, context.purpose_of(purpose, segment_id))
    positions = parse_positions(after) if after else {}
    found, following, has_more = await segment_registry.changes(context.services, segment_id, positions, limit)
    entries = {(change.customer_id, segment_id) for change in found if change.change == "entered"}
    told = await context.basis.entries(entries, purpose)
    shown = [each for each in found if each.change != "entered" or (each.customer_id, segment_id) in told]
    tell_people(change.customer_id for change in shown)
    cursor = Cursor(positions_text(following), has_more, limit)
    page = ChangesPage([change_entry(change) for change in shown], cursor)
    return respond_withheld(page, {"entries": len(found) - len(shown)})


def change_entry(change: SegmentChange) -> ChangeEntry:
    """An entry or exit, as it is told."""
    return ChangeEntry(
        customer_id=to_text(change.customer_id),
        segment_id=change.segment_id,
        change=change.change,
        at=time_text(change.at),
        cause=change.cause,
        held_out=change.held_out,
    )


def _entry(
    definition: SegmentDefinition, statuses: dict[str, SegmentStatus], suppression: Suppression, notes: Notes
) -> SegmentEntry:
    status = statuses.get(definition.id)
    return SegmentEntry(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        criteria=definition.criteria,
        version=definition.version,
        created_at=time_text(definition.created_at),
        refresh=definition.refresh,
        holdout=definition.holdout,
        purpose=definition.purpose,
        members=None if status is None else suppression.count(status.members),
        state="unknown" if status is None else status.state,
        evaluated_at=time_text(status.evaluated_at) if status is not None and status.evaluated_at else None,
        late_ms=0 if status is None else status.late_ms,
        error="" if status is None else status.error,
        notes=notes(definition.criteria),
    )


def _member(definition: SegmentDefinition, customer_id: int, entered_at: str | None) -> MemberEntry:
    return MemberEntry(to_text(customer_id), entered_at, _held_out(definition, customer_id))


def _held_out(definition: SegmentDefinition, customer_id: int) -> bool:
    return definition.holdout > 0 and is_held_out(definition.id, customer_id, definition.holdout)
