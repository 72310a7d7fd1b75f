"""The parts of a profile one by one, on domains so small that nearly every case collides; against naive twins."""

import random
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.attributes import merge_attributes, observe_attribute, room_of
from models.profile.permissions import merge_consents, merge_preferences
from models.profile.policy import AttributePolicy, ProfileLimits, ProfilePolicy
from models.profile.realtime import ACTIVITY_MIN, SESSION_GAP_MIN, mark_active, merge_minutes, session_bounds
from models.profile.reduce import apply, merge
from models.profile.registers import canonical_json, observe, observe_permission
from models.profile.state import Observation, Order, Profile, canonical
from models.profile.transactions import merge_orders
from tests.strategies.profile_strategies import attribute_policies

chances = st.randoms(use_true_random=False)
permissions = st.lists(
    st.builds(
        Observation, st.integers(1, 2), st.integers(0, 1), st.sampled_from([True, False, None]), st.sampled_from("ab")
    ),
    min_size=1,
    max_size=6,
)
observations = st.lists(
    st.builds(
        Observation, st.integers(1, 2), st.integers(0, 1), st.sampled_from([None, 1, "1", [1]]), st.sampled_from("ab")
    ),
    min_size=1,
    max_size=6,
)


def told(observe_one: Callable[..., bool], history: list[Observation]) -> Observation:
    registers: dict[str, Observation] = {}
    for observation in history:
        before = registers.get("key")
        changed = observe_one(registers, "key", observation)
        assert changed == (before is None or registers["key"].value != before.value)
    return registers["key"]


@given(observations, chances)
def test_register_holds_the_latest(history: list[Observation], chance: random.Random) -> None:
    held = told(observe, history)
    assert held == told(observe, chance.sample(history, len(history)))
    assert held == max(history, key=lambda o: (o.timestamp, o.tie, canonical_json(o.value), o.source))


@given(permissions, st.integers(0, 5), chances)
def test_permission_holds_the_strictest_of_the_latest(
    history: list[Observation], cut: int, chance: random.Random
) -> None:
    held = told(observe_permission, history)
    shuffled = chance.sample(history, len(history))
    assert held == told(observe_permission, shuffled)
    preferences: dict[str, Observation] = {}
    consenting = Profile(1, 1)
    parts = [told(observe_permission, part) for part in (shuffled[:cut], shuffled[cut:]) if part]
    for found in parts:
        merge_preferences(preferences, {"sms_opt_in": found})
        merge_consents(consenting, Profile(2, 1, consents={"sms_opt_in": found}), ProfileLimits())
    assert preferences == {"sms_opt_in": held}
    joined = consenting.consents["sms_opt_in"]
    assert (joined.value is True) == all(found.value is True for found in parts)  # people who are joined: the refusal
    later = Observation(joined.timestamp + 1, 0, True)
    assert told(observe_permission, [joined, later]) == later
    values = [o.value for o in history if o.timestamp == max(o.timestamp for o in history)]
    assert held.value is (False if False in values else None if None in values else True)


@given(observations, attribute_policies, st.integers(0, 6), chances)
def test_attribute_goes_by_its_policy(
    history: list[Observation], rule: AttributePolicy, cut: int, chance: random.Random
) -> None:
    policy = ProfilePolicy(default_attribute=rule)
    profiles = [Profile(1, 1) for _ in range(3)]
    shuffled = chance.sample(history, len(history))
    for profile, part in zip(profiles, (history, shuffled[:cut], shuffled[cut:]), strict=True):
        for observation in part:
            observe_attribute(profile.attributes, "city", observation, rule, room_of(profile, policy))
    merge_attributes(profiles[1], profiles[2], policy)
    assert canonical(profiles[0]) == canonical(profiles[1])
    attribute = profiles[0].attributes.get("city")
    assert (attribute and attribute.winner) == naive_winner(history, rule)


def naive_winner(history: list[Observation], rule: AttributePolicy) -> Observation | None:
    def stamp(o: Observation) -> tuple[int, int, str, str]:
        return o.timestamp, o.tie, canonical_json(o.value), o.source

    def rank(o: Observation) -> int:
        return rule.sources.index(o.source) if o.source in rule.sources else len(rule.sources)

    if rule.merge == "latest":
        return max(history, key=stamp)
    if rule.merge == "source_priority":
        best = min(rank(o) for o in history)
        return max((o for o in history if rank(o) == best), key=stamp)
    history = [o for o in history if o.value is not None]
    if not history:
        return None
    if rule.merge == "first":
        return min(history, key=stamp)

    def frequency(o: Observation) -> tuple[int, int, int, str, str]:
        same = [canonical_json(x.value) for x in history].count(canonical_json(o.value))
        return same, o.timestamp, o.tie, o.source, canonical_json(o.value)

    return max(history, key=frequency)


@given(
    st.lists(st.tuples(st.integers(1, 2), st.sampled_from(["g", "h"]), st.sampled_from([{}, {"a": 1}, {"a": 2}]))),
    st.integers(0, 6),
    chances,
)
def test_groups(calls: list[tuple[int, str, dict[str, int]]], cut: int, chance: random.Random) -> None:
    history = [
        Event(f"m{n}", "group", "", at, at, "web", (), "", traits, group_id=group)
        for n, (at, group, traits) in enumerate(calls)
    ]
    policy = ProfilePolicy()
    whole, left, right = Profile(1, 1), Profile(1, 1), Profile(1, 1)
    shuffled = chance.sample(history, len(history))
    for profile, part in ((whole, history), (left, shuffled[:cut]), (right, shuffled[cut:])):
        for event in part:
            apply(profile, event, policy)
    merge(left, right, policy)
    assert canonical(left) == canonical(whole)
    for group in whole.groups:
        said = [(at, traits) for at, name, traits in calls if name == group and traits]
        latest = [traits for at, traits in said if at == max(at for at, _ in said)] if said else [{}]
        assert whole.groups[group].value in latest


completions = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([3, 3, 4]),
        st.sampled_from([5, 5, 6]),
        st.sampled_from(["EUR", "USD"]),
        st.lists(st.just(("p", 1000, 5)), max_size=1),
    ),
    max_size=8,
)


@given(completions, chances)
def test_the_earliest_completion_of_an_order_counts(
    told_of: list[tuple[int, int, int, str, list[tuple[str, int, int]]]], chance: random.Random
) -> None:
    parts = [{"o": Order(*fields)} for fields in told_of]
    joined: dict[str, Order] = {}
    for part in chance.sample(parts, len(parts)):
        merge_orders(joined, part)
    completed = [fields for fields in told_of if fields[0]]
    assert joined.get("o", Order()) == (Order(*min(completed)) if completed else Order())


edges = st.sampled_from([0, 1, 29, 30, 31, ACTIVITY_MIN - 1, ACTIVITY_MIN, ACTIVITY_MIN + 1, 2 * ACTIVITY_MIN])


@given(st.lists(edges.map(lambda n: 5000 + n), max_size=8), st.integers(0, 8))
def test_minutes_of_activity(times: list[int], cut: int) -> None:
    whole: list[int] = []
    left: list[int] = []
    right: list[int] = []
    for minutes, part in ((whole, times), (left, times[:cut]), (right, times[cut:])):
        for minute in part:
            mark_active(minutes, minute * 60_000)
    merge_minutes(left, right)
    expected = sorted({minute for minute in times if minute > max(times) - ACTIVITY_MIN})
    assert whole == left == expected
    bounds = session_bounds(whole)
    if bounds is None:
        assert not times
        return
    session = [minute for minute in expected if minute >= bounds[0]]
    assert session[-1] == bounds[1] == expected[-1]
    assert all(after - before < SESSION_GAP_MIN for before, after in pairwise(session))
    earlier = [minute for minute in expected if minute < bounds[0]]
    assert not earlier or bounds[0] - earlier[-1] >= SESSION_GAP_MIN
