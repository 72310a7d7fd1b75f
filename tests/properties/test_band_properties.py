"""Statements of bands: of a profile they change their traits alone, whatever the order of events and merges."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.profile.policy import ProfilePolicy
from models.profile.reduce import merge
from models.profile.state import Profile, canonical, tie_of
from models.scoring.bands import policy_with_bands
from models.scoring.statements import band_trait, statement
from tests.strategies.profile_strategies import IDENTIFIERS, fold, histories, policies, timestamps

NAMES = ("churn", "value")
TRAITS = tuple(map(band_trait, NAMES))


@st.composite
def statements(draw: st.DrawFn) -> list[Event]:
    """At most four, at few times."""
    made = []
    for number in range(draw(st.integers(0, 4))):
        bands = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["low", "high", None]), min_size=1))
        made.append(statement(number, draw(st.sampled_from(IDENTIFIERS)), bands, {}, draw(timestamps)))
    return made


@st.composite
def forged(draw: st.DrawFn) -> list[Event]:
    """What others tell of the same traits."""
    told = draw(st.dictionaries(st.sampled_from(TRAITS), st.sampled_from(["low", "high", "x"]), max_size=2))
    at = draw(timestamps)
    return [Event("forged", "identify", "", at, at, "web", IDENTIFIERS[:1], IDENTIFIERS[0], told)]


def essential(profile: Profile, without: tuple[str, ...] = ()) -> bytes:
    """Without identifiers: a statement is about one that is there, and no sighting of it. Without consents, of which
    a merge keeps the refusals (`tests/properties/test_profile_order.py`)."""
    attributes = {name: each for name, each in profile.attributes.items() if name not in without}
    return canonical(msgspec.structs.replace(profile, identifiers={}, consents={}, attributes=attributes))


@given(histories(), statements(), forged(), policies, st.randoms(use_true_random=False), st.data())
def test_statements_change_their_traits_alone_in_any_order(
    history: list[Event],
    stated: list[Event],
    others: list[Event],
    policy: ProfilePolicy,
    chance: random.Random,
    data: st.DataObject,
) -> None:
    policy = policy_with_bands(policy, NAMES)
    every = [*history, *others, *stated]
    whole = fold(every, policy)
    assert essential(whole, TRAITS) == essential(fold([*history, *others], policy), TRAITS)
    for trait in TRAITS:
        words = [(max(e.timestamp, 1), tie_of(e.message_id), repr(e.traits[trait]), e.traits[trait])
                 for e in stated if trait in e.traits]  # fmt: skip
        if words:
            assert whole.attributes[trait].winner.value in {word[3] for word in words if word[:2] == max(words)[:2]}
    assert essential(fold(chance.sample(every, len(every)), policy)) == essential(whole)
    sides = data.draw(st.lists(st.booleans(), min_size=len(every), max_size=len(every)))
    left, right = (fold([e for e, side in zip(every, sides, strict=True) if side is which], policy)
                   for which in (True, False))  # fmt: skip
    merge(left, right, policy)
    assert essential(left) == essential(whole)
