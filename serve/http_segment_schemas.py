"""The shapes of the HTTP API that are about segments and computed traits."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from models.impact.holdout_report import ImpactReport as ImpactReport  # as it is answered
from serve.http_schemas import Cursor, CustomerId, Fraction, Time

Count = Annotated[int | None, Meta(description="null: fewer than may be told without the scope read")]


class SegmentRequest(msgspec.Struct):
    """A segment to create or replace. The criteria language: docs/segments.md, and GET /v1/segments/schema."""

    name: str
    criteria: dict[str, Any]
    id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    refresh: Annotated[str, Meta(description='"real_time", or how often it is evaluated: "15m", "1d"')] | UnsetType = (
        UNSET
    )
    holdout: Annotated[float, Meta(ge=0, le=99, description="percent kept back from activation")] | UnsetType = UNSET
    purpose: (
        Annotated[str, Meta(description="of the registry: what reads of it are for that declare none")] | UnsetType
    ) = UNSET


class SegmentEntry(msgspec.Struct, frozen=True):
    """A segment, how many are in it, and whether it is up to date."""

    id: str
    name: str
    description: str
    criteria: dict[str, Any]
    version: int
    created_at: Time
    refresh: str
    holdout: float
    purpose: str
    members: Count
    state: Annotated[
        Literal["live", "counting", "stopped", "leaving", "unknown"],
        Meta(description="counting: not all people have been evaluated yet; stopped: its evaluation failed"),
    ]
    evaluated_at: Annotated[Time | None, Meta(description="when all people were last evaluated at once")]
    late_ms: Annotated[int, Meta(description="how far behind time it is")]
    error: str
    notes: Annotated[list[str], Meta(description="what its criteria name that there is not, and may come later")]


class SegmentsAnswer(msgspec.Struct, frozen=True):
    """All segments, by id."""

    segments: list[SegmentEntry]


class MemberEntry(msgspec.Struct, frozen=True):
    """A person in a segment. `entered_at` is not known of a past time."""

    customer_id: CustomerId
    entered_at: Time | None
    held_out: Annotated[bool, Meta(description="of the segment's holdout")] = False


class MembersPage(msgspec.Struct, frozen=True):
    """A segment's members."""

    data: list[MemberEntry]
    cursor: Cursor


class MemberRowsPage(msgspec.Struct, frozen=True):
    """A segment's members as rows: customer_id, entered_at, held_out and the traits that were asked for."""

    data: list[dict[str, Any]]
    cursor: Cursor


class PreviewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Criteria to count."""

    criteria: dict[str, Any]


class PreviewAnswer(msgspec.Struct, frozen=True):
    """How many meet the criteria now; exact."""

    members: Count
    people: Annotated[int, Meta(description="all there are")]
    share: Fraction | None


class BacktestRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Criteria to count over past days."""

    criteria: dict[str, Any]
    days: Annotated[int, Meta(ge=1, le=400)] = 30


class SizeEntry(msgspec.Struct, frozen=True):
    """A size at a time."""

    at: Time
    members: Count


class BacktestAnswer(msgspec.Struct, frozen=True):
    """How many would have met the criteria at this time of each day, oldest first. Events and orders count by their own
    times; traits and channels are those of now."""

    data: list[SizeEntry]


class HistoryEntry(msgspec.Struct, frozen=True):
    """A segment's size at a time, and who came and went in the step before it."""

    at: Time
    members: Count
    entered: Count
    left: Count


class HistoryAnswer(msgspec.Struct, frozen=True):
    """A segment's size over time."""

    segment_id: str
    data: list[HistoryEntry]
    growth: Annotated[float | None, Meta(description="from the first to the last size, as a share of the first")]


class OverlapAnswer(msgspec.Struct, frozen=True):
    """How many are in both of each two of the segments, in the order of `segments`."""

    segments: list[str]
    members: list[list[Count]]


class AnalyticsAnswer(msgspec.Struct, frozen=True):
    """What a segment's members are like. Values that few have are told together; other numbers of too few are null."""

    segment_id: str
    at: Time
    members: Count
    held_out: Count
    growth: dict[str, Any]
    demographics: dict[str, Any]
    behaviors: dict[str, Any]
    value: dict[str, Any]
    engagement: dict[str, Any]
    lifecycle: dict[str, Any]
    scores: Annotated[dict[str, Any], Meta(description="what models say of the members, by the score's name")]
    churn_risk: Annotated[dict[str, Any] | None, Meta(description="the score churn; null while there is none")]
    conversion: dict[str, Any]


class WhyAnswer(msgspec.Struct, frozen=True):
    """Why somebody is in a segment: the criteria, each part with `holds`, `found`, `occurrences` and `changes_at`."""

    segment_id: str
    member: bool
    entered_at: Time | None
    at: Time
    criteria: dict[str, Any]


class ChangeEntry(msgspec.Struct, frozen=True):
    """An entry or an exit. `cause`: the event's message id, or time, merge, unmerge, definition, refresh, deletion."""

    customer_id: CustomerId
    segment_id: str
    change: Literal["entered", "exited"]
    at: Time
    cause: str
    held_out: bool = False


class ChangesPage(msgspec.Struct, frozen=True):
    """A segment's changes, oldest first; `cursor.next` is where the next call goes on."""

    data: list[ChangeEntry]
    cursor: Cursor


class SchemasAnswer(msgspec.Struct, frozen=True):
    """JSON Schemas (2020-12) of criteria and of the expressions of computed traits."""

    criteria: dict[str, Any]
    computed_trait: dict[str, Any]


class ComputedTraitRequest(msgspec.Struct):
    """A computed trait to create or replace. The language: docs/segments.md, and GET /v1/segments/schema."""

    name: str
    expression: dict[str, Any]
    id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class ComputedTraitEntry(msgspec.Struct, frozen=True):
    """A computed trait."""

    id: str
    name: str
    description: str
    expression: dict[str, Any]
    version: int
    created_at: Time


class ComputedTraitsAnswer(msgspec.Struct, frozen=True):
    """All computed traits, by id."""

    computed_traits: list[ComputedTraitEntry]


# Webhooks


class WebhookRequest(msgspec.Struct):
    """A webhook to create or change."""

    url: Annotated[str, Meta(examples=["https://example.com/hooks/onefold"])]
    id: str | UnsetType = UNSET
    segments: Annotated[list[str], Meta(description="ids; all if empty")] | UnsetType = UNSET
    changes: list[Literal["entered", "exited"]] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    purpose: (
        Annotated[str, Meta(description="of the registry; if empty that of each segment, else the default one")]
        | UnsetType
    ) = UNSET
    automated_decision: (
        Annotated[
            bool,
            Meta(description="it decides about people by itself: logged, and not told of who opted out"),
        ]
        | UnsetType
    ) = UNSET
    region: Annotated[str, Meta(description="where the receiver is; empty if that is not known")] | UnsetType = UNSET
    from_start: Annotated[bool, Meta(description="of a new one: tell it of all that has happened")] | UnsetType = UNSET


class WebhookEntry(msgspec.Struct, frozen=True):
    """A webhook, and how deliveries to it go."""

    id: str
    url: str
    segments: list[str]
    changes: list[str]
    enabled: bool
    purpose: str
    automated_decision: bool
    region: str
    disabled_because: str
    created_at: Time
    delivered: int
    failed: Annotated[int, Meta(description="attempts that failed")]
    retried: Annotated[int, Meta(description="attempts that were not a message's first")]
    dead_lettered: Annotated[int, Meta(description="messages that were ever given up")]
    waiting: Annotated[int, Meta(description="messages that will be tried again")]
    dead: Annotated[int, Meta(description="messages that were given up and not replayed")]
    behind: Annotated[
        int | None,
        Meta(description="entries and exits of all segments that it has not come to yet; 1000 for that many or more"),
    ]
    late_ms: Annotated[int | None, Meta(description="age of the oldest of them")]
    last_success_at: Time | None
    last_error: str
    last_error_at: Time | None
    secret: Annotated[str | None, Meta(description="only when it is made")]


class WebhooksAnswer(msgspec.Struct, frozen=True):
    """All webhooks, by id."""

    webhooks: list[WebhookEntry]


class WebhookTestAnswer(msgspec.Struct, frozen=True):
    """What came of a test message: the HTTP status (0 for no answer) and what went wrong."""

    status: int
    error: str


class DeliveryLetter(msgspec.Struct, frozen=True):
    """A message that was given up."""

    id: str
    at: Time
    error: str
    message: dict[str, Any]


class DeliveryLettersPage(msgspec.Struct, frozen=True):
    """Messages to a webhook that were given up."""

    data: list[DeliveryLetter]
    cursor: Cursor


class DeliveryReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which messages to try again; all without ids."""

    ids: list[str] | None = None


class DeliveryReplayAnswer(msgspec.Struct, frozen=True):
    """How many will be tried again."""

    replayed: int
