"""What an assessment asks of the shards: a link, and what becomes of the reviews."""

from models.identity.assessment import Assessment
from models.identity.profile_record import record_digest
from models.shard.protocol import Finding, Pairing
from models.shard.reviews import new_review

SOURCE = "matching"


def pairing_of(assessment: Assessment) -> Pairing | None:
    """The link to be made, if any. It is refused if one of the records is another by then."""
    link = assessment.verdict.link
    if link is None:
        return None
    return Pairing(
        left=assessment.query.customer_id,
        right=link.customer_id,
        method=link.scored.explanation.method,
        source=SOURCE,
        digests=(record_digest(assessment.query.record), link.scored.digest),
        evidence=link.scored.explanation,
    )


def finding_of(customer_id: int, mark: int, assessment: Assessment | None, gone: bool, now: int) -> Finding:
    """What a profile's reviews are to be, at `now` ms. Without an assessment it resembles nobody."""
    changed = bool(mark & 1)
    if assessment is None:
        return Finding(customer_id, [], [], changed, gone)
    resembles = [option.customer_id for option in assessment.options if option.standing != "apart"]
    reviews = [
        new_review(customer_id, option.customer_id, now, reason, option.scored.explanation)
        for option, reason in assessment.verdict.reviews
    ]
    return Finding(customer_id, resembles, reviews, changed)
