"""IdentityService: who is who, the evidence for it, and what people say about it."""

import asyncio
from typing import Any

from actors.errors import Invalid
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from protos.onefold.v1 import identity_pb2 as pb
from serve import identity_entries as entries
from serve import identity_messages as messages
from serve.grpc_call import Call, Methods, Reply, unary
from serve.grpc_ingest import result_message
from serve.identity_reads import Drawing, draw_evidence, draw_graph, people_of
from serve.json_fields import json_field
from serve.purpose_reads import (
    dry_run_for,
    explanation_for,
    graph_for,
    links_for,
    merge_evidence_for,
    merges_for,
    review_for,
    reviews_for,
)

SERVICE = "onefold.v1.IdentityService"
REVIEWS_DEFAULT = 100
REVIEWS_MAX = 1_000  # of one page

_DRAWINGS: dict[int, Drawing | None] = {
    pb.DRAWING_UNSPECIFIED: None,
    pb.DRAWING_TEXT: "text",
    pb.DRAWING_SVG: "svg",
}


class IdentityMethods(Methods):
    """Methods of IdentityService. Their names are those of the calls."""

    @unary(SERVICE, "read", "purpose")
    async def Resolve(self, request: pb.ResolveRequest, call: Call) -> Reply:
        identifiers = [self.context.parse_key(identifier) for identifier in request.identifiers]
        traits = _traits(request.traits_json)
        exact, found, withheld = await dry_run_for(self.context, identifiers, traits, call.purpose())
        call.told.people(people_of(exact, found))
        call.tell_withheld(withheld)
        return messages.resolve_message(entries.resolve_answer(exact, found))

    @unary(SERVICE, "read", "purpose")
    async def Links(self, request: pb.LinksRequest, call: Call) -> Reply:
        key = self.context.parse_key(request.key)
        links, withheld = await links_for(self.context, key, call.purpose())
        call.tell_withheld(withheld)
        call.told.people(link.customer_id for link in links)
        return pb.LinksResponse(links=[messages.link_message(entries.link_entry(link)) for link in links])

    @unary(SERVICE, "read", "purpose")
    async def Merges(self, request: pb.MergesRequest, call: Call) -> Reply:
        key = self.context.parse_key(request.key)
        merges, withheld = await merges_for(self.context, key, call.purpose())
        call.tell_withheld(withheld)
        call.told.people(customer_id for merge in merges for customer_id in (merge.winner, merge.loser))
        return pb.MergesResponse(merges=[messages.merge_message(entries.merge_entry(record)) for record in merges])

    @unary(SERVICE, "admin", "ids")
    async def Merge(self, request: pb.MergeRequest, call: Call) -> Reply:
        services = self.context.services
        left, right = self.context.parse_key(request.left), self.context.parse_key(request.right)
        result = await services.router.merge(left, right, call.principal.source_id, services.now())
        call.told.people([result.customer_id, *result.merged])
        return result_message(result)

    @unary(SERVICE, "admin", "ids")
    async def Unmerge(self, request: pb.UnmergeRequest, call: Call) -> Reply:
        if not request.merge_id:
            raise Invalid("merge_id: expected the id of a merge; Merges lists a person's")
        services = self.context.services
        winner, restored = await services.router.unmerge(request.merge_id, services.now())
        call.told.facts["merge_id"] = request.merge_id
        call.told.people([winner, restored])
        return pb.UnmergeResponse(winner=to_text(winner), restored=to_text(restored))

    @unary(SERVICE, "read", "purpose")
    async def Explain(self, request: pb.ExplainRequest, call: Call) -> Reply:
        context, drawing = self.context, _drawing(request.drawing)
        keys = context.parse_key(request.left, "left"), context.parse_key(request.right, "right")
        explanation, people, withheld = await explanation_for(context, *keys, call.purpose())
        call.told.people(people)
        call.tell_withheld(withheld)
        return _evidence(explanation, drawing)

    @unary(SERVICE, "read", "purpose")
    async def MergeEvidence(self, request: pb.MergeEvidenceRequest, call: Call) -> Reply:
        drawing = _drawing(request.drawing)
        explanation, people, withheld = await merge_evidence_for(self.context, request.merge_id, call.purpose())
        call.told.people(people)
        call.tell_withheld(withheld)
        return _evidence(explanation, drawing)

    @unary(SERVICE, "read", "purpose")
    async def Graph(self, request: pb.GraphRequest, call: Call) -> Reply:
        drawing = _drawing(request.drawing)
        cluster, withheld = await graph_for(self.context, self.context.parse_key(request.key), call.purpose())
        call.told.people(cluster.members)
        call.tell_withheld(withheld)
        answer = await asyncio.to_thread(entries.graph_answer, cluster)
        drawn = "" if drawing is None else await asyncio.to_thread(draw_graph, cluster.graph, drawing)
        return messages.graph_message(answer, drawn)

    @unary(SERVICE, "read", "purpose")
    async def ListReviews(self, request: pb.ListReviewsRequest, call: Call) -> Reply:
        if not 0 <= request.limit <= REVIEWS_MAX:
            raise Invalid(f"limit: expected 1 to {REVIEWS_MAX:,}, or 0 for {REVIEWS_DEFAULT}")
        router = self.context.services.router
        page, following = await router.list_reviews(request.cursor, request.limit or REVIEWS_DEFAULT)
        found, withheld = await reviews_for(self.context, page, call.purpose())
        call.tell_withheld(withheld)
        call.told.people(customer_id for review in found for customer_id in (review.left, review.right))
        reviews = [messages.review_message(entries.review_entry(review)) for review in found]
        return pb.ListReviewsResponse(reviews=reviews, next_cursor=following)

    @unary(SERVICE, "read", "purpose")
    async def GetReview(self, request: pb.GetReviewRequest, call: Call) -> Reply:
        stored = await self.context.services.router.review(request.review_id)
        review, withheld = await review_for(self.context, stored, call.purpose())
        call.told.people([review.left, review.right])
        call.tell_withheld(withheld)
        return messages.review_message(entries.review_entry(review))

    @unary(SERVICE, "admin", "ids")
    async def AcceptReview(self, request: pb.AcceptReviewRequest, call: Call) -> Reply:
        paired = await self.context.services.router.accept_review(request.review_id, call.principal.source_id)
        call.told.facts["review_id"] = request.review_id
        call.told.people([paired.winner, paired.loser])
        return messages.accepted_message(entries.accepted_review(paired))

    @unary(SERVICE, "admin", "purpose")
    async def RejectReview(self, request: pb.RejectReviewRequest, call: Call) -> Reply:
        router = self.context.services.router
        purpose = call.purpose()
        await review_for(self.context, await router.review(request.review_id), purpose)  # who may not be read stays
        await router.reject_review(request.review_id, call.principal.source_id)
        review, withheld = await review_for(self.context, await router.review(request.review_id), purpose)
        call.tell_withheld(withheld)
        call.told.facts["review_id"] = request.review_id
        call.told.people([review.left, review.right])
        return messages.review_message(entries.review_entry(review))


def _traits(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    return json_field("traits_json", text, dict[str, Any], "a JSON object, as the traits of an identify call")


def _drawing(number: int) -> Drawing | None:
    if number not in _DRAWINGS:
        raise Invalid("drawing: expected DRAWING_TEXT, DRAWING_SVG, or nothing")
    return _DRAWINGS[number]


def _evidence(explanation: Explanation, drawing: Drawing | None) -> pb.EvidenceResponse:
    return pb.EvidenceResponse(
        evidence=messages.evidence_message(explanation),
        drawing="" if drawing is None else draw_evidence(explanation, drawing),
    )
