"""What time alone does to a profile's document: nothing before `valid_until`, and something then."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.document import FOREVER_MS, document, valid_until
from models.profile.lifecycle import LifecycleRules, lifecycle
from models.profile.policy import ProfilePolicy
from models.profile.state import DAY_MS, Order, Profile
from tests.strategies.profile_strategies import CREATED_AT, fold, histories

moments = st.integers(CREATED_AT - 3 * DAY_MS, CREATED_AT + 400 * DAY_MS)


@given(histories(), moments, st.floats(0, 1, exclude_max=True))
def test_document_holds_until_it_says(history: list[Event], now: int, fraction: float) -> None:
    profile = fold(history, ProfilePolicy())
    until = valid_until(profile, now)
    assert until > now
    later = now + int((min(until, now + 4000 * DAY_MS) - now) * fraction)
    assert document(profile, later, {}) == document(profile, now, {})
    if until < FOREVER_MS:
        assert document(profile, until - 1, {}) == document(profile, now, {}) != document(profile, until, {})


# `moment`: days and ms after the last order. Days so few, and rules so short, that orders fall on the very edges.
@settings(max_examples=400)
@given(
    st.lists(st.integers(0, 12), max_size=5),
    st.tuples(st.integers(0, 8), st.sampled_from([0, 0, 1, DAY_MS - 1])),
    st.builds(
        LifecycleRules,
        new_days=st.integers(1, 8),
        at_risk_days=st.integers(1, 4),
        lapsed_days=st.integers(5, 8),
        loyal_orders=st.integers(1, 5),
    ),
)
def test_stage_since_and_next_change_are_exact(days: list[int], moment: tuple[int, int], rules: LifecycleRules) -> None:
    times = [CREATED_AT + day * DAY_MS for day in days]
    now = max(times, default=CREATED_AT) + moment[0] * DAY_MS + moment[1]
    profile = Profile(1, CREATED_AT, orders={str(n): Order(at) for n, at in enumerate(times)})
    found = lifecycle(profile, now, rules)
    assert found.next_change is None or found.next_change > now
    assert lifecycle(profile, (found.next_change or now + 4000 * DAY_MS) - 1, rules) == found
    if found.next_change is not None:
        assert lifecycle(profile, found.next_change, rules).stage != found.stage
    if not times:
        return
    # The stage has held ever since `since`, by what had happened at each time, and just before it did not.
    assert {stage_at(times, at, rules) for at in range(found.since, now + 1, DAY_MS)} == {found.stage}
    assert stage_at(times, found.since - 1, rules) != found.stage


def stage_at(times: list[int], now: int, rules: LifecycleRules) -> str:
    happened = {str(n): Order(at) for n, at in enumerate(times) if at <= now}
    return lifecycle(Profile(1, CREATED_AT, orders=happened), now, rules).stage
