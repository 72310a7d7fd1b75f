"""Online matching: what follows for a profile from the scores of those that resemble it.

The scores are a `PairMatcher`'s. What is decided here holds for the live platform and for a dry run alike:
  - confidence of at least `link_confidence` links, unless something speaks against it;
  - at least `review_confidence` goes to the review queue, for a person to decide;
  - below that they are different people.
Against a link speak: the two were set apart (an unmerge, a rejected review): nothing follows then. Identifier limits
would be passed (two user ids, say): review. Several profiles match and these do not resemble each other, so that at
most one can be right: review of them all. Only the best link is made; the joined profile is matched again by what is
then known of it, so that no chain of merges rests on anything but its last member's evidence.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from models.identity.evidence import LINK_CONFIDENCE, REVIEW_CONFIDENCE, Decision, Explanation
from models.identity.record import MatchRecord
from models.identity.resolution import Standing

ReviewReason = Literal["confidence", "limits", "ambiguous"]
REVIEWS_OF_ONE_MAX = 5  # new ones that one profile makes at a time, the best

_Confidence = Annotated[float, Meta(gt=0, le=1)]
_Positive = Annotated[int, Meta(ge=1)]


class MatchingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can decide about matching. Raises ValueError if the thresholds are in the wrong order."""

    enabled: bool = True
    model: str = ""  # path of a trained model; "" for the one that comes with Onefold
    matchers: Annotated[int, Meta(ge=0)] = 0  # processes that match; 0: one a shard, on two cores one
    link_confidence: _Confidence = LINK_CONFIDENCE
    review_confidence: _Confidence = REVIEW_CONFIDENCE
    block_max: _Positive = 200  # records of one matcher that may share a key; beyond, the key is not used
    candidates_max: _Positive = 200  # of one profile at one matcher, those with the most keys in common
    reviews_max: _Positive = 10_000  # open reviews a shard
    embeddings: bool = False  # candidates by vectors too, for what no key finds

    def __post_init__(self) -> None:
        if self.review_confidence > self.link_confidence:
            raise ValueError("matching.review_confidence: expected at most matching.link_confidence")


class PairMatcher(Protocol):
    """Says which records may be of one person, and how likely that is. Pure: the same answer for the same input."""

    version: str

    def keys(self, records: Sequence[MatchRecord]) -> list[tuple[int, ...]]:
        """Blocking keys of each record, unsigned 64-bit, possibly none: only records that share one are compared."""

    def score(self, left: MatchRecord, rights: Sequence[MatchRecord]) -> list[Explanation]:
        """The evidence on `left` and each of `rights`."""


class Scored(msgspec.Struct, frozen=True):
    """A profile that resembles the one in question."""

    customer_id: int
    digest: int  # `record_digest` of `record`
    record: MatchRecord
    explanation: Explanation


class Option(msgspec.Struct, frozen=True):
    """A scored profile, and whether the two may be joined at all."""

    scored: Scored
    standing: Standing

    @property
    def customer_id(self) -> int:
        return self.scored.customer_id

    @property
    def confidence(self) -> float:
        return self.scored.explanation.confidence


class Verdict(msgspec.Struct, frozen=True):
    """What follows: `link` is set for a link; `reviews` are due otherwise, the best first."""

    decision: Decision
    link: Option | None = None
    reviews: tuple[tuple[Option, ReviewReason], ...] = ()


def judge(
    options: Sequence[Option], confidence_of: Callable[[Scored, Scored], float], settings: MatchingSettings
) -> Verdict:
    """Applies the rules above. `confidence_of` scores two of the options; it is asked only if several would link."""
    likely = [option for option in _ranked(options, settings) if option.confidence >= settings.link_confidence]
    best = next((option for option in likely if option.standing == "free"), None)
    if best is None or any(
        confidence_of(best.scored, other.scored) < settings.review_confidence for other in likely if other is not best
    ):
        return unclear(options, settings)
    return Verdict("link", best)


def unclear(options: Sequence[Option], settings: MatchingSettings) -> Verdict:
    """What follows if there is to be no link."""
    reviews = tuple((option, _reason(option, settings)) for option in _ranked(options, settings)[:REVIEWS_OF_ONE_MAX])
    return Verdict("review" if reviews else "new", None, reviews)


def _ranked(options: Sequence[Option], settings: MatchingSettings) -> list[Option]:
    """Those that count, the best first."""
    return sorted(
        (o for o in options if o.standing != "apart" and o.confidence >= settings.review_confidence),
        key=lambda o: (-o.confidence, -o.scored.explanation.score, o.customer_id),
    )


def _reason(option: Option, settings: MatchingSettings) -> ReviewReason:
    if option.confidence < settings.link_confidence:
        return "confidence"
    return "limits" if option.standing == "limits" else "ambiguous"
