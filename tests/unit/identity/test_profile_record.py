"""Profiles as records: traits in any spelling, identifiers, and what is too little."""

from typing import Any

import pytest

from models.events.event import Event
from models.identity.profile_record import (
    CHARS_MAX,
    is_matched_by,
    is_matched_identifier,
    profile_digest,
    profile_record,
    record_digest,
    traits_record,
)
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile


@pytest.mark.parametrize(
    "traits",
    [
        {"firstName": "Ann", "lastName": "Lee", "dateOfBirth": "1980-01-02", "address": {"postalCode": "N1"}},
        {"first_name": " Ann ", "last-name": "Lee", "birthday": "1980-01-02T00:00:00Z", "address": {"zip": "N1"}},
        {"First Name": "Ann", "Surname": "Lee", "DOB": "1980-01-02", "postcode": "N1", "plan": "pro", "age": None},
    ],
)
def test_spellings_make_the_same_record(traits: dict[str, Any]) -> None:
    record = traits_record(traits, [])
    assert record is not None
    assert record.values == {
        "given_name": ("Ann",),
        "family_name": ("Lee",),
        "birth_date": ("1980-01-02",),
        "postcode": ("N1",),
    }


def test_identifiers_and_traits_go_together() -> None:
    record = traits_record(
        {"email": "a@x.io", "phone": 441234, "company": {"name": "Acme"}, "gender": "f"},
        ["email:b@x.io", "email:a@x.io", "user_id:1", "phone:+441234"],
    )
    assert record is not None
    assert record.values == {
        "email": ("a@x.io", "b@x.io"),
        "phone": ("+441234", "441234"),
        "employer": ("Acme",),
        "gender": ("f",),
    }
    whole = traits_record({"address": "1 Main St, London", "company": "Acme", "name": "Ann Lee"}, [])
    assert whole is not None
    assert whole.values == {
        "full_address": ("1 Main St, London",),
        "employer": ("Acme",),
        "full_name": ("Ann Lee",),
    }


@pytest.mark.parametrize(
    ("traits", "identifiers"),
    [
        ({}, []),
        ({"firstName": "Ann", "lastName": "Lee", "name": "Ann Lee"}, []),
        ({"gender": "f", "country": "GB", "company": "Acme"}, ["email:a@x.io"]),
        ({"firstName": "Ann", "birthday": "x" * (CHARS_MAX + 1)}, []),
        ({"firstName": ["Ann"], "birthday": {"year": 1980}, "phone": True, "email": "  "}, ["user_id:1"]),
    ],
)
def test_too_little_makes_no_record(traits: dict[str, Any], identifiers: list[str]) -> None:
    assert traits_record(traits, identifiers) is None


def test_what_changes_a_record_is_told_by_the_changed_paths() -> None:
    policy = ProfilePolicy()
    profile = Profile(1, 1)
    digest = profile_digest(profile)
    assert digest == 0 == record_digest(None)
    add_identifier(profile, "email:a@x.io", Event("m", "identify", "", 1, 1, "web", ("email:a@x.io",), "email:a@x.io"))
    steps: list[tuple[str, dict[str, Any]]] = [
        ("identify", {"firstName": "Ann"}),
        ("identify", {"plan": "pro"}),
        ("track", {}),
        ("identify", {"firstName": "Ann"}),
        ("identify", {"address": {"city": "London"}}),
        ("identify", {"firstName": "Anna", "plan": "free"}),
    ]
    for number, (kind, traits) in enumerate(steps, start=2):
        event = Event(f"m{number}", kind, "", number, number, "web", ("email:a@x.io",), "email:a@x.io", traits=traits)
        changed = apply(profile, event, policy)
        assert is_matched_by(changed) == (profile_digest(profile) != digest), traits
        digest = profile_digest(profile)
    assert is_matched_identifier("email:b@x.io") and not is_matched_identifier("user_id:1")
    record = profile_record(profile)
    assert record is not None and record_digest(record) == digest > 0
