"""/v1/privacy: requests of data subjects as those who answer for them see them: due dates, identity checks, results."""

import asyncio
import mimetypes
import re
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import FileResponse, Response

from actors.errors import Conflict, Invalid, NotFound
from actors.webhook_residency import PermittedWebhooks
from models.privacy.deadlines import escalates_at, extended
from models.privacy.recipients import Recipient
from models.privacy.record import ProcessingRecord, RecordRecipient, record_of
from models.privacy.requests import State, SubjectRequest, advanced, is_open, is_ready, waiting
from serve.backup_keys import lift_in_backups
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import Context, Limit, PageCursor, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_pages import cursor_of
from serve.http_privacy_schemas import (
    ExtendRequest,
    LiftAnswer,
    LiftRequest,
    PrivacyRequestEntry,
    PrivacyRequestsPage,
    PrivacyStep,
    PrivacyWaiting,
    RecipientEntry,
    RecipientsAnswer,
    StateFilter,
    VerifyRequest,
)
from serve.http_schemas import time_text
from serve.services import Services
from serve.subject_export import FOLDER

_STATES: tuple[State, ...] = get_args(State)
_CURSOR = re.compile(r"(\d{1,18}):([0-9a-f-]{1,40})", re.ASCII)
_DELIVERER_S = 10.0
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

router = APIRouter(prefix="/v1/privacy", tags=["data subjects"], dependencies=[Depends(authorise)])


@router.get("/requests", responses=answers(PrivacyRequestsPage, 400, 401, 403, 503), response_class=Response)
async def list_requests(
    context: Context,
    state: Annotated[StateFilter, Query(description="only those in this state")] = "",
    limit: Limit = 100,
    cursor: PageCursor = "",
) -> Response:
    """Requests with their due dates, those received first before the others."""
    services = context.services
    states = _STATES if state == "" else (state,)
    found = await asyncio.to_thread(services.privacy.requests, states, limit + 1, _parse_cursor(cursor))
    page = found[:limit]
    following = f"{page[-1].received_at}:{page[-1].request_id}" if len(found) > limit else ""
    return respond(PrivacyRequestsPage([_entry(services, each) for each in page], cursor_of(following, limit)))


@router.get(
    "/requests/{subject_request_id}",
    responses=answers(PrivacyRequestEntry, 401, 403, 404, 503),
    response_class=Response,
)
async def get_request(subject_request_id: str, context: Context) -> Response:
    """One request: its due date, how far it is, and why nothing happens if that is so."""
    services = context.services
    found = await asyncio.to_thread(services.privacy.request, subject_request_id)
    tell(subject_request_id=found.request_id)
    return respond(_entry(services, found))


@router.post(
    "/requests/{subject_request_id}/verify",
    responses=answers(PrivacyRequestEntry, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(VerifyRequest),
    response_class=Response,
)
async def verify_requester(subject_request_id: str, request: Request, context: Context) -> Response:
    """Notes who found out that the requester is the person, and how. With the setting `privacy.require_verification`
    nothing is done before that."""
    services = context.services
    asked = await read_json(request, VerifyRequest)
    now = services.now()

    def verified(found: SubjectRequest) -> SubjectRequest:
        if (found.verified_by, found.verified_how) == (asked.verified_by, asked.method):
            return found
        if found.verified_by:
            raise Conflict("subject_request_id: the requester was verified before")
        if found.state != "pending":
            raise Conflict(f"subject_request_id: the request is {found.state}, and only a pending one can be verified")
        changes = {"verified_by": asked.verified_by, "verified_how": asked.method}
        return advanced(found, found.state, now, "the requester was verified", **changes)

    done = await asyncio.to_thread(services.privacy.change, subject_request_id, verified)
    tell(subject_request_id=done.request_id)
    return respond(_entry(services, done))


@router.post(
    "/requests/{subject_request_id}/extend",
    responses=answers(PrivacyRequestEntry, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(ExtendRequest),
    response_class=Response,
)
async def extend_request(subject_request_id: str, request: Request, context: Context) -> Response:
    """Moves the deadline, once and before it is over: two months (GDPR) or 45 days (CCPA). The requester must be told
    within the first deadline."""
    services = context.services
    asked = await read_json(request, ExtendRequest)
    now = services.now()

    def moved(found: SubjectRequest) -> SubjectRequest:
        if found.extended:
            raise Conflict("subject_request_id: the deadline was moved before, and can be moved once")
        if not is_open(found):
            raise Conflict(f"subject_request_id: the request is {found.state}: there is nothing left to be done")
        if now > found.due_at:
            raise Conflict("subject_request_id: the deadline is over: it can be moved before that only")
        due_at = extended(found.regulation, found.received_at)
        changes = {"due_at": due_at, "extended": True, "escalated": False}
        return advanced(found, found.state, now, f"the deadline was moved: {asked.reason}", **changes)

    done = await asyncio.to_thread(services.privacy.change, subject_request_id, moved)
    tell(subject_request_id=done.request_id)
    return respond(_entry(services, done))


@router.post(
    "/suppressions/lift",
    responses=answers(LiftAnswer, 400, 401, 403, 503),
    openapi_extra=takes(LiftRequest),
    response_class=Response,
)
async def lift_suppressions(request: Request, context: Context) -> Response:
    """Takes events again that carry identifiers which an erasure had refused. What was erased stays erased."""
    asked = await read_json(request, LiftRequest)
    keys = [context.parse_key(key, f"identifiers[{place}]") for place, key in enumerate(asked.identifiers)]
    services = context.services
    await services.router.lift_suppression(list(dict.fromkeys(keys)))
    await asyncio.to_thread(lift_in_backups, services.settings, keys)
    tell(identifiers=str(len(keys)))
    return respond(LiftAnswer(len(keys)))


@router.get(
    "/requests/{subject_request_id}/recipients",
    responses=answers(RecipientsAnswer, 401, 403, 404, 503),
    response_class=Response,
)
async def get_recipients(subject_request_id: str, context: Context) -> Response:
    """Who was told that a person was erased, and what came of that. Names of people are in none of it."""
    services = context.services
    found = await asyncio.to_thread(services.privacy.request, subject_request_id)
    tell(subject_request_id=found.request_id)
    recipients: list[Recipient] = []
    if found.recipients:
        (recipients,) = await services.deliveries.call(0, "recipients", [found.people], timeout_s=_DELIVERER_S)
    entries = [RecipientEntry(each.name, each.state, time_text(each.at) if each.at else None) for each in recipients]
    return respond(RecipientsAnswer(entries, found.statement or None))


@router.get("/record", responses=answers(ProcessingRecord, 401, 403, 503), response_class=Response)
async def get_record(context: Context) -> Response:
    """The record of processing activities (GDPR article 30), made from the configuration in force."""
    services = context.services
    settings, control = services.settings, services.control
    now = services.now()
    made = control.keys()
    keys = [key for key in made if key.is_valid(now)]
    readers = [
        RecordRecipient("api_key", key.key_id, key.name, key.purpose, region=key.region)
        for key in keys
        if not {"read", "privacy", "admin"}.isdisjoint(key.scopes)
    ]
    tls = "ended by the service" if settings.tls.is_on else "in front of it" if settings.tls.by_proxy else "off"
    security = {
        "TLS": f"{tls}, client certificates asked for" if settings.tls.client_ca else tls,
        "address": "this machine alone" if settings.is_loopback else "reachable from elsewhere",
        "API keys": f"{len(keys)} valid, {len(readers)} of which may read people",
        "audit log": "every access, hash-chained, its end signed",
        "requests of data subjects": "sealed (AES-256-GCM)",
        "erasures": "searched for in all stores, with signed certificates",
    }
    webhooks = list(PermittedWebhooks(control, settings.residency).webhooks().values())
    sources = [source.source_id for source in control.sources()]
    return respond(record_of(settings.privacy, webhooks, readers, sources, security, settings.residency))


@router.get(
    "/results/{name}",
    responses={
        **answers(PrivacyRequestEntry, 401, 403, 404, 503),
        200: {"description": "The file", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
async def get_results(name: str, context: Context) -> Response:
    """What a completed access or portability request has found, as a file."""
    services = context.services
    found = await asyncio.to_thread(services.privacy.with_results, name)
    path = services.settings.data_path / FOLDER / name
    is_there = found.state == "completed" and found.kind != "erasure" and _FILE_NAME.fullmatch(name)
    if not is_there or not await asyncio.to_thread(path.is_file):
        raise NotFound("name: there are no such results")
    tell(subject_request_id=found.request_id)
    tell_people(found.people)
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(path, media_type=media_type, filename=name, headers={"Cache-Control": "no-store"})


def _parse_cursor(cursor: str) -> tuple[int, str]:
    """Time of receipt (ms) and id of the request that the page before ended with."""
    if not cursor:
        return 0, ""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid("cursor: expected `cursor.next` of the page before, as it was given")
    return int(found[1]), found[2]


def _entry(services: Services, request: SubjectRequest) -> PrivacyRequestEntry:
    now = services.now()
    overdue = is_open(request) and now > request.due_at
    waits = waiting(request, services.settings.privacy)
    return PrivacyRequestEntry(
        id=request.request_id,
        kind=request.kind,
        regulation=request.regulation,
        state=request.state,
        submitted_at=time_text(request.submitted_at),
        received_at=time_text(request.received_at),
        due_at=time_text(request.due_at),
        overdue=overdue,
        due_soon=is_open(request) and not overdue and now >= escalates_at(request.due_at),
        extended=request.extended,
        ready=is_ready(request, services.settings.privacy),
        waiting=None if waits is None else PrivacyWaiting(time_text(waits.since), waits.work, waits.reason),
        verified_by=request.verified_by or None,
        verified_how=request.verified_how or None,
        namespaces=sorted({identity.namespace for identity in request.identities}),
        results=request.results or None,
        results_count=request.results_count,
        steps=[PrivacyStep(time_text(step.at), step.state, step.note) for step in request.steps],
    )
