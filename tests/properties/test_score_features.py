"""Features as of a time: the same as the live profile had, and blind to whatever came later."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.policy import ProfilePolicy
from models.profile.reduce import time_of
from models.profile.state import canonical
from models.scoring.features import HISTORY, Feature, FeatureReader
from models.scoring.replay import profile_as_of, profiles_as_of
from tests.strategies.profile_strategies import CREATED_AT, events, fold, histories, timestamps

POLICY = ProfilePolicy()
FEATURES = {
    **{name: Feature(history=name) for name in HISTORY},
    "plan": Feature(trait="plan", text=True),
    "age": Feature(trait="age"),
    "bought": Feature(computed={"type": "transactional", "measure": "revenue"}),
    "did_lately": Feature(
        computed={"type": "behavioral", "event": "Order Completed", "measure": "count", "window": {"last": "30d"}}
    ),
}
READER = FeatureReader(FEATURES)
times = st.one_of(timestamps.filter(lambda at: at > 0), st.integers(CREATED_AT, CREATED_AT + 90 * 60_000))


@given(histories(), times)
def test_what_came_later_is_not_in_it(history: list[Event], at: int) -> None:
    past = [event for event in history if event.timestamp <= at]
    told, expected = (profile_as_of(1, told, at, POLICY) for told in (history, past))
    assert (told is None) == (not past)
    if told is not None and expected is not None:
        assert canonical(told) == canonical(expected)
        assert READER.one(told, at) == READER.one(expected, at)


@given(histories(), st.lists(times, max_size=5))
def test_a_profile_that_grows_is_at_each_time_what_it_was(history: list[Event], asked: list[int]) -> None:
    grown = profiles_as_of(1, history, sorted(asked), POLICY)
    for at, told in zip(sorted(asked), grown, strict=True):
        expected = profile_as_of(1, [event for event in history if event.timestamp <= at], at, POLICY)
        assert (told is None) == (expected is None)
        if told is not None and expected is not None:
            assert canonical(told) == canonical(expected)
            assert READER.one(told, at) == READER.one(expected, at)


@given(histories(), events(), times)
def test_planted_events_of_the_future_move_no_feature(history: list[Event], planted: Event, at: int) -> None:
    later = msgspec.structs.replace(planted, message_id="planted", timestamp=at + 1)
    without, planted_in = profile_as_of(1, history, at, POLICY), profile_as_of(1, [later, *history], at, POLICY)
    assert (without is None) == (planted_in is None)
    if without is not None and planted_in is not None:
        assert READER.one(planted_in, at) == READER.one(without, at)


@given(histories(), st.integers(0, 10**12))
def test_offline_features_are_those_that_were_there_online(history: list[Event], wait: int) -> None:
    """The live profile, folded as events came in, against the same events replayed."""
    if not history:
        return
    at = max(time_of(event) for event in history) + wait
    live = fold(history, POLICY)
    replayed = profile_as_of(live.customer_id, history, at, POLICY)
    assert replayed is not None
    assert READER.one(live, at) == READER.one(replayed, at)
    assert READER.batch([live], at).to_pylist() == READER.batch([replayed], at).to_pylist()
