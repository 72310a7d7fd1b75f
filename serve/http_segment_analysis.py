"""/v1/segments: what their members are like, how they grew, whom they share, and why somebody is in one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from models.segments.schema import COMPUTED_TRAIT_SCHEMA, CRITERIA_SCHEMA
from serve import segment_analysis
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Caller, Context, Purpose, authorise, respond, respond_withheld
from serve.http_openapi import answers, takes
from serve.http_schemas import time_text
from serve.http_segment_schemas import (
    AnalyticsAnswer,
    BacktestAnswer,
    BacktestRequest,
    HistoryAnswer,
    HistoryEntry,
    OverlapAnswer,
    SchemasAnswer,
    SizeEntry,
    WhyAnswer,
)
from serve.segment_analysis import Suppression

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[Depends(authorise)])

From = Annotated[str, Query(alias="from", description="ISO 8601; without it, 30 days before `to`")]
To = Annotated[str, Query(description="ISO 8601; without it, now")]


@router.get("/schema", responses=answers(SchemasAnswer, 401, 403), response_class=Response)
async def get_schemas() -> Response:
    """JSON Schemas of criteria and computed traits, for editors and generators."""
    return respond(SchemasAnswer(CRITERIA_SCHEMA, COMPUTED_TRAIT_SCHEMA))


@router.get("/overlap", responses=answers(OverlapAnswer, 400, 401, 403, 404, 503), response_class=Response)
async def get_overlap(
    context: Context,
    caller: Caller,
    segments: Annotated[str, Query(description="ids, with commas between them")],
) -> Response:
    """How many are in both of each two segments."""
    ids = [segment_id for segment_id in segments.split(",") if segment_id]
    suppression = Suppression(context.services, caller)
    members = await segment_analysis.overlap(context.services, ids)
    return respond(OverlapAnswer(ids, [[suppression.count(count) for count in row] for row in members]))


@router.post(
    "/backtest",
    responses=answers(BacktestAnswer, 400, 401, 403, 503),
    openapi_extra=takes(BacktestRequest),
    response_class=Response,
)
async def backtest(request: Request, context: Context, caller: Caller) -> Response:
    """How many would have met criteria on each of the past days."""
    asked = await read_json(request, BacktestRequest)
    suppression = Suppression(context.services, caller)
    sizes = await segment_analysis.backtest(context.services, asked.criteria, asked.days)
    return respond(BacktestAnswer([SizeEntry(time_text(at), suppression.count(members)) for at, members in sizes]))


@router.get("/{segment_id}/history", responses=answers(HistoryAnswer, 400, 401, 403, 404, 503), response_class=Response)
async def get_history(
    segment_id: str,
    context: Context,
    caller: Caller,
    since: From = "",
    to: To = "",
    step: Annotated[str, Query(description='a duration: "1d", "1h"')] = "1d",
) -> Response:
    """The segment's size over time, and its growth."""
    start, end = segment_analysis.moments(context.services, since, to, 30)
    steps = await segment_analysis.history(context.services, segment_id, start, end, step)
    suppression = Suppression(context.services, caller)
    sizes = [each["members"] for each in steps]
    entries = [
        HistoryEntry(
            each["at"], suppression.count(size), *suppression.flow(before, size, each["entered"], each["left"])
        )
        for each, before, size in zip(steps, [sizes[0], *sizes], sizes, strict=False)
    ]
    first, last = entries[0].members, entries[-1].members
    return respond(HistoryAnswer(segment_id, entries, round((last - first) / first, 4) if first and last else None))


@router.get(
    "/{segment_id}/analytics", responses=answers(AnalyticsAnswer, 400, 401, 403, 404, 503), response_class=Response
)
async def get_analytics(
    segment_id: str,
    context: Context,
    caller: Caller,
    since: From = "",
    to: To = "",
    conversion: Annotated[str, Query(description="name of the event that is a conversion")] = "",
    within: Annotated[str, Query(description="how long after entering it counts: a duration")] = "7d",
) -> Response:
    """Who the members are, what they do, what they are worth, how the segment grows, and how many convert."""
    start, end = segment_analysis.moments(context.services, since, to, 30)
    found = await segment_analysis.analytics(context.services, segment_id, start, end, conversion, within)
    suppression = Suppression(context.services, caller)
    found |= {"growth": _told_growth(found["growth"], suppression)}
    found |= {"held_out": suppression.part(found["held_out"], found["members"])}
    if suppression.count(found["members"]) is None:
        empty: dict[str, object] = {key: {} for key in _SECTIONS}
        found = {**found, **empty, "members": None, "held_out": None}
    return respond(AnalyticsAnswer(**found))


@router.get("/{segment_id}/why", responses=answers(WhyAnswer, 400, 401, 403, 404, 503), response_class=Response)
async def get_why(
    segment_id: str,
    context: Context,
    purpose: Purpose,
    key: Annotated[str, Query(description="namespace:value, or a customer id")],
) -> Response:
    """Why somebody is in the segment, or is not: each clause with what was found and the events behind it, or
    `withheld`."""
    found, customer_id, withheld = await segment_analysis.why(context, segment_id, context.parse_key(key), purpose)
    tell_people([customer_id])
    return respond_withheld(WhyAnswer(**found), withheld)


def _told_growth(growth: dict[str, Any], suppression: Suppression) -> dict[str, Any]:
    before, after = growth["members_from"], growth["members_to"]
    entered, left = suppression.flow(before, after, growth["entered"], growth["left"])
    sizes = {"members_from": suppression.count(before), "members_to": suppression.count(after)}
    rate = None if None in sizes.values() else growth["rate"]
    return {**growth, **sizes, "entered": entered, "left": left, "rate": rate}


_SECTIONS = ("growth", "demographics", "behaviors", "value", "engagement", "lifecycle", "conversion")
