"""The evaluator beside the naive interpreter: equal verdicts, and every flip that time brings, to the millisecond."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import segment_strategies as strategies
from tests.strategies.naive_segments import follow, instants_of_change
from tests.strategies.segment_strategies import HOUR_MS, Criteria, History

CLAUSES = {
    "counts of events": strategies.event_counts,
    "times of events": strategies.event_times_compared,
    "properties of events": strategies.event_properties,
    "sequence": strategies.sequences,
    "computed": strategies.computed,
    "membership": strategies.memberships,
    "transactional": strategies.transactional,
    "engagement": strategies.engagement,
    "engagement score": strategies.engagement_scores,
    "demographic": strategies.demographic,
    "lifecycle": strategies.lifecycle,
}


def clock(start: tuple[str, int], criteria: Criteria, history: History) -> int:
    mode, number = start
    if mode == "latest":
        return max(at for times in history.events.values() for at in times) + number % 24 * HOUR_MS
    changes = instants_of_change(criteria, history)
    return changes[number % len(changes)]


@pytest.mark.parametrize("kind", CLAUSES)
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_clause_flips_when_the_naive_one_does(kind: str, data: st.DataObject) -> None:
    criteria, history = data.draw(CLAUSES[kind]), data.draw(strategies.histories)
    follow(criteria, history, clock(data.draw(strategies.starts), criteria, history))


@settings(max_examples=700, deadline=None)
@given(strategies.criteria, strategies.histories, strategies.starts)
def test_nested_criteria_flip_when_the_naive_ones_do(
    criteria: Criteria, history: History, start: tuple[str, int]
) -> None:
    follow(criteria, history, clock(start, criteria, history))
