"""/v1/identity/reviews: pairs of people who may be one, for an operator to decide."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from serve.http_audit import tell_people
from serve.http_context import Caller, Context, Limit, PageCursor, authorise, respond
from serve.http_identity_schemas import AcceptedReview, ReviewEntry, ReviewsPage
from serve.http_openapi import answers
from serve.http_pages import cursor_of
from serve.identity_entries import accepted_review, review_entry

router = APIRouter(prefix="/v1/identity/reviews", tags=["identity"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(ReviewsPage, 400, 401, 403, 503), response_class=Response)
async def list_reviews(context: Context, limit: Limit = 100, cursor: PageCursor = "") -> Response:
    """Open reviews, each with its evidence."""
    found, following = await context.services.router.list_reviews(cursor, limit)
    tell_people(customer_id for review in found for customer_id in (review.left, review.right))
    return respond(ReviewsPage([review_entry(review) for review in found], cursor_of(following, limit)))


@router.get("/{review_id}", responses=answers(ReviewEntry, 400, 401, 403, 404, 503), response_class=Response)
async def get_review(review_id: str, context: Context) -> Response:
    """One review, rejected ones too. It is gone if it was accepted, or if the two no longer resemble each other."""
    review = await context.services.router.review(review_id)
    tell_people([review.left, review.right])
    return respond(review_entry(review))


@router.post(
    "/{review_id}/accept", responses=answers(AcceptedReview, 400, 401, 403, 404, 409, 503), response_class=Response
)
async def accept_review(review_id: str, context: Context, caller: Caller) -> Response:
    """Makes the two one person, whatever the limits. POST /v1/identity/unmerge takes it back."""
    paired = await context.services.router.accept_review(review_id, caller.source_id)
    tell_people([paired.winner, paired.loser])
    return respond(accepted_review(paired))


@router.post(
    "/{review_id}/reject", responses=answers(ReviewEntry, 400, 401, 403, 404, 409, 503), response_class=Response
)
async def reject_review(review_id: str, context: Context, caller: Caller) -> Response:
    """Sets the two apart: matching never joins them again. POST /v1/identity/merge still can."""
    reviews = context.services.router
    await reviews.reject_review(review_id, caller.source_id)
    review = await reviews.review(review_id)
    tell_people([review.left, review.right])
    return respond(review_entry(review))
