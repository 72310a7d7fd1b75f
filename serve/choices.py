"""What is chosen for a person, whatever the transport: an action at a decision point, an order of items.

Each answer comes with what did not serve the purpose and so did not count: {"features": 2}. Only people for whom the
purpose has a basis are chosen for.
"""

from collections import Counter

from actors.automated_decisions import AutomatedDecisions
from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.privacy.decisions import Choice, DecisionRecord
from models.privacy.purposes import has_opted_out
from models.privacy.visibility import may_read, serves
from models.profile.state import Profile
from models.scoring.deciding import uniform_of
from models.scoring.ranking import Item, rank
from serve.http_schemas import DecideAnswer, DecideRequest, RankAnswer, RankedItem, RankRequest, time_text
from serve.request_context import RequestContext


async def chosen_for(context: RequestContext, key: str, purpose: str) -> Profile:
    """The person of a normalised key. Raises NotFound, also for somebody who may not be read."""
    profile = await context.services.reads.get(key)
    if profile is None:
        raise NotFound("key: nobody has this identifier")
    _check_readable(context, profile, purpose)
    return profile


async def decide_for(
    context: RequestContext, key: str, profile: Profile, asked: DecideRequest, purpose: str
) -> tuple[DecideAnswer, Counter[str]]:
    """What to do for the person of a normalised key, seen as `profile`, as it is in the log of decisions when this
    returns: of another person, if the key is of another one by then. Raises NotFound, Conflict, Unavailable."""
    services, decisions = context.services, context.insights.decisions
    point, now, uniform = decisions.point(asked.decision), services.now(), uniform_of(services.new_id())

    def choose(person: Profile) -> Choice:
        _check_readable(context, person, purpose)  # it may be another one by now
        return decisions.choose(asked.decision, person, purpose, now, uniform)

    record = await AutomatedDecisions(services.router, services.now, services.reads.decision).decide(
        key,
        profile,
        asked.decision,
        asked.decision_id or services.new_id(),
        purpose,
        choose,
        is_new=not asked.decision_id,
    )
    return _answer(record, asked.decision, point.unit), decisions.withheld(asked.decision, purpose)


def rank_for(
    context: RequestContext, profile: Profile, asked: RankRequest, purpose: str
) -> tuple[RankAnswer, Counter[str]]:
    """The items, best first, by what the person buys and by popularity; by popularity alone if purchases do not serve
    the purpose, or the person has opted out of automated decisions. Raises Invalid."""
    if len({item.id for item in asked.items}) < len(asked.items):
        raise Invalid("items: expected each id once")
    sections = ("transactions", "insights")
    withheld = Counter(each for each in sections if not serves(context.purposes, purpose, "sections", each))
    personal = not withheld and not has_opted_out(profile.consents)
    items = [Item(each.id, each.category, each.popularity, each.margin) for each in asked.items]
    learned = context.insights.learned.affinity
    found = rank(items, profile if personal else None, context.services.now(), learned)
    ranked = [RankedItem(*each) for each in found]
    version = None if learned is None else learned.version
    return RankAnswer(to_text(profile.customer_id), personal, ranked, version), withheld


def _check_readable(context: RequestContext, profile: Profile, purpose: str) -> None:
    if not may_read(profile, context.purposes, purpose, context.services.now()):
        raise NotFound(f"key: nothing is told of this person: the purpose {purpose} has no basis for them")


def _answer(record: DecisionRecord, decision: str, unit: str) -> DecideAnswer:
    return DecideAnswer(
        customer_id=to_text(record.customer_id),
        decision=decision,
        decision_id=record.cause,
        record_id=record.record_id,
        decided=record.decided,
        at=time_text(record.at),
        action=record.action or None,
        propensity=record.propensities.get(record.action),
        propensities=record.propensities,
        expected=record.expected,
        unit=unit,
        model=record.model or None,
        personal=record.personal,
    )
