"""Purposes: which have a basis for whom, which data serves them, and what of an event is kept."""

from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.privacy.corrections import CORRECTION
from models.privacy.gate import admitted, is_minor
from models.privacy.ledger import held_at, records_of
from models.privacy.purposes import (
    GUARDIAN,
    NO_AUTOMATED_DECISIONS,
    RESTRICTED,
    STATEMENT,
    DataScope,
    Purpose,
    Purposes,
    has_basis,
)
from models.privacy.statements import stated
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import DAY_MS, Observation, Profile

NOW = 1_760_000_000_000
PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "books": Purpose(basis="legal_obligation", data=DataScope(events=("Order Completed",))),
        "analytics": Purpose(
            basis="legitimate_interests", data=DataScope(events=("Page *", "Order Completed"), sections=("engagement",))
        ),
        "ads": Purpose(
            basis="consent",
            data=DataScope(traits=("income", "segment_*"), events=("Ad *",), sections=("realTimeContext",)),
            categories=("Advertising",),
            tcf=(1, 4),
            opt_out=True,
            consent_days=30,
        ),
    },
    default="service",
)
POLICY = ProfilePolicy()


def told(**answers: Any) -> dict[str, Observation]:
    return {name: Observation(NOW, 0, value) for name, value in answers.items()}


def event(kind: str = "track", name: str = "", at: int = NOW, **fields: Any) -> Event:
    return Event(f"m{at}", kind, name, at, at, "web", ("user_id:1",), "user_id:1", **fields)


@pytest.mark.parametrize(
    ("consents", "granted"),
    [
        ({}, {"service", "books", "analytics"}),
        (told(ads=True), {"service", "books", "analytics", "ads"}),
        (told(Advertising=True), {"service", "books", "analytics", "ads"}),
        (told(ads=True, Advertising=False), {"service", "books", "analytics"}),
        (told(ads="true"), {"service", "books", "analytics"}),
        (told(ads=None), {"service", "books", "analytics"}),
        (told(analytics=False), {"service", "books"}),  # an objection
        (told(service=False, books=False), {"service", "books", "analytics"}),  # against these nobody may object
        ({**told(ads=True), RESTRICTED: Observation(NOW, 0, True)}, {"books"}),
        ({**told(ads=True), RESTRICTED: Observation(NOW, 0, False)}, {"service", "books", "analytics", "ads"}),
    ],
)
def test_which_purposes_have_a_basis(consents: dict[str, Observation], granted: set[str]) -> None:
    assert PURPOSES.granted(consents, NOW) == granted


def test_a_consent_ends_when_its_time_is_over() -> None:
    ads, consents = PURPOSES.known["ads"], told(ads=True)
    assert has_basis("ads", ads, consents, NOW + 30 * DAY_MS - 1)
    assert not has_basis("ads", ads, consents, NOW + 30 * DAY_MS)


def test_of_a_minor_nothing_rests_on_an_agreement_without_a_guardian_s() -> None:
    assert PURPOSES.granted(told(ads=True), NOW, minor=True) == {"service", "books"}
    agreed = {**told(ads=True), GUARDIAN: Observation(NOW, 0, True)}
    assert PURPOSES.granted(agreed, NOW, minor=True) == {"service", "books", "analytics", "ads"}
    child, adult = Profile(1, 1), Profile(2, 1)
    apply(child, event("identify", traits={"birthday": "2015-10-10"}), POLICY)
    apply(adult, event("identify", traits={"birthday": "2009-10-09"}), POLICY)  # sixteen today
    assert is_minor(child, PURPOSES, NOW)
    assert not is_minor(adult, PURPOSES, NOW)
    assert is_minor(adult, PURPOSES, NOW - DAY_MS)
    assert not is_minor(Profile(3, 1), PURPOSES, NOW)


def test_what_no_purpose_names_serves_the_default_one() -> None:
    assert PURPOSES.serving("traits", "income") == ["ads"]
    assert PURPOSES.serving("traits", "segment_x") == ["ads"]
    assert PURPOSES.serving("traits", "city") == ["service"]
    assert PURPOSES.serving("events", "Order Completed") == ["books", "analytics"]


def test_what_has_no_basis_is_not_kept_of_an_event() -> None:
    profile = Profile(1, 1)
    traits = {"income": 5, "city": "Oslo", "segment_a": 1}
    found = admitted(profile, event("identify", traits=traits, context={"page": 1, "traits": {"income": 6}}), PURPOSES)
    assert found.event is not None
    assert (found.event.traits, found.event.context) == ({"city": "Oslo"}, {"traits": {}})
    assert sorted(found.left_out) == ["context", "context.traits.income", "traits.income", "traits.segment_a"]
    seen = admitted(profile, event(name="Ad Clicked", properties={"x": 1}, integrations={"y": 1}), PURPOSES)
    assert seen.left_out == ("events.Ad Clicked",)
    assert seen.event == event("identify")
    plain = event(name="Page Viewed")
    assert admitted(profile, plain, PURPOSES).event is plain
    assert admitted(profile, event(name="Ad Clicked"), Purposes()).event == event(name="Ad Clicked")


def test_nothing_comes_in_beside_what_is_said_of_consent() -> None:
    signals = {"gpc": False, "noticeVersion": "2"}
    smuggled = {"correction": {"ip": "192.0.2.1"}, "consent": {**signals, "note": "met at the clinic"}}
    for made in (event("identify", context=smuggled), event(name="Ad Clicked", context=smuggled)):
        found = admitted(Profile(1, 1), made, PURPOSES)
        assert found.event is not None
        assert found.event.context == {"consent": signals}
        only = admitted(Profile(1, 1), msgspec.structs.replace(made, context={"consent": {"note": "x"}}), PURPOSES)
        assert only.event is not None
        assert only.event.context == {}
    correction = event(CORRECTION, context={"correction": {"lift": ["plan"], "reason": ""}})
    assert admitted(Profile(1, 1), correction, PURPOSES).event == correction


def test_a_restriction_keeps_nothing_out() -> None:
    profile = Profile(1, 1, consents={RESTRICTED: Observation(NOW, 0, True)})
    plain = event(name="Page Viewed")
    assert admitted(profile, plain, PURPOSES).event is plain
    assert admitted(profile, event(name="Ad Clicked"), PURPOSES).left_out == ("events.Ad Clicked",)


def test_an_event_s_own_consent_counts_for_it() -> None:
    profile = Profile(1, 1)
    agreed = {"consent": {"categoryPreferences": {"Advertising": True}}}
    withdrawn = {"consent": {"categoryPreferences": {"Advertising": False}}}
    clicked = event(name="Ad Clicked", context=agreed)
    assert admitted(profile, clicked, PURPOSES).event is clicked
    apply(profile, clicked, POLICY, PURPOSES)
    assert admitted(profile, event(name="Ad Clicked", at=NOW + 1), PURPOSES).left_out == ()
    late = admitted(profile, event(name="Ad Clicked", at=NOW + 31 * DAY_MS), PURPOSES)
    assert late.left_out == ("events.Ad Clicked",)
    refused = admitted(profile, event(name="Ad Clicked", at=NOW + 1, context=withdrawn), PURPOSES)
    assert refused.event is not None
    assert (refused.event.type, refused.event.context) == ("identify", withdrawn)


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (
            {"categoryPreferences": {"a": True, "b": "yes", RESTRICTED: False, GUARDIAN: True}},
            {"a": True, "b": False},
        ),
        ({"gpc": True}, {"ads": False}),
        ({"gpc": "1"}, {}),
        ({"tcString": "junk"}, {"ads": False}),
        ({"tcString": 5}, {"ads": False}),
        ({"gppString": "junk"}, {"ads": False}),
        ({"gppString": "DBABLA~BVQqAAAAAABA.QA"}, {"ads": False}),
        ({"categoryPreferences": {"ads": True}, "gpc": True}, {"ads": False}),
        ({"decisions": {"ads": True}}, {}),
        ("junk", {}),
    ],
)
def test_what_an_event_says_of_consent(given: Any, answers: dict[str, bool]) -> None:
    assert stated(event(name="Seen", context={"consent": given}), PURPOSES) == answers


def test_an_operator_s_statement_can_say_more() -> None:
    decisions = {"ads": True, RESTRICTED: True, NO_AUTOMATED_DECISIONS: False}
    made = event(STATEMENT, context={"consent": {"decisions": decisions}})
    assert stated(made, PURPOSES) == decisions
    assert stated(event(STATEMENT, context={"consent": {"decisions": 5}}), PURPOSES) == {}


def test_the_ledger_tells_what_held_at_any_time() -> None:
    first = {"categoryPreferences": {"ads": True}, "noticeVersion": "v3", "jurisdiction": "DE"}
    ledger = [
        *records_of(event(name="a", context={"consent": first}), 7, ["ads"], PURPOSES, 10),
        *records_of(event(name="b", at=NOW + 10, context={"consent": {"gpc": True}}), 7, ["ads"], PURPOSES, 20),
    ]
    given, denied = ledger
    assert (given.sequence, given.granted, given.basis) == (11, True, "consent")
    assert (given.notice, given.jurisdiction) == ("v3", "DE")
    assert (given.methods, denied.methods, denied.granted) == (["categories"], ["gpc"], False)
    assert msgspec.json.decode(given.raw) == first
    assert held_at(ledger, NOW - 1) == {}
    assert held_at(ledger, NOW + 9) == {"ads": given}
    assert held_at(ledger, NOW + 10) == {"ads": denied}


def test_a_registry_that_cannot_be_used_says_why() -> None:
    with pytest.raises(ValueError, match="default"):
        Purposes(known={"a": Purpose(basis="consent")})
    with pytest.raises(ValueError, match=r"data\.sections"):
        DataScope(sections=("nothing",))
    with pytest.raises(ValueError, match="tcf"):
        Purpose(basis="consent", tcf=(25,))
    with pytest.raises(ValueError, match="begin with"):
        Purposes(known={"!a": Purpose(basis="consent")}, default="!a")
