"""The real-time context, minutes of activity and sessions."""

from typing import Any

import pytest

from models.events.event import Event
from models.profile.document import document
from models.profile.policy import ProfilePolicy
from models.profile.realtime import ACTIVITY_MIN, mark_active, merge_minutes, session_bounds, session_end
from models.profile.reduce import apply
from models.profile.state import Profile


def context_after(*events: tuple[int, str, str, dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    profile = Profile(1, 1)
    for at, kind, name, properties, context in events:
        event = Event(f"m{at}", kind, name, at, at, "web", ("user_id:u1",), "user_id:u1", {}, properties, context)
        apply(profile, event, ProfilePolicy())
    return {key: told.value for key, told in profile.context.items()}


def test_page_loses_query_and_fragment() -> None:
    page = {"url": "https://x.example/a?email=jane@example.com#top", "title": "A", "search": "?email"}
    assert context_after((1, "track", "T", {}, {"page": page})) == {
        "page": {"title": "A", "url": "https://x.example/a"}
    }


def test_properties_of_a_page_call_come_first() -> None:
    found = context_after((1, "page", "Home", {"title": "P", "path": "/p"}, {"page": {"title": "C", "path": "/c"}}))
    assert found == {"page": {"title": "P", "url": "/p", "name": "Home"}}


def test_the_latest_of_each_is_kept() -> None:
    found = context_after(
        (2, "track", "T", {}, {"campaign": {"name": "new"}, "locale": "fr"}),
        (1, "track", "T", {}, {"campaign": {"name": "old"}, "timezone": "UTC", "app": {"name": "Shop", "build": "1"}}),
        (3, "screen", "Cart", {}, {"location": {"city": "Ulm", "latitude": 48.4, "street": "x"}}),
    )
    assert found == {
        "campaign": {"name": "new"},
        "locale": "fr",
        "timezone": "UTC",
        "app": {"name": "Shop"},
        "screen": "Cart",
        "location": {"city": "Ulm", "latitude": 48.4},
    }


@pytest.mark.parametrize(
    ("context", "device"),
    [
        (
            {"device": {"type": "ios", "id": "x", "model": "15"}, "os": {"name": "iOS", "version": "17"}},
            {"type": "ios", "model": "15", "os": "iOS 17"},
        ),
        ({"userAgentData": {"mobile": True, "platform": "Android"}}, {"type": "mobile", "os": "Android"}),
        ({"userAgentData": {}}, {"type": "desktop"}),
        ({"userAgent": "Mozilla/5.0 (Windows NT 10.0)"}, {"type": "desktop", "os": "Windows"}),
        ({"userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15)"}, {"type": "desktop", "os": "macOS"}),
        ({"userAgent": "Mozilla/5.0 (iPad; CPU OS 17_0)"}, {"type": "tablet", "os": "iPadOS"}),
        ({"userAgent": "Mozilla/5.0 (Linux; Android 14) Mobile"}, {"type": "mobile", "os": "Android"}),
        ({"userAgent": "Mozilla/5.0 (Linux; Android 14)"}, {"type": "tablet", "os": "Android"}),
        ({"userAgent": "Mozilla/5.0 (X11; Linux x86_64)"}, {"type": "desktop", "os": "Linux"}),
        ({"userAgent": "Mozilla/5.0 (something)"}, None),
        ({"userAgent": "analytics-python/2.0"}, None),
        ({"device": "junk", "os": 5, "userAgentData": "junk", "userAgent": 5}, None),
    ],
)
def test_device(context: dict[str, Any], device: dict[str, Any] | None) -> None:
    assert context_after((1, "track", "T", {}, context)).get("device") == device


def test_junk_is_left_out() -> None:
    junk = {"page": "x", "campaign": 5, "location": {"city": None, "latitude": True}, "app": [], "locale": 7}
    assert context_after((1, "track", "T", {}, junk), (2, "page", "", {"url": 5, "title": {}}, {})) == {}


def test_minutes_keep_a_day_before_the_latest() -> None:
    minutes: list[int] = []
    for minute in (5000, 5000 - ACTIVITY_MIN, 5001 - ACTIVITY_MIN, 4000, 4000, 5000):
        mark_active(minutes, minute * 60_000 + 59_999)
    assert minutes == [5001 - ACTIVITY_MIN, 4000, 5000]
    mark_active(minutes, (4000 + ACTIVITY_MIN) * 60_000)
    assert minutes == [5000, 4000 + ACTIVITY_MIN]
    merge_minutes(minutes, [5000, 5400])
    assert minutes == [5000, 5400, 5440]


def test_a_session_ends_after_half_an_hour() -> None:
    assert session_bounds([]) is None
    assert session_end([]) == 0
    assert session_bounds([10, 40, 69, 90]) == (40, 90)
    profile = Profile(1, 1, active_minutes=[10, 40, 69])
    for now, active in ((99 * 60_000 - 1, True), (99 * 60_000, False)):
        session = document(profile, now, {})["realTimeContext"]["session"]
        assert session == {
            "started_at": "1970-01-01T00:40:00.000Z",
            "last_activity_at": "1970-01-01T01:09:00.000Z",
            "active": active,
        }
