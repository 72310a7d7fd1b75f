"""Amounts: exact, and junk is None."""

from decimal import Decimal
from typing import Any

import pytest

from models.profile.money import AMOUNT_MAX, MICRO_MAX, add_saturated, multiply, to_decimal_text, to_micro


@pytest.mark.parametrize(
    ("value", "micro"),
    [
        (0, 0),
        (-3, -3_000_000),
        (19.99, 19_990_000),
        (0.1 + 0.2, 300_000),
        (1e-7, 0),
        (1.0000005, 1_000_000),
        (1.0000015, 1_000_002),
        ("19.99", 19_990_000),
        (" 5 ", 5_000_000),
        ("1e3", 1_000_000_000),
        ("0.123456", 123_456),
        ("1e-999999999", 0),
        (AMOUNT_MAX, AMOUNT_MAX * 1_000_000),
    ],
)
def test_amounts(value: Any, micro: int) -> None:
    assert to_micro(value) == micro


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "", "junk", "$5", "1,234", "1,5", [], {}, b"5"),
        *(float("nan"), float("inf"), "nan", "sNaN", "-Infinity", "1e999999999"),
        *(AMOUNT_MAX + 1, 10**400, 1e300, "9" * 29),
    ],
)
def test_junk_is_no_amount(value: Any) -> None:
    assert to_micro(value) is None


def test_every_cent_survives() -> None:
    for cents in range(0, 100_000, 7):
        micro = to_micro(cents / 100)
        assert micro == cents * 10_000
        assert Decimal(to_decimal_text(micro)) == Decimal(cents) / 100


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "0.00"),
        (19_990_000, "19.99"),
        (20_000_000, "20.00"),
        (-500_000, "-0.50"),
        (1, "0.000001"),
        (1_234_500, "1.2345"),
    ],
)
def test_decimal_text(micro: int, text: str) -> None:
    assert to_decimal_text(micro) == text


def test_multiply_rounds_half_to_even() -> None:
    assert multiply(19_990_000, 2000) == 39_980_000
    assert multiply(1, 500) == 0
    assert multiply(3, 500) == 2
    assert multiply(1, 501) == 1
    assert multiply(-3, 500) == -2
    assert multiply(10**18, 10**9) == AMOUNT_MAX * 1_000_000


def test_sums_stay_within_64_bits() -> None:
    assert add_saturated(MICRO_MAX, 5) == MICRO_MAX
