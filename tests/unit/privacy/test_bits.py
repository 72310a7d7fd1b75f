"""Reading bits: everything in its place, and nothing past the end."""

import time

import pytest

from models.privacy.bits import CHARS_MAX, VENDOR_ID_MAX, BitReader, InvalidSignal
from tests.strategies.consent_strings import base64url, fibonacci, fibonacci_range, number, ranges, vendors


def reader(bits: str) -> BitReader:
    return BitReader(base64url(bits), "signal")


def test_integers_flags_and_letters() -> None:
    bits = reader(number(5, 6) + number(70_000, 36) + "10" + number(4, 6) + number(25, 6))
    assert (bits.integer(6, "a"), bits.integer(36, "b")) == (5, 70_000)
    assert (bits.flag("c"), bits.flag("d")) == (True, False)
    assert bits.letters("e") == "EZ"
    bits.finish()


@pytest.mark.parametrize("code", ["", "=", "AA==", "A+B/", "A B", "AAA\n", "Ä", "A.A", "\ud800"])
def test_what_is_not_base64url_is_refused(code: str) -> None:
    with pytest.raises(InvalidSignal, match="signal must be base64url"):
        BitReader(code, "signal")


def test_too_long_a_text_is_refused() -> None:
    BitReader("A" * CHARS_MAX, "signal")
    with pytest.raises(InvalidSignal, match="more than 16384 characters"):
        BitReader("A" * (CHARS_MAX + 1), "signal")


def test_every_read_past_the_end_raises() -> None:
    for read in (
        lambda bits: bits.integer(7, "field"),
        lambda bits: bits.letters("field"),
        lambda bits: bits.members(7, "field"),
        lambda bits: bits.ranges(9, "field"),
        lambda bits: bits.vendors("field"),
        lambda bits: bits.fibonacci("field"),
        lambda bits: bits.fibonacci_ids(9, "field"),
        lambda bits: [bits.flag("field") for _ in range(7)],
    ):
        with pytest.raises(InvalidSignal, match="signal: field is not all there"):
            read(reader("000000"))


def test_letters_beyond_z_are_refused() -> None:
    with pytest.raises(InvalidSignal, match="field must be two letters"):
        reader(number(3, 6) + number(26, 6)).letters("field")


def test_a_range_as_in_the_specification() -> None:
    assert reader("00000000001000000000000000011100000000000001010000000000001000").ranges(8, "field") == (
        (3, 3),
        (5, 8),
    )


@pytest.mark.parametrize(
    ("entries", "id_max"),
    [
        ([(0, 0)], 9),  # ids start at 1
        ([(0, 3)], 9),
        ([(5, 4)], 9),  # end before start
        ([(9, 10)], 9),  # above the highest
        ([(10, 10)], 9),
        ([(1, 9), (9, 9)], 9),  # more than there are
    ],
)
def test_ranges_that_cannot_be(entries: list[tuple[int, int]], id_max: int) -> None:
    with pytest.raises(InvalidSignal, match="signal: field"):
        reader(ranges(entries)).ranges(id_max, "field")


def test_vendors_in_both_encodings() -> None:
    ids = {1, 2, 3, 7, 200}
    for in_ranges in (False, True):
        bits = reader(vendors(ids, in_ranges))
        assert bits.vendors("field") == ids
        bits.finish()
    assert reader(vendors((), False)).vendors("field") == frozenset()


def test_vendors_above_the_limit_are_refused() -> None:
    assert reader(vendors({VENDOR_ID_MAX}, True)).vendors("field") == {VENDOR_ID_MAX}
    with pytest.raises(InvalidSignal, match="highest vendor id above"):
        reader(vendors({VENDOR_ID_MAX + 1}, True)).vendors("field")


@pytest.mark.parametrize(
    ("value", "bits"), [(1, "11"), (2, "011"), (3, "0011"), (4, "1011"), (5, "00011"), (6, "10011"), (7, "01011")]
)
def test_fibonacci_integers_of_the_specification(value: int, bits: str) -> None:
    assert fibonacci(value) == bits
    assert reader(bits).fibonacci("field") == value


def test_fibonacci_integers_are_bounded() -> None:
    assert reader(fibonacci(3_000_000)).fibonacci("field") == 3_000_000
    with pytest.raises(InvalidSignal, match="at most 32 bits"):
        reader("0" * 60 + "11").fibonacci("field")


def test_a_fibonacci_range_as_in_the_specification() -> None:
    assert fibonacci_range({3, 5, 6, 7, 8}) == "0000000000100001110110011"
    assert reader(fibonacci_range({3, 5, 6, 7, 8})).fibonacci_ids(8, "field") == (3, 5, 6, 7, 8)
    with pytest.raises(InvalidSignal, match="from 1 to 7"):
        reader(fibonacci_range({3, 5, 6, 7, 8})).fibonacci_ids(7, "field")


def test_a_group_of_a_million_ids_costs_nothing() -> None:
    with pytest.raises(InvalidSignal, match="from 1 to 255"):
        reader(number(1, 12) + "1" + fibonacci(1) + fibonacci(3_000_000)).fibonacci_ids(255, "field")


def test_only_zeros_may_be_left() -> None:
    bits = reader("1" + "0" * 70)
    assert bits.flag("field")
    bits.finish()
    with pytest.raises(InvalidSignal, match="signal holds more than its fields"):
        reader("1" + "0" * 69 + "1").finish()


def test_the_longest_texts_take_milliseconds() -> None:
    singles = base64url(number(4095, 12) + ("0" + number(1, 16)) * 4095)
    began = time.thread_time()
    with pytest.raises(InvalidSignal):
        BitReader(singles, "signal").ranges(4094, "field")
    assert BitReader(base64url(number(VENDOR_ID_MAX, 16) + "0" + "1" * VENDOR_ID_MAX), "signal").vendors("field")
    assert time.thread_time() - began < 0.05
