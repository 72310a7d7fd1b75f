"""Automated decisions about people (GDPR article 22): the log of what was decided by itself, and of humans' reviews.

Whatever decides by itself asks before it acts (`actors.automated_decisions`): a webhook that says that it does, or a
model. Records are never changed. The id of a decision follows from what decided, whom it was about and what led to it,
so that one that is taken again after a failure is the same.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

Kind = Literal["webhook", "model", "review"]
Decided = Literal["taken", "skipped: opted out", "upheld", "overturned"]


class Choice(NamedTuple):
    """What was chosen at a decision point."""

    action: str
    propensities: dict[str, float]  # of all that was allowed
    expected: dict[str, float]  # what each is expected to bring after its cost, as far as that is known
    model: str  # name@version; "" for none
    personal: bool  # whether it is by what is known of the person


class DecisionRecord(msgspec.Struct, array_like=True, frozen=True):
    """A decision, or a human's review of one."""

    record_id: str
    customer_id: int
    kind: Kind
    subject: str  # id of the webhook; the decision point; of a review the id of the decision
    decided: Decided
    at: int  # ms
    cause: str = ""  # what led to it: the id of an entry to a segment
    purpose: str = ""
    by: str = ""  # who reviewed it
    note: str = ""  # of a review; never names the person
    # Of a decision point: `Choice`.
    action: str = ""
    propensities: dict[str, float] = {}
    expected: dict[str, float] = {}
    model: str = ""
    personal: bool = False


def decision_of(
    kind: Kind, subject: str, customer_id: int, cause: str, purpose: str, is_opted_out: bool, at: int
) -> DecisionRecord:
    """The record of a decision that is about to be taken, or is not because the person has opted out."""
    decided: Decided = "skipped: opted out" if is_opted_out else "taken"
    record = DecisionRecord("", customer_id, kind, subject, decided, at, cause, purpose)
    return msgspec.structs.replace(record, record_id=record_id_of(record, customer_id))


def record_id_of(decision: DecisionRecord, customer_id: int) -> str:
    """The id that a decision has if it is about this person: whom somebody was before a merge has one of their own."""
    text = "\0".join((decision.kind, decision.subject, str(customer_id), decision.cause, decision.decided))
    return "dec_" + blake2b(text.encode(), digest_size=12).hexdigest()


def first_of(decisions: Iterable[DecisionRecord]) -> DecisionRecord | None:
    """The one that was taken first."""
    return min(decisions, key=lambda each: (each.at, each.record_id), default=None)


def review_id_of(record_id: str) -> str:
    """The id that the review of a decision has."""
    return f"{record_id}_review"


def review_of(
    decision: DecisionRecord, outcome: Literal["upheld", "overturned"], by: str, note: str, at: int
) -> DecisionRecord:
    """The record of a human's review. A decision has one."""
    return DecisionRecord(
        record_id=review_id_of(decision.record_id),
        customer_id=decision.customer_id,
        kind="review",
        subject=decision.record_id,
        decided=outcome,
        at=at,
        purpose=decision.purpose,
        by=by,
        note=note,
    )
