"""Corrections hold, whatever the order of events, corrections, replays and merges: against an oracle that sorts."""

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.privacy.corrections import CORRECTION, correction_context
from models.profile.policy import ProfilePolicy
from models.profile.reduce import merge
from models.profile.registers import canonical_json
from models.profile.state import Profile, canonical, decode_profile, encode_profile, tie_of
from tests.strategies.profile_strategies import (
    CREATED_AT,
    IDENTIFIERS,
    MESSAGE_IDS,
    SOURCES,
    fold,
    histories,
    policies,
    timestamps,
    values,
)

TRAITS = ("city", "plan", "shoe_size")


@st.composite
def corrections(draw: st.DrawFn) -> list[Event]:
    """At most four statements, on few traits, at few times."""
    made = []
    for number in range(draw(st.integers(0, 4))):
        at = draw(timestamps)
        stated = draw(st.dictionaries(st.sampled_from(TRAITS), values, max_size=2))
        lift = [name for name in draw(st.lists(st.sampled_from(TRAITS), max_size=1)) if name not in stated]
        message_id = f"correction-{MESSAGE_IDS[number]}"
        identifier = draw(st.sampled_from(IDENTIFIERS))
        source = draw(st.sampled_from(SOURCES))
        context = correction_context(lift, "it was wrong")
        made.append(
            Event(message_id, CORRECTION, "", at, at, source, (identifier,), identifier, stated, context=context)
        )
    return made


def expected(history: list[Event], stated: list[Event], policy: ProfilePolicy) -> dict[str, Any]:
    """The values that the profile must have: of the latest statement on a trait, else what events tell."""
    told = {name: a.winner.value for name, a in fold(history, policy).attributes.items()}
    words: dict[str, list[tuple[Any, ...]]] = {}
    for event in stated:
        at, tie = max(event.timestamp, 1), tie_of(event.message_id)
        for name, value in event.traits.items():
            words.setdefault(name, []).append((at, tie, canonical_json(value), event.source, True, value))
        for name in event.context["correction"]["lift"]:
            words.setdefault(name, []).append((at, tie, "null", event.source, False, None))
    for name, said in words.items():
        *_, stands, value = max(said, key=lambda word: word[:5])
        if stands:
            told[name] = value
    return {name: value for name, value in told.items() if value is not None}


def essential(profile: Profile) -> bytes:
    """Without identifiers: a statement is about one that is there, and no sighting of it."""
    return canonical(msgspec.structs.replace(profile, identifiers={}))


def seen(profile: Profile) -> dict[str, Any]:
    return {name: a.winner.value for name, a in profile.attributes.items() if a.winner.value is not None}


@given(histories(), corrections(), policies, st.randoms(use_true_random=False))
def test_no_order_of_events_reverts_a_correction(
    history: list[Event], stated: list[Event], policy: ProfilePolicy, chance: random.Random
) -> None:
    every = [*history, *stated]
    wanted = canonical_json(expected(history, stated, policy))
    folded = fold(chance.sample(every, len(every)), policy)
    assert canonical_json(seen(folded)) == wanted
    assert canonical_json(seen(decode_profile(encode_profile(folded)))) == wanted
    assert essential(folded) == essential(fold(every, policy))


@given(histories(), corrections(), policies, st.data())
def test_no_merge_reverts_a_correction(
    history: list[Event], stated: list[Event], policy: ProfilePolicy, data: st.DataObject
) -> None:
    every = [*history, *stated]
    sides = data.draw(st.lists(st.integers(0, 2), min_size=len(every), max_size=len(every)))
    parts = [fold([e for e, side in zip(every, sides, strict=True) if side == n], policy) for n in range(3)]
    whole = parts[data.draw(st.integers(0, 2))]
    for part in parts:
        if part is not whole:
            before = canonical(part)
            merge(whole, part, policy)
            assert canonical(part) == before
    assert canonical_json(seen(whole)) == canonical_json(expected(history, stated, policy))
    late = Event("m-late", "identify", "", 1 << 42, 1 << 42, "crm", IDENTIFIERS[:1], IDENTIFIERS[0],
                 dict.fromkeys(TRAITS, "late"))  # fmt: skip
    again = fold([*history, late, *stated], policy)
    merge(again, Profile(3, CREATED_AT), policy)
    assert canonical_json(seen(again)) == canonical_json(expected([*history, late], stated, policy))
