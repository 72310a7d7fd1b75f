"""/v1/webhooks: who is told of entries to segments and exits from them, and how that goes."""

import secrets
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from actors.delivery_store import Dead, DeliveryStatus
from actors.errors import Conflict, NotFound
from models.delivery.webhook import SECRET_BYTES, InvalidWebhook, Webhook, entering, make_secret, parse_webhook
from models.privacy.residency import NoTransfer
from serve import segment_registry
from serve.errors import FieldError, InvalidFields
from serve.http_audit import tell
from serve.http_body import read_json
from serve.http_context import Context, Declared, Limit, authorise, respond, respond_withheld
from serve.http_openapi import answers, takes
from serve.http_schemas import Cursor, time_text
from serve.http_segment_schemas import (
    DeliveryLetter,
    DeliveryLettersPage,
    DeliveryReplayAnswer,
    DeliveryReplayRequest,
    WebhookEntry,
    WebhookRequest,
    WebhooksAnswer,
    WebhookTestAnswer,
)
from serve.services import Services

_CALL_S = 15.0

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(WebhooksAnswer, 401, 403, 503), response_class=Response)
async def list_webhooks(context: Context) -> Response:
    """All webhooks, and how deliveries to them go."""
    statuses = {status.webhook_id: status for status in await _ask(context.services, "statuses")}
    webhooks = context.services.control.webhooks().values()
    entries = [_entry(webhook, statuses.get(webhook.id, DeliveryStatus(webhook.id))) for webhook in webhooks]
    return respond(WebhooksAnswer(entries))


@router.post(
    "",
    responses=answers(WebhookEntry, 400, 401, 403, 409, 503),
    openapi_extra=takes(WebhookRequest),
    response_class=Response,
)
async def create_webhook(request: Request, context: Context) -> Response:
    """Creates a webhook; the answer has its secret, which is not shown again. It is told of what happens from now on,
    or with `from_start` of all that has happened."""
    services = context.services
    asked = await read_json(request, dict[str, Any])
    fields = _parse(services, asked)
    start = {} if asked.get("from_start") else {s.shard: s.sequence for s in await services.router.status()}
    webhook = Webhook(**fields, secret=_secret(), created_at=services.now(), start=start)
    services.control.create_webhook(webhook)
    tell(webhook_id=webhook.id)
    return respond(_entry(webhook, DeliveryStatus(webhook.id), webhook.secret))


@router.get("/{webhook_id}", responses=answers(WebhookEntry, 401, 403, 404, 503), response_class=Response)
async def get_webhook(webhook_id: str, context: Context) -> Response:
    """A webhook, and how deliveries to it go."""
    webhook = context.services.control.webhook(webhook_id)
    return respond(_entry(webhook, await _status(context.services, webhook_id)))


@router.put(
    "/{webhook_id}",
    responses=answers(WebhookEntry, 400, 401, 403, 404, 503),
    openapi_extra=takes(WebhookRequest),
    response_class=Response,
)
async def put_webhook(webhook_id: str, request: Request, context: Context) -> Response:
    """Replaces a webhook's address, segments, changes, and whether it is enabled; what is left out is as in a new one.
    One that was off goes on where it was."""
    services = context.services
    services.control.webhook(webhook_id)
    asked = await read_json(request, dict[str, Any])
    fields = _parse(services, {"id": webhook_id, **asked}, webhook_id)
    status = await _status(services, webhook_id)

    def changed(webhook: Webhook) -> Webhook:
        reason = "" if fields["enabled"] else webhook.disabled_because
        return msgspec.structs.replace(webhook, **fields, disabled_because=reason)

    return respond(_entry(services.control.update_webhook(webhook_id, changed), status))


@router.delete("/{webhook_id}", responses=answers(WebhookEntry, 401, 403, 404, 503), response_class=Response)
async def delete_webhook(webhook_id: str, context: Context) -> Response:
    """Deletes a webhook, with what waits for it. Answers with what it was."""
    webhook = context.services.control.webhook(webhook_id)
    context.services.control.delete_webhook(webhook_id)
    return respond(_entry(webhook, DeliveryStatus(webhook_id)))


@router.post(
    "/{webhook_id}/rotate-secret", responses=answers(WebhookEntry, 401, 403, 404, 409, 503), response_class=Response
)
async def rotate_secret(webhook_id: str, context: Context) -> Response:
    """A new secret. For 24 hours messages are signed with the former one too."""
    services = context.services
    services.control.webhook(webhook_id)
    status = await _status(services, webhook_id)  # first: if it fails, the answer with the secret would be lost
    secret = _secret()

    def rotated(webhook: Webhook) -> Webhook:
        try:
            return webhook.rotated(secret, services.now())
        except ValueError as error:
            raise Conflict(f"webhook_id: {error}") from None

    return respond(_entry(services.control.update_webhook(webhook_id, rotated), status, secret))


@router.post("/{webhook_id}/test", responses=answers(WebhookTestAnswer, 401, 403, 404, 503), response_class=Response)
async def test_webhook(webhook_id: str, context: Context) -> Response:
    """Sends a message of the type onefold.test now, and tells what came of it."""
    timeout_s = context.services.settings.webhooks.timeout_s + _CALL_S
    status, error = await _ask(context.services, "test", webhook_id, timeout_s=timeout_s)
    return respond(WebhookTestAnswer(status, error))


@router.get(
    "/{webhook_id}/dead-letters",
    responses=answers(DeliveryLettersPage, 400, 401, 403, 404, 503),
    response_class=Response,
)
async def list_dead_letters(
    webhook_id: str,
    context: Context,
    purpose: Declared,
    limit: Limit = 100,
    cursor: Annotated[str, Query(description="`cursor.next` of the page before")] = "",
) -> Response:
    """Messages that were given up after all tries, or that the receiver refused; of entries those that may be told now,
    for the webhook's purpose if none is declared."""
    webhook = context.services.control.webhook(webhook_id)
    letters: list[Dead] = await _ask(context.services, "dead_letters", webhook_id, limit + 1, cursor)
    page = letters[:limit]
    has_more = len(letters) > limit
    following = Cursor(page[-1].message_id if has_more else "", has_more, limit)
    entered = {letter.message_id: entry for letter in page if (entry := entering(letter.body)) is not None}
    told = await context.basis.entries(set(entered.values()), purpose or webhook.purpose)
    shown = [x for x in page if x.message_id not in entered or entered[x.message_id] in told]
    entries = [
        DeliveryLetter(letter.message_id, time_text(letter.at), letter.error, msgspec.json.decode(letter.body))
        for letter in shown
    ]
    return respond_withheld(DeliveryLettersPage(entries, following), {"entries": len(page) - len(shown)})


@router.post(
    "/{webhook_id}/dead-letters/replay",
    responses=answers(DeliveryReplayAnswer, 400, 401, 403, 404, 503),
    openapi_extra=takes(DeliveryReplayRequest),
    response_class=Response,
)
async def replay_dead_letters(webhook_id: str, request: Request, context: Context) -> Response:
    """Tries messages that were given up again: some by id, or all."""
    context.services.control.webhook(webhook_id)
    asked = await read_json(request, DeliveryReplayRequest)
    return respond(DeliveryReplayAnswer(await _ask(context.services, "replay", webhook_id, asked.ids)))


def _parse(services: Services, asked: dict[str, Any], of: str = "") -> dict[str, Any]:
    """The fields that operators set, of a new webhook or the one with the id `of`. Raises InvalidFields."""
    try:
        fields = parse_webhook(asked, is_new=not of)
    except InvalidWebhook as error:
        problems = [FieldError(field, message) for field, message in error.problems]
        raise InvalidFields(f"the webhook cannot be used: {error}", problems) from None
    if of and fields["id"] != of:
        problem = FieldError("id", "expected that of the path, or none: it cannot be changed")
        raise InvalidFields(f"the webhook cannot be used: {problem.field}: {problem.message}", [problem])
    purpose, purposes = fields["purpose"], services.settings.privacy.purposes
    if purpose and purpose not in purposes.known:
        known = ", ".join(purposes.known) or "none: the registry is empty"
        problem = FieldError("purpose", f"expected a purpose of the registry ({known})")
        raise InvalidFields(f"the webhook cannot be used: {problem.field}: {problem.message}", [problem])
    try:
        services.settings.residency.crossing(fields["region"])
    except NoTransfer as missing:
        problem = FieldError("region", f"expected one that data may go to: nothing permits {missing.rule}")
        raise InvalidFields(f"the webhook cannot be used: {problem.field}: {problem.message}", [problem]) from None
    for place, segment_id in enumerate(fields["segments"]):
        try:
            segment_registry.definition_of(services, segment_id)
        except NotFound:
            problem = FieldError(f"segments[{place}]", "expected the id of a segment that exists")
            raise InvalidFields(f"the webhook cannot be used: {problem.field}: {problem.message}", [problem]) from None
    return fields


def _secret() -> str:
    return make_secret(secrets.token_bytes(SECRET_BYTES))


async def _ask(services: Services, method: str, *arguments: Any, timeout_s: float = _CALL_S) -> Any:
    """What the deliverer answers. Raises Unavailable, and what its method raises."""
    return await services.deliveries.call(0, method, *arguments, timeout_s=timeout_s, attempt_s=timeout_s)


async def _status(services: Services, webhook_id: str) -> DeliveryStatus:
    found: list[DeliveryStatus] = await _ask(services, "statuses", webhook_id)
    return found[0] if found else DeliveryStatus(webhook_id)


def _entry(webhook: Webhook, status: DeliveryStatus, secret: str = "") -> WebhookEntry:  # nosec B107
    return WebhookEntry(
        id=webhook.id,
        url=webhook.url,
        segments=webhook.segments,
        changes=webhook.changes,
        enabled=webhook.enabled,
        purpose=webhook.purpose,
        automated_decision=webhook.automated_decision,
        region=webhook.region,
        disabled_because=webhook.disabled_because,
        created_at=time_text(webhook.created_at),
        delivered=status.delivered,
        failed=status.failed,
        retried=status.retried,
        dead_lettered=status.dead_lettered,
        waiting=status.waiting,
        dead=status.dead,
        behind=status.behind,
        late_ms=status.late_ms,
        last_success_at=time_text(status.last_success) if status.last_success else None,
        last_error=status.last_error,
        last_error_at=time_text(status.last_error_at) if status.last_error_at else None,
        secret=secret or None,
    )
