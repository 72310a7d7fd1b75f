"""SegmentService: define segments, count them, list who is in them, follow who comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from actors.errors import Invalid
from models.identity.customer_id import shard_of, to_text
from models.segments.criteria import SegmentDefinition
from models.segments.holdout import is_held_out
from models.shard.protocol import SegmentChange, SegmentStatus
from protos.onefold.v1 import segment_pb2 as pb
from serve import segment_analysis, segment_registry
from serve.grpc_call import Call, Methods, Reply, stream, unary
from serve.http_pages import parse_positions, positions_text
from serve.http_schemas import time_text
from serve.json_fields import json_field
from serve.loose_ends import Notes
from serve.profile_message import json_text
from serve.segment_analysis import Suppression

SERVICE = "onefold.v1.SegmentService"
MEMBERS_DEFAULT = 100
MEMBERS_MAX = 1_000  # of one page
CHANGES_MAX = 500  # that are read from the shards at once
LOOK_S = 0.1  # between two looks for changes
HEARTBEAT_S = 15.0


class SegmentMethods(Methods):
    """Methods of SegmentService. Their names are those of the calls."""

    @unary(SERVICE, "admin", "nobody")
    async def CreateSegment(self, request: pb.CreateSegmentRequest, call: Call) -> Reply:
        asked: dict[str, Any] = {"name": request.name, "description": request.description}
        asked["criteria"] = _criteria(request.criteria_json)
        asked |= {key: value for key in ("id", "refresh", "holdout", "purpose") if (value := getattr(request, key))}
        services = self.context.services
        definition = await segment_registry.put(services, asked)
        call.told.facts["segment_id"] = definition.id
        statuses = await segment_registry.statuses(services)
        return _segment(definition, statuses, Suppression(services, call.principal), segment_registry.notes(services))

    @unary(SERVICE, "analyse", "nobody")
    async def ListSegments(self, request: pb.ListSegmentsRequest, call: Call) -> Reply:
        services = self.context.services
        statuses, suppression = await segment_registry.statuses(services), Suppression(services, call.principal)
        notes = segment_registry.notes(services)
        return pb.ListSegmentsResponse(
            segments=[
                _segment(definition, statuses, suppression, notes)
                for definition in segment_registry.definitions(services)
            ]
        )

    @unary(SERVICE, "analyse", "nobody")
    async def GetSegment(self, request: pb.GetSegmentRequest, call: Call) -> Reply:
        services = self.context.services
        definition = segment_registry.definition_of(services, request.id)
        statuses = await segment_registry.statuses(services)
        return _segment(definition, statuses, Suppression(services, call.principal), segment_registry.notes(services))

    @unary(SERVICE, "admin", "nobody")
    async def DeleteSegment(self, request: pb.DeleteSegmentRequest, call: Call) -> Reply:
        await segment_registry.delete(self.context.services, request.id)
        call.told.facts["segment_id"] = request.id
        return pb.DeleteSegmentResponse()

    @unary(SERVICE, "read", "purpose")
    async def ListMembers(self, request: pb.ListMembersRequest, call: Call) -> Reply:
        if not 0 <= request.limit <= MEMBERS_MAX:
            raise Invalid(f"limit: expected 1 to {MEMBERS_MAX:,}, or 0 for {MEMBERS_DEFAULT}")
        services = self.context.services
        definition = segment_registry.definition_of(services, request.id)
        limit = request.limit or MEMBERS_DEFAULT
        purpose = call.purpose(request.id)
        self.context.check_segment(request.id, purpose)
        call.told.facts["segment_id"] = request.id
        if request.at:
            past, following = await segment_analysis.members_at(
                self.context, request.id, request.at, limit, request.cursor, purpose
            )
            call.told.people(past)
            members = [_member(definition, customer_id, "") for customer_id in past]
        else:
            present, following, withheld = await services.router.segment_members(
                request.id, limit, request.cursor, purpose
            )
            call.tell_withheld({"members": withheld})
            call.told.people(customer_id for customer_id, _ in present)
            members = [_member(definition, customer_id, time_text(entered)) for customer_id, entered in present]
        return pb.ListMembersResponse(members=members, next_cursor=following)

    @unary(SERVICE, "analyse", "nobody")
    async def PreviewSegment(self, request: pb.PreviewSegmentRequest, call: Call) -> Reply:
        services = self.context.services
        members, people = await segment_registry.preview(services, _criteria(request.criteria_json))
        return pb.PreviewSegmentResponse(members=Suppression(services, call.principal).count(members), people=people)

    @stream(SERVICE, "read", "purpose")
    async def WatchSegment(self, request: pb.WatchSegmentRequest, call: Call) -> AsyncIterator[Reply]:
        services = self.context.services
        check_of = self.context.fresh_check(call.declared_purpose())
        if request.id:
            segment_registry.definition_of(services, request.id)
            self.context.check_segment(request.id, self.context.purpose_of(call.declared_purpose(), request.id))
        if request.after:
            after = parse_positions(request.after)
        else:
            after = {status.shard: status.sequence for status in await services.router.status()}
        quiet_s = 0.0
        while True:
            found, positions, has_more = await segment_registry.changes(services, request.id, after, CHANGES_MAX)
            check = check_of(found)
            for change in found:
                if change.change == "entered" and not await check.allows((change.customer_id, change.segment_id)):
                    after = {**after, shard_of(change.customer_id): change.sequence}
                    yield pb.SegmentChange(cursor=positions_text(after), withheld=1)
                    continue
                after = {**after, shard_of(change.customer_id): change.sequence}
                call.told.people([change.customer_id])
                yield _change(change, after)
            after = positions
            if not found:
                quiet_s += LOOK_S
            if quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                yield pb.SegmentChange(cursor=positions_text(after))
            if not has_more:
                await asyncio.sleep(LOOK_S)


def _criteria(text: str) -> Any:
    return json_field("criteria_json", text, dict[str, Any], "a JSON object; docs/segments.md has the language")


def _segment(
    definition: SegmentDefinition, statuses: dict[str, SegmentStatus], suppression: Suppression, notes: Notes
) -> pb.Segment:
    status = statuses.get(definition.id)
    return pb.Segment(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        criteria_json=json_text(definition.criteria),
        members=None if status is None else suppression.count(status.members),
        state="unknown" if status is None else status.state,
        evaluated_at=time_text(status.evaluated_at) if status is not None and status.evaluated_at else "",
        late_ms=0 if status is None else status.late_ms,
        refresh=definition.refresh,
        holdout=definition.holdout,
        purpose=definition.purpose,
        notes=notes(definition.criteria),
    )


def _member(definition: SegmentDefinition, customer_id: int, entered_at: str) -> pb.Member:
    held_out = definition.holdout > 0 and is_held_out(definition.id, customer_id, definition.holdout)
    return pb.Member(customer_id=to_text(customer_id), entered_at=entered_at, held_out=held_out)


def _change(change: SegmentChange, after: dict[int, int]) -> pb.SegmentChange:
    return pb.SegmentChange(
        segment_id=change.segment_id,
        customer_id=to_text(change.customer_id),
        change=change.change,
        at=time_text(change.at),
        cause=change.cause,
        cursor=positions_text(after),
        held_out=change.held_out,
    )
