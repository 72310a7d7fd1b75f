"""Normalising identifiers: idempotent, and blind to what does not matter."""

from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from models.identity.identifiers import PROBLEMS, IdentifierNormaliser, IdentitySettings, InvalidKey

NORMALISERS = [
    IdentifierNormaliser(),
    IdentifierNormaliser(IdentitySettings(gmail_dots=False, phone_region="DE")),
    IdentifierNormaliser(IdentitySettings(gmail_plus_tags=False, phone_region="IT", phone_strict=True)),
]
normalisers = st.sampled_from(NORMALISERS)
namespaces = st.sampled_from(["user_id", "anonymousId", "email", "phone", "idfa", "crm_id", "customer_id"]) | st.text(
    max_size=5
)
locals_ = st.text(st.sampled_from("abZ.+-_ö'İΣ"), min_size=1, max_size=8)
domains = st.sampled_from(
    ["gmail.com", "GoogleMail.com", "Example.com", "MÜNCHEN.de", "\uff47mail.com", "a\u3002b.org", "x.co."]
)
emails = st.builds("{}@{}".format, locals_, domains)
phones = st.from_regex(r"(\+|00)?[0-9]{1,3}[ .\-]?(\(0\))?[0-9 \-]{4,12}", fullmatch=True)
values: st.SearchStrategy[Any] = st.text(max_size=20) | emails | phones | st.integers() | st.none() | st.floats()


@given(normalisers, namespaces, values)
@example(NORMALISERS[0], "user_id", " \u0301x")
@example(NORMALISERS[0], "email", "\u1e9e@x.org")
def test_normalising_twice_changes_nothing(normaliser: IdentifierNormaliser, namespace: str, value: Any) -> None:
    identifier, problem = normaliser.normalise(namespace, value)
    assert (identifier is None) == (problem in PROBLEMS)
    if identifier is None:
        return
    again, _, rest = identifier.partition(":")
    assert normaliser.normalise(again, rest).identifier == identifier
    assert normaliser.parse_key(identifier) == identifier
    identifier.encode()


@given(normalisers, emails)
def test_the_case_of_an_address_and_space_around_it_do_not_matter(normaliser: IdentifierNormaliser, text: str) -> None:
    assume("ß" not in text and "İ" not in text and "Σ" not in text)  # letters that upper() turns into others
    found = normaliser.normalise("email", text)
    assert normaliser.normalise("email", f"\t{text.lower()} ") == found
    assert normaliser.normalise("email", text.upper()) == found


@given(
    st.integers(2_002_000_000, 9_899_999_999), st.sampled_from([" ", "-", ".", ""]), st.sampled_from(["+1", "001", ""])
)
def test_the_punctuation_of_a_phone_number_does_not_matter(number: int, gap: str, prefix: str) -> None:
    digits = str(number)
    text = f"{prefix}{gap}({digits[:3]}){gap}{digits[3:6]}{gap}{digits[6:]}"
    found = NORMALISERS[0].normalise("phone", text)
    assert found == NORMALISERS[0].normalise("phone", f"+1{digits}")
    assert found.identifier == f"phone:+1{digits}"


@given(normalisers, st.text())
def test_any_key_is_understood_or_refused(normaliser: IdentifierNormaliser, key: str) -> None:
    try:
        normalised = normaliser.parse_key(key)
    except InvalidKey:
        return
    assert normaliser.parse_key(normalised) == normalised


@given(st.lists(st.builds("{}:{}".format, st.sampled_from(["user_id", "email", "phone", "a"]), st.text(max_size=2))))
def test_sorting_is_by_priority_and_drops_doubles(identifiers: list[str]) -> None:
    settings = IdentitySettings()
    ranked = settings.sort(identifiers)
    assert set(ranked) == set(identifiers)
    assert len(ranked) == len(set(ranked))
    assert settings.sort(reversed(ranked)) == ranked
    order = [("user_id", "email", "a", "phone").index(i.partition(":")[0]) for i in ranked]
    assert order == sorted(order)
