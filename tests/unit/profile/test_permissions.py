"""Preferences and consents: what cannot be read is a no."""

from typing import Any

import pytest

from models.events.event import Event
from models.profile.document import document
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply, merge
from models.profile.state import Profile

POLICY = ProfilePolicy()


def event(kind: str, name: str = "", at: int = 1, traits: Any = None, context: Any = None, number: int = 0) -> Event:
    return Event(f"m{number}", kind, name, at, at, "web", ("user_id:u1",), "user_id:u1", traits or {}, {},
                 context or {})  # fmt: skip


def preferences(*events: Event) -> dict[str, Any]:
    profile = Profile(1, 1)
    for one in events:
        apply(profile, one, POLICY)
    return {name: told.value for name, told in profile.preferences.items()}


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"language": "de"}, {"language": "de"}),
        ({"preferredLanguage": "de"}, {"language": "de"}),
        ({"language": 5}, {}),
        ({"time_zone": "UTC", "contact_preference": "sms"}, {"timezone": "UTC", "channel": "sms"}),
        ({"email_opt_in": "Yes"}, {"email_opt_in": True}),
        ({"emailOptIn": 1}, {"email_opt_in": True}),
        ({"email_opt_in": "perhaps"}, {"email_opt_in": False}),
        ({"email_opt_in": None}, {"email_opt_in": None}),
        ({"unsubscribed": True, "accepts_marketing": True}, {"marketing_opt_in": False}),
        ({"smsOptOut": False}, {"sms_opt_in": True}),
        ({"colour": "red"}, {}),
    ],
)
def test_traits(traits: dict[str, Any], found: dict[str, Any]) -> None:
    assert preferences(event("identify", traits=traits)) == found


def test_subscription_events() -> None:
    joined, left = event("track", "SMS Subscribed", 1), event("track", "SMS Unsubscribed", 2)
    assert preferences(left, joined) == {"sms_opt_in": False}
    profile = Profile(1, 1)
    assert "preferences.sms_opt_in" in apply(profile, joined, POLICY)
    assert "preferences.sms_opt_in" in apply(profile, left, POLICY)


def test_of_a_yes_and_a_no_at_once_the_no_holds() -> None:
    no = event("identify", traits={"email_opt_in": False}, number=1)
    yes = event("identify", traits={"email_opt_in": True}, number=2)
    unset = event("identify", traits={"email_opt_in": None}, number=3)
    assert preferences(no, yes, unset) == preferences(unset, yes, no) == {"email_opt_in": False}
    assert preferences(yes, unset) == preferences(unset, yes) == {"email_opt_in": None}


def test_consents() -> None:
    profile, other = Profile(1, 1), Profile(2, 1)

    def told(at: int, **categories: Any) -> Event:
        return event("track", "Any", at, context={"consent": {"categoryPreferences": categories}}, number=at)

    assert {"privacy.consents.ads", "privacy.consents.analytics"} <= set(
        apply(profile, told(2, ads=True, analytics="true"), POLICY)
    )
    assert "privacy.consents.ads" not in apply(profile, told(3, ads=True), POLICY)
    apply(other, told(4, ads=False, analytics=True), POLICY)
    merge(profile, other, POLICY)
    found = document(profile, 9, {})["privacy"]["consents"]
    # What one of the two has refused holds for both, until a later word.
    assert {category: entry["granted"] for category, entry in found.items()} == {"ads": False, "analytics": False}
    apply(profile, told(4, analytics=True), POLICY)
    assert profile.consents["analytics"].value is False
    apply(profile, told(5, analytics=True), POLICY)
    assert profile.consents["analytics"].value is True


@pytest.mark.parametrize("consent", [None, "junk", {}, {"categoryPreferences": None}, {"categoryPreferences": [1]}])
def test_junk_consent(consent: Any) -> None:
    profile = Profile(1, 1)
    apply(profile, event("track", "Any", context={"consent": consent}), POLICY)
    assert profile.consents == {}


def test_preferences_in_the_document_fall_back_on_the_device() -> None:
    profile = Profile(1, 1)
    apply(profile, event("track", "Any", context={"locale": "de-CH", "timezone": "UTC"}), POLICY)
    apply(profile, event("identify", traits={"timezone": "Europe/Rome", "sms_opt_in": None}, at=2), POLICY)
    found = document(profile, 9, {})["preferences"]
    assert {name: entry["value"] for name, entry in found.items()} == {"locale": "de-CH", "timezone": "Europe/Rome"}
