"""/v1/profiles/{key}/rank: products or offers in the order that suits a person."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.privacy.purposes import NO_AUTOMATED_DECISIONS
from models.privacy.visibility import may_read, serves
from models.scoring.ranking import Item, rank
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Context, Purpose, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_schemas import RankAnswer, RankedItem, RankRequest

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
    if len({item.id for item in asked.items}) < len(asked.items):
        raise Invalid("items: expected each id once")
    profile = await context.services.reads.get(context.parse_key(key))
    if profile is None:
        raise NotFound("key: nobody has this identifier")
    purposes, now = context.purposes, context.services.now()
    if not may_read(profile, purposes, purpose, now):
        raise NotFound(f"key: nothing is told of this person: the purpose {purpose} has no basis for them")
    tell_people([profile.customer_id])
    told = profile.consents.get(NO_AUTOMATED_DECISIONS)
    personal = told is None or told.value is not True
    for section in ("transactions", "insights"):
        personal &= serves(purposes, purpose, "sections", section)
    items = [Item(each.id, each.category, each.popularity, each.margin) for each in asked.items]
    learned = context.insights.learned.affinity
    found = rank(items, profile if personal else None, now, learned)
    ranked = [RankedItem(*each) for each in found]
    version = None if learned is None else learned.version
    return respond(RankAnswer(to_text(profile.customer_id), personal, ranked, version))
