"""/v1/profiles/{key}/rank: products or offers in the order that suits a person."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from serve.choices import chosen_for, rank_for
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Context, Purpose, authorise, respond_withheld
from serve.http_openapi import answers, takes
from serve.http_schemas import RankAnswer, RankRequest

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], dependencies=[Depends(authorise)])
Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]


@router.post(
    "/{key:path}/rank",
    responses=answers(RankAnswer, 400, 401, 403, 404, 503),
    openapi_extra=takes(RankRequest),
    response_class=Response,
)
async def rank_items(key: Key, request: Request, context: Context, purpose: Purpose) -> Response:
    """The items, best first, by what the person buys and by popularity. By popularity alone for somebody whose
    purchases do not serve the purpose, or who has opted out of automated decisions."""
    asked = await read_json(request, RankRequest)
    profile = await chosen_for(context, context.parse_key(key), purpose)
    tell_people([profile.customer_id])
    return respond_withheld(*rank_for(context, profile, asked, purpose))
