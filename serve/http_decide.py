"""/v1/profiles/{key}/decide: what to do for a person at a decision point, logged before it is told."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from models.identity.customer_id import from_text
from serve.choices import chosen_for, decide_for
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import Context, Purpose, authorise, respond_withheld
from serve.http_openapi import answers, takes
from serve.http_schemas import DecideAnswer, DecideRequest

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], dependencies=[Depends(authorise)])
Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]


@router.post(
    "/{key:path}/decide",
    responses=answers(DecideAnswer, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(DecideRequest),
    response_class=Response,
)
async def decide(key: Key, request: Request, context: Context, purpose: Purpose) -> Response:
    """Chooses what to do for a person, by the decision point's champion or, while it has none, by chance; a share is
    always left to chance. It is in the log of decisions when this answers. Asked again with the same `decision_id`, the
    answer is the one that was logged. For who has opted out of automated decisions there is no action."""
    asked = await read_json(request, DecideRequest)
    context.insights.decisions.point(asked.decision)
    identifier = context.parse_key(key)
    profile = await chosen_for(context, identifier, purpose)
    tell_people([profile.customer_id])
    tell(decision=asked.decision)
    answer, withheld = await decide_for(context, identifier, profile, asked, purpose)
    tell_people({from_text(answer.customer_id)} - {profile.customer_id})
    return respond_withheld(answer, withheld)
