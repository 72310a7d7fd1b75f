"""IdentityService: who is who, the evidence for it, and what people say about it."""

import asyncio
from typing import Any

import msgspec

from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from protos.onefold.v1 import identity_pb2 as pb
from serve import identity_entries as entries
from serve import identity_messages as messages
from serve.grpc_call import Call, Methods, Reply, unary
from serve.grpc_ingest import result_message
from serve.identity_reads import (
    Drawing,
    draw_evidence,
    draw_graph,
    dry_run,
    explain,
    merge_evidence,
    people_of,
    person_graph,
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

    @unary(SERVICE, "read")
    async def Resolve(self, request: pb.ResolveRequest, call: Call) -> Reply:
        identifiers = [self.context.parse_key(identifier) for identifier in request.identifiers]
        found = await dry_run(self.context, identifiers, _traits(request.traits_json))
        call.told.people(people_of(*found))
        return messages.resolve_message(entries.resolve_answer(*found))

    @unary(SERVICE, "read")
    async def Links(self, request: pb.LinksRequest, call: Call) -> Reply:
        key = await self._key(request.key)
        links = await self.context.services.router.links(key)
        call.told.people(link.customer_id for link in links)
        return pb.LinksResponse(links=[messages.link_message(entries.link_entry(link)) for link in links])

    @unary(SERVICE, "read")
    async def Merges(self, request: pb.MergesRequest, call: Call) -> Reply:
        key = await self._key(request.key)
        merges = await self.context.services.router.merges(key)
        call.told.people(customer_id for merge in merges for customer_id in (merge.winner, merge.loser))
        return pb.MergesResponse(merges=[messages.merge_message(entries.merge_entry(record)) for record in merges])

    @unary(SERVICE, "admin")
    async def Merge(self, request: pb.MergeRequest, call: Call) -> Reply:
        services = self.context.services
        left, right = self.context.parse_key(request.left), self.context.parse_key(request.right)
        result = await services.router.merge(left, right, call.principal.source_id, services.now())
        call.told.people([result.customer_id, *result.merged])
        return result_message(result)

    @unary(SERVICE, "admin")
    async def Unmerge(self, request: pb.UnmergeRequest, call: Call) -> Reply:
        if not request.merge_id:
            raise Invalid("merge_id: expected the id of a merge; Merges lists a person's")
        services = self.context.services
        winner, restored = await services.router.unmerge(request.merge_id, services.now())
        call.told.facts["merge_id"] = request.merge_id
        call.told.people([winner, restored])
        return pb.UnmergeResponse(winner=to_text(winner), restored=to_text(restored))

    @unary(SERVICE, "read")
    async def Explain(self, request: pb.ExplainRequest, call: Call) -> Reply:
        context, drawing = self.context, _drawing(request.drawing)
        keys = context.parse_key(request.left, "left"), context.parse_key(request.right, "right")
        explanation, people = await explain(context, *keys)
        call.told.people(people)
        return _evidence(explanation, drawing)

    @unary(SERVICE, "read")
    async def MergeEvidence(self, request: pb.MergeEvidenceRequest, call: Call) -> Reply:
        drawing = _drawing(request.drawing)
        explanation, people = await merge_evidence(self.context, request.merge_id)
        call.told.people(people)
        return _evidence(explanation, drawing)

    @unary(SERVICE, "read")
    async def Graph(self, request: pb.GraphRequest, call: Call) -> Reply:
        drawing = _drawing(request.drawing)
        cluster = await person_graph(self.context, self.context.parse_key(request.key))
        call.told.people(cluster.members)
        answer = await asyncio.to_thread(entries.graph_answer, cluster)
        drawn = "" if drawing is None else await asyncio.to_thread(draw_graph, cluster.graph, drawing)
        return messages.graph_message(answer, drawn)

    @unary(SERVICE, "read")
    async def ListReviews(self, request: pb.ListReviewsRequest, call: Call) -> Reply:
        if not 0 <= request.limit <= REVIEWS_MAX:
            raise Invalid(f"limit: expected 1 to {REVIEWS_MAX:,}, or 0 for {REVIEWS_DEFAULT}")
        router = self.context.services.router
        found, following = await router.list_reviews(request.cursor, request.limit or REVIEWS_DEFAULT)
        call.told.people(customer_id for review in found for customer_id in (review.left, review.right))
        reviews = [messages.review_message(entries.review_entry(review)) for review in found]
        return pb.ListReviewsResponse(reviews=reviews, next_cursor=following)

    @unary(SERVICE, "read")
    async def GetReview(self, request: pb.GetReviewRequest, call: Call) -> Reply:
        review = await self.context.services.router.review(request.review_id)
        call.told.people([review.left, review.right])
        return messages.review_message(entries.review_entry(review))

    @unary(SERVICE, "admin")
    async def AcceptReview(self, request: pb.AcceptReviewRequest, call: Call) -> Reply:
        paired = await self.context.services.router.accept_review(request.review_id, call.principal.source_id)
        call.told.facts["review_id"] = request.review_id
        call.told.people([paired.winner, paired.loser])
        return messages.accepted_message(entries.accepted_review(paired))

    @unary(SERVICE, "admin")
    async def RejectReview(self, request: pb.RejectReviewRequest, call: Call) -> Reply:
        router = self.context.services.router
        await router.reject_review(request.review_id, call.principal.source_id)
        review = await router.review(request.review_id)
        call.told.facts["review_id"] = request.review_id
        call.told.people([review.left, review.right])
        return messages.review_message(entries.review_entry(review))

    async def _key(self, text: str) -> str:
        """A key that somebody has."""
        key = self.context.parse_key(text)
        if await self.context.profiles.get(key) is None:
            raise NotFound("key: nobody has this identifier")
        return key


def _traits(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("traits_json: expected a JSON object, as the traits of an identify call") from None


def _drawing(number: int) -> Drawing | None:
    if number not in _DRAWINGS:
        raise Invalid("drawing: expected DRAWING_TEXT, DRAWING_SVG, or nothing")
    return _DRAWINGS[number]


def _evidence(explanation: Explanation, drawing: Drawing | None) -> pb.EvidenceResponse:
    return pb.EvidenceResponse(
        evidence=messages.evidence_message(explanation),
        drawing="" if drawing is None else draw_evidence(explanation, drawing),
    )
