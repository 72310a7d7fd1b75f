"""Identifiers: one spelling for each, none for values that mean nobody."""

import pytest

from models.identity.identifiers import (
    PROBLEMS,
    IdentifierNormaliser,
    IdentitySettings,
    InvalidKey,
    canonical_namespace,
    check_settings,
    namespace_of,
)

NORMALISER = IdentifierNormaliser()


@pytest.mark.parametrize(
    ("namespace", "value", "expected"),
    [
        ("user_id", " U-42 ", "user_id:U-42"),
        ("userId", "42", "user_id:42"),
        ("user_id", 42, "user_id:42"),
        ("anonymousId", "a:b", "anonymous_id:a:b"),
        ("email", " Jane.DOE@Example.COM ", "email:jane.doe@example.com"),
        ("email", "jane@münchen.de", "email:jane@xn--mnchen-3ya.de"),
        ("email", "jane@MÜNCHEN.de.", "email:jane@xn--mnchen-3ya.de"),
        ("email", "J.Doe+news@Gmail.com", "email:jdoe@gmail.com"),
        ("email", "jdoe@googlemail.com", "email:jdoe@gmail.com"),
        ("email", "j.doe+news@example.com", "email:j.doe+news@example.com"),
        ("email", "zoe\u0308@example.com", "email:zo\u00eb@example.com"),
        ("phone", "(212) 555-0123", "phone:+12125550123"),
        ("phone", "+44 (0)20 7183 8750", "phone:+442071838750"),
        ("phone", "0044 20 7183 8750", "phone:+442071838750"),
        ("phone", "tel:+44-20-7183-8750", "phone:+442071838750"),
        ("phone", 12125550123, "phone:+12125550123"),
        ("idfa", "1E2DFA89-496A-47FD-9941-DF1FC4E6484A", "idfa:1e2dfa89-496a-47fd-9941-df1fc4e6484a"),
        ("crmId", "X1", "crm_id:X1"),
        ("stripe.customer", "cus_X", "stripe.customer:cus_X"),
        ("user_id", "Zoe\u0308", "user_id:Zo\u00eb"),
    ],
)
def test_normalises_to_one_spelling(namespace: str, value: object, expected: str) -> None:
    assert NORMALISER.normalise(namespace, value) == (expected, "")


@pytest.mark.parametrize(
    ("namespace", "value", "problem"),
    [
        ("user_id", "", "empty"),
        ("user_id", "  ", "empty"),
        ("user_id", None, "wrong_type"),
        ("user_id", True, "wrong_type"),
        ("user_id", 1.5, "wrong_type"),
        ("user_id", ["a"], "wrong_type"),
        ("user_id", "0", "blocked"),
        ("user_id", 0, "blocked"),
        ("user_id", -1, "blocked"),
        ("idfa", "00000000-0000-0000-0000-000000000000", "blocked"),
        ("anonymous_id", "NULL", "blocked"),
        ("anonymous_id", " Anonymous", "blocked"),
        ("email", "null", "blocked"),
        ("phone", "000-000-0000", "blocked"),
        ("user_id", "x" * 513, "too_long"),
        ("user_id", 10**30, "too_long"),
        ("user_id", "a\0b", "control_characters"),
        ("user_id", "a\u200bb", "control_characters"),
        ("user_id", "\ud800", "control_characters"),
        ("email", "jane", "invalid_email"),
        ("email", "jane@localhost", "invalid_email"),
        ("email", "jane doe@example.com", "invalid_email"),
        ("email", "@example.com", "invalid_email"),
        ("email", ".jane@example.com", "invalid_email"),
        ("email", "jane@example..com", "invalid_email"),
        ("email", "jane@-example.com", "invalid_email"),
        ("email", "jane@1.2.3.4", "invalid_email"),
        ("email", "a@b@example.com", "invalid_email"),
        ("email", "+tag@gmail.com", "invalid_email"),
        ("email", "x" * 65 + "@example.com", "invalid_email"),
        ("phone", "12", "invalid_phone"),
        ("phone", "call me", "invalid_phone"),
        ("phone", "+1 212 555 0123 ext. 4", "invalid_phone"),
        ("phone", "555-0123", "invalid_phone"),
        ("phone", "1" * 30, "invalid_phone"),
        ("phone", "+59800817138600", "invalid_phone"),  # loses a zero each time it is read
        ("customer_id", "cus_0d3k5w2m8r000", "reserved_namespace"),
        ("customerId", "7", "reserved_namespace"),
        ("a:b", "x", "invalid_namespace"),
        ("", "x", "invalid_namespace"),
        ("x" * 65, "x", "invalid_namespace"),
    ],
)
def test_what_is_no_identifier_says_why(namespace: str, value: object, problem: str) -> None:
    assert NORMALISER.normalise(namespace, value) == (None, problem)
    assert problem in PROBLEMS


def test_gmail_folding_can_be_turned_off() -> None:
    plain = IdentifierNormaliser(IdentitySettings(gmail_dots=False, gmail_plus_tags=False))
    assert plain.normalise("email", "J.Doe+x@gmail.com").identifier == "email:j.doe+x@gmail.com"
    dots = IdentifierNormaliser(IdentitySettings(gmail_dots=True, gmail_plus_tags=False))
    assert dots.normalise("email", "J.Doe+x@gmail.com").identifier == "email:jdoe+x@gmail.com"
    tags = IdentifierNormaliser(IdentitySettings(gmail_dots=False))
    assert tags.normalise("email", "J.Doe+x@gmail.com").identifier == "email:j.doe@gmail.com"
    assert tags.normalise("email", "jdoe.+x@gmail.com").problem == "invalid_email"


def test_phone_region_and_strictness_are_settings() -> None:
    german = IdentifierNormaliser(IdentitySettings(phone_region="DE"))
    assert german.normalise("phone", "030 123456").identifier == "phone:+4930123456"
    none = IdentifierNormaliser(IdentitySettings(phone_region=""))
    assert none.normalise("phone", "212 555 0123").problem == "invalid_phone"
    assert none.normalise("phone", "+1 212 555 0123").identifier == "phone:+12125550123"
    assert NORMALISER.normalise("phone", "+15551234567").identifier == "phone:+15551234567"
    strict = IdentifierNormaliser(IdentitySettings(phone_strict=True))
    assert strict.normalise("phone", "+15551234567").problem == "invalid_phone"


def test_blocked_values_are_configured() -> None:
    own = IdentifierNormaliser(IdentitySettings(blocked_values=("Guest",), blocked_patterns=("^test-",)))
    assert own.normalise("user_id", "guest").problem == "blocked"
    assert own.normalise("user_id", "test-1").problem == "blocked"
    assert own.normalise("user_id", "0").identifier == "user_id:0"
    nothing = IdentifierNormaliser(IdentitySettings(blocked_values=(), blocked_patterns=()))
    assert nothing.normalise("user_id", "null").identifier == "user_id:null"
    # An address is blocked in its normal form too.
    address = IdentifierNormaliser(IdentitySettings(blocked_values=("shop@gmail.com", "+12125550100")))
    assert address.normalise("email", "S.hop+x@Gmail.com").problem == "blocked"
    assert address.normalise("phone", "(212) 555-0100").problem == "blocked"


def test_priority_and_limits() -> None:
    settings = IdentitySettings()
    assert settings.limit("user_id") == 1
    assert settings.limit("email") == 5
    some = ["phone:+1", "anonymous_id:b", "email:x@y.z", "user_id:1", "anonymous_id:a", "user_id:1"]
    assert settings.sort(some) == ("user_id:1", "email:x@y.z", "anonymous_id:a", "anonymous_id:b", "phone:+1")
    first_phone = IdentitySettings(priority=("phone",))
    assert first_phone.sort(some)[0] == "phone:+1"
    assert namespace_of("a:b:c") == "a"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("email:Jane@Example.com", "email:jane@example.com"),
        ("userId: 42", "user_id:42"),
        ("customer_id:cus_0d3k5w2m8r000", "customer_id:cus_0d3k5w2m8r000"),
        ("customer_id:CUS_0D3K5W2M8R000", "customer_id:cus_0d3k5w2m8r000"),
        ("cus_0d3k5w2m8r000", "customer_id:cus_0d3k5w2m8r000"),
        ("crm_id:a:b", "crm_id:a:b"),
    ],
)
def test_keys(key: str, expected: str) -> None:
    assert NORMALISER.parse_key(key) == expected


@pytest.mark.parametrize(
    ("key", "expectation"),
    [
        ("jane@example.com", "namespace:value"),
        ("", "namespace:value"),
        ("email:secret", "e-mail"),
        ("user_id:", "empty"),
        (":x", "namespace"),
        ("customer_id:7", "customer id"),
        ("cus_", "customer id"),
        ("user_id:null", "blocked"),
    ],
)
def test_key_errors_say_what_is_expected_and_never_the_value(key: str, expectation: str) -> None:
    with pytest.raises(InvalidKey, match=expectation) as error:
        NORMALISER.parse_key(key)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (IdentitySettings(blocked_patterns=("(",)), "blocked_patterns"),
        (IdentitySettings(limits={"userId": 1}), "limits"),
        (IdentitySettings(limits={"user_id": 0}), "limits"),
        (IdentitySettings(limit_default=0), "limits"),
        (IdentitySettings(priority=("customer_id",)), "priority"),
        (IdentitySettings(trait_identifiers={"mail": "e mail"}), "trait_identifiers"),
        (IdentitySettings(phone_region="USA"), "phone_region"),
    ],
)
def test_unusable_settings_are_refused_by_name(settings: IdentitySettings, name: str) -> None:
    with pytest.raises(ValueError, match=rf"identity\.{name}"):
        check_settings(settings)
    with pytest.raises(ValueError, match=name):
        IdentifierNormaliser(settings)


def test_canonical_namespace() -> None:
    assert canonical_namespace("anonymousId") == "anonymous_id"
    assert canonical_namespace(" Loyalty Card ") == "loyalty_card"
    assert canonical_namespace("userID") == "user_id"
    assert canonical_namespace("_x") is None


def test_caches_are_bounded() -> None:
    small = IdentifierNormaliser(cache_entries=2)
    for number in range(10):
        assert small.normalise("email", f"u{number}@example.com").identifier == f"email:u{number}@example.com"
    assert small._email.cache_info().currsize == 2
