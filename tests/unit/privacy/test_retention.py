"""Terms of data, and what is left of a profile: the sections that the simulation of purges does not look into."""

from collections import Counter
from typing import Any

import pytest

from models.events.event import Event
from models.privacy.purposes import DataScope, Purpose, Purposes, admit
from models.privacy.retention import Purged, is_empty, left_of, purge_profile, terms_of
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import DAY_MS, Profile

NOW = 1_760_000_000_000
POLICY = ProfilePolicy(attributes={"size": AttributePolicy("most_frequent")})
MONTH = Purposes(known={"shop": Purpose(basis="contract", retention_days=30)}, default="shop")


def profile_of(*events: Event) -> Profile:
    profile = Profile(1, NOW)
    for event in events:
        apply(profile, event, POLICY)
    return profile


def event(days: int, kind: str = "identify", name: str = "", **content: Any) -> Event:
    at = NOW - days * DAY_MS
    return Event(f"m{days}{kind}{name}", kind, name, at, at, "web", ("user_id:u",), "user_id:u", **content)


def purged(profile: Profile, purposes: Purposes = MONTH) -> dict[str, int]:
    terms = terms_of(profile, purposes, NOW)
    assert terms is not None
    gone = purge_profile(profile, terms)
    assert not purge_profile(profile, terms)
    return {section: entries for (_, section), entries in gone.items()}


def test_a_correction_stays_while_events_tell_the_trait() -> None:
    corrected = event(50, "correction", traits={"plan": "right"})
    profile = profile_of(event(60, traits={"plan": "wrong"}), corrected, event(20, traits={"plan": "wrong"}))
    assert purged(profile) == {}
    assert profile.attributes["plan"].winner.value == "right"
    profile = profile_of(event(60, traits={"plan": "wrong"}), corrected)
    assert purged(profile) == {"attributes": 2}
    assert is_empty(profile)


def test_of_values_that_are_counted_the_old_ones_go() -> None:
    told = [event(days, traits={"size": size}) for days, size in ((50, "M"), (45, "M"), (40, "M"), (10, "S"), (5, "L"))]
    profile = profile_of(*told)
    assert profile.attributes["size"].winner.value == "M"
    assert purged(profile) == {"attributes": 1}
    assert profile.attributes["size"].winner.value == "L"
    assert profile.attributes == profile_of(*told[3:]).attributes


def test_refusals_outlive_their_term() -> None:
    profile = profile_of(event(50, traits={"email_opt_in": False, "sms_opt_in": True, "language": "de"}))
    purged(profile)
    assert {name: held.value for name, held in profile.preferences.items()} == {"email_opt_in": False}


def test_sections_go_by_their_own_times() -> None:
    order = {"order_id": "o1", "total": 5}
    old, new = "Email Opened", "SMS Delivered"
    profile = profile_of(
        event(50, "track", "Order Completed", properties=order, context={"locale": "de"}),
        event(50, "track", old),
        event(50, "group", group_id="g1", traits={"name": "x"}),
        event(10, "track", new),
        event(10, "track", "Order Completed", properties={**order, "order_id": "o2"}),
    )
    assert purged(profile) == {
        "behaviors": 2,
        "transactions": 1,
        "engagement": 1,
        "groups": 1,
        "realTimeContext": 1,
    }
    assert (set(profile.orders), set(profile.channels), set(profile.events)) == (
        {"o2"},
        {"sms"},
        {"Order Completed", new},
    )


def test_of_many_occurrences_those_of_a_day_go_when_the_day_is_over() -> None:
    times = [NOW - hours * 3_600_000 for hours in range(2_000, 0, -1)]
    views = [Event(f"m{at}", "track", "Seen", at, at, "web", ("user_id:u",), "user_id:u") for at in times]
    profile = profile_of(*views)
    purged(profile)
    since = NOW - 30 * DAY_MS
    left = [at for at in times if (at // DAY_MS + 1) * DAY_MS > since]
    stats = profile.events["Seen"]
    assert (stats.count, stats.last) == (len(left), times[-1])
    assert since - DAY_MS < stats.first <= left[0]


@pytest.mark.parametrize(("days", "kept"), [(29, True), (31, False)])
def test_an_event_is_kept_as_long_as_the_longest_of_its_purposes(days: int, kept: bool) -> None:
    scope = DataScope(events=("Seen",))
    known = {
        "week": Purpose(basis="contract", data=scope, retention_days=7),
        "month": Purpose(basis="contract", data=scope, retention_days=30),
        "ads": Purpose(basis="consent", data=scope),  # for ever, but nobody has agreed
        "shop": Purpose(basis="contract"),
    }
    profile, seen = profile_of(), event(days, "track", "Seen", properties={"a": 1})
    terms = terms_of(profile, Purposes(known=known, default="shop"), NOW)
    assert terms is not None
    gone: Purged = Counter()
    left = left_of(seen, terms, gone)
    assert (left.event == seen) == kept
    assert gone == ({} if kept else {("month", "events"): 1})


SPECIAL = Purposes(
    known={
        "shop": Purpose(basis="contract", data=DataScope(traits=("*",))),
        "care": Purpose(basis="consent", data=DataScope(traits=("blood*",), events=("Prescription *",))),
    },
    default="shop",
    labels={
        "health": DataScope(traits=("blood*", "allergy"), events=("Prescription *",)),
        "contact": DataScope(traits=("email", "blood_contact")),
    },
)


def test_special_categories_are_kept_with_consent_alone() -> None:
    told = event(1, traits={"blood_type": "A", "allergy": "nuts", "email": "x"})
    without = admit(SPECIAL, told, frozenset({"shop"}))
    assert without.left_out == ("traits.blood_type", "traits.allergy")
    agreed = admit(SPECIAL, told, frozenset({"shop", "care"}))
    assert agreed.left_out == ("traits.allergy",)  # which no purpose with consent names
    assert SPECIAL.labels_of("traits", "blood_contact") == ["health", "contact"]
    assert SPECIAL.labels_of("events", "Prescription Filled") == ["health"]


def test_special_categories_need_a_purpose_that_may_use_them() -> None:
    with pytest.raises(ValueError, match=r"labels.health: .* basis consent alone"):
        Purposes(known={"shop": Purpose(basis="contract")}, default="shop", labels=SPECIAL.labels)
