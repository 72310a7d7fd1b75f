"""IngestService: batches of events, one at a time or as a stream."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from models.events.event import Event
from models.identity.customer_id import to_text
from models.shard.protocol import EventResult, SegmentChange
from protos.onefold.v1 import ingest_pb2 as pb
from serve.errors import TooLarge
from serve.grpc_call import Call, Methods, Reply, unary
from serve.http_pages import parse_positions, positions_text
from serve.http_schemas import time_text
from serve.intake import Taken

SERVICE = "onefold.v1.IngestService"
REJECTIONS_MAX = 100  # that a stream's summary lists

# Fields of the message that hold text, and their names in the tracking API.
_TEXTS = {
    "type": "type",
    "message_id": "messageId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "previous_id": "previousId",
    "group_id": "groupId",
    "event": "event",
    "name": "name",
    "timestamp": "timestamp",
}
_OBJECTS = {
    "traits_json": "traits",
    "properties_json": "properties",
    "context_json": "context",
    "integrations_json": "integrations",
}

_encode = msgspec.json.Encoder().encode


class IngestMethods(Methods):
    """Methods of IngestService. Their names are those of the calls."""

    @unary(SERVICE, "ingest", "ids")
    async def Ingest(self, request: pb.IngestRequest, call: Call) -> Reply:
        taken = await self._take(request, call)
        outcomes = zip(taken.parsed.events, taken.parsed.positions, taken.result.results, strict=True)
        return pb.IngestResponse(
            sequence=taken.result.sequence,
            results=[result_message(outcome, event, position) for event, position, outcome in outcomes],
            rejections=list(_rejections(taken, request, 0)),
        )

    @unary(SERVICE, "ingest", "ids")
    async def IngestStream(self, requests: AsyncIterator[pb.IngestRequest], call: Call) -> Reply:
        summary = pb.IngestSummary()
        sequences: dict[int, int] = {}
        received = 0
        async for request in requests:
            call.check()  # the key may have ended since
            taken = await self._take(request, call)
            summary.accepted += len(taken.parsed.events)
            summary.duplicates += taken.duplicates
            summary.suppressed += taken.suppressed
            summary.rejected += len(taken.parsed.rejected)
            for rejection in _rejections(taken, request, received):
                if len(summary.rejections) < REJECTIONS_MAX:
                    summary.rejections.append(rejection)
            received += len(request.events)
            if taken.result.sequence:
                for shard, sequence in parse_positions(taken.result.sequence).items():
                    sequences[shard] = max(sequence, sequences.get(shard, 0))
        summary.sequence = positions_text(sequences)
        return summary

    async def _take(self, request: pb.IngestRequest, call: Call) -> Taken:
        limits = self.context.services.settings.limits
        if len(request.events) > limits.batch_events:
            raise TooLarge(f"events: expected at most {limits.batch_events:,} in a request; send several requests")
        if request.ByteSize() > limits.batch_bytes:
            raise TooLarge(f"a request may have {limits.batch_bytes:,} bytes; send several requests")
        intake = self.context.intake
        intake.admit(call.principal)
        services = self.context.services
        parsed = intake.parser.parse_items(
            [_tracking_json(event, request.sent_at) for event in request.events],
            intake.source(call.principal.source_id, call.principal.allows("admin")),
            services.now(),
            services.new_id,
        )
        return await intake.take(parsed, call.principal, request.wait)


def result_message(result: EventResult, event: Event | None = None, index: int = 0) -> pb.EventResult:
    """What became of an event. `event`, if given, tells the message id of one that had none."""
    return pb.EventResult(
        index=index,
        message_id=result.message_id or (event.message_id if event else ""),
        status=result.status,
        customer_id=to_text(result.customer_id) if result.customer_id else "",
        created=result.created,
        confidence=result.confidence,
        methods=result.methods,
        profile_updates=result.profile_updates,
        segment_changes=[_move(change) for change in result.segment_changes],
        merged=[to_text(customer_id) for customer_id in result.merged],
        demoted_identifiers=result.demoted_identifiers,
        withheld=result.withheld,
        processing_ms=result.processing_ms,
    )


def _move(change: SegmentChange) -> pb.SegmentMove:
    return pb.SegmentMove(segment_id=change.segment_id, change=change.change, at=time_text(change.at))


def _rejections(taken: Taken, request: pb.IngestRequest, before: int) -> Iterator[pb.Rejection]:
    """The messages that were refused; their places count from the start of the stream."""
    for rejection in taken.parsed.rejected:
        yield pb.Rejection(
            index=before + rejection.index,
            message_id=request.events[rejection.index].message_id,
            reasons=[pb.Reason(**reason) for reason in rejection.reasons],
        )


def _tracking_json(event: pb.Event, sent_at: str) -> bytes:
    """The event as JSON of the tracking API. Open-ended values go through as they came."""
    message: dict[str, Any] = {}
    for field, name in _TEXTS.items():
        if value := getattr(event, field):
            message[name] = value
    for field, name in _OBJECTS.items():
        if value := getattr(event, field):
            message[name] = msgspec.Raw(value.encode())
    if sent_at:
        message["sentAt"] = sent_at
    return _encode(message)
