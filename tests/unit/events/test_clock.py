"""Times on the wire."""

import pytest

from models.events.clock import correct_time, parse_time

NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00.123Z", NOON + 123),
        ("2026-01-31T12:00:00.123456+00:00", NOON + 123),
        ("2026-01-31T12:00:00.123999999Z", NOON + 123),
        ("2026-01-31T12:00:00.1Z", NOON + 100),
        ("2026-01-31 12:00:00", NOON),
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31T14:30:00+02:30", NOON),
        ("2026-01-31T12:00:00+0000", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31 12:00:00 UTC", NOON),
        ("2026-01-31 14:00:00 +02:00", NOON),
        ("20260131T120000Z", NOON),
        (" 2026-01-31T12:00:00Z ", NOON),
        ("2026-01-31", NOON - 12 * 3_600_000),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ("1969-12-31T23:59:59.999Z", -1),
        (str(NOON), NOON),
        (str(NOON // 1000), NOON),
        (NOON, NOON),
        (NOON + 0.9, NOON),
        (NOON // 1000, NOON),
        (1_769_860_800.5, NOON + 500),
        (0, 0),
    ],
)
def test_understood(text: object, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "yesterday",
            "2026-02-30T00:00:00Z",
            "2026-13-01",
            "12:00",
            "+275760-09-13T00:00:00.000Z",
            "1",
            "9" * 400,
        ),
        *("2026-01-31T12:00:00+99:00", "\u0661" * 13, None, True, [], {}, 1e300, float("nan"), float("inf"), 10**20),
    ],
)
def test_not_understood(value: object) -> None:
    assert parse_time(value) is None


def test_the_ends_of_the_calendar_do_not_overflow() -> None:
    assert parse_time("0001-01-01T00:00:00+23:59") is not None
    assert parse_time("9999-12-31T23:59:59-23:59") is not None


def test_the_clients_clock_is_set_right() -> None:
    # A clock an hour fast: sent 5 s after it happened, as the client counts.
    assert correct_time(NOON + 3_600_000, NOON + 3_605_000, NOON) == NOON - 5_000
    assert correct_time(NOON, None, NOON + 7) == NOON
