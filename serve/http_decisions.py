"""/v1/profiles/{key}/decisions: what was decided about a person by itself, and humans' reviews (GDPR article 22)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from actors.errors import Conflict, NotFound
from models.identity.customer_id import to_text
from models.privacy.decisions import DecisionRecord, review_of
from serve.http_audit import tell, tell_people
from serve.http_body import read_json
from serve.http_context import Context, Limit, PageCursor, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_pages import page
from serve.http_privacy_schemas import DecisionEntry, DecisionReview, DecisionReviewRequest, DecisionsPage
from serve.http_schemas import time_text

router = APIRouter(prefix="/v1/profiles", tags=["privacy"], dependencies=[Depends(authorise)])
Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]


@router.get("/{key:path}/decisions", responses=answers(DecisionsPage, 400, 401, 403, 404, 503), response_class=Response)
async def list_decisions(key: Key, context: Context, limit: Limit = 100, cursor: PageCursor = "") -> Response:
    """Decisions that were taken about a person by itself, or not taken because they have opted out, oldest first."""
    entries = decision_entries(await _records(context, key))
    found, following = page(entries, lambda entry: f"{entry.at} {entry.id}", limit, cursor)
    return respond(DecisionsPage(found, following))


@router.post(
    "/{key:path}/decisions/{decision_id}/review",
    responses=answers(DecisionEntry, 400, 401, 403, 404, 409, 503),
    openapi_extra=takes(DecisionReviewRequest),
    response_class=Response,
)
async def review_decision(key: Key, decision_id: str, request: Request, context: Context) -> Response:
    """Notes what a human has made of a decision. A decision is reviewed once; the same review may be sent again."""
    asked = await read_json(request, DecisionReviewRequest)
    records = await _records(context, key)
    decision = next((each for each in records if each.record_id == decision_id and each.kind != "review"), None)
    if decision is None:
        raise NotFound("decision_id: there is no such decision about this person; GET .../decisions lists them")
    review = review_of(decision, asked.outcome, asked.by, asked.note, context.services.now())
    await context.services.router.log_decision(review)
    # Of two that come at once, or one after the other, the first is kept.
    held = next((each for each in await _records(context, key) if each.record_id == review.record_id), None)
    if held is None:
        raise NotFound("decision_id: it was deleted meanwhile: the person was erased, or its retention is over")
    if (held.decided, held.by, held.note) != (review.decided, review.by, review.note):
        raise Conflict("decision_id: this decision was reviewed before, with another outcome or by somebody else")
    tell(decision_id=decision_id)
    return respond(decision_entries([decision, held])[0])


def decision_entries(records: list[DecisionRecord]) -> list[DecisionEntry]:
    """Decisions with their reviews, in order."""
    reviews = {each.subject: each for each in records if each.kind == "review"}
    return [_entry(each, reviews.get(each.record_id)) for each in records if each.kind != "review"]


async def _records(context: Context, key: str) -> list[DecisionRecord]:
    router, normal = context.services.router, context.parse_key(key)
    profile = await router.profile(normal)
    if profile is None:
        raise NotFound("key: nobody has this key")
    tell_people([profile.customer_id])
    return await router.decisions(normal)


def _entry(decision: DecisionRecord, review: DecisionRecord | None) -> DecisionEntry:
    return DecisionEntry(
        id=decision.record_id,
        customer_id=to_text(decision.customer_id),
        kind=decision.kind,
        subject=decision.subject,
        decided=decision.decided,
        at=time_text(decision.at),
        cause=decision.cause,
        purpose=decision.purpose,
        action=decision.action,
        propensities=decision.propensities,
        expected=decision.expected,
        model=decision.model,
        personal=decision.personal,
        review=None if review is None else DecisionReview(review.decided, review.by, review.note, time_text(review.at)),
    )
