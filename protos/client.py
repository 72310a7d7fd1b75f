"""A thin Python client of Onefold's gRPC API. Needs grpcio and protobuf, nothing else of Onefold.

    from protos.client import Client

    with Client("127.0.0.1:50051", api_key="ofk_...") as onefold:
        onefold.ingest([{"type": "identify", "userId": "42", "traits": {"email": "jane@example.com"}}], wait=True)
        profile = onefold.get("email:jane@example.com")

Replies are the messages of protos/onefold/v1. Errors are grpc.RpcError with the service's code and its sentence. A call
that finds no server waits for one until its timeout; reads and batches of events that meet UNAVAILABLE are tried again
(events carry message ids, and decisions ids of their own, so nothing counts twice).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import grpc

from protos.onefold.v1 import decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2
from protos.onefold.v1.decision_pb2_grpc import DecisionServiceStub
from protos.onefold.v1.identity_pb2_grpc import IdentityServiceStub
from protos.onefold.v1.ingest_pb2_grpc import IngestServiceStub
from protos.onefold.v1.profile_pb2_grpc import ProfileServiceStub
from protos.onefold.v1.segment_pb2_grpc import SegmentServiceStub

Reply = TypeVar("Reply")

_KEEPALIVE_MS = 60_000
_MESSAGE_BYTES_MAX = 64 << 20

_RETRIES = {
    "methodConfig": [
        {
            "name": [
                {"service": "onefold.v1.ProfileService"},
                {"service": "onefold.v1.DecisionService"},
                {"service": "onefold.v1.IngestService", "method": "Ingest"},
                *(
                    {"service": "onefold.v1.IdentityService", "method": method}
                    for method in ("Resolve", "Explain", "MergeEvidence", "Graph", "ListReviews", "GetReview")
                ),
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

# Names of the tracking API, and the fields of onefold.v1.Event that hold the same.
_TEXTS = {
    "type": "type",
    "messageId": "message_id",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "previousId": "previous_id",
    "groupId": "group_id",
    "event": "event",
    "name": "name",
    "timestamp": "timestamp",
}
_OBJECTS = {
    "traits": "traits_json",
    "properties": "properties_json",
    "context": "context_json",
    "integrations": "integrations_json",
}
_DRAWINGS = {
    "": identity_pb2.DRAWING_UNSPECIFIED,
    "text": identity_pb2.DRAWING_TEXT,
    "svg": identity_pb2.DRAWING_SVG,
}


class Client:
    """One connection, safe to share between threads. `timeout_s` is that of each call, streams excepted.

    Without `credentials` (grpc.ssl_channel_credentials() for TLS) the connection is plain: for loopback and trusted
    networks.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        api_key: str = "",
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        options = [
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.service_config", json.dumps(_RETRIES)),
        ]
        if credentials is None:
            self.channel = grpc.insecure_channel(target, options)
        else:
            self.channel = grpc.secure_channel(target, credentials, options)
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._timeout_s = timeout_s
        self._profiles = self._stub(ProfileServiceStub)
        self._ingest = self._stub(IngestServiceStub)
        self._identity = self._stub(IdentityServiceStub)
        self._segments = self._stub(SegmentServiceStub)
        self._decisions = self._stub(DecisionServiceStub)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and every stream on it."""
        self.channel.close()

    # Profiles

    def get(self, key: str, min_seq: str = "", explain_scores: bool = False) -> profile_pb2.Profile | None:
        """The profile of "namespace:value" or "customer_id:cus_...", None if it is nobody's.

        `min_seq`: the `sequence` of an acknowledgement, to see what it acknowledged. `explain_scores`: have scores tell
        what they were made of, and what each part adds.
        """
        try:
            request = profile_pb2.GetRequest(key=key, min_seq=min_seq, explain_scores=explain_scores)
            return self._call(self._profiles.Get, request, profile_pb2.Profile)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def batch_get(self, keys: Sequence[str], min_seq: str = "") -> list[profile_pb2.Profile | None]:
        """The profiles of many keys, in their order, None where a key is nobody's."""
        request = profile_pb2.BatchGetRequest(keys=keys, min_seq=min_seq)
        response = self._call(self._profiles.BatchGet, request, profile_pb2.BatchGetResponse)
        return [result.profile if result.HasField("profile") else None for result in response.results]

    def watch(self, keys: Sequence[str] = (), after: str = "") -> Iterator[profile_pb2.ProfileChange]:
        """Profiles as they change, of `keys` or of everybody; goes on after a change's `cursor`. Ends with an error.

        Heartbeats (changes without a profile) are left out.
        """
        request = profile_pb2.WatchRequest(keys=keys, after=after)
        for change in self._profiles.Watch(request, metadata=self._metadata, wait_for_ready=True):
            if change.HasField("profile"):
                yield change

    # Events

    def ingest(self, messages: Iterable[Mapping[str, Any]], wait: bool = False) -> ingest_pb2.IngestResponse:
        """Sends messages of the tracking API ({"type": "track", "userId": ..., "event": ...}), at most 2,500."""
        request = ingest_pb2.IngestRequest(events=[event_of(message) for message in messages], wait=wait)
        return self._call(self._ingest.Ingest, request, ingest_pb2.IngestResponse)

    def ingest_stream(self, batches: Iterable[Iterable[Mapping[str, Any]]]) -> ingest_pb2.IngestSummary:
        """Sends batches one after the other over one stream; answers when the last one is durable."""
        requests = (ingest_pb2.IngestRequest(events=[event_of(message) for message in batch]) for batch in batches)
        method = self._ingest.IngestStream
        summary: ingest_pb2.IngestSummary = method(requests, metadata=self._metadata, wait_for_ready=True)
        return summary

    # Identity

    def resolve(
        self, identifiers: Sequence[str] = (), traits: Mapping[str, Any] | None = None
    ) -> identity_pb2.ResolveResponse:
        """What an event with these identifiers would do; with traits, also whom they resemble. Changes nothing."""
        traits_json = "" if traits is None else json.dumps(traits)
        request = identity_pb2.ResolveRequest(identifiers=identifiers, traits_json=traits_json)
        return self._call(self._identity.Resolve, request, identity_pb2.ResolveResponse)

    def links(self, key: str) -> list[identity_pb2.IdentityLink]:
        """The edges of a person's identity graph, with their evidence."""
        request = identity_pb2.LinksRequest(key=key)
        return list(self._call(self._identity.Links, request, identity_pb2.LinksResponse).links)

    def merges(self, key: str) -> list[identity_pb2.MergeEntry]:
        """The merges that made a person."""
        request = identity_pb2.MergesRequest(key=key)
        return list(self._call(self._identity.Merges, request, identity_pb2.MergesResponse).merges)

    def merge(self, left: str, right: str) -> ingest_pb2.EventResult:
        """States that two keys are one person."""
        request = identity_pb2.MergeRequest(left=left, right=right)
        return self._call(self._identity.Merge, request, ingest_pb2.EventResult)

    def unmerge(self, merge_id: str) -> identity_pb2.UnmergeResponse:
        """Takes a merge back."""
        request = identity_pb2.UnmergeRequest(merge_id=merge_id)
        return self._call(self._identity.Unmerge, request, identity_pb2.UnmergeResponse)

    def explain(self, left: str, right: str, drawing: str = "") -> identity_pb2.EvidenceResponse:
        """Why two people are (not) one; `drawing` is "text", "svg" or "" for none."""
        request = identity_pb2.ExplainRequest(left=left, right=right, drawing=_DRAWINGS[drawing])
        return self._call(self._identity.Explain, request, identity_pb2.EvidenceResponse)

    def merge_evidence(self, merge_id: str, drawing: str = "") -> identity_pb2.EvidenceResponse:
        """What a merge was made on."""
        request = identity_pb2.MergeEvidenceRequest(merge_id=merge_id, drawing=_DRAWINGS[drawing])
        return self._call(self._identity.MergeEvidence, request, identity_pb2.EvidenceResponse)

    def graph(self, key: str, drawing: str = "") -> identity_pb2.GraphResponse:
        """The profiles that became one person, and the merges that joined them."""
        request = identity_pb2.GraphRequest(key=key, drawing=_DRAWINGS[drawing])
        return self._call(self._identity.Graph, request, identity_pb2.GraphResponse)

    def reviews(self, page_size: int = 100) -> Iterator[identity_pb2.Review]:
        """Open reviews, fetched page by page."""
        cursor = ""
        while True:
            request = identity_pb2.ListReviewsRequest(limit=page_size, cursor=cursor)
            page = self._call(self._identity.ListReviews, request, identity_pb2.ListReviewsResponse)
            yield from page.reviews
            cursor = page.next_cursor
            if not cursor:
                return

    def review(self, review_id: str) -> identity_pb2.Review:
        """One review, rejected ones too."""
        request = identity_pb2.GetReviewRequest(review_id=review_id)
        return self._call(self._identity.GetReview, request, identity_pb2.Review)

    def accept_review(self, review_id: str) -> identity_pb2.AcceptReviewResponse:
        """Makes the two one person, whatever the limits."""
        request = identity_pb2.AcceptReviewRequest(review_id=review_id)
        return self._call(self._identity.AcceptReview, request, identity_pb2.AcceptReviewResponse)

    def reject_review(self, review_id: str) -> identity_pb2.Review:
        """Sets the two apart: matching never joins them again."""
        request = identity_pb2.RejectReviewRequest(review_id=review_id)
        return self._call(self._identity.RejectReview, request, identity_pb2.Review)

    # Decisions

    def decide(self, key: str, decision: str, decision_id: str = "") -> decision_pb2.DecideResponse:
        """What to do for a person at a decision point. With the id of a decision that was taken, that decision; without
        one, a new decision."""
        request = decision_pb2.DecideRequest(key=key, decision=decision, decision_id=decision_id or uuid4().hex)
        return self._call(self._decisions.Decide, request, decision_pb2.DecideResponse)

    def rank(self, key: str, items: Iterable[Mapping[str, Any]]) -> decision_pb2.RankResponse:
        """Products or offers ({"id": ..., "category": ..., "popularity": ..., "margin": ...}, all but the id may be
        left out), at most 1,000, in the order that suits a person."""
        request = decision_pb2.RankRequest(key=key, items=[decision_pb2.RankItem(**item) for item in items])
        return self._call(self._decisions.Rank, request, decision_pb2.RankResponse)

    # Segments

    def create_segment(
        self, name: str, criteria: Mapping[str, Any], segment_id: str = "", description: str = ""
    ) -> segment_pb2.Segment:
        """Creates a segment, or replaces the one with the same id."""
        request = segment_pb2.CreateSegmentRequest(
            id=segment_id, name=name, description=description, criteria_json=json.dumps(criteria)
        )
        return self._call(self._segments.CreateSegment, request, segment_pb2.Segment)

    def segments(self) -> list[segment_pb2.Segment]:
        """All segments with their sizes."""
        request = segment_pb2.ListSegmentsRequest()
        return list(self._call(self._segments.ListSegments, request, segment_pb2.ListSegmentsResponse).segments)

    def segment(self, segment_id: str) -> segment_pb2.Segment:
        """One segment with its size."""
        request = segment_pb2.GetSegmentRequest(id=segment_id)
        return self._call(self._segments.GetSegment, request, segment_pb2.Segment)

    def delete_segment(self, segment_id: str) -> None:
        """Deletes a segment and its memberships."""
        request = segment_pb2.DeleteSegmentRequest(id=segment_id)
        self._call(self._segments.DeleteSegment, request, segment_pb2.DeleteSegmentResponse)

    def members(self, segment_id: str, page_size: int = 1_000) -> Iterator[segment_pb2.Member]:
        """Who is in a segment, fetched page by page."""
        cursor = ""
        while True:
            request = segment_pb2.ListMembersRequest(id=segment_id, limit=page_size, cursor=cursor)
            page = self._call(self._segments.ListMembers, request, segment_pb2.ListMembersResponse)
            yield from page.members
            cursor = page.next_cursor
            if not cursor:
                return

    def preview(self, criteria: Mapping[str, Any]) -> int | None:
        """How many people meet criteria now; None if they are fewer than the key may be told of."""
        request = segment_pb2.PreviewSegmentRequest(criteria_json=json.dumps(criteria))
        reply = self._call(self._segments.PreviewSegment, request, segment_pb2.PreviewSegmentResponse)
        return reply.members if reply.HasField("members") else None

    def watch_segment(self, segment_id: str = "", after: str = "") -> Iterator[segment_pb2.SegmentChange]:
        """Entries to a segment (or any) and exits from it as they happen. Ends with an error."""
        request = segment_pb2.WatchSegmentRequest(id=segment_id, after=after)
        for change in self._segments.WatchSegment(request, metadata=self._metadata, wait_for_ready=True):
            if change.customer_id:
                yield change

    def _stub(self, kind: Callable[..., Any]) -> Any:
        return kind(self.channel)

    def _call(self, method: Callable[..., Any], request: object, reply_type: type[Reply]) -> Reply:
        reply = method(request, metadata=self._metadata, timeout=self._timeout_s, wait_for_ready=True)
        assert isinstance(reply, reply_type)
        return reply


def event_of(message: Mapping[str, Any]) -> ingest_pb2.Event:
    """A message of the tracking API as onefold.v1.Event, with a message id if it has none.

    Raises ValueError for a field that messages do not have.
    """
    event = ingest_pb2.Event(message_id=uuid4().hex)
    for name, value in message.items():
        if value is None:
            continue
        if name in _OBJECTS:
            setattr(event, _OBJECTS[name], json.dumps(value))
        elif name in _TEXTS:
            setattr(event, _TEXTS[name], value)
        else:
            raise ValueError(f"{name}: not a field of a message; put it into properties, traits or context")
    return event
