"""/v1/identity: what resolution would do, and an operator's word on who is one person and who is not."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from models.identity.customer_id import to_text
from serve.http_body import read_json
from serve.http_context import Caller, Context, authorise, respond
from serve.http_ingest import message_result
from serve.http_openapi import answers, takes
from serve.http_schemas import (
    MergeRequest,
    MessageResult,
    ResolveAnswer,
    ResolveRequest,
    UnmergeAnswer,
    UnmergeRequest,
)

router = APIRouter(prefix="/v1/identity", tags=["identity"], dependencies=[Depends(authorise)])


@router.post(
    "/resolve",
    responses=answers(ResolveAnswer, 400, 401, 403, 503),
    openapi_extra=takes(ResolveRequest),
    response_class=Response,
)
async def resolve(request: Request, context: Context) -> Response:
    """What an event with these identifiers would do. Changes nothing."""
    asked = await read_json(request, ResolveRequest)
    keys = [context.parse_key(key, f"identifiers[{index}]") for index, key in enumerate(asked.identifiers)]
    found = await context.services.router.resolve(keys)
    return respond(
        ResolveAnswer(
            customer_id=to_text(found.customer_id) if found.customer_id else None,
            created=found.created,
            confidence=found.confidence,
            methods=found.methods,
            merges=[to_text(customer_id) for customer_id in found.merges],
            demoted_identifiers=found.demoted_identifiers,
        )
    )


@router.post(
    "/merge",
    responses=answers(MessageResult, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(MergeRequest),
    response_class=Response,
)
async def merge(request: Request, context: Context, caller: Caller) -> Response:
    """States that two keys are one person."""
    asked = await read_json(request, MergeRequest)
    services = context.services
    left, right = context.parse_key(asked.left, "left"), context.parse_key(asked.right, "right")
    return respond(message_result(0, await services.router.merge(left, right, caller.source_id, services.now())))


@router.post(
    "/unmerge",
    responses=answers(UnmergeAnswer, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(UnmergeRequest),
    response_class=Response,
)
async def unmerge(request: Request, context: Context) -> Response:
    """Takes a merge back: each side gets its own history again, and later events go by the identifier they carried."""
    asked = await read_json(request, UnmergeRequest)
    winner, restored = await context.services.router.unmerge(asked.merge_id, context.services.now())
    return respond(UnmergeAnswer(to_text(winner), to_text(restored)))
