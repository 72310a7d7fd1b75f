"""/v1/profiles/{key}/decide: what to do for a person at a decision point, logged before it is told."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from actors.automated_decisions import AutomatedDecisions
from actors.errors import NotFound
from models.identity.customer_id import to_text
from models.privacy.decisions import DecisionRecord
from models.privacy.visibility import may_read
from models.scoring.deciding import uniform_of
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import Context, Purpose, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_schemas import DecideAnswer, DecideRequest, time_text

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
    services, decisions = context.services, context.insights.decisions
    decisions.point(asked.decision)
    profile = await services.reads.get(context.parse_key(key))
    if profile is None:
        raise NotFound("key: nobody has this identifier")
    now = services.now()
    if not may_read(profile, context.purposes, purpose, now):
        raise NotFound(f"key: nothing is told of this person: the purpose {purpose} has no basis for them")
    tell_people([profile.customer_id])
    tell(decision=asked.decision)
    decision_id = asked.decision_id or services.new_id()
    uniform = uniform_of(services.new_id())
    record = await AutomatedDecisions(services.router, services.now).decide(
        profile,
        asked.decision,
        decision_id,
        purpose,
        partial(decisions.choose, asked.decision, profile, purpose, now, uniform),
        is_new=not asked.decision_id,
    )
    return respond(_answer(record, asked.decision, decisions.point(asked.decision).unit))


def _answer(record: DecisionRecord, decision: str, unit: str) -> DecideAnswer:
    return DecideAnswer(
        customer_id=to_text(record.customer_id),
        decision=decision,
        decision_id=record.cause,
        record_id=record.record_id,
        decided=record.decided,
        at=time_text(record.at),
        action=record.action or None,
        propensity=record.propensities.get(record.action),
        propensities=record.propensities,
        expected=record.expected,
        unit=unit,
        model=record.model or None,
        personal=record.personal,
    )
