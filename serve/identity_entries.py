"""From what the shards tell of identity to the shapes of the HTTP API (`serve.http_identity_schemas`)."""

from actors.matching import DryRun
from models.identity.customer_id import to_text
from models.identity.drawing_graph import drawn_graph
from models.shard.cluster import Cluster
from models.shard.protocol import Link, MergeRecord, Paired, Resolution, Review
from serve.http_identity_schemas import (
    AcceptedReview,
    GraphAnswer,
    GraphEdge,
    GraphNode,
    LinkEntry,
    MatchingAnswer,
    MergeEntry,
    Resemblance,
    ResolveAnswer,
    ReviewEntry,
)
from serve.http_schemas import time_text, time_text_or_none


def link_entry(link: Link) -> LinkEntry:
    return LinkEntry(
        customer_id=to_text(link.customer_id),
        left=link.left,
        right=link.right,
        method=link.method,
        confidence=link.confidence,
        message_id=link.message_id,
        source=link.source,
        at=time_text(link.at),
        evidence=link.evidence,
    )


def merge_entry(merge: MergeRecord) -> MergeEntry:
    return MergeEntry(
        merge_id=merge.merge_id,
        winner=to_text(merge.winner),
        loser=to_text(merge.loser),
        at=time_text(merge.at),
        message_id=merge.message_id,
        source=merge.source,
        method=merge.method,
        identifiers=merge.identifiers,
        undone_at=time_text_or_none(merge.undone_at),
        evidence=merge.evidence,
    )


def graph_answer(cluster: Cluster) -> GraphAnswer:
    """The person's graph with a place for each node. Takes seconds for thousands of members."""
    drawn = drawn_graph(cluster.graph)
    merges = {(edge.left, edge.right): merge for edge, merge in zip(cluster.graph.edges, cluster.merges, strict=True)}
    edges = []
    for edge in drawn.edges:
        merge = merges[edge.left, edge.right]
        edges.append(
            GraphEdge(
                merge_id=merge.merge_id,
                winner=to_text(merge.winner),
                loser=to_text(merge.loser),
                method=merge.method,
                score=edge.score,
                confidence=edge.confidence,
                weakest=edge.weakest,
            )
        )
    nodes = [
        GraphNode(to_text(customer_id), node.label, node.x, node.y)
        for customer_id, node in zip(cluster.members, drawn.nodes, strict=True)
    ]
    return GraphAnswer(drawn.entity_id, nodes, edges)


def resolve_answer(exact: Resolution, dry_run: DryRun | None) -> ResolveAnswer:
    return ResolveAnswer(
        customer_id=text_or_none(exact.customer_id),
        created=exact.created,
        confidence=exact.confidence,
        methods=exact.methods,
        merges=[to_text(customer_id) for customer_id in exact.merges],
        demoted_identifiers=exact.demoted_identifiers,
        matching=None if dry_run is None else _matching_answer(dry_run),
    )


def _matching_answer(dry_run: DryRun) -> MatchingAnswer:
    return MatchingAnswer(
        decision=dry_run.decision,
        customer_id=text_or_none(dry_run.customer_id),
        confidence=dry_run.confidence,
        candidates=[Resemblance(to_text(c.customer_id), c.standing, c.explanation) for c in dry_run.candidates],
    )


def review_entry(review: Review) -> ReviewEntry:
    return ReviewEntry(
        review_id=review.review_id,
        left=to_text(review.left),
        right=to_text(review.right),
        opened_at=time_text(review.at),
        reason=review.reason,
        confidence=review.confidence,
        evidence=review.explanation,
        rejected_at=time_text_or_none(review.rejected_at),
        rejected_by=review.actor,
    )


def accepted_review(paired: Paired) -> AcceptedReview:
    was_one = paired.outcome == "same"
    return AcceptedReview(
        customer_id=to_text(paired.winner),
        merged=None if was_one else to_text(paired.loser),
        merge_id=None if was_one else paired.merge_id,
    )


def text_or_none(customer_id: int) -> str | None:
    """The text of a customer id, None for 0, which stands for nobody."""
    return to_text(customer_id) if customer_id else None
