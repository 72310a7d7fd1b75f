"""What time alone does to a profile's document: nothing before `valid_until`, and something then."""

from hypothesis import given
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


@given(
    st.lists(st.integers(0, 300 * DAY_MS), max_size=6),
    moments,
    st.builds(
        LifecycleRules,
        new_days=st.integers(1, 100),
        at_risk_days=st.integers(1, 60),
        lapsed_days=st.integers(61, 200),
        loyal_orders=st.integers(1, 4),
    ),
)
def test_stage_since_and_next_change_are_exact(offsets: list[int], now: int, rules: LifecycleRules) -> None:
    """Only what has happened by `now` may count, or a moment before the last order would judge by the future."""
    times = [CREATED_AT + offset for offset in offsets if CREATED_AT + offset <= now]
    profile = Profile(1, CREATED_AT, orders={str(n): Order(at) for n, at in enumerate(times)})
    found = lifecycle(profile, now, rules)
    assert found.next_change is None or found.next_change > now
    assert lifecycle(profile, (found.next_change or now + 4000 * DAY_MS) - 1, rules) == found
    if found.next_change is not None:
        assert lifecycle(profile, found.next_change, rules).stage != found.stage
    if not times:
        return
    # At `since` the stage held with what had happened until then, and just before it did not.
    assert max(times) <= now
    assert stage_at(times, found.since, rules) == found.stage
    assert stage_at(times, found.since - 1, rules) != found.stage


def stage_at(times: list[int], now: int, rules: LifecycleRules) -> str:
    happened = {str(n): Order(at) for n, at in enumerate(times) if at <= now}
    return lifecycle(Profile(1, CREATED_AT, orders=happened), now, rules).stage
