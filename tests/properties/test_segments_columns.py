"""Columns that follow events, beside columns made of the profiles that the events led to: the same answers."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.policy import ProfilePolicy
from models.profile.properties import pack_properties
from models.profile.reduce import add_identifier, apply, merge, time_of
from models.profile.state import Profile
from models.segments import columns as columns_module
from models.segments import value_column
from models.segments.columns import Columns
from models.segments.compile import CompiledSegment, compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate
from models.segments.vector import VectorEvaluator
from tests.properties.test_segments_index import NOW, probes
from tests.strategies.naive_segments import follow
from tests.strategies.profile_strategies import CREATED_AT, NAMES, histories, policies
from tests.strategies.segment_strategies import Criteria, History, starts
from tests.strategies.segment_strategies import criteria as any_criteria
from tests.strategies.segment_strategies import histories as raw_histories


def property_probes() -> Iterator[Criteria]:
    for name, operator, value in product(("currency", "order_id", "total"), ("equals", "not_equals"), ("EUR", "o1", 5)):
        where = [{"property": name, "operator": operator, "value": value}]
        yield {"type": "behavioral", "event": NAMES[0], "operator": "at_least", "value": 1, "where": where}
    for category, value in product(("shoes", ""), (1, 2)):
        clause = {"type": "transactional", "operator": "at_least", "value": value}
        yield {**clause, "category": category} if category else clause


COMPILED = [
    compile_segment(SegmentDefinition(f"s{i}", "S", clause)) for i, clause in enumerate([*probes(), *property_probes()])
]


def members(columns: Columns, profiles: dict[int, Profile], segment: CompiledSegment) -> set[int]:
    evaluator = VectorEvaluator(columns, lambda slot: profiles[int(columns.customers[slot])], NOW)
    return set(map(int, columns.customers[evaluator.members(segment.tree)]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), histories()), min_size=1, max_size=4), policies, st.booleans())
def test_columns_follow_events(told: list[tuple[int, list[Event]]], policy: ProfilePolicy, joins: bool) -> None:
    profiles = {customer_id: Profile(customer_id, CREATED_AT) for customer_id in (1, 2, 3)}
    columns = Columns({"anonymous_id"})
    for customer_id, history in told:
        profile = profiles[customer_id]
        for event in history:
            for identifier in event.identifiers:
                add_identifier(profile, identifier, event)
            changed = apply(profile, event, policy)
            columns.observe(profile, event, time_of(event), pack_properties(event, policy)[0], changed)
    if joins:
        merge(profiles[1], profiles[2], policy)
        columns.put(profiles[1])
        columns.remove(2)
        del profiles[2]
        columns.compact()
    held = {customer_id: profile for customer_id, profile in profiles.items() if columns.slot_of(customer_id) >= 0}
    for segment in COMPILED:
        expected = {customer_id for customer_id, profile in held.items() if evaluate(segment, profile, NOW).member}
        assert members(columns, profiles, segment) == expected


@pytest.fixture
def small_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that know too many different values after two of them, and drop dead slots at once."""
    monkeypatch.setattr(value_column, "DISTINCT_MAX", 2)
    monkeypatch.setattr(columns_module, "_COMPACT_MIN", 1)


@pytest.mark.usefixtures("small_columns")
def test_columns_with_too_many_values_answer_the_same() -> None:
    @settings(max_examples=400, deadline=None)
    @given(any_criteria, raw_histories, starts)
    def check(criteria: Criteria, history: History, start: tuple[str, int]) -> None:
        latest = max(at for times in history.events.values() for at in times)
        follow(criteria, history, latest + start[1] % 24 * 3_600_000)

    check()
    test_columns_follow_events()


def test_many_values_and_slots() -> None:
    columns = Columns()
    column = value_column.ValueColumn()
    for number in range(value_column.DISTINCT_MAX + 10):
        column.put(number, number if number % 2 else f"text {number}")
    assert not column.is_coded
    size = value_column.DISTINCT_MAX + 10
    assert np.flatnonzero(column.test("equals", 7, size).holds).tolist() == [7]
    assert np.flatnonzero(column.test("in", ("text 8", 9), size).holds).tolist() == [8, 9]
    assert column.test("at_least", 1, size).holds.sum() == size // 2
    answer = column.test("contains", "text", size)
    assert answer.unsure is None
    assert answer.holds.sum() == (size + 1) // 2
    for position, value in enumerate((float("inf"), -(10**400), 2**53, 2.0**53, 1e300)):
        column.put(position, value)
    assert column.test("greater_than", 10**12, 5).holds.tolist() == [True, False, True, True, True]
    assert len(set(column.hashes(5).tolist())) == 4
    assert len(columns) == 0
