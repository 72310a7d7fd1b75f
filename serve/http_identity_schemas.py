"""The shapes of the HTTP API about who is who. Evidence has the shape that the models give it
(`models.identity.evidence.Explanation`): weights in bits, by field."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from models.identity.evidence import Decision, Explanation
from models.identity.online import ReviewReason
from models.identity.resolution import Standing
from serve.http_schemas import Cursor, CustomerId, Fraction, Key, Time

IDENTIFIERS_MAX = 32  # in one dry run


class LinkEntry(msgspec.Struct, frozen=True):
    """An edge of the identity graph. `evidence` is there if matching found it or an operator accepted a review."""

    customer_id: CustomerId
    left: str
    right: str
    method: str
    confidence: Fraction
    message_id: str
    source: str
    at: Time
    evidence: Explanation | None


class LinksPage(msgspec.Struct, frozen=True):
    """A person's identity graph."""

    data: list[LinkEntry]
    cursor: Cursor


class MergeEntry(msgspec.Struct, frozen=True):
    """Two profiles became one. `evidence` is there if matching found it or an operator accepted a review."""

    merge_id: str
    winner: CustomerId
    loser: CustomerId
    at: Time
    message_id: str
    source: str
    method: str
    identifiers: list[str]
    undone_at: Time | None
    evidence: Explanation | None


class MergesPage(msgspec.Struct, frozen=True):
    """The merges that made a person."""

    data: list[MergeEntry]
    cursor: Cursor


class GraphNode(msgspec.Struct, frozen=True):
    """A profile that is part of the person; `x` and `y` from 0 to 1, y downwards, say where to draw it."""

    customer_id: CustomerId
    label: Annotated[str, Meta(description="its first identifier by priority, before it was joined with any other")]
    x: float
    y: float


class GraphEdge(msgspec.Struct, frozen=True):
    """A merge that stands, between two of the nodes."""

    merge_id: str
    winner: CustomerId
    loser: CustomerId
    method: str
    score: Annotated[
        float, Meta(description="bits; of a merge that was not found by matching, more than any other has")
    ]
    confidence: Fraction
    weakest: Annotated[bool, Meta(description="without it the person falls in two, and it has the lowest score")]


class GraphAnswer(msgspec.Struct, frozen=True):
    """The profiles that became one person, and the merges that joined them; the highest score first."""

    customer_id: CustomerId
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class ResolveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Identifiers of one person, as an event would carry them; traits of theirs, as an identify call would."""

    identifiers: Annotated[list[Key], Meta(max_length=IDENTIFIERS_MAX)] = []
    traits: dict[str, Any] | UnsetType = UNSET


class Resemblance(msgspec.Struct, frozen=True):
    """A person who resembles the one asked about. `standing`: whether matching may join the two (free), or whether
    identifier limits (limits) or an earlier decision (apart) forbid it."""

    customer_id: CustomerId
    standing: Standing
    evidence: Explanation


class MatchingAnswer(msgspec.Struct, frozen=True):
    """What would become of somebody with these traits: link to `customer_id`, review, or new."""

    decision: Decision
    customer_id: CustomerId | None
    confidence: Fraction
    candidates: Annotated[list[Resemblance], Meta(description="the most alike first")]


class ResolveAnswer(msgspec.Struct, frozen=True):
    """What the identifiers would do by themselves; `matching` is there if traits were given."""

    customer_id: CustomerId | None
    created: bool
    confidence: Fraction
    methods: list[str]
    merges: list[CustomerId]
    demoted_identifiers: list[str]
    matching: MatchingAnswer | None


class MergeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Two keys that are one person."""

    left: Key
    right: Key


class UnmergeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The merge to take back, from GET /v1/profiles/{key}/merges."""

    merge_id: str


class UnmergeAnswer(msgspec.Struct, frozen=True):
    """The two persons, each with their own history again."""

    winner: CustomerId
    restored: CustomerId


class ReviewEntry(msgspec.Struct, frozen=True):
    """Two people who may be one. `reason`: not alike enough to be sure (confidence), identifier limits forbid a link
    (limits), or several resemble one of them and at most one can be right (ambiguous)."""

    review_id: str
    left: CustomerId
    right: CustomerId
    opened_at: Time
    reason: ReviewReason
    confidence: Fraction
    evidence: Explanation
    rejected_at: Time | None
    rejected_by: Annotated[str, Meta(description="source of the key that did; empty while the review is open")]


class ReviewsPage(msgspec.Struct, frozen=True):
    """Open reviews, by id."""

    data: list[ReviewEntry]
    cursor: Cursor


class AcceptedReview(msgspec.Struct, frozen=True):
    """The two are one person, `customer_id`. `merged` and `merge_id` are null if they were already."""

    customer_id: CustomerId
    merged: CustomerId | None
    merge_id: str | None
