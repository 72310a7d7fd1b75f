"""The document's shape and limits (its contents: tests/golden/test_profile_histories.py)."""

import json

from models.events.event import Event
from models.profile.behaviors import names_of
from models.profile.document import DAYS_MAX, FOREVER_MS, ORDERS_MAX, PRODUCTS_MAX, document, valid_until
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply, merge
from models.profile.state import DAY_MS, EventStats, Order, Profile

SECTIONS = [
    *("customer_id", "version", "created_at", "first_seen", "last_seen", "identities", "attributes", "behaviors"),
    *("transactions", "engagement", "segments", "preferences", "lifecycle", "scores", "privacy", "insights"),
    *("realTimeContext", "groups"),
]


def test_an_empty_profile_has_every_section() -> None:
    found = document(Profile(5, 1500), 2000, {})
    assert list(found) == SECTIONS
    assert (found["created_at"], found["first_seen"], found["scores"]) == ("1970-01-01T00:00:01.500Z", None, {})
    assert json.loads(json.dumps(found)) == found
    assert valid_until(Profile(5, 1500), 2000) == FOREVER_MS


def test_long_lists_are_cut_at_the_recent_end() -> None:
    days = {day: 1 for day in range(1000)}
    orders = {
        str(n): Order(1 + n, revenue=n, currency="EUR", products=[(f"p{n}", 1000, n)]) for n in range(PRODUCTS_MAX * 2)
    }
    stats = EventStats(1001, 0, 1000 * DAY_MS, [1000 * DAY_MS], days)
    found = document(Profile(5, 1, events={"E": stats}, orders=orders), 2000, {})
    by_day = found["behaviors"]["E"]["by_day"]
    assert (len(by_day), list(by_day)[-1], by_day["1972-09-27"]) == (DAYS_MAX, "1972-09-27", 1)
    assert [o["order_id"] for o in found["transactions"]["latest"]] == [str(39 - n) for n in range(ORDERS_MAX)]
    assert [p["product_id"] for p in found["transactions"]["products"]] == [f"p{39 - n}" for n in range(PRODUCTS_MAX)]


def test_times_beyond_the_calendar_are_written_as_its_end() -> None:
    far = 1 << 60
    profile = Profile(5, far, first_seen=far, last_seen=far, events={"E": EventStats(1, far, far, [far])})
    profile.active_minutes = [far // 60_000]
    found = document(profile, 1, {})
    assert found["last_seen"] == "9999-12-31T23:59:59.999Z"
    assert found["behaviors"]["E"]["by_day"] == {"9999-12-31": 1}


def test_segments_go_by_id_and_have_names() -> None:
    profile = Profile(5, 1, memberships={"b": 2, "a": 1})
    assert [(s["id"], s["name"]) for s in document(profile, 1, {"b": "Buyers"})["segments"]] == [
        ("a", "a"),
        ("b", "Buyers"),
    ]


def test_identifiers_are_counted_once_they_are_the_profiles() -> None:
    profile, other, policy = Profile(5, 1), Profile(6, 1), ProfilePolicy()
    ids = ("user_id:1", "email:a@b.c")
    events = [Event(f"m{at}", "track", "E", at, at, source, ids, ids[0]) for at, source in ((3, "b"), (2, "a"))]
    add_identifier(profile, "user_id:1", events[0])
    assert "identities" in apply(profile, events[0], policy)
    assert "identities" not in apply(profile, events[1], policy)
    assert list(profile.identifiers) == ["user_id:1"]
    add_identifier(other, "user_id:1", events[1])
    apply(other, events[1], policy)
    merge(profile, other, policy)
    assert document(profile, 9, {})["identities"] == [
        {
            "namespace": "user_id",
            "value": "1",
            "first_seen": "1970-01-01T00:00:00.002Z",
            "last_seen": "1970-01-01T00:00:00.003Z",
            "count": 3,
            "source": "a",
        }
    ]


def test_names_that_events_count_under() -> None:
    def of(kind: str, name: str) -> tuple[str, ...]:
        return names_of(Event("m", kind, name, 1, 1, "web", ("user_id:1",), "user_id:1"))

    assert of("track", "Bought") == ("Bought",)
    assert of("page", "") == ("Page Viewed",)
    assert of("page", "Home") == ("Page Viewed", "Page Viewed: Home")
    assert of("screen", "Cart") == ("Screen Viewed", "Screen Viewed: Cart")
    assert of("identify", "") == of("group", "") == of("alias", "") == of("track", "") == ()
