"""/v1/identity/reviews: pairs of people who may be one, for an operator to decide."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from serve.http_audit import tell_people
from serve.http_context import Caller, Context, Limit, PageCursor, Purpose, authorise, respond, respond_withheld
from serve.http_identity_schemas import AcceptedReview, ReviewEntry, ReviewsPage
from serve.http_openapi import answers
from serve.http_pages import cursor_of
from serve.identity_entries import accepted_review, review_entry
from serve.purpose_reads import review_for, reviews_for

router = APIRouter(prefix="/v1/identity/reviews", tags=["identity"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(ReviewsPage, 400, 401, 403, 503), response_class=Response)
async def list_reviews(context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = "") -> Response:
    """Open reviews, each with its evidence."""
    page, following = await context.services.router.list_reviews(cursor, limit)
    found, withheld = await reviews_for(context, page, purpose)
    tell_people(customer_id for review in found for customer_id in (review.left, review.right))
    entries = [review_entry(review) for review in found]
    return respond_withheld(ReviewsPage(entries, cursor_of(following, limit)), withheld)


@router.get("/{review_id}", responses=answers(ReviewEntry, 400, 401, 403, 404, 503), response_class=Response)
async def get_review(review_id: str, context: Context, purpose: Purpose) -> Response:
    """One review, rejected ones too. It is gone if it was accepted, or if the two no longer resemble each other."""
    review, withheld = await review_for(context, await context.services.router.review(review_id), purpose)
    tell_people([review.left, review.right])
    return respond_withheld(review_entry(review), withheld)


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
async def reject_review(review_id: str, context: Context, caller: Caller, purpose: Purpose) -> Response:
    """Sets the two apart: matching never joins them again. POST /v1/identity/merge still can."""
    reviews = context.services.router
    await review_for(context, await reviews.review(review_id), purpose)  # who may not be read is not decided about
    await reviews.reject_review(review_id, caller.source_id)
    review, withheld = await review_for(context, await reviews.review(review_id), purpose)
    tell_people([review.left, review.right])
    return respond_withheld(review_entry(review), withheld)
