"""/v1/decisions/{decision}/impact: what decisions brought, and would have brought if they had been taken otherwise."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from models.impact.drawing_policies_svg import policies_svg
from models.impact.policy_report import policy_text, withheld_policies
from serve.decision_models import standing_versions
from serve.http_context import Caller, Context, authorise, respond
from serve.http_drawings import Form, respond_drawn
from serve.http_model_schemas import PolicyReport
from serve.http_openapi import drawn_answers
from serve.policy_work import HTTP_DECISIONS_MAX, PolicyQuestion
from serve.segment_analysis import Suppression, past

router = APIRouter(prefix="/v1/decisions", tags=["profiles"], dependencies=[Depends(authorise)])


@router.get(
    "/{decision}/impact",
    responses=drawn_answers(PolicyReport, 400, 401, 403, 404, 409, 503),
    response_class=Response,
)
async def get_policies(
    decision: str,
    context: Context,
    caller: Caller,
    form: Form = "json",
    since: Annotated[str, Query(alias="from", description="ISO 8601; without it, all decisions")] = "",
    until: Annotated[str, Query(alias="to", description="ISO 8601: decisions before then; without it, now")] = "",
) -> Response:
    """What a decision brought as it was taken, and would have brought if each had been the same, or the champion's,
    told from the log of decisions. For one look: the intervals are not for looking every day."""
    services = context.services
    context.insights.decisions.point(decision)
    now = services.now()
    found = await context.policy_reports.make(
        PolicyQuestion(
            settings=services.settings,
            decision=decision,
            since=past(services, since) if since else 0,
            until=past(services, until) if until else now,
            now=now,
            versions=standing_versions(services.control, decision),
            decisions_max=HTTP_DECISIONS_MAX,
        )
    )
    counts = [found.decisions, found.people, *found.taken.values()]
    counts += [found.waiting, found.withheld, found.retired, found.left_out]
    suppression = Suppression(services, caller)
    if any(suppression.count(count or 0) is None for count in counts):
        found = withheld_policies(found)
    if form == "json":
        return respond(found)
    return respond_drawn(policy_text(found) if form == "text" else policies_svg(found), form)
