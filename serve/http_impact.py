"""/v1/segments/{segment_id}/impact: what treating a segment's people brought, measured against its holdout."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from actors.errors import Invalid
from models.impact.drawing_impact_svg import impact_svg
from models.impact.holdout_outcomes import Measure, Outcome
from models.impact.holdout_report import impact_report, text, withheld_report
from models.privacy.visibility import serves
from models.segments.times import parse_duration
from serve import segment_registry
from serve.http_context import Caller, Context, authorise, respond
from serve.http_drawings import Form, respond_drawn
from serve.http_openapi import drawn_answers
from serve.http_schemas import time_text
from serve.http_segment_schemas import ImpactReport
from serve.request_context import RequestContext
from serve.segment_analysis import Suppression, past

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])


@router.get(
    "/{segment_id}/impact", responses=drawn_answers(ImpactReport, 400, 401, 403, 404, 503), response_class=Response
)
async def get_impact(
    segment_id: str,
    context: Context,
    caller: Caller,
    form: Form = "json",
    outcome: Annotated[Outcome, Query(description="what is measured of a person")] = "revenue",
    event: Annotated[str, Query(description="name of the event, for the outcome event")] = "",
    currency: Annotated[str, Query(description="of revenue; without it, the one that most people spent in")] = "",
    since: Annotated[str, Query(alias="from", description="ISO 8601; without it, the first that was held out")] = "",
    within: Annotated[str, Query(description="how long after entering it counts: a duration")] = "30d",
) -> Response:
    """What people brought after they entered the segment, those who were held out beside the others. The interval may
    be looked at any time."""
    services = context.services
    definition = segment_registry.definition_of(services, segment_id)
    length = parse_duration(within)
    if not length:
        raise Invalid('within: expected a duration such as "30d"')
    try:
        measure = Measure(outcome=outcome, event=event, within=length)
    except ValueError as error:
        raise Invalid(str(error)) from None
    purpose = context.purpose_of("", segment_id)
    _check_served(context, measure, purpose)
    start = past(services, since) if since else await services.router.holdout_start(segment_id)
    if not start:
        raise Invalid("from: nobody was held out yet; set a holdout (percent) on the segment, and people enter it")
    sums = await services.router.segment_impact(segment_id, start, measure, purpose)
    report = impact_report(segment_id, measure, sums, currency.upper(), time_text(start), definition.holdout)
    suppression = Suppression(services, caller)
    bringing = sums.bringing(report.unit if outcome == "revenue" else "")
    told = [suppression.count(people) for people in (*sums.people, sums.waiting)]
    told += [suppression.part(some, people) for some, people in zip(bringing, sums.people, strict=True)]
    if None in told:  # the total of one person is what that person brought
        report = withheld_report(report)
    report = msgspec.structs.replace(report, withheld=suppression.count(sums.withheld))
    if form == "json":
        return respond(msgspec.to_builtins(report))
    return respond_drawn(text(report) if form == "text" else impact_svg(report), form)


def _check_served(context: RequestContext, measure: Measure, purpose: str) -> None:
    """Raises Invalid if the outcome may not be used for the segment's purpose."""
    if measure.event:
        served = serves(context.purposes, purpose, "events", measure.event)
    else:
        served = serves(context.purposes, purpose, "sections", "transactions")
    if not served:
        raise Invalid(f"outcome: it does not serve the segment's purpose, {purpose}")
