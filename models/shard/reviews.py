"""The review queue: pairs of profiles that may be one person, kept at the shard of the older one.

A pair has one review, whose id says which two it is of: finding it again changes nothing, and an operator's "no" stays
until one of the profiles is gone. An open review goes when its profiles no longer resemble each other.
"""

import msgspec

from models.identity.customer_id import PREFIX, from_text, shard_of, to_text
from models.identity.evidence import Explanation
from models.identity.online import ReviewReason
from models.shard.core import ShardCore
from models.shard.messages import Rematch
from models.shard.protocol import Finding, Review

_PREFIX = "rev_"
_encode = msgspec.msgpack.Encoder().encode


def review_id_of(one: int, other: int) -> str:
    """The id of the review of two customers, in any order."""
    left, right = sorted((one, other))
    return f"{_PREFIX}{to_text(left).removeprefix(PREFIX)}_{to_text(right).removeprefix(PREFIX)}"


def customers_of(review_id: str) -> tuple[int, int]:
    """The two customer ids, the older one first. Raises ValueError if this is not the id of a review."""
    left, _, right = review_id.removeprefix(_PREFIX).partition("_")
    if not review_id.startswith(_PREFIX) or PREFIX in review_id:
        raise ValueError("not a review id")
    return from_text(PREFIX + left), from_text(PREFIX + right)


def new_review(one: int, other: int, now: int, reason: ReviewReason, explanation: Explanation) -> Review:
    """An open review."""
    left, right = sorted((one, other))
    return Review(
        review_id=review_id_of(one, other),
        left=left,
        right=right,
        at=now,
        reason=reason,
        confidence=explanation.confidence,
        evidence=_encode(explanation),
    )


class Reviews:
    """The steps that change a shard's reviews."""

    def __init__(self, core: ShardCore) -> None:
        self._core = core

    def restore(self) -> None:
        """Rebuilds what is derived from the loaded rows."""
        for review in self._core.reviews.values():
            self._note(review)

    def update(self, finding: Finding) -> None:
        """Opens the reviews that are due here; open ones with profiles that it no longer resembles go.

        Of a profile that is gone, all go. If the record changed, the other profile of each review is matched again: it
        may have been kept from a link only because there were two to choose from. That does not go on from there.
        """
        core = self._core
        known = core.reviews_of.get(finding.customer_id)
        for review_id in sorted(known) if known else ():
            review = core.reviews[review_id]
            other = review.right if review.left == finding.customer_id else review.left
            if finding.gone or (not review.rejected_at and other not in finding.resembles):
                self.close(review_id)
            if finding.changed or finding.gone:
                core.send(shard_of(other), Rematch(other))
        for review in finding.reviews:
            if shard_of(review.left) == core.shard:
                self._open(review)

    def _open(self, review: Review) -> None:
        core = self._core
        held = core.reviews.get(review.review_id)
        if held is None:
            if core.open_reviews >= core.settings.matching.reviews_max:
                core.reviews_left_out += 1
                return
            self._note(review)
            core.reviews.put(review.review_id, review)
        elif not held.rejected_at and (held.evidence, held.reason) != (review.evidence, review.reason):
            core.reviews.put(review.review_id, msgspec.structs.replace(review, at=held.at))

    def close(self, review_id: str) -> None:
        """Removes a review, if it is there."""
        core = self._core
        review = core.reviews.get(review_id)
        if review is None:
            return
        core.reviews.delete(review_id)
        core.open_reviews -= not review.rejected_at
        for customer_id in (review.left, review.right):
            mine = core.reviews_of[customer_id]
            mine.discard(review_id)
            if not mine:
                del core.reviews_of[customer_id]

    def reject(self, review_id: str, actor: str) -> None:
        """Keeps an operator's "no", if the review is there."""
        core = self._core
        review = core.reviews.get(review_id)
        if review is not None and not review.rejected_at:
            core.open_reviews -= 1
            core.reviews.put(review_id, msgspec.structs.replace(review, rejected_at=core.now, actor=actor))

    def _note(self, review: Review) -> None:
        core = self._core
        core.open_reviews += not review.rejected_at
        for customer_id in (review.left, review.right):
            core.reviews_of.setdefault(customer_id, set()).add(review.review_id)
