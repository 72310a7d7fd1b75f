"""The words that shards, routers and transports exchange: results, evidence, merges, dead letters, status.

Plain data only. Customer ids are integers here; the transports give them their text form
(`models.identity.customer_id.to_text`).
"""

from typing import Any, Literal

import msgspec

from models.events.event import Event
from models.identity.evidence import Explanation
from models.identity.online import ReviewReason

EventStatus = Literal["accepted", "applied", "duplicate", "suppressed"]


STANDING_CAUSES = frozenset({"time", "merge", "unmerge", "definition", "refresh", "deletion", "erasure", "purge"})


class SegmentChange(msgspec.Struct, frozen=True):
    """A person entered or left a segment."""

    customer_id: int
    segment_id: str
    change: Literal["entered", "exited"]
    at: int  # ms
    cause: str  # message id of the event, or one of STANDING_CAUSES; "" if the person was erased since
    sequence: int = 0  # the shard's sequence number
    held_out: bool = False  # of the segment's holdout: not for activation


class EventResult(msgspec.Struct):
    """What became of one event. Only `message_id` and `status` are set unless the caller waited for the result."""

    message_id: str
    status: EventStatus
    customer_id: int = 0
    created: bool = False  # a new person
    confidence: float = 0.0  # 0 to 1
    methods: list[str] = []  # how the person was found, e.g. ["exact:user_id"], ["new"]
    profile_updates: list[str] = []  # paths of the profile's fields that changed
    segment_changes: list[SegmentChange] = []
    merged: list[int] = []  # customer ids that were merged into `customer_id`
    demoted_identifiers: list[str] = []  # identifiers of the event that limits kept off the profile
    withheld: list[str] = []  # paths of what was not kept: left out at the door, or for want of a purpose
    processing_ms: float = 0.0


class IngestResult(msgspec.Struct):
    """Answer to a batch: durable when given. `sequence` is an opaque token for `min_seq` reads."""

    sequence: str
    results: list[EventResult]  # in the order of the events


class Link(msgspec.Struct, frozen=True):
    """An edge of the identity graph and the evidence for it."""

    customer_id: int
    left: str  # identifier
    right: str  # identifier
    method: str  # e.g. "exact"
    confidence: float
    message_id: str  # of the event that showed both
    source: str
    at: int  # ms
    sequence: int = 0
    evidence: Explanation | None = None  # of a link that matching found or an operator accepted


class MergeRecord(msgspec.Struct):
    """Two profiles became one, and what is needed to take that back without loss."""

    merge_id: str
    winner: int
    loser: int
    at: int  # ms, when it was done
    sequence: int  # of the winner's shard: events of the winner with a greater sequence came after the merge
    message_id: str  # of the event that showed that they are one person
    source: str
    method: str
    identifiers: list[str]  # of that event
    winner_before: bytes  # encoded profile
    loser_before: bytes  # encoded profile
    undone_at: int = 0  # ms; 0 while it stands
    evidence: Explanation | None = None  # of a merge that matching found or an operator accepted


class Pairing(msgspec.Struct, array_like=True, frozen=True):
    """Two profiles that are to become one, or (`apart`) that must never, because of what matching or a person found."""

    left: int
    right: int
    method: str  # "probabilistic" or "operator"
    source: str
    apart: bool = False
    explicit: bool = False  # an operator's word: limits and earlier partings do not hold against it
    digests: tuple[int, int] | None = None  # of both records, as they were compared: refused if they are others now
    evidence: Explanation | None = None
    review_id: str = ""  # the review that this decides
    reunite: bool = False  # earlier partings do not hold against it; limits do


PairOutcome = Literal["joined", "set_apart", "same", "stale", "gone", "limits", "apart"]


class Paired(msgspec.Struct, array_like=True, frozen=True):
    """What became of a pairing: done ("joined", "set_apart"), done before ("same"), or why not: a record has changed
    ("stale"), a profile was deleted ("gone"), or the two may not be joined ("limits", "apart")."""

    outcome: PairOutcome
    winner: int = 0
    loser: int = 0
    merge_id: str = ""


class Erased(msgspec.Struct, array_like=True, frozen=True):
    """What became of an erasure: whom it took out, or where the profile was merged into meanwhile (0: it is gone)."""

    moved_to: int = 0
    people: list[int] = []  # customer ids that became the person; none if nobody was erased
    identifiers: list[str] = []  # fingerprints (`models.privacy.suppression`)
    events: int = 0
    at: int = 0  # ms


class PurgeStep(msgspec.Struct):
    """What a step of a purge has taken out."""

    left: int  # people who are still to be looked at
    people: int = 0  # who were changed
    purged: list[tuple[str, str, int]] = []  # purpose, section, entries
    empty: list[int] = []  # customer ids of people of whom nothing is kept, and who were not seen for long


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Two profiles that may be one person: for an operator to decide. Kept at the shard of `left`."""

    review_id: str
    left: int  # the older customer id
    right: int
    at: int  # ms, when it was opened
    reason: ReviewReason
    confidence: float
    evidence: bytes  # an Explanation, encoded (see `explanation`)
    rejected_at: int = 0  # ms; 0 while it is open
    actor: str = ""  # who rejected it

    @property
    def explanation(self) -> Explanation:
        return _explanation.decode(self.evidence)


_explanation = msgspec.msgpack.Decoder(Explanation)


class Finding(msgspec.Struct, array_like=True, frozen=True):
    """What matching a profile has found: every profile that resembles it, and the reviews that are due."""

    customer_id: int
    resembles: list[int]
    reviews: list[Review] = []
    changed: bool = False  # its record is another one than when it was last matched
    gone: bool = False  # the profile is no more


class DeadLetter(msgspec.Struct):
    """A message that could not be taken, kept with its reasons until it is replayed or deleted."""

    letter_id: str
    received_at: int  # ms
    source: str
    kind: str  # type of the message as far as known, e.g. "track"
    reasons: list[dict[str, Any]]  # [{"code", "field", "message"}]
    body: bytes  # the JSON as it came, or what the source's door has let in of it
    replayed_at: int = 0  # ms
    minimised: bool = False  # the latter


class StoredEvent(msgspec.Struct, frozen=True):
    """An event in a shard's log."""

    shard: int
    sequence: int
    customer_id: int  # the profile that it was applied to; later merges do not change it
    event: Event


class SegmentStatus(msgspec.Struct, frozen=True):
    """Where a segment stands at one shard."""

    members: int
    state: Literal["live", "counting", "stopped", "leaving"]  # counting: waits until all profiles are evaluated
    evaluated_at: int = 0  # ms, when all profiles were last evaluated at once
    late_ms: int = 0  # how long its next evaluation, or a person's look at the clock, is overdue
    error: str = ""  # what stopped it


class ShardStatus(msgspec.Struct):
    """A shard's counters, for status pages and metrics."""

    shard: int
    profiles: int
    identifiers: int
    events: int  # applied, ever
    duplicates: int
    in_flight: int  # events taken in and not yet applied
    sequence: int
    settled: int  # every event taken in with at most this sequence has been applied
    segments: dict[str, SegmentStatus]  # by segment id
    dead_letters: int
    resident_bytes: int = 0
    pending_matches: int = 0  # profiles whose record changed and that matching has not looked at yet
    pending_match_ms: int = 0  # how long the oldest of them has waited
    reviews: int = 0  # open
    reviews_left_out: int = 0  # not opened because there were too many, ever
    unloaded: int = 0  # profiles that are not in the columns yet, after a start
    moves: int = 0  # moves of many people that some profiles do not hold themselves yet


class Resolution(msgspec.Struct):
    """Dry run of identity resolution: what an event with these identifiers would do."""

    customer_id: int  # 0 if a new person would be made
    created: bool
    confidence: float
    methods: list[str]
    merges: list[int]
    demoted_identifiers: list[str]
