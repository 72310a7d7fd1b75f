"""The index against real events: a segment whose verdict an event moved is among those that the index named for it."""

from itertools import product

from hypothesis import given, settings

from models.events.event import Event
from models.profile.lifecycle import STAGES
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile
from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate
from models.segments.index import SegmentIndex
from tests.strategies.profile_strategies import CREATED_AT, NAMES, histories, policies
from tests.strategies.segment_strategies import Criteria

EVENTS = (*NAMES, "Page Viewed", "Page Viewed: Home", "Screen Viewed", "Screen Viewed: Home")
CHANNELS = ("web", "mobile", "email", "sms", "store", "support", "kiosk")
NOW = CREATED_AT + 3_600_000


def probes() -> list[Criteria]:
    """Criteria that between them look at everything that criteria can look at."""
    clauses: list[Criteria] = []
    for trait, value in product(("city", "plan", "city.p"), ("a", "Ä", 0, 1, True, False)):
        clauses.append({"type": "demographic", "trait": trait, "operator": "equals", "value": value})
    clauses += [{"type": "demographic", "trait": t, "operator": "exists"} for t in ("city", "plan", "city.p")]
    measures: list[Criteria] = [{"operator": "at_least", "value": n} for n in (1, 2, 3)]
    measures += [{"measure": m, "operator": "after", "value": {"ago": "1h"}} for m in ("first", "last")]
    for event, measure in product(EVENTS, measures):
        clauses.append({"type": "behavioral", "event": event, **measure})
        clauses.append({"type": "behavioral", "event": event, "window": {"last": "1d"}, **measure})
    for channel, measure in product(CHANNELS, measures):
        clauses.append({"type": "engagement", "channel": channel, **measure})
    clauses += [{"type": "transactional", **measure} for measure in measures]
    for amount, value in product(("revenue", "average", "refunds"), (0, 1, 5)):
        clauses.append({"type": "transactional", "measure": amount, "operator": "greater_than", "value": value})
    clauses.append({"type": "transactional", "product": "p1", "operator": "exists"})
    clauses += [{"type": "lifecycle", "stage": stage} for stage in STAGES]
    values: tuple[object, ...] = ("a", 0, True)
    guards = [{"type": "demographic", "trait": "plan", "operator": "equals", "value": value} for value in values]
    guards.append({"type": "demographic", "trait": "city", "operator": "in", "value": ["a", 1, False]})
    clauses += [{"all": [clause, guard]} for clause, guard in product(clauses[::7], guards)]
    return clauses + [{"not": guard} for guard in guards]


COMPILED = [compile_segment(SegmentDefinition(f"s{i}", "S", clause)) for i, clause in enumerate(probes())]
INDEX = SegmentIndex(COMPILED)


@settings(max_examples=120, deadline=None)
@given(histories(), policies)
def test_what_an_event_moves_is_what_the_index_names(history: list[Event], policy: ProfilePolicy) -> None:
    profile = Profile(customer_id=1, created_at=CREATED_AT)
    before = [evaluate(segment, profile, NOW) for segment in COMPILED]
    unknown = {segment.segment_id for segment in INDEX.of_the_unknown}
    for segment, verdict in zip(COMPILED, before, strict=True):
        assert not verdict.member or segment.segment_id in unknown
        assert verdict.next_flip is None or segment.segment_id in unknown
    for event in history:
        for identifier in event.identifiers:
            add_identifier(profile, identifier, event)
        named = {segment.segment_id for segment in INDEX.affected(apply(profile, event, policy), profile)}
        after = [evaluate(segment, profile, NOW) for segment in COMPILED]
        inside = zip(COMPILED, after, strict=True)
        profile.memberships = {segment.segment_id: 1 for segment, verdict in inside if verdict.member}
        for segment, old, new in zip(COMPILED, before, after, strict=True):
            # A flip that does not come any more is only looked at in vain.
            in_vain = old.member == new.member and new.next_flip is None
            assert old == new or in_vain or segment.segment_id in named
        before = after
