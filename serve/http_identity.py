"""/v1/identity: what resolution would do and why, and an operator's word on who is one person and who is not."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import Caller, Context, Purpose, authorise, respond, respond_withheld, with_withheld
from serve.http_drawings import Form, respond_drawn
from serve.http_identity_schemas import MergeRequest, ResolveAnswer, ResolveRequest, UnmergeAnswer, UnmergeRequest
from serve.http_ingest import message_result
from serve.http_openapi import answers, drawn_answers, takes
from serve.http_schemas import MessageResult
from serve.identity_entries import resolve_answer
from serve.identity_reads import draw_evidence, people_of
from serve.purpose_reads import dry_run_for, explanation_for, merge_evidence_for

router = APIRouter(prefix="/v1/identity", tags=["identity"], dependencies=[Depends(authorise)])


@router.post(
    "/resolve",
    responses=answers(ResolveAnswer, 400, 401, 403, 503),
    openapi_extra=takes(ResolveRequest),
    response_class=Response,
)
async def resolve(request: Request, context: Context, purpose: Purpose) -> Response:
    """What an event with these identifiers would do; with traits, also whom they resemble. Changes nothing."""
    asked = await read_json(request, ResolveRequest)
    keys = [context.parse_key(key, f"identifiers[{index}]") for index, key in enumerate(asked.identifiers)]
    traits = None if asked.traits is UNSET else asked.traits
    exact, found, withheld = await dry_run_for(context, keys, traits, purpose)
    tell_people(people_of(exact, found))
    return respond_withheld(resolve_answer(exact, found), withheld)


@router.get("/explain", responses=drawn_answers(Explanation, 400, 401, 403, 404, 409, 503), response_class=Response)
async def get_explanation(
    context: Context,
    purpose: Purpose,
    left: Annotated[str, Query(description="key of a person", examples=["email:jane@example.com"])],
    right: Annotated[str, Query(description="key of another", examples=["user_id:u1"])],
    form: Form = "json",
) -> Response:
    """Why two people are (not) one, as they are now: the weight of each field, and what they add up to."""
    keys = context.parse_key(left, "left"), context.parse_key(right, "right")
    explanation, people, withheld = await explanation_for(context, *keys, purpose)
    tell_people(people)
    return with_withheld(_evidence(explanation, form), withheld)


@router.get(
    "/merges/{merge_id}/evidence",
    responses=drawn_answers(Explanation, 400, 401, 403, 404, 503),
    response_class=Response,
)
async def get_merge_evidence(merge_id: str, context: Context, purpose: Purpose, form: Form = "json") -> Response:
    """What a merge was made on, as it was compared then. 404 if it was made without evidence by field."""
    explanation, people, withheld = await merge_evidence_for(context, merge_id, purpose)
    tell_people(people)
    return with_withheld(_evidence(explanation, form), withheld)


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
    result = await services.router.merge(left, right, caller.source_id, services.now())
    tell_people([result.customer_id, *result.merged])
    return respond(message_result(0, result))


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
    tell(merge_id=asked.merge_id)
    tell_people([winner, restored])
    return respond(UnmergeAnswer(to_text(winner), to_text(restored)))


def _evidence(explanation: Explanation, form: Form) -> Response:
    if form == "json":
        return respond(explanation)
    return respond_drawn(draw_evidence(explanation, form), form)
