"""/v2: requests of data subjects as OpenDSR 2.0 has them. Every answer is signed, refusals too."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from actors.errors import Conflict, OnefoldError
from models.events.limits import Limits
from models.events.outcome import WireError
from models.privacy import open_dsr_documents as documents
from models.privacy.open_dsr import BODY_BYTES_MAX, InvalidRequest, Receiver, parse_request
from models.privacy.open_dsr_documents import OpenDsrErrorDetail
from models.privacy.requests import SubjectRequest, advanced
from serve.addresses import processor_of
from serve.errors import http_headers, http_status
from serve.http_audit import tell
from serve.http_body import read_body
from serve.http_context import Caller, Context, authorise
from serve.http_openapi import answers, takes
from serve.http_privacy_schemas import (
    OpenDsrCancellation,
    OpenDsrDiscovery,
    OpenDsrError,
    OpenDsrReceipt,
    OpenDsrRequest,
    OpenDsrStatus,
)
from serve.request_context import RequestContext
from serve.services import Services

_LIMITS = Limits(batch_bytes_max=BODY_BYTES_MAX, rudderstack_batch_bytes_max=BODY_BYTES_MAX)
_ERROR = OpenDsrError.__name__
_COUNTED = (401, 403, 413)


class OpenDsrRoute(APIRoute):
    """A route whose answers, refusals too, have OpenDSR's form and are signed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with that around it."""
        handle = super().get_route_handler()

        async def signed(request: Request) -> Response:
            context: RequestContext = request.app.state.context
            services = context.services
            try:
                response = await handle(request)
            except (OnefoldError, WireError, InvalidRequest) as error:
                response = _refused(services, error)
            domain = processor_of(services.settings).domain
            headers = await asyncio.to_thread(lambda: services.signer().headers(domain, bytes(response.body)))
            response.headers.update({**headers, "Cache-Control": "no-store"})
            return response

        return signed


router = APIRouter(prefix="/v2", tags=["data subjects"], dependencies=[Depends(authorise)], route_class=OpenDsrRoute)


@router.get("/discovery", responses=answers(OpenDsrDiscovery, 401, 403, 503, error=_ERROR), response_class=Response)
async def discover(context: Context) -> Response:
    """Which requests and identities are supported, and where the certificate of the signatures is."""
    return _respond(documents.discovery(processor_of(context.services.settings)))


@router.get(
    "/certificate",
    responses={200: {"description": "PEM", "content": {"application/x-pem-file": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def get_certificate(context: Context) -> Response:
    """The certificate that answers and callbacks are signed with, X.509 as PEM."""
    signer = await asyncio.to_thread(context.services.signer)
    return Response(signer.certificate, media_type="application/x-pem-file")


@router.post(
    "/requests",
    status_code=201,
    responses=answers(OpenDsrReceipt, 400, 401, 403, 413, 503, status=201, error=_ERROR),
    openapi_extra=takes(OpenDsrRequest),
    response_class=Response,
)
async def create_request(request: Request, context: Context, caller: Caller) -> Response:
    """Takes a request; it is on disk when the answer comes. The same request may be sent again."""
    services = context.services
    processor = processor_of(services.settings)
    receiver = Receiver(
        domain=processor.domain,
        received_at=services.now(),
        actor=caller.key_id,
        loopback_callbacks=services.settings.webhooks.allow_private_addresses,
    )
    asked = parse_request(await read_body(request, _LIMITS), context.intake.normaliser, receiver)
    taken = await asyncio.to_thread(services.privacy.add, asked, _callback_of(services))
    tell(subject_request_id=taken.request_id)
    # Of a completed erasure nothing that it said is kept: the answer repeats what was just sent.
    answered = msgspec.structs.replace(taken, encoded=taken.encoded or asked.encoded)
    body = await asyncio.to_thread(lambda: documents.receipt(answered, processor, services.signer().sign))
    return _respond(body, 201)


@router.get(
    "/requests/{subject_request_id}",
    responses=answers(OpenDsrStatus, 401, 403, 404, 503, error=_ERROR),
    response_class=Response,
)
async def get_request(subject_request_id: str, context: Context) -> Response:
    """How far a request is, and where its results are."""
    services = context.services
    found = await asyncio.to_thread(services.privacy.request, subject_request_id)
    tell(subject_request_id=found.request_id)
    return _respond(documents.status(found, processor_of(services.settings)))


@router.delete(
    "/requests/{subject_request_id}",
    status_code=202,
    responses=answers(OpenDsrCancellation, 400, 401, 403, 404, 503, status=202, error=_ERROR),
    response_class=Response,
)
async def cancel_request(subject_request_id: str, context: Context) -> Response:
    """Cancels a request, while it is pending."""
    services = context.services
    now = services.now()

    def cancelled(request: SubjectRequest) -> SubjectRequest:
        if request.state != "pending":
            raise Conflict(
                f"subject_request_id: the request is {request.state}, and only a pending one can be cancelled"
            )
        return advanced(request, "cancelled", now)

    done = await asyncio.to_thread(services.privacy.change, subject_request_id, cancelled, _callback_of(services))
    tell(subject_request_id=done.request_id)
    processor = processor_of(services.settings)
    body = await asyncio.to_thread(
        lambda: documents.cancellation(done.request_id, now, processor, services.signer().sign)
    )
    return _respond(body, 202)


def _callback_of(services: Services) -> Callable[[SubjectRequest], bytes]:
    """What callbacks are told of a request."""
    processor = processor_of(services.settings)
    return lambda request: documents.callback(request, processor)


def _respond(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _refused(services: Services, error: OnefoldError | WireError | InvalidRequest) -> Response:
    """Any refusal, in OpenDSR's form. What contradicts a request that is there is 400, as its specification wants."""
    if isinstance(error, InvalidRequest):
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        message = f"the request cannot be taken: {error.problems[0].message}{more}"
        return _respond(documents.refusal(400, message, error.problems), 400)
    if isinstance(error, WireError):
        status, headers = int(error.status), {}
    else:
        status = 400 if isinstance(error, Conflict) else http_status(error)
        headers = http_headers(error)
    if status in _COUNTED:
        services.metrics.count("onefold_refusals", code=error.code)
    detail = OpenDsrErrorDetail("Authentication" if status in (401, 403) else "Request", error.code, error.message)
    return _respond(documents.refusal(status, error.message, [detail]), status, headers)
