"""What people have agreed to, as operators state it and as the ledger tells it: docs/purposes.md."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from actors.errors import Invalid
from models.events.clock import parse_time
from models.identity.customer_id import shard_of, to_text
from models.privacy.ledger import ConsentRecord, held_at
from models.privacy.purposes import SPECIAL
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Caller, Context, Limit, PageCursor, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_pages import page
from serve.http_privacy_schemas import ConsentEntry, ConsentsRequest, LedgerPage
from serve.http_schemas import Cursor, time_text

router = APIRouter(prefix="/v1/profiles", tags=["privacy"], dependencies=[Depends(authorise)])
Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]


@router.post(
    "/{key:path}/consents",
    responses=answers(LedgerPage, 400, 401, 403, 404, 503),
    openapi_extra=takes(ConsentsRequest),
    response_class=Response,
)
async def state_consents(key: Key, request: Request, caller: Caller, context: Context) -> Response:
    """States what a person has agreed to, refused or objected to. Answers with the receipts of what has changed."""
    asked = await read_json(request, ConsentsRequest)
    services = context.services
    known = services.settings.privacy.purposes
    for name in asked.decisions:
        if name.startswith("!") and name not in SPECIAL:
            raise Invalid(f"decisions: names with ! are {', '.join(SPECIAL)}")
        if known.is_on and not name.startswith("!") and name not in known.known:
            raise Invalid(f"decisions: expected purposes of the registry, {', '.join(known.known)}")
    normal = context.parse_key(key)
    before = len(await services.router.consents(normal))
    consent = {
        "decisions": asked.decisions,
        "noticeVersion": asked.notice_version,
        "jurisdiction": asked.jurisdiction,
        "reason": asked.reason,
    }
    result = await services.router.state_consents(normal, consent, caller.source_id, services.now())
    tell_people([result.customer_id])
    records = await services.router.consents(normal)
    made = sorted(records, key=lambda record: (record.recorded_at, record.sequence))[before:]
    return respond(LedgerPage([consent_entry(record) for record in made], Cursor("", False, len(made))))


@router.get("/{key:path}/ledger", responses=answers(LedgerPage, 400, 401, 403, 404, 503), response_class=Response)
async def get_ledger(
    key: Key,
    context: Context,
    at: Annotated[str, Query(description="a time, ISO 8601: what held then")] = "",
    limit: Limit = 100,
    cursor: PageCursor = "",
) -> Response:
    """Every answer that the person has given; with `at`, those that held at that time."""
    moment = parse_time(at) if at else None
    if at and moment is None:
        raise Invalid("at: expected a time, ISO 8601")
    records = await context.services.router.consents(context.parse_key(key))
    tell_people(dict.fromkeys(record.customer_id for record in records))
    if moment is not None:
        records = [held for _, held in sorted(held_at(records, moment).items())]
    found, following = page(records, lambda record: f"{record.at:020d} {record.sequence:020d}", limit, cursor)
    return respond(LedgerPage([consent_entry(record) for record in found], following))


def consent_entry(record: ConsentRecord) -> ConsentEntry:
    """An answer as it is shown."""
    return ConsentEntry(
        receipt_id=f"rcpt_{shard_of(record.customer_id)}_{record.sequence}",
        customer_id=to_text(record.customer_id),
        purpose=record.purpose,
        granted=record.granted,
        given_at=time_text(record.at),
        recorded_at=time_text(record.recorded_at),
        source=record.source,
        methods=record.methods,
        basis=record.basis,
        jurisdiction=record.jurisdiction,
        notice_version=record.notice,
        signals=record.raw,
        message_id=record.message_id,
        reason=record.reason,
    )
