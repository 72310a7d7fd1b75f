"""The order of events, and their split over profiles that are merged later, leave no trace in the state."""

import random
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.policy import ProfilePolicy
from models.profile.reduce import merge
from models.profile.state import RECENT_MAX, Profile, canonical, copy_of, decode_profile, encode_profile
from tests.strategies.profile_strategies import CREATED_AT, fold, histories, policies


@given(histories(), policies, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_state(history: list[Event], policy: ProfilePolicy, chance: random.Random) -> None:
    shuffled = chance.sample(history, len(history))
    assert canonical(fold(shuffled, policy)) == canonical(fold(history, policy))


@given(histories(), policies, st.data())
def test_any_split_merges_to_the_whole(history: list[Event], policy: ProfilePolicy, data: st.DataObject) -> None:
    sides = data.draw(st.lists(st.integers(0, 2), min_size=len(history), max_size=len(history)))
    parts = [fold([e for e, side in zip(history, sides, strict=True) if side == n], policy) for n in range(3)]
    refused = {name for part in parts for name, told in part.consents.items() if told.value is not True}
    whole = parts[0]
    for part in parts[1:]:
        before = canonical(part)
        merge(whole, part, policy)
        assert canonical(part) == before
    expected = fold(history, policy)
    # Of consents it is not so: what one of several people has refused holds for all when they are joined.
    assert {name for name, told in whole.consents.items() if told.value is not True} == refused
    assert whole.consents.keys() == expected.consents.keys()
    assert essential(whole) == essential(expected)


def essential(profile: Profile) -> bytes:
    return canonical(msgspec.structs.replace(profile, consents={}))


@given(histories(), histories(), histories(), policies)
def test_merge_is_associative_and_commutative(
    one: list[Event], two: list[Event], three: list[Event], policy: ProfilePolicy
) -> None:
    a, b, c = (fold(history, policy) for history in (one, two, three))
    left = merged(merged(a, b, policy), c, policy)
    right = merged(a, merged(b, c, policy), policy)
    other_way = merged(merged(c, b, policy), a, policy)
    assert canonical(left) == canonical(right) == canonical(other_way)


@given(histories(), histories(), policies)
def test_merge_leaves_what_the_machine_owns(one: list[Event], two: list[Event], policy: ProfilePolicy) -> None:
    fields = {"sequence": 5, "absorbed": [3], "apart": [4], "memberships": {"s": 1}, "last_event": 6, "due": 7}
    into = fold(one, policy, customer_id=2, created_at=CREATED_AT + 9, **fields)
    merge(into, fold(two, policy, created_at=CREATED_AT, memberships={"t": 1}, due=1, last_event=1), policy)
    assert into.customer_id == 2
    assert into.created_at == CREATED_AT
    assert {name: getattr(into, name) for name in fields} == fields


@given(histories(), policies)
def test_merge_shares_nothing(history: list[Event], policy: ProfilePolicy) -> None:
    other = fold(history, policy)
    before = canonical(other)
    wipe(merged(Profile(2, CREATED_AT), other, policy))
    assert canonical(other) == before


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 86_400_000), st.integers(1, 200)), max_size=5),
    st.randoms(use_true_random=False),
)
def test_more_events_than_exact_times(bursts: list[tuple[int, int, int]], chance: random.Random) -> None:
    """Each burst: day, step in ms, number of events."""
    times = [CREATED_AT + day * 86_400_000 + step * n for day, step, size in bursts for n in range(size)]
    history = [
        Event(f"m{n}", "track", "Tick", at, at, "web", ("user_id:u1",), "user_id:u1") for n, at in enumerate(times)
    ]
    policy = ProfilePolicy()
    whole = fold(history, policy)
    shuffled = chance.sample(history, len(history))
    cuts = sorted(chance.sample(range(len(history) + 1), min(2, len(history) + 1)))
    joined = Profile(1, CREATED_AT)
    for start, end in pairwise([0, *cuts, len(history)]):
        merge(joined, fold(shuffled[start:end], policy), policy)
    assert canonical(joined) == canonical(fold(shuffled, policy)) == canonical(whole)
    if times:
        stats = whole.events["Tick"]
        times.sort()
        assert stats.recent == times[-RECENT_MAX:]
        assert stats.count == len(times) == len(stats.recent) + sum(stats.older.values())
        assert (stats.first, stats.last) == (times[0], times[-1])


@given(histories(), policies)
def test_encoding_round_trips(history: list[Event], policy: ProfilePolicy) -> None:
    profile = fold(history, policy)
    assert canonical(decode_profile(encode_profile(profile))) == canonical(profile)


def merged(left: Profile, right: Profile, policy: ProfilePolicy) -> Profile:
    joined = copy_of(left)
    merge(joined, right, policy)
    return joined


def wipe(part: Any) -> None:
    """Empties every list and dict within."""
    if isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            wipe(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():
            wipe(value)
        part.clear()
    elif isinstance(part, list):
        for value in part:
            wipe(value)
        part.clear()
