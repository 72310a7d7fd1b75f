"""The signed end of the audit log: what a crash leaves, and what only tampering does."""

import pytest

from models.audit.chain import GENESIS, Point
from models.audit.head import Head, Problem, decode_head, encode_head, settle

KEY = b"k" * 32
FOUR, SIX, NINE = (Point(number, bytes([number]) * 32) for number in (4, 6, 9))


@pytest.mark.parametrize("head", [Head(), Head(FOUR), Head(FOUR, SIX), Head(FOUR, None, 3, "cut_off")])
def test_a_signed_head_is_read_as_it_was(head: Head) -> None:
    assert decode_head(encode_head(head, KEY), KEY) == head


def test_a_crash_leaves_one_of_the_two_ends_that_the_head_names() -> None:
    announced = Head(FOUR).announce(SIX)
    assert settle(announced, FOUR) == Head(FOUR)  # it was not committed
    assert settle(announced, SIX) == Head(SIX)  # it was
    assert announced.confirm() == Head(SIX)


@pytest.mark.parametrize(
    ("tail", "broken", "problem", "last"),
    [
        (GENESIS, 1, "cut_off", FOUR),
        (Point(2, b"2"), 3, "cut_off", FOUR),
        (Point(4, b"x"), 4, "rewritten", FOUR),
        (Point(5, b"5"), 5, "beyond_head", Point(5, b"5")),
        (Point(6, b"x"), 5, "beyond_head", Point(6, b"x")),
        (NINE, 5, "beyond_head", NINE),
    ],
)
def test_any_other_end_is_tampering(tail: Point, broken: int, problem: Problem, last: Point) -> None:
    assert settle(Head(FOUR, SIX), tail) == Head(last, None, broken, problem)


def test_the_first_finding_stays() -> None:
    found = settle(Head(NINE), FOUR)
    later = settle(found, SIX)
    assert (later.broken, later.problem) == (5, "cut_off")
    assert settle(later, GENESIS).broken == 1


def test_without_a_head_nothing_from_there_on_can_be_vouched_for() -> None:
    assert settle(None, FOUR) == Head(FOUR, None, 5, "head_missing")
    assert settle(None, FOUR, "head_forged").problem == "head_forged"
