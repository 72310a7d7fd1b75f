"""What a transport can ask about matching: reviews, dry runs, explanations, evidence."""

import itertools
from collections.abc import Sequence

import msgspec

from actors.errors import Conflict, Invalid, NotFound
from actors.lookups import Lookups
from actors.matcher import MatcherStatus
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.shard_calls import ShardCalls, Shards
from models.identity.assessment import Assessment
from models.identity.customer_id import shard_of, to_text
from models.identity.evidence import Decision, Explanation
from models.identity.online import MatchingSettings
from models.identity.record import MatchRecord
from models.identity.resolution import Standing
from models.shard.protocol import Paired, Pairing, Resolution, Review
from models.shard.reviews import customers_of

_OFF = "matching is off: set matching.enabled to use it"


class DryRunCandidate(msgspec.Struct, frozen=True):
    """A person who resembles the one asked about, and whether the two may be joined by matching."""

    customer_id: int
    standing: Standing
    explanation: Explanation


class DryRun(msgspec.Struct, frozen=True):
    """What would become of a record: `customer_id` is whom it would belong to, 0 for a new person."""

    decision: Decision
    customer_id: int
    confidence: float
    exact: Resolution  # what its identifiers alone would do
    candidates: list[DryRunCandidate]  # the most alike first


class Matching:
    """The facade over matchers, and over the shards for what matching keeps there."""

    def __init__(self, calls: ShardCalls, lookups: Lookups, matchers: Shards | None) -> None:
        self._calls = calls
        self._lookups = lookups
        self._reach = matchers
        self._matchers: ShardCalls | None = None
        self._turn = itertools.count()

    async def list_reviews(self, cursor: str, limit: int, timeout_s: float) -> tuple[list[Review], str]:
        """A page of open reviews by id, and the cursor of the next page ("" at the end)."""
        if cursor:
            _customers(cursor, "cursor")
        pages = await self._calls.all("reviews", cursor, limit + 1, timeout_s=timeout_s)
        found: list[Review] = sorted((r for page in pages for r in page), key=lambda review: review.review_id)
        return found[:limit], found[limit - 1].review_id if len(found) > limit else ""

    async def review(self, review_id: str, timeout_s: float) -> Review:
        """One review, rejected ones too. Raises NotFound."""
        review = await self._review(review_id, timeout_s)
        if review is None:
            raise NotFound("review_id: there is no such review; it may have been decided, or its profiles have changed")
        return review

    async def accept_review(self, review_id: str, actor: str, timeout_s: float) -> Paired:
        """Joins the two: an operator's word, against which limits and earlier partings do not hold."""
        review = await self._review(review_id, timeout_s)
        if review is None:
            return await self._joined_already(review_id, timeout_s)
        if review.rejected_at:
            raise Conflict("review_id: this review was rejected; merge the two customers instead")
        pairing = Pairing(
            left=review.left,
            right=review.right,
            method="operator",
            source=actor,
            explicit=True,
            evidence=review.explanation,
            review_id=review_id,
        )
        return await self._pair(pairing, timeout_s)

    async def reject_review(self, review_id: str, actor: str, timeout_s: float) -> None:
        """Sets the two apart for good. Raises NotFound, and Conflict if they are one person already."""
        review = await self.review(review_id, timeout_s)
        if review.rejected_at:
            return
        pairing = Pairing(review.left, review.right, "operator", actor, apart=True, review_id=review_id)
        if (await self._pair(pairing, timeout_s)).outcome == "same":
            raise Conflict("review_id: the two are one person by now; take their merge back instead")

    async def dry_run(
        self, record: MatchRecord | None, identifiers: Sequence[str], exact: Resolution, timeout_s: float
    ) -> DryRun:
        """What would become of somebody with these identifiers, which `exact` resolves, and with this record."""
        if record is None or not (await self._settings(timeout_s)).enabled:
            return _dry_run(exact, None)
        matchers = await self._all_matchers(timeout_s)
        number = next(self._turn) % matchers.shards
        kept = [identifier for identifier in identifiers if identifier not in exact.demoted_identifiers]
        found = await matchers.call(number, "assess", record, kept, timeout_s=timeout_s, attempt_s=timeout_s)
        return _dry_run(exact, found)

    async def explain(self, left: str, right: str, timeout_s: float) -> Explanation:
        """The evidence on two people, by their keys, as they are now."""
        profiles = await self._lookups.profiles([left, right], "", timeout_s)
        customer_ids = []
        for field, profile in zip(("left", "right"), profiles, strict=True):
            if profile is None:
                raise NotFound(f"{field}: nobody has this key")
            customer_ids.append(profile.customer_id)
        if customer_ids[0] == customer_ids[1]:
            raise Invalid("right: expected somebody else than left; the two keys are one person's")
        matchers = await self._all_matchers(timeout_s)
        number = next(self._turn) % matchers.shards
        answer: Explanation = await matchers.call(number, "explain", *customer_ids, timeout_s=timeout_s)
        return answer

    async def statuses(self, timeout_s: float) -> list[MatcherStatus]:
        """The counters of every matcher; none if matching is off."""
        if not (await self._settings(timeout_s)).enabled:
            return []
        return await (await self._all_matchers(timeout_s)).all("status", timeout_s=timeout_s)

    async def _settings(self, timeout_s: float) -> MatchingSettings:
        settings: MatchingSettings = await self._calls.call(0, "matching_settings", timeout_s=timeout_s)
        return settings

    async def _all_matchers(self, timeout_s: float) -> ShardCalls:
        if self._matchers is None:
            settings = await self._settings(timeout_s)
            if not settings.enabled or self._reach is None:
                raise Conflict(_OFF)
            self._matchers = ShardCalls(settings.matchers, self._reach)
        return self._matchers

    async def _review(self, review_id: str, timeout_s: float) -> Review | None:
        left, _ = _customers(review_id, "review_id")
        if shard_of(left) >= self._calls.shards:
            return None
        review: Review | None = await self._calls.call(shard_of(left), "review", review_id, timeout_s=timeout_s)
        return review

    async def _pair(self, pairing: Pairing, timeout_s: float) -> Paired:
        shard = shard_of(pairing.left)
        paired: Paired = await self._calls.call(shard, "pair", pairing, timeout_s=timeout_s, attempt_s=timeout_s)
        if paired.outcome == "gone":
            raise NotFound("review_id: one of the two customers was deleted")
        return paired

    async def _joined_already(self, review_id: str, timeout_s: float) -> Paired:
        """An attempt without an answer may have done it. Raises NotFound if the two are not one person."""
        keys = [f"{CUSTOMER_ID_NAMESPACE}{to_text(customer_id)}" for customer_id in _customers(review_id, "review_id")]
        left, right = await self._lookups.profiles(keys, "", timeout_s)
        if left is None or right is None or left.customer_id != right.customer_id:
            raise NotFound("review_id: there is no such review; it may have been decided, or its profiles have changed")
        return Paired("same", left.customer_id, left.customer_id)


def _dry_run(exact: Resolution, found: Assessment | None) -> DryRun:
    options = [] if found is None else [o for o in found.options if o.customer_id != exact.customer_id]
    options.sort(key=lambda option: (-option.confidence, option.customer_id))
    candidates = [DryRunCandidate(o.customer_id, o.standing, o.scored.explanation) for o in options]
    if exact.customer_id:
        return DryRun("link", exact.customer_id, exact.confidence, exact, candidates)
    if found is None or found.verdict.decision == "new":
        return DryRun("new", 0, exact.confidence, exact, candidates)
    if found.verdict.link is not None:
        return DryRun("link", found.verdict.link.customer_id, found.verdict.link.confidence, exact, candidates)
    return DryRun("review", 0, found.verdict.reviews[0][0].confidence, exact, candidates)


def _customers(review_id: str, field: str) -> tuple[int, int]:
    try:
        return customers_of(review_id)
    except ValueError:
        raise Invalid(f"{field}: expected the id of a review, as the list of reviews gives it") from None
