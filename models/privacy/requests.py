"""Requests of data subjects: what is asked, of whom, by when, and how far it is.

A request passes through the states of OpenDSR 2.0 and tells of each. What it says of the person is kept while it is
worked on; of a completed erasure, fingerprints alone stay (`models.privacy.suppression`).
"""

from collections.abc import Collection
from hashlib import new
from typing import Any, Literal, get_args

import msgspec

from models.privacy.recipients import Recipient
from models.privacy.settings import PrivacySettings
from models.privacy.suppression import Suppress

RequestKind = Literal["access", "portability", "erasure"]
Regulation = Literal["gdpr", "ccpa"]
State = Literal["pending", "in_progress", "completed", "cancelled"]
IdentityFormat = Literal["raw", "sha1", "md5", "sha256"]
Work = Literal["verify", "find", "search", "erase", "clear", "certify"]
"""What is done about a request, in this order: it is noted who the requester is; the person is found, and unless they
are to be erased, what is held of them is written down; all stores are searched; shards erase; all else forgets; all
stores are searched again, and the certificate is signed."""


_WORK: tuple[Work, ...] = get_args(Work)


class SubjectIdentity(msgspec.Struct, frozen=True):
    """An identifier of the person as the request names it: raw in its normal form, or a hash of it in hexadecimal."""

    namespace: str  # email, user_id, ...
    value: str
    format: IdentityFormat = "raw"


class Step(msgspec.Struct, frozen=True):
    """Something that happened to a request."""

    at: int  # ms
    state: State
    note: str = ""  # never names the person


class Waiting(msgspec.Struct, frozen=True):
    """Why a request does not go on."""

    since: int  # ms
    work: Work  # that cannot be done
    reason: str  # in words; never names the person


class SubjectRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and how far it is."""

    request_id: str  # lower-case UUID version 4
    kind: RequestKind
    regulation: Regulation
    submitted_at: int  # ms, as the requester says
    received_at: int  # ms
    due_at: int  # ms, by when it must be completed
    identities: list[SubjectIdentity]
    state: State = "pending"
    actor: str = ""  # id of the key that brought it, or who used the command line
    verified_by: str = ""  # who noted that the requester is the person, or acts for them
    verified_how: str = ""  # how that was found out; never names the person
    callbacks: list[str] = []  # URLs that are told of each change of state
    suppress: Suppress = "all"  # erasure: which later events are refused
    extensions: dict[str, Any] = {}  # as given
    encoded: str = ""  # base64 of the body as it was received
    people: list[int] = []  # customer ids that were found, also of those whom a merge had taken in
    identifiers: list[str] = []  # erasure: all that these people have, while it is worked on
    fingerprints: list[str] = []  # erasure: of the identifiers that are refused from then on
    results_count: int = 0  # access, portability: records in the result; erasure: events that were erased
    results: str = ""  # access, portability: name of the result's file; erasure: id of the certificate
    recipients: list[str] = []  # erasure: ids of the webhooks that are told
    statement: str = ""  # erasure: id of the latest statement about them
    stated: list[Recipient] = []  # what it says
    extended: bool = False  # the deadline was moved once
    escalated: bool = False  # its deadline is near or over, and that was told
    is_forgotten: bool = False  # the person was erased since: what names them goes when the request ends
    steps: list[Step] = []
    waiting: Waiting | None = None  # of one in progress: why the work on it stands


def advanced(request: SubjectRequest, state: State, now: int, note: str = "", **changes: Any) -> SubjectRequest:
    """The request in its next state. One that has ended waits for nothing, and of somebody who was erased it keeps
    nothing that names them."""
    steps = [*request.steps, Step(now, state, note)]
    made = msgspec.structs.replace(request, state=state, steps=steps, **changes)
    if not is_open(made):
        made = msgspec.structs.replace(made, waiting=None)
    is_erased = made.is_forgotten or (made.kind == "erasure" and state == "completed")
    return anonymised(made) if is_erased and not is_open(made) else made


def forgotten(request: SubjectRequest) -> SubjectRequest:
    """A request about somebody who was erased. An open one keeps what names them, without which it cannot be answered,
    until it ends."""
    if is_open(request):
        return msgspec.structs.replace(request, is_forgotten=True)
    return anonymised(request)


def is_ready(request: SubjectRequest, settings: PrivacySettings) -> bool:
    """Whether the work on a request may begin."""
    return request.state == "pending" and (not settings.require_verification or bool(request.verified_by))


def held_up(request: SubjectRequest, work: Work, reason: str, now: int) -> SubjectRequest:
    """The request, which cannot be worked on now. It waits since the same work could first not be done."""
    before = request.waiting
    since = before.since if before is not None and before.work == work else now
    return msgspec.structs.replace(request, waiting=Waiting(since, work, reason)) if is_open(request) else request


def gone_on(request: SubjectRequest, work: Work) -> SubjectRequest:
    """The request when this work on it begins: it waits for none that comes before."""
    before = request.waiting
    is_past = before is not None and _WORK.index(before.work) < _WORK.index(work)
    return msgspec.structs.replace(request, waiting=None) if is_past else request


def waiting(request: SubjectRequest, settings: PrivacySettings) -> Waiting | None:
    """Why nothing happens about a request; None if it has ended, or waits for nothing but its turn."""
    if request.state == "pending" and not is_ready(request, settings):
        reason = "nobody has noted who the requester is: `onefold privacy verify-requester` does"
        return Waiting(request.received_at, "verify", reason)
    return request.waiting


def is_open(request: SubjectRequest) -> bool:
    """Whether something is still to be done."""
    return request.state in ("pending", "in_progress")


def anonymised(request: SubjectRequest) -> SubjectRequest:
    """A request without what names the person."""
    return msgspec.structs.replace(request, identities=[], identifiers=[], encoded="", extensions={})


def is_about(request: SubjectRequest, identifiers: Collection[str], people: Collection[int]) -> bool:
    """Whether a request is about somebody who has one of these normalised identifiers or customer ids, however it names
    them."""
    if not set(people).isdisjoint(request.people):
        return True
    for identity in request.identities:
        prefix = f"{identity.namespace}:"
        values = (each.removeprefix(prefix) for each in identifiers if each.startswith(prefix))
        if any(hash_of(value, identity.format) == identity.value for value in values):
            return True
    return False


def hash_of(value: str, form: IdentityFormat) -> str:
    """A normal value as a request may name it, in hexadecimal. Not for secrecy: requesters choose the function."""
    return value if form == "raw" else new(form, value.encode(), usedforsecurity=False).hexdigest()
