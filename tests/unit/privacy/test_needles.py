"""What is found, in which forms, and what touches it."""

import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from models.privacy.needles import Hit, Search, is_distinctive, needles_of
from models.privacy.suppression import fingerprint

KEY = b"k" * 32
JANE = "email:jane@example.com"


def hits(data: bytes, *identifiers: str, canaries: tuple[str, ...] = ()) -> set[Hit]:
    return set(Search(needles_of(identifiers, canaries, KEY)).in_bytes(data))


def test_an_identifier_is_searched_for_whole_and_by_its_value() -> None:
    whole, value = needles_of([JANE], [], KEY)
    assert (whole.text, value.text) == (JANE, "jane@example.com")
    assert whole.fingerprint == value.fingerprint == fingerprint(JANE, KEY)
    assert "jane" not in repr(whole)


@pytest.mark.parametrize(
    ("value", "distinctive"),
    [("jane@x", True), ("janex", False), ("123456", False), ("0001234", False), ("1000000", True), ("12345a", True)],
)
def test_short_values_and_small_numbers_say_little(value: str, distinctive: bool) -> None:
    assert is_distinctive(value) is distinctive
    assert needles_of([f"user_id:{value}"], [], KEY)[1].kind == ("identifier" if distinctive else "value")


@pytest.mark.parametrize("identifier", ["jane", "email:", ":jane", ""])
def test_what_is_no_identifier_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="namespace:value"):
        needles_of([identifier], [], KEY)


def test_short_canaries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        needles_of([], ["abc"], KEY)


@pytest.mark.parametrize(
    "text",
    [
        b"<jane@example.com>",
        b"JANE@Example.COM",
        "\u00e9jane@example.com\u00e9".encode(),
        "jane@example.com".encode("utf-16-le"),
        "jane@example.com".encode("utf-16-be"),
        quote("jane@example.com", safe="").encode(),
        b"?to=mailto%3Ajane%40example.com%26",
        b"\\njane@example.com\\n",
        b64encode(b"jane@example.com"),
        b64encode(b".jane@example.com."),
        b64encode(b"..jane@example.com"),
        b"write to jane@example.com.",
    ],
)
def test_the_forms_of_a_value(text: bytes) -> None:
    assert Hit(1) in hits(text, JANE)


def test_letters_beyond_ascii_in_their_forms() -> None:
    name = 'user_id:J\u00f6rg "O\'Neil"'
    value = name.partition(":")[2]
    for form in (json.dumps(value), json.dumps(value, ensure_ascii=False), value.upper(), value.lower(), quote(value)):
        assert Hit(1) in hits(f"-> {form} <-".encode(), name)


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        (b"mary.jane@example.com", Hit(1, "mary.", "")),
        (b"jane@example.community", Hit(1, "", "munity")),
        (b"jane@example.com.au", Hit(1, "", ".au")),
    ],
)
def test_what_touches_a_value_is_told(text: bytes, hit: Hit) -> None:
    assert hits(text, JANE) == {hit}


def test_numbers_are_touched_by_digits_alone() -> None:
    assert Hit(1) in hits(b"x1234567y", "user_id:1234567")
    assert Hit(1, "", "000") in hits(b'"at":1234567000', "user_id:1234567")


def test_canaries_are_found_anywhere() -> None:
    assert hits(b"xxcanary-17xx", canaries=("canary-17",)) == {Hit(0)}


def test_short_values_are_found_whole_alone() -> None:
    search = Search(needles_of(["user_id:joe"], [], KEY))
    assert list(search.in_bytes(b"joe and joey")) == []
    assert list(search.in_bytes(b'{"user_id":"joe"}')) == [Hit(1)]
    assert list(search.in_bytes(b"\xa3joe")) == [Hit(1)]
    assert list(search.in_bytes(b"user_id:joe")) == [Hit(0)]
    assert search.in_values(["joe", "joey"], [17]) == {1}
    assert search.in_values(["joey"], []) == set()
    assert Search(needles_of(["user_id:17"], [], KEY)).in_values(["1"], [17]) == set()
    assert Search(needles_of(["user_id:1234567"], [], KEY)).in_values([], [1234567]) == {1}


def test_a_longer_text_of_message_pack_is_known_by_its_length_whatever_comes_then() -> None:
    search = Search(needles_of(["user_id:u1", "user_id:1234567"], [], KEY))
    longer, itself, unsaid = b"\xb1user_id:u1de\x00\xff", b"\xaauser_id:u1de", b"\xd0user_id:u1de"
    assert list(search.in_message_pack(longer)) == []
    assert (
        list(search.in_bytes(longer))
        == list(search.in_message_pack(itself))
        == list(search.in_message_pack(unsaid))
        != []
    )
    assert list(search.in_message_pack(b"\xaauser_id:u1\x00")) == [Hit(0)]
    assert list(search.in_message_pack(b"\xb1user_id:u1 is me")) == [Hit(0)]  # a word of a longer text is the needle
    assert list(search.in_message_pack(b"\xa812345678")) == []


def test_only_what_ends_within_the_bounds_is_told() -> None:
    search = Search(needles_of([], ["canary-17"], KEY))
    data = b"canary-17 canary-17"
    assert len(list(search.in_bytes(data, 9))) == 1
    assert len(list(search.in_bytes(data, 0, 18))) == 1
    assert len(list(search.in_bytes(data, 0, 19))) == 2


def test_nothing_to_search_for_finds_nothing() -> None:
    assert list(Search([]).in_bytes(b"anything")) == []
