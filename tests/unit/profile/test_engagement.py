"""Channels and actions of events."""

from typing import Any

import pytest

from models.events.event import Event
from models.profile.engagement import channel_of
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import Profile

POLICY = ProfilePolicy(source_channels={"till": "store"})


def event(kind: str, name: str, source: str = "api", context: dict[str, Any] | None = None, at: int = 60_000) -> Event:
    identifiers = ("user_id:u1",)
    return Event(f"{name}{at}", kind, name, at, at, source, identifiers, identifiers[0], context=context or {})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Email Opened", ("email", "opened")),
        ("Email Link Clicked", ("email", "clicked")),
        ("Email Marked as Spam", ("email", "complained")),
        ("email_bounced", ("email", "bounced")),
        ("Push Notification Tapped", ("push", "clicked")),
        ("SMS Delivered", ("sms", "delivered")),
        ("Ad Clicked", ("ads", "clicked")),
        ("Store Visited", ("store", "visited")),
        ("Ticket Created", ("support", "created")),
        ("Application Opened", ("mobile", "opened")),
        ("Store Locator Viewed", ("", "")),
        ("Email", ("", "")),
        ("Product Viewed", ("", "")),
        ("Order Completed", ("", "ordered")),
        ("Order Refunded", ("", "refunded")),
        ("", ("", "")),
    ],
)
def test_channel_by_name(name: str, found: tuple[str, str]) -> None:
    assert channel_of(event("track", name), POLICY) == found


@pytest.mark.parametrize(
    ("kind", "source", "context", "channel"),
    [
        ("track", "api", {"channel": "POS "}, "store"),
        ("track", "api", {"channel": "kiosk"}, "kiosk"),
        ("track", "till", {"channel": "server"}, "store"),
        ("track", "till", {"channel": 5}, "store"),
        ("track", "till", {"channel": "web"}, "web"),
        ("page", "api", {}, "web"),
        ("screen", "api", {}, "mobile"),
        ("track", "api", {"page": {"url": "/"}}, "web"),
        ("track", "api", {"os": {"name": "Android"}}, "mobile"),
        ("track", "api", {"device": {"type": "ios"}, "page": {}}, "mobile"),
        ("track", "api", {"os": "junk", "device": "junk"}, ""),
        ("track", "api", {"os": {"name": "Windows"}}, ""),
    ],
)
def test_channel_otherwise(kind: str, source: str, context: dict[str, Any], channel: str) -> None:
    assert channel_of(event(kind, "Thing Done", source, context), POLICY)[0] == channel


def test_counts() -> None:
    profile = Profile(1, 1)
    for at in (3, 1, 2):
        changed = apply(profile, event("track", "Email Opened", at=at), POLICY)
        assert "engagement.email" in changed
    apply(profile, event("track", "Email Sent", at=9), POLICY)
    stats = profile.channels["email"]
    assert (stats.count, stats.first, stats.last, stats.actions) == (4, 1, 9, {"opened": 3, "sent": 1})


def test_what_others_do_is_no_activity() -> None:
    profile = Profile(1, 1)
    for name in ("Email Sent", "Email Bounced", "Order Refunded", "Order Cancelled"):
        apply(profile, event("track", name), POLICY)
    apply(profile, event("identify", ""), POLICY)
    assert profile.active_minutes == []
    apply(profile, event("track", "Order Completed"), POLICY)
    assert profile.active_minutes == [1]
