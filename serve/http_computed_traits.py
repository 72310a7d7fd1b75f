"""/v1/computed-traits: values made from what people do, for criteria."""

from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from models.segments.criteria import ComputedTrait
from serve import segment_registry
from serve.http_audit import tell
from serve.http_body import read_json
from serve.http_context import Context, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_schemas import time_text
from serve.http_segment_schemas import ComputedTraitEntry, ComputedTraitRequest, ComputedTraitsAnswer

router = APIRouter(prefix="/v1/computed-traits", tags=["segments"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(ComputedTraitsAnswer, 401, 403), response_class=Response)
async def list_computed_traits(context: Context) -> Response:
    """All computed traits."""
    stored = context.services.control.computed_traits().values()
    return respond(ComputedTraitsAnswer([_entry(msgspec.convert(each, ComputedTrait)) for each in stored]))


@router.post(
    "",
    responses=answers(ComputedTraitEntry, 400, 401, 403, 503),
    openapi_extra=takes(ComputedTraitRequest),
    response_class=Response,
)
async def put_computed_trait(request: Request, context: Context) -> Response:
    """Creates a computed trait, or replaces the one with the same id; segments that refer to it are evaluated anew."""
    asked = await read_json(request, dict[str, Any])
    trait = await segment_registry.put_computed_trait(context.services, asked)
    tell(trait_id=trait.id)
    return respond(_entry(trait))


@router.get("/{trait_id}", responses=answers(ComputedTraitEntry, 401, 403, 404), response_class=Response)
async def get_computed_trait(trait_id: str, context: Context) -> Response:
    """One computed trait."""
    return respond(_entry(segment_registry.computed_trait_of(context.services, trait_id)))


@router.delete("/{trait_id}", responses=answers(ComputedTraitEntry, 401, 403, 404, 409), response_class=Response)
async def delete_computed_trait(trait_id: str, context: Context) -> Response:
    """Deletes a computed trait to which no segment refers. Answers with what it was."""
    return respond(_entry(segment_registry.delete_computed_trait(context.services, trait_id)))


def _entry(trait: ComputedTrait) -> ComputedTraitEntry:
    return ComputedTraitEntry(
        trait.id, trait.name, trait.description, trait.expression, trait.version, time_text(trait.created_at)
    )
