"""TC strings: those of the specification as they are known to read, and none that is damaged."""

from dataclasses import replace

import pytest

from models.privacy.bits import CHARS_MAX, VENDOR_ID_MAX, InvalidSignal
from models.privacy.tcf import DISCLOSED_VENDORS_SINCE, PublisherRestriction, TcfConsent, decode_tcf
from tests.strategies.consent_strings import BEFORE_2_3, SINCE_2_3, Tcf, base64url, number, vendors

# From the TCF specification.
CORE = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA"
DISCLOSED = (
    "IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3"
    "ZAYzUw"
)
WITH_PUBLISHER = (
    "CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.argAC0gAAAAAAAAAAAA"
)
ALLOWED = (
    "IFukWSQgAIQwgI0QEByFAAAAeIAACAIgSAAQAIAgEQACEABAAAgAQFAEAIAAAGBAAgAAAAQAIFAAMCQAAgAAQiRAEQAAAAANAAIAAggAIYQFAAARmggBC3"
    "ZCYzU2yIA.QFukWSQgAIQwgI0QEByFAAAAeIAACAIgSAAQAIAgEQACEABAAAgAQFAEAIAAAGBAAgAAAAQAIFAAMCQAAgAAQiRAEQAAAAANAAIAAggAIYQF"
    "AAARmggBC3ZCYzU2yIA"
)
ALL_SEGMENTS = f"COw4XqLOw4XqLAAAAAENAXCAAAAAAAAAAAAAAAAAAAAA.{ALLOWED}.YAAAAAAAAAAAAAAAAAA"
# From the GPP specification.
NO_CONSENT = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
PUBLISHED = [CORE, f"{CORE}.{DISCLOSED}", f"{CORE}.{DISCLOSED}.ZAAgH9794ulA", WITH_PUBLISHER, ALL_SEGMENTS, NO_CONSENT]

FULL = Tcf(
    created=SINCE_2_3,
    last_updated=SINCE_2_3,
    policy_version=5,
    special_features=frozenset({1}),
    purposes_consent=frozenset({1, 2, 24}),
    purposes_li=frozenset({7, 9}),
    vendors_consent=frozenset({2, 755}),
    vendors_li=frozenset({10, 11, 12}),
    restrictions=[(2, 1, [(1, 20), (755, 755)])],
    disclosed=frozenset({2, 10, 11, 12, 755}),
)


def grants(consent: TcfConsent) -> set[tuple[str, int]]:
    """Everything that a string grants, one by one."""
    sets = {name: getattr(consent, name) for name in ("purposes_consent", "purposes_legitimate_interest")}
    sets |= {name: getattr(consent, name) for name in ("vendors_consent", "vendors_legitimate_interest")}
    sets |= {"special_features": consent.special_features, "allowed_vendors": consent.allowed_vendors or ()}
    if consent.publisher is not None:
        for name in consent.publisher.__struct_fields__:
            sets[f"publisher {name}"] = getattr(consent.publisher, name)
    return {(name, member) for name, members in sets.items() for member in members}


def test_the_core_of_a_published_string() -> None:
    consent = decode_tcf(CORE)
    assert consent == TcfConsent(
        version=2,
        created=1_582_243_059_300,
        last_updated=1_582_243_059_300,
        cmp_id=27,
        cmp_version=0,
        consent_screen=0,
        consent_language="EN",
        vendor_list_version=15,
        tcf_policy_version=2,
        is_service_specific=False,
        use_non_standard_texts=False,
        special_features=frozenset(),
        purposes_consent=frozenset({1, 2, 3}),
        purposes_legitimate_interest=frozenset(),
        purpose_one_treatment=False,
        publisher_country="AA",
        vendors_consent=frozenset({2, 6, 8}),
        vendors_legitimate_interest=frozenset({2, 6, 8}),
        publisher_restrictions=(),
    )


def test_the_other_segments_of_published_strings() -> None:
    consent = decode_tcf(f"{CORE}.{DISCLOSED}.ZAAgH9794ulA")
    assert consent.disclosed_vendors is not None and consent.publisher is not None
    assert sorted(consent.disclosed_vendors)[:5] == [2, 6, 8, 12, 18]
    assert (len(consent.disclosed_vendors), max(consent.disclosed_vendors)) == (79, 720)
    assert consent.publisher.purposes_consent == {3, 16}
    assert consent.publisher.purposes_legitimate_interest == set(range(1, 25)) - {8, 13, 20}
    assert consent.publisher.custom_purposes_consent == {1, 2, 4}
    assert consent.publisher.custom_purposes_legitimate_interest == {2, 4}
    assert consent.allowed_vendors is None

    everything = decode_tcf(ALL_SEGMENTS)
    assert everything.disclosed_vendors == everything.allowed_vendors
    assert grants(decode_tcf(NO_CONSENT)) == set()


def test_segments_may_come_in_any_order() -> None:
    assert decode_tcf(f"{CORE}.ZAAgH9794ulA.{DISCLOSED}") == decode_tcf(f"{CORE}.{DISCLOSED}.ZAAgH9794ulA")


@pytest.mark.parametrize("in_ranges", [False, True])
def test_a_string_of_2_3(in_ranges: bool) -> None:
    consent = decode_tcf(replace(FULL, in_ranges=in_ranges).encode())
    assert (consent.created, consent.tcf_policy_version) == (SINCE_2_3, 5)
    assert consent.disclosed_vendors == FULL.disclosed
    assert consent.vendors_legitimate_interest == {10, 11, 12}
    assert consent.publisher_restrictions == (PublisherRestriction(2, 1, ((1, 20), (755, 755))),)


def test_disclosed_vendors_are_needed_from_march_2026_on() -> None:
    ago = Tcf(policy_version=5)
    assert decode_tcf(ago.encode()).disclosed_vendors is None
    assert decode_tcf(replace(ago, created=DISCLOSED_VENDORS_SINCE - 100).encode()).disclosed_vendors is None
    for late in (replace(ago, created=DISCLOSED_VENDORS_SINCE), replace(ago, last_updated=DISCLOSED_VENDORS_SINCE)):
        with pytest.raises(InvalidSignal, match="disclosed_vendors is missing"):
            decode_tcf(late.encode())
        assert decode_tcf(replace(late, disclosed=frozenset()).encode()).disclosed_vendors == frozenset()


@pytest.mark.parametrize("in_ranges", [False, True])
def test_no_part_of_a_string_is_taken_for_the_whole(in_ranges: bool) -> None:
    """All prefixes of a string of today are refused: each lacks bits that are needed."""
    text = replace(FULL, in_ranges=in_ranges).encode()
    for end in range(len(text)):
        with pytest.raises(InvalidSignal):
            decode_tcf(text[:end])


def test_only_whole_optional_segments_can_go_unnoticed() -> None:
    text = replace(
        FULL,
        created=BEFORE_2_3,
        last_updated=BEFORE_2_3,
        allowed=frozenset({2}),
        publisher=(frozenset({1, 2}), frozenset({3})),
        customs=(2, frozenset({1}), frozenset({2})),
    ).encode()
    whole = grants(decode_tcf(text))
    for end in range(len(text)):
        if text[end] == ".":
            assert grants(decode_tcf(text[:end])) <= whole
        else:
            with pytest.raises(InvalidSignal):
                decode_tcf(text[:end])


@pytest.mark.parametrize("text", PUBLISHED)
def test_prefixes_of_published_strings(text: str) -> None:
    """They are padded with more zeros than they need, which may go; nothing else may."""
    whole = decode_tcf(text)
    for end in range(len(text)):
        try:
            part = decode_tcf(text[:end])
        except InvalidSignal:
            continue
        assert grants(part) <= grants(whole)
        lost = text[end:]
        assert text[end] == "." or set(lost.partition(".")[0]) == {"A"}


def test_a_bit_after_the_fields_is_refused() -> None:
    for segment in range(2):
        bits = FULL.segments_bits()
        bits[segment] += "0" * 60 + "1"
        with pytest.raises(InvalidSignal, match="more than its fields"):
            decode_tcf(".".join(base64url(part) for part in bits))
        bits[segment] = bits[segment][:-1] + "0" * 60
        assert decode_tcf(".".join(base64url(part) for part in bits)) == decode_tcf(FULL.encode())


@pytest.mark.parametrize("version", [0, 1, 3, 63])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(InvalidSignal, match="version must be 2"):
        decode_tcf(replace(FULL, version=version).encode())


@pytest.mark.parametrize("kind", [0, 4, 5, 6, 7])
def test_unknown_segments_are_refused(kind: int) -> None:
    with pytest.raises(InvalidSignal, match="segment 3: segment_type must be"):
        decode_tcf(f"{FULL.encode()}.{base64url(number(kind, 3) + vendors({1}, False))}")


def test_a_segment_twice_is_refused() -> None:
    for segment in ("disclosed", "allowed"):
        text = replace(FULL, allowed=frozenset({3})).encode()
        again = text.split(".")[1 if segment == "disclosed" else 2]
        with pytest.raises(InvalidSignal, match="each at most once"):
            decode_tcf(f"{text}.{again}")


@pytest.mark.parametrize(
    ("restriction", "problem"),
    [
        ((0, 0, [(1, 1)]), "purposes from 1 to 24"),
        ((25, 0, [(1, 1)]), "purposes from 1 to 24"),
        ((1, 3, [(1, 1)]), "type 0, 1 or 2"),
        ((1, 0, [(9, 8)]), "the first before the last"),
        ((1, 0, [(1, VENDOR_ID_MAX + 1)]), "ids from 1 to its highest id"),
    ],
)
def test_restrictions_that_cannot_be(restriction: tuple[int, int, list[tuple[int, int]]], problem: str) -> None:
    with pytest.raises(InvalidSignal, match=f"publisher_restrictions .*{problem}"):
        decode_tcf(replace(FULL, restrictions=[restriction]).encode())


@pytest.mark.parametrize("text", ["", ".", "..", f"{CORE}.", f".{CORE}", f"{CORE}=", f" {CORE}", f"{CORE}\n", "~", "é"])
def test_texts_that_are_no_tc_strings(text: str) -> None:
    with pytest.raises(InvalidSignal, match=r"TC string, .* must be base64url"):
        decode_tcf(text)


def test_a_text_of_many_characters_is_refused_at_once() -> None:
    for text in ("A" * 10_000_000, "." * (CHARS_MAX + 1)):
        with pytest.raises(InvalidSignal, match="TC string has more than"):
            decode_tcf(text)


def test_errors_do_not_repeat_the_string() -> None:
    text = FULL.encode()
    for end in range(8, len(text)):
        with pytest.raises(InvalidSignal) as refusal:
            decode_tcf(text[:end])
        assert text[:8] not in str(refusal.value) and refusal.value.__cause__ is None
