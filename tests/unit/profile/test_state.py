"""Stored forms of a profile."""

import pytest

from models.profile.packing import pack, unpack
from models.profile.state import EventStats, Profile, canonical, copy_of, decode_profile, encode_profile, tie_of


def test_canonical_form_ignores_the_order_of_dicts() -> None:
    one = Profile(1, 2, events={"a": EventStats(1, 1, 1, [1], {3: 1, 10: 2}), "b": EventStats(1, 1, 1, [1])})
    two = Profile(1, 2, events={"b": EventStats(1, 1, 1, [1]), "a": EventStats(1, 1, 1, [1], {10: 2, 3: 1})})
    assert encode_profile(one) != encode_profile(two)
    assert canonical(one) == canonical(two)
    assert canonical(one) != canonical(Profile(1, 2))


def test_copies_share_nothing() -> None:
    one = Profile(1, 2, events={"a": EventStats(1, 1, 1, [1])})
    copy_of(one).events["a"].recent.append(2)
    assert one.events["a"].recent == [1]


def test_packed_form_stays_readable() -> None:
    """The bytes that this version wrote first: they are in stores, so that they must be read for ever."""
    data = b"\x93\xabPage Viewed\xcf\x00\x00\x01\x98\x00\x00\x00\x00\xa5email"
    packed = bytes.fromhex(PACKED)
    assert pack(data) == packed
    assert unpack(packed) == data


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02abc", b"\x01\xff\xff\xff", b"\x01"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"packed profile|truncated"):
        decode_profile(data)


def test_ties_are_small_and_stable() -> None:
    assert tie_of("m1") == tie_of("m1") < 1 << 16
    assert tie_of("m1") != tie_of("m2")


PACKED = "019b8c9c96402233188000924e00"
