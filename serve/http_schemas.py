"""The shapes of the HTTP API, as requests are read and answers are written; OpenAPI is made from these.

Times are ISO 8601 in UTC with milliseconds, customer ids are text ("cus_...").
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.api_keys import Scope
from serve.errors import FieldError

KEYS_MAX = 1_000  # profiles in one request
REPLAY_MAX = 1_000  # dead letters in one request

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-03-01T12:30:00.000Z"])]
CustomerId = Annotated[str, Meta(examples=["cus_0d3k5w2m8r000"])]
Key = Annotated[str, Meta(examples=["email:jane@example.com"], description="namespace:value")]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class ErrorBody(msgspec.Struct, frozen=True):
    """Every answer that is not a success."""

    code: Annotated[str, Meta(description="for programs", examples=["not_found"])]
    message: Annotated[str, Meta(description="for people: what was expected, and the way out")]
    errors: list[FieldError] | UnsetType = UNSET


class Cursor(msgspec.Struct, frozen=True):
    """Where a list goes on: give `next` as `cursor` for the next page, while `has_more`."""

    next: str
    has_more: bool
    limit: int


# Events


class Reason(msgspec.Struct, frozen=True):
    """Why a message was refused, or what was changed in it."""

    code: str
    field: str
    message: str


class RejectedMessage(msgspec.Struct, frozen=True):
    """A message of the batch that was not taken. It is in the dead-letter store."""

    index: int
    type: str
    reasons: list[Reason]


class MessageNotice(msgspec.Struct, frozen=True):
    """Something that was changed or left out of a message that was taken. `index` -1 is the batch itself."""

    index: int
    code: str
    field: str
    message: str


class Move(msgspec.Struct, frozen=True):
    """A segment that the person entered or left."""

    segment_id: str
    change: Literal["entered", "exited"]
    at: Time


class MessageResult(msgspec.Struct, frozen=True):
    """What became of one message. `accepted`: durable, and not applied within the time that was waited."""

    index: int
    message_id: str
    status: Literal["applied", "duplicate", "accepted", "suppressed"]
    customer_id: CustomerId | None
    created: bool
    confidence: Fraction
    methods: Annotated[list[str], Meta(examples=[["exact:user_id"]])]
    profile_updates: Annotated[list[str], Meta(examples=[["attributes.plan"]])]
    segment_changes: list[Move]
    merged: list[CustomerId]
    demoted_identifiers: list[str]
    withheld: Annotated[list[str], Meta(description="paths of what was not kept", examples=[["traits.income"]])]
    processing_ms: float


class IngestAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of the messages are accounted for: durable, known already, or refused and kept."""

    success: Literal[True]
    accepted: int
    duplicates: int
    sequence: Annotated[str, Meta(description="give it as min_seq to read what these messages did")]
    suppressed: Annotated[int, Meta(description="not kept: they carry an identifier of an erased person")] = 0
    rejected: list[RejectedMessage] = []
    warnings: list[MessageNotice] = []
    results: list[MessageResult] | UnsetType = UNSET


# Profiles


class ProfilesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Several profiles at once."""

    keys: Annotated[list[Key], Meta(min_length=1, max_length=KEYS_MAX)]
    min_seq: str = ""


class RankItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product or offer that may be shown."""

    id: Annotated[str, Meta(min_length=1, max_length=256, description="of the product, as in orders")]
    category: Annotated[str, Meta(max_length=256)] = ""
    popularity: Annotated[float, Meta(gt=0, le=1e12, description="against the others: how often bought")] | None = None
    margin: Annotated[float, Meta(ge=0, le=1e12, description="what a purchase brings")] = 1.0


class RankRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be ranked."""

    items: Annotated[list[RankItem], Meta(min_length=1, max_length=1_000)]


class RankedItem(msgspec.Struct, frozen=True):
    """An item in its place."""

    id: str
    score: Annotated[float, Meta(description="`likely` times the margin")]
    likely: Annotated[float, Meta(description="that the next purchase among the items is this one")]
    bought: Annotated[bool, Meta(description="before")]


class RankAnswer(msgspec.Struct, frozen=True):
    """The items, best first."""

    customer_id: CustomerId
    personal: Annotated[bool, Meta(description="false: by popularity alone")]
    items: list[RankedItem]
    version: Annotated[str | None, Meta(description="of the model of what people buy; null if none has learned it")]


class DecideRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be decided about a person."""

    decision: Annotated[str, Meta(max_length=64, description="a decision point of `scoring.decisions`")]
    decision_id: Annotated[
        str,
        Meta(
            max_length=128,
            pattern="^[^\\x00]*$",
            description="yours, one a decision, so that it can be asked again; names nobody",
        ),
    ] = ""


class DecideAnswer(msgspec.Struct, frozen=True):
    """What was decided, as it is in the log of decisions."""

    customer_id: CustomerId
    decision: str
    decision_id: str
    record_id: Annotated[str, Meta(description="of the log of decisions, for its review")]
    decided: Annotated[str, Meta(examples=["taken", "skipped: opted out"])]
    at: Time
    action: Annotated[str | None, Meta(description="null: the person has opted out of all that is decided by itself")]
    propensity: Annotated[float | None, Meta(description="how likely this action was")]
    propensities: Annotated[dict[str, float], Meta(description="of all actions that were allowed")]
    expected: Annotated[
        dict[str, float], Meta(description="what each is expected to bring after its cost, where known")
    ]
    unit: Annotated[str, Meta(description="of `expected`", examples=["EUR"])]
    model: Annotated[str | None, Meta(description="name and version; null: by chance")]
    personal: Annotated[bool, Meta(description="whether what is known of the person counted")]


class ProfilesAnswer(msgspec.Struct, frozen=True):
    """In the order of the keys; null where there is no profile."""

    profiles: list[dict[str, Any] | None]


class TraitsPage(msgspec.Struct, frozen=True):
    """Traits by name, with the source and time of each value."""

    traits: dict[str, Any]
    cursor: Cursor


class ObjectsPage(msgspec.Struct, frozen=True):
    """A page of one section of the profile's document."""

    data: list[dict[str, Any]]
    cursor: Cursor


class EventEntry(msgspec.Struct, frozen=True):
    """A stored event."""

    message_id: str
    type: str
    name: str
    timestamp: Time
    received_at: Time
    source: str
    customer_id: CustomerId
    sequence: Annotated[str, Meta(examples=["0:17"])]
    identifiers: list[str]
    traits: dict[str, Any]
    properties: dict[str, Any]
    context: dict[str, Any]
    group_id: str = ""


class ChangedProfiles(msgspec.Struct, frozen=True):
    """Customer ids of profiles that changed; `cursor` is where the next call goes on."""

    customer_ids: list[str]
    cursor: str


class EventsPage(msgspec.Struct, frozen=True):
    """Events; `cursor.next` is where the next call goes on."""

    data: list[EventEntry]
    cursor: Cursor


# Dead letters, status


class LetterEntry(msgspec.Struct, frozen=True):
    """A message that could not be taken. `body` is the JSON as it came (text, where it is none); null if it is
    withheld: see docs/purposes.md."""

    id: str
    received_at: Time
    source: str
    type: str
    reasons: list[Reason]
    body: str | None
    replayed_at: Time | None


class LettersPage(msgspec.Struct, frozen=True):
    """The dead-letter store."""

    data: list[LetterEntry]
    cursor: Cursor


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters to try again: some by id, or all of them, a page at a time."""

    ids: Annotated[list[str], Meta(max_length=REPLAY_MAX)] | UnsetType = UNSET
    all: bool = False
    after: str = ""  # `cursor.next` of the answer before, to go on with all


class LettersDeleteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters to delete: some by id, or all of them."""

    ids: Annotated[list[str], Meta(max_length=REPLAY_MAX)] | UnsetType = UNSET
    all: bool = False


class LettersDeleteAnswer(msgspec.Struct, frozen=True):
    """How many dead letters were deleted."""

    deleted: int


class ReplayAnswer(msgspec.Struct, frozen=True):
    """What became of them. Those that were refused again stay in the store."""

    replayed: int
    rejected: list["ReplayRejection"]
    cursor: Cursor


class ReplayRejection(msgspec.Struct, frozen=True):
    """A dead letter that was refused again."""

    id: str
    reasons: list[Reason]


class ShardEntry(msgspec.Struct, frozen=True):
    """A shard's counters."""

    shard: int
    profiles: int
    identifiers: int
    events: int
    duplicates: int
    in_flight: int
    sequence: int
    settled: int
    dead_letters: int
    resident_bytes: int
    pending_matches: Annotated[int, Meta(description="profiles that changed and that matching has not looked at yet")]
    pending_match_ms: Annotated[int, Meta(description="how long the oldest of them has waited")]
    reviews: Annotated[int, Meta(description="open ones")]
    reviews_left_out: Annotated[int, Meta(description="not opened because there were too many, ever")]
    unloaded: Annotated[int, Meta(description="profiles that segments cannot be counted over yet, after a start")]
    moves: Annotated[int, Meta(description="moves of many people that some profiles are still to take over")]


class MatcherEntry(msgspec.Struct, frozen=True):
    """A matcher's counters since it started."""

    matcher: int
    model: Annotated[str, Meta(description="version of the model")]
    ready: Annotated[bool, Meta(description="it holds the records of all its profiles")]
    records: int
    matched: int
    linked: int
    deferred: Annotated[int, Meta(description="put off, mostly because a profile changed meanwhile")]
    failed: Annotated[int, Meta(description="profiles that could not be matched; the log names them")]
    failed_pairs: Annotated[int, Meta(description="comparisons that failed")]
    oversized_keys: Annotated[int, Meta(description="not used because too many records share them")]
    truncated: Annotated[int, Meta(description="look-ups with more candidates than are compared")]
    resident_bytes: int


class ScorerEntry(msgspec.Struct, frozen=True):
    """How a scorer stands, and its counters since it started."""

    scorer: Annotated[int, Meta(description="its shard")]
    champions: Annotated[list[str], Meta(description="versions whose scores count")]
    challengers: Annotated[list[str], Meta(description="versions that score in the shadow")]
    position: Annotated[int, Meta(description="of the shard's `sequence`: changes up to there are scored")]
    everybody: Annotated[bool, Meta(description="everybody is being scored anew")]
    scored: Annotated[int, Meta(description="people, each time that they were")]
    failures: Annotated[int, Meta(description="of models; the log tells more")]
    band_statements: Annotated[int, Meta(description="of people whose score came into another band")]
    resident_bytes: int


class StatusAnswer(msgspec.Struct, frozen=True):
    """All shards' counters, their sums (of `pending_match_ms` the greatest), and those of matchers and scorers."""

    profiles: int
    identifiers: int
    events: int
    duplicates: int
    in_flight: int
    dead_letters: int
    pending_matches: int
    pending_match_ms: int
    reviews: int
    segments: dict[str, int]
    shards: list[ShardEntry]
    matchers: Annotated[
        list[MatcherEntry] | None, Meta(description="none if matching is off; null if they do not answer")
    ]
    scorers: Annotated[list[ScorerEntry] | None, Meta(description="none if scoring is off; null if they do not answer")]


class Health(msgspec.Struct, frozen=True):
    """Whether the process lives, or the service can answer."""

    status: Literal["ok"]


# Administration


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An API key to make. The source that it writes as is the name, unless another is given."""

    name: str
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    source_id: str = ""
    expires: Annotated[str, Meta(description="how long it is valid; without it, for ever", examples=["90d"])] = ""
    purpose: Annotated[str, Meta(description="of the registry: it reads for that one only; without it, for any")] = ""
    region: Annotated[str, Meta(description="where it is used; without it, where the service is")] = ""


class RotateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A key that is to get a new secret. `overlap`: how long the former one stays valid, "0" for not at all."""

    overlap: Annotated[str, Meta(examples=["1h"])] = "1h"


class KeyEntry(msgspec.Struct, frozen=True):
    """A key: all but its secret."""

    id: str
    name: str
    hint: Annotated[str, Meta(description="the secret's first characters")]
    scopes: list[Scope]
    source_id: str
    created_at: Time
    revoked_at: Time | None
    expires_at: Annotated[Time | None, Meta(description="when it ends by itself: its lifetime, or it was rotated")]
    purpose: Annotated[str, Meta(description="that it reads for, and for no other; empty for any")] = ""
    region: Annotated[str, Meta(description="where it is used; empty for where the service is")] = ""


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made. `secret` is shown now and never again."""

    key: KeyEntry
    secret: str


class RotatedKey(msgspec.Struct, frozen=True):
    """A key that took the place of another, which stays valid until its `expires_at`. `secret` is shown only now."""

    key: KeyEntry
    secret: str
    replaced: KeyEntry


class KeysAnswer(msgspec.Struct, frozen=True):
    """All keys, revoked ones too."""

    keys: list[KeyEntry]


class SchemaEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What messages of one kind must look like. block: refuse those that do not; omit: leave out and report."""

    document: Annotated[dict[str, Any], Meta(description="JSON Schema (2020-12) of the traits or properties")]
    mode: Literal["block", "omit"] = "block"


class SourceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A source to make or replace. `schemas` by type ("identify") or type and name ("track:Order Completed")."""

    kind: str = "http"
    schemas: dict[str, SchemaEntry] = {}


class SourceEntry(msgspec.Struct, frozen=True):
    """A source of events."""

    id: str
    kind: str
    schemas: dict[str, SchemaEntry]


class SourcesAnswer(msgspec.Struct, frozen=True):
    """All sources, by id."""

    sources: list[SourceEntry]


def time_text(ms: int) -> str:
    """ms since 1970 as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment.isoformat()[:19]}.{ms % 1000:03d}Z"


def time_text_or_none(ms: int) -> str | None:
    """Like `time_text`, None for 0, which stands for never."""
    return time_text(ms) if ms else None
