"""Profiles of which only some parts are decoded say of these what whole ones say, and so do features read of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.parts import PARTS, SMALL, PartDecoder
from models.profile.policy import ProfilePolicy
from models.profile.state import Profile, encode_profile
from models.scoring.features import HISTORY, Feature, FeatureReader
from tests.strategies.profile_strategies import fold, histories

POLICY = ProfilePolicy()
FEATURES = {
    **{name: Feature(history=name) for name in HISTORY},
    "plan": Feature(trait="plan", text=True),
    "bought": Feature(computed={"type": "transactional", "measure": "revenue"}),
}


@given(histories(), st.sets(st.sampled_from(sorted(PARTS))))
def test_the_parts_asked_for_are_as_in_the_whole(history: list[Event], parts: set[str]) -> None:
    for profile in (fold(history, POLICY), Profile(7, 1)):
        found = PartDecoder(parts).decode(encode_profile(profile))
        for name in SMALL | parts:
            assert getattr(found, name) == getattr(profile, name)


@given(histories(), st.sampled_from(sorted(FEATURES)))
def test_a_feature_needs_no_other_parts_than_it_says(history: list[Event], name: str) -> None:
    profile = fold(history, POLICY)
    reader = FeatureReader({name: FEATURES[name]})
    found = PartDecoder(reader.parts).decode(encode_profile(profile))
    at = profile.last_seen
    assert (
        reader.one(found, at)
        == reader.one(profile, at)
        == reader.batch([found], at).drop_columns("customer_id").to_pylist()[0]
    )


def test_other_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="shoe_size"):
        PartDecoder({"shoe_size"})
