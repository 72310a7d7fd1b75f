"""The shapes of /v1/privacy, and those of OpenDSR that /v2 takes and answers. Nothing in them names a person but what a
request itself says."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.privacy.open_dsr_documents import OpenDsrCancellation as OpenDsrCancellation
from models.privacy.open_dsr_documents import OpenDsrDiscovery as OpenDsrDiscovery
from models.privacy.open_dsr_documents import OpenDsrError as OpenDsrError
from models.privacy.open_dsr_documents import OpenDsrReceipt as OpenDsrReceipt
from models.privacy.open_dsr_documents import OpenDsrRequest as OpenDsrRequest
from models.privacy.open_dsr_documents import OpenDsrStatus as OpenDsrStatus
from models.privacy.recipients import RecipientState
from models.privacy.record import ProcessingRecord as ProcessingRecord
from models.privacy.requests import Regulation, RequestKind, State, Work
from serve.http_schemas import Cursor, Time

_DECISIONS_MAX = 100
_CORRECTIONS_MAX = 100

Words = Annotated[str, Meta(min_length=1, max_length=200, description="never names the person")]


class PrivacyStep(msgspec.Struct, frozen=True):
    """Something that happened to a request."""

    at: Time
    state: State
    note: str


class PrivacyWaiting(msgspec.Struct, frozen=True):
    """Why nothing happens about a request."""

    since: Time
    work: Annotated[Work, Meta(description="that cannot be done, or of verify: is not")]
    reason: Annotated[str, Meta(description="in words; names nobody")]


class PrivacyRequestEntry(msgspec.Struct, frozen=True):
    """A request of a data subject, without what names the person."""

    id: str
    kind: RequestKind
    regulation: Regulation
    state: State
    submitted_at: Time
    received_at: Time
    due_at: Annotated[Time, Meta(description="by when it must be completed")]
    overdue: Annotated[bool, Meta(description="it is not, and that is over")]
    due_soon: Annotated[bool, Meta(description="it is not, and that is at most seven days away")]
    extended: bool
    ready: Annotated[bool, Meta(description="it waits for nothing but its turn")]
    waiting: Annotated[PrivacyWaiting | None, Meta(description="why nothing happens; null while it goes on")]
    verified_by: str | None
    verified_how: str | None
    namespaces: Annotated[list[str], Meta(description="of the identifiers that it names", examples=[["email"]])]
    results: Annotated[str | None, Meta(description="name of the file, or id of the erasure's certificate")]
    results_count: int
    steps: list[PrivacyStep]


class PrivacyRequestsPage(msgspec.Struct, frozen=True):
    """Requests, those received first before the others."""

    data: list[PrivacyRequestEntry]
    cursor: Cursor


class RecipientEntry(msgspec.Struct, frozen=True):
    """Somebody who had an erased person's data."""

    name: Annotated[str, Meta(examples=["webhook:crm"])]
    state: Annotated[RecipientState, Meta(description="failed: it was given up; it can be replayed")]
    at: Annotated[Time | None, Meta(description="when it has acknowledged, or was given up")]


class RecipientsAnswer(msgspec.Struct, frozen=True):
    """The recipients of an erased person's data, by name; none before the erasure is completed."""

    data: list[RecipientEntry]
    statement: Annotated[str | None, Meta(description="id of the signed statement, once nobody is waited for")]


class VerifyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who found out that the requester is the person or acts for them, and how."""

    verified_by: Annotated[str, Meta(min_length=1, max_length=200, examples=["privacy team, a.meier"])]
    method: Annotated[Words, Meta(examples=["answered a message to the address on file"])]


class ExtendRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Why a request takes longer; the requester is told before the first deadline."""

    reason: Annotated[Words, Meta(examples=["many requests at once"])]


StateFilter = Literal["", "pending", "in_progress", "completed", "cancelled"]


class Finding(msgspec.Struct, frozen=True):
    """Where something that looks like personal data was found in free text."""

    source: str
    field: Annotated[str | None, Meta(description="its path; none for those beyond the 10,000 that are told apart")]
    kind: Annotated[str, Meta(examples=["email", "payment_card", "iban", "us_ssn", "phone"])]
    count: int
    first_seen: Time
    last_seen: Time


class FindingsAnswer(msgspec.Struct, frozen=True):
    """All findings, by source, field and kind."""

    data: list[Finding]


class RevealRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A token, as it stands in the field."""

    token: Annotated[str, Meta(min_length=1, max_length=65_536)]


class RevealAnswer(msgspec.Struct, frozen=True):
    """The value that was there."""

    value: Any


class PurgedEntry(msgspec.Struct, frozen=True):
    """What a run of the purge has taken out of a section."""

    purpose: Annotated[str, Meta(description="the one that kept it the longest")]
    section: Annotated[str, Meta(examples=["attributes", "behaviors", "events", "transactions"])]
    entries: int


class PurgeEntry(msgspec.Struct, frozen=True):
    """A run of the purge."""

    run: int
    wanted_at: Time
    finished_at: Time | None
    people: Annotated[int, Meta(description="of whom something was taken out")]
    purged: list[PurgedEntry]
    erased: Annotated[int, Meta(description="people of whom nothing was left, whose erasure was begun")]
    dead_letters: int
    deliveries: Annotated[int, Meta(description="messages to webhooks that were given up")]
    results: Annotated[int, Meta(description="files of access and portability requests")]
    decisions: Annotated[int, Meta(description="automated ones, with their reviews")]


class PurgesAnswer(msgspec.Struct, frozen=True):
    """Runs, the latest first."""

    data: list[PurgeEntry]


class ConsentsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Answers of a person, as an operator was given them."""

    decisions: Annotated[
        dict[str, bool],
        Meta(
            min_length=1,
            max_length=_DECISIONS_MAX,
            description="by purpose or category; also !restricted, !no_automated_decisions, !guardian",
        ),
    ]
    notice_version: Annotated[str, Meta(max_length=200)] = ""
    jurisdiction: Annotated[str, Meta(max_length=200)] = ""
    reason: Annotated[str, Meta(max_length=200, description="never names the person")] = ""


class ConsentEntry(msgspec.Struct, frozen=True):
    """An answer in the ledger."""

    receipt_id: str
    customer_id: str
    purpose: str
    granted: bool
    given_at: Time
    recorded_at: Time
    source: str
    methods: list[str]
    basis: str
    jurisdiction: str
    notice_version: str
    signals: Annotated[str, Meta(description="as they came, JSON")]
    message_id: str
    reason: str


class LedgerPage(msgspec.Struct, frozen=True):
    """Answers, those given first before the others."""

    data: list[ConsentEntry]
    cursor: Cursor


class CorrectionsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is right of a person."""

    traits: Annotated[
        dict[str, Any], Meta(max_length=_CORRECTIONS_MAX, description="by name; null: wrong, without a right value")
    ] = {}
    lift: Annotated[list[str], Meta(max_length=_CORRECTIONS_MAX, description="traits of which events tell again")] = []
    reason: Annotated[str, Meta(max_length=200, description="never names the person")] = ""


class CorrectionEntry(msgspec.Struct, frozen=True):
    """A correction that stands."""

    trait: str
    value: Annotated[Any, Meta(description="null: the trait is withheld as wrong")]
    stated_at: Time
    source: str
    told: Annotated[Any, Meta(description="what events tell of it")]


class CorrectionsAnswer(msgspec.Struct, frozen=True):
    """The corrections that stand, by trait. `withheld`: what was not kept of this request, for want of a basis."""

    data: list[CorrectionEntry]
    withheld: list[str] = []


class LiftRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Identifiers of erased people that may come in again, as when somebody wants to be a customer again."""

    identifiers: Annotated[
        list[str], Meta(min_length=1, max_length=_CORRECTIONS_MAX, examples=[["email:jane@example.com"]])
    ]


class LiftAnswer(msgspec.Struct, frozen=True):
    """How many identifiers are not refused any more."""

    lifted: int


class DecisionReview(msgspec.Struct, frozen=True):
    """What a human has made of a decision."""

    outcome: str
    by: str
    note: str
    at: Time


class DecisionEntry(msgspec.Struct, frozen=True):
    """A decision that was taken by itself, or not because the person has opted out."""

    id: str
    customer_id: str
    kind: Annotated[str, Meta(examples=["webhook", "model"])]
    subject: Annotated[str, Meta(description="id of the webhook; the decision point")]
    decided: Annotated[str, Meta(examples=["taken", "skipped: opted out"])]
    at: Time
    cause: Annotated[str, Meta(description="what led to it, such as the id of the message of an entry")]
    purpose: str
    action: Annotated[str, Meta(description="that a decision point has chosen")]
    propensities: Annotated[dict[str, float], Meta(description="how likely each action was that was allowed")]
    expected: Annotated[dict[str, float], Meta(description="what each was expected to bring after its cost")]
    model: Annotated[str, Meta(description="by which it was chosen, name and version; empty: by chance")]
    personal: Annotated[bool, Meta(description="whether what was known of the person counted")]
    review: DecisionReview | None


class DecisionsPage(msgspec.Struct, frozen=True):
    """Decisions about a person, oldest first."""

    data: list[DecisionEntry]
    cursor: Cursor


class DecisionReviewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a human has made of a decision."""

    outcome: Literal["upheld", "overturned"]
    by: Annotated[str, Meta(min_length=1, max_length=200, examples=["privacy team, a.meier"])]
    note: Annotated[str, Meta(max_length=200, description="never names the person")] = ""
