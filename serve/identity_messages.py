"""From the shapes of the HTTP API about identity to the messages of onefold.v1.IdentityService: the same fields."""

from typing import Any

import msgspec

from models.identity.evidence import Explanation
from protos.onefold.v1 import identity_pb2 as pb
from serve.http_identity_schemas import (
    AcceptedReview,
    GraphAnswer,
    LinkEntry,
    MergeEntry,
    ResolveAnswer,
    ReviewEntry,
)


def evidence_message(explanation: Explanation) -> pb.Evidence:
    return pb.Evidence(
        method=explanation.method,
        model_version=explanation.model_version,
        prior=explanation.prior,
        fields=[pb.FieldEvidence(**msgspec.structs.asdict(field)) for field in explanation.fields],
        score=explanation.score,
        confidence=explanation.confidence,
    )


def link_message(entry: LinkEntry) -> pb.IdentityLink:
    return pb.IdentityLink(**_fields(entry))


def merge_message(entry: MergeEntry) -> pb.MergeEntry:
    return pb.MergeEntry(**_fields(entry))


def review_message(entry: ReviewEntry) -> pb.Review:
    return pb.Review(**_fields(entry))


def accepted_message(accepted: AcceptedReview) -> pb.AcceptReviewResponse:
    return pb.AcceptReviewResponse(**_fields(accepted))


def resolve_message(answer: ResolveAnswer) -> pb.ResolveResponse:
    fields = _fields(answer)
    if answer.matching is not None:
        candidates = [pb.Resemblance(**_fields(candidate)) for candidate in answer.matching.candidates]
        fields["matching"] = pb.Matching(**(_fields(answer.matching) | {"candidates": candidates}))
    return pb.ResolveResponse(**fields)


def graph_message(answer: GraphAnswer, drawing: str) -> pb.GraphResponse:
    return pb.GraphResponse(
        customer_id=answer.customer_id,
        nodes=[pb.GraphNode(**_fields(node)) for node in answer.nodes],
        edges=[pb.GraphEdge(**_fields(edge)) for edge in answer.edges],
        drawing=drawing,
    )


def _fields(entry: msgspec.Struct) -> dict[str, Any]:
    """The fields that are set; evidence as its message."""
    fields = {name: value for name, value in msgspec.structs.asdict(entry).items() if value is not None}
    if "evidence" in fields:
        fields["evidence"] = evidence_message(fields["evidence"])
    return fields
