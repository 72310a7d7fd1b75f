"""Limits: whatever one id is told, its profile stays small, quick, and tells what it left out."""

import random
import time
from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.profile.document import document
from models.profile.lifecycle import lifecycle
from models.profile.policy import AttributePolicy, ProfileLimits, ProfilePolicy
from models.profile.reduce import apply, merge
from models.profile.state import DAY_MS, Profile, copy_of, decode_profile, encode_profile
from models.segments.criteria import ALL_TIME, Transactional
from models.segments.orders import transactional

POLICY = ProfilePolicy()
T = 1_700_000_000_000  # ms


def event(number: int, kind: str = "track", name: str = "", at: int = T, **fields: Any) -> Event:
    return Event(f"m{number}", kind, name, at, at, "web", ("user_id:u1",), "user_id:u1", **fields)


def size_of(profile: Profile) -> int:
    return len(msgspec.msgpack.encode(profile))


def fold(events: list[Event], policy: ProfilePolicy = POLICY) -> Profile:
    profile = Profile(1, T)
    for one in events:
        apply(profile, one, policy)
    return decode_profile(encode_profile(profile))


def noise(chance: random.Random, characters: int) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=characters))


def hostile_identifies() -> list[Event]:
    """20 KB each, of new traits: some few and long, some many and short."""
    chance = random.Random(1)
    found = []
    for n in range(200):
        count = (1, 5, 200, 1000)[n % 4]
        found.append(event(n, "identify", traits={f"t{n}_{i}": noise(chance, 20_000 // count) for i in range(count)}))
    return found


def test_hostile_identifies_stay_small_and_are_counted() -> None:
    hostile = hostile_identifies()
    profile = fold(hostile)
    assert size_of(profile) < 70_000
    told = sum(len(one.traits) for one in hostile)
    assert len(profile.attributes) + profile.beyond_limits["attributes"] == told
    assert document(profile, T, {})["beyond_limits"] == profile.beyond_limits
    started = time.process_time()
    for n in range(50):
        state = decode_profile(encode_profile(profile))
        apply(state, event(1000 + n, name="Product Viewed"), POLICY)
    assert (time.process_time() - started) / 50 < 0.015  # seconds; it took 0.3 without limits


def test_values_that_grow_are_bounded_too() -> None:
    small = [event(n, "identify", traits={f"t{n}": n}) for n in range(512)]
    grown = [event(n, "identify", at=T + 1, traits={f"t{n}": "x" * 4000}) for n in range(512)]
    profile = fold(small + grown)
    assert size_of(profile) < 80_000
    assert profile.beyond_limits["attributes"] > 490
    again = event(9, "identify", at=T + 2, traits={"t0": "short", "t1": "x" * 5000})
    before = profile.beyond_limits["attributes"]
    assert "attributes.t0" in apply(profile, again, POLICY)
    assert profile.beyond_limits["attributes"] == before + 1


@pytest.mark.parametrize("characters", [10, 60, 3000])
def test_counted_values_are_bounded(characters: int) -> None:
    policy = ProfilePolicy(default_attribute=AttributePolicy("most_frequent"))
    chance = random.Random(2)
    made = [{f"t{i}": noise(chance, characters) for i in range(6)} for _ in range(400)]
    profile = fold([event(n, "identify", at=T + n, traits=traits) for n, traits in enumerate(made)], policy)
    assert size_of(profile) < 80_000
    kept = sum(len(attribute.counts or ()) for attribute in profile.attributes.values())
    assert kept + profile.beyond_limits["attributes"] == 2400
    assert max(len(attribute.counts or ()) for attribute in profile.attributes.values()) <= 256


def test_names_channels_groups_consents_and_texts_are_bounded() -> None:
    limits = POLICY.limits
    events = []
    for n in range(1000):
        consent = {"categoryPreferences": {f"c{n}": True}}
        events.append(event(n, name=f"Event {n}", context={"channel": f"kiosk{n}", "consent": consent}))
        events.append(event(n, "group", group_id=f"g{n}", traits={"name": "x" * 600}))
        events.append(event(n, "identify", traits={"language": "x" * 300}))
    events.append(event(0, name="E" * 201))
    profile = fold(events)
    assert len(profile.events) == limits.events
    assert len(profile.channels) == limits.channels
    assert len(profile.consents) == limits.consents
    assert 32 <= len(profile.groups) <= limits.groups
    assert profile.beyond_limits == {
        "behaviors": 1001 - limits.events,
        "engagement": 1000 - limits.channels,
        "privacy": 1000 - limits.consents,
        "groups": 1000 - len(profile.groups),
        "preferences": 1000,
    }
    assert size_of(profile) < 100_000


def test_exact_times_become_days_and_old_days_go() -> None:
    policy = ProfilePolicy(limits=ProfileLimits(exact_times=1000, days=50))
    chance = random.Random(3)
    at = [T + chance.randrange(200) * DAY_MS + chance.randrange(DAY_MS) for _ in range(8000)]
    profile = fold([event(n, name=f"E{n % 20}", at=when) for n, when in enumerate(at)], policy)
    stats = list(profile.events.values())
    assert sum(len(one.recent) for one in stats) <= 1000
    assert sum(len(one.older) for one in stats) <= 50
    assert sum(one.count for one in stats) == 8000
    held = sum(len(one.recent) + sum(one.older.values()) for one in stats)
    assert held + profile.beyond_limits["behaviors"] == 8000
    for name, one in profile.events.items():
        times = [when for n, when in enumerate(at) if f"E{n % 20}" == name]
        assert (one.first, one.last) == (min(times), max(times))
        assert one.recent == sorted(one.recent)


def test_folded_orders_keep_their_sums() -> None:
    policy = ProfilePolicy(limits=ProfileLimits(orders=40))
    events = []
    for n in range(300):
        order = {"order_id": f"o{n}", "revenue": n, "currency": "EUR" if n % 3 else "USD"}
        events.append(event(n, name="Order Completed", at=T + n * DAY_MS, properties=order))
        if n % 5 == 0:
            events.append(
                event(n, name="Order Refunded", at=T + n * DAY_MS, properties={"order_id": f"o{n}", "amount": 1})
            )
        if n % 7 == 0:
            events.append(event(n, name="Order Cancelled", at=T + n * DAY_MS, properties={"order_id": f"o{n}"}))
    now = T + 300 * DAY_MS
    whole, bounded = fold(events), fold(events, policy)
    assert len(bounded.orders) <= 40 < len(whole.orders)
    left, right = fold(events[::2], policy), fold(events[1::2], policy)
    expected = document(whole, now, {})
    found = document(bounded, now, {})
    assert found["transactions"] == expected["transactions"]
    assert found["lifecycle"] == expected["lifecycle"] | {"since": found["lifecycle"]["since"]}
    assert bounded.beyond_limits == {}
    for measure, value in (("count", 171), ("revenue", 25_000_000_000), ("refunds", 20_000_000)):
        for currency in ("EUR", "USD", ""):
            judge = transactional(Transactional(measure, "at_least", value, window=ALL_TIME, currency=currency))
            assert judge(bounded, now)[0] == judge(whole, now)[0]
    merge(left, right, policy)
    assert len(left.orders) <= 40
    assert left.folded is not None


def test_hostile_orders_stay_small() -> None:
    chance = random.Random(4)
    lines = [{"product_id": noise(chance, 150), "price": 1} for _ in range(200)]
    events = [
        event(n, name="Order Completed", at=T + n, properties={"order_id": f"o{n}", "currency": f"C{n}", "products": p})
        for n, p in ((n, lines if n < 50 else lines[:1]) for n in range(3000))
    ]
    events += [event(n, name="Order Refunded", at=T, properties={"order_id": f"r{n}"}) for n in range(3000)]
    events.append(event(0, name="Order Cancelled", properties={"order_id": "x" * 201}))
    profile = fold(events)
    assert size_of(profile) < 90_000
    assert len(profile.orders) <= POLICY.limits.orders
    assert profile.beyond_limits["products"] > 200
    assert profile.beyond_limits["transactions"] > 1000
    assert lifecycle(profile, T).stage == "loyal"


def test_merged_profiles_are_bounded_as_one() -> None:
    one = fold(hostile_identifies()[::2] + [event(n, name=f"A{n}") for n in range(400)])
    two = fold(hostile_identifies()[1::2] + [event(n, name=f"B{n}") for n in range(400)])
    seen = one.beyond_limits["attributes"] + two.beyond_limits["attributes"]
    kept = len(one.attributes) + len(two.attributes)
    joined = copy_of(one)
    merge(joined, two, POLICY)
    assert size_of(joined) < 100_000
    assert len(joined.events) == 512
    assert joined.beyond_limits == {"attributes": seen + kept - len(joined.attributes), "behaviors": 288}


def test_merged_times_and_days_are_bounded_as_one() -> None:
    policy = ProfilePolicy(limits=ProfileLimits(exact_times=100, days=5))
    sides = [fold([event(n, name="E", at=T + n * DAY_MS + side) for n in range(90)], policy) for side in range(2)]
    merge(sides[0], sides[1], policy)
    stats = sides[0].events["E"]
    assert (stats.count, len(stats.recent), len(stats.older)) == (180, 100, 5)
    assert sum(stats.older.values()) + 100 + sides[0].beyond_limits["behaviors"] == 180


def test_profiles_without_the_new_fields_are_read() -> None:
    held = msgspec.to_builtins(Profile(1, T))
    profile = msgspec.convert(held[:-2], Profile)
    assert (profile.beyond_limits, profile.folded) == ({}, None)
    assert "beyond_limits" not in document(profile, T, {})


def test_limits_are_at_least_one() -> None:
    with pytest.raises(ValueError, match=r"profile\.limits\.traits must be at least 1"):
        ProfileLimits(traits=0)
