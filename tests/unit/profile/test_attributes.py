"""Merge policies of attributes, and the paths that traits change."""

from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.reduce import apply, merge
from models.profile.state import Profile


def identify(at: int, source: str = "web", context: dict[str, Any] | None = None, **traits: Any) -> Event:
    identifiers = ("user_id:u1",)
    return Event(f"m{at}{source}", "identify", "", at, at, source, identifiers, identifiers[0], traits, {},
                 context or {})  # fmt: skip


def city_after(rule: AttributePolicy, *events: Event) -> Any:
    policy = ProfilePolicy(attributes={"city": rule})
    profile = Profile(1, 1)
    for event in events:
        apply(profile, event, policy)
    attribute = profile.attributes.get("city")
    return attribute and attribute.winner.value


def test_latest() -> None:
    rule = AttributePolicy()
    assert city_after(rule, identify(2, city="B"), identify(1, city="A")) == "B"
    assert city_after(rule, identify(2, city=None), identify(1, city="A")) is None


def test_first_is_the_first_that_says_something() -> None:
    assert city_after(AttributePolicy("first"), identify(2, city="B"), identify(1, city=None)) == "B"
    assert city_after(AttributePolicy("first"), identify(2, city="B"), identify(1, city="A")) == "A"


def test_source_priority() -> None:
    rule = AttributePolicy("source_priority", ("crm", "till"))
    assert city_after(rule, identify(1, "crm", city="A"), identify(2, "till", city="B"), identify(3, city="C")) == "A"
    assert city_after(rule, identify(3, city="C"), identify(2, "till", city="B")) == "B"
    assert city_after(rule, identify(1, "crm", city="A"), identify(2, "crm", city="B")) == "B"
    assert city_after(rule, identify(1, "web", city="A"), identify(2, "app", city="B")) == "B"


def test_most_frequent_and_the_latest_of_equals() -> None:
    rule = AttributePolicy("most_frequent")
    events = [identify(1, city="A"), identify(2, city="B"), identify(3, city="A"), identify(4, city=None)]
    assert city_after(rule, *events) == "A"
    assert city_after(rule, *events, identify(5, city="B")) == "B"
    assert city_after(rule, identify(1, city={"p": 1, "q": 2}), identify(2, city={"q": 2, "p": 1})) == {"p": 1, "q": 2}


def test_values_are_kept_whole() -> None:
    address = {"street": "1 High St", "lines": ["a", None]}
    assert city_after(AttributePolicy(), identify(1, city=address)) == address


def test_a_change_of_policy_applies_from_then_on() -> None:
    latest, counted = ProfilePolicy(), ProfilePolicy(default_attribute=AttributePolicy("most_frequent"))
    profile, other = Profile(1, 1), Profile(2, 1)
    apply(profile, identify(1, city="A"), latest)
    apply(profile, identify(2, city="B"), counted)
    apply(profile, identify(3, city="A"), counted)
    assert profile.attributes["city"].winner.value == "A"
    apply(other, identify(4, city="B"), latest)
    apply(other, identify(5, city=None), latest)
    merge(profile, other, counted)
    assert profile.attributes["city"].winner.value == "A"
    apply(profile, identify(1, city="C"), latest)
    assert profile.attributes["city"].counts is None


def test_context_traits_count_on_any_event_and_yield_to_the_call_itself() -> None:
    profile = Profile(1, 1)
    apply(profile, identify(1, context={"traits": {"city": "A", "plan": "x"}}, city="B"), ProfilePolicy())
    assert {name: a.winner.value for name, a in profile.attributes.items()} == {"city": "B", "plan": "x"}
    track = msgspec.structs.replace(identify(2, context={"traits": {"city": "C"}}), type="track", name="Seen")
    apply(profile, track, ProfilePolicy())
    assert profile.attributes["city"].winner.value == "C"
    apply(profile, identify(3, context={"traits": "junk"}), ProfilePolicy())


def test_traits_of_a_group_are_not_the_persons() -> None:
    profile = Profile(1, 1)
    group = msgspec.structs.replace(identify(1, name="Acme"), type="group", group_id="g1")
    assert "groups.g1" in apply(profile, group, ProfilePolicy())
    assert profile.attributes == {}
    assert profile.groups["g1"].value == {"name": "Acme"}


def test_paths_are_of_values_that_changed() -> None:
    profile = Profile(1, 1)
    assert "attributes.city" in apply(profile, identify(1, city="A"), ProfilePolicy())
    assert "attributes.city" not in apply(profile, identify(2, city="A"), ProfilePolicy())
    assert profile.attributes["city"].winner.timestamp == 2
    assert "attributes.city" not in apply(profile, identify(1, city="Z"), ProfilePolicy())
    assert "attributes.city" in apply(profile, identify(3, city=None), ProfilePolicy())


def test_true_and_1_are_two_values() -> None:
    profile = Profile(1, 1)
    for at, value, changed in ((1, 1, True), (2, True, True), (3, True, False), (4, [True], True), (5, [1], True)):
        assert ("attributes.city" in apply(profile, identify(at, city=value), ProfilePolicy())) == changed


def test_policies_that_make_no_sense_say_so() -> None:
    with pytest.raises(ValueError, match="at least one source id"):
        AttributePolicy("source_priority")
    with pytest.raises(ValueError, match="only for merge = source_priority"):
        AttributePolicy("latest", ("crm",))
    with pytest.raises(msgspec.ValidationError, match=r"attributes"):
        msgspec.convert({"attributes": {"city": {"merge": "newest"}}}, ProfilePolicy)
