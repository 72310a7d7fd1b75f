"""Deadlines, by tables of dates."""

from datetime import UTC, datetime

import pytest

from models.privacy.deadlines import DAY_MS, due, escalates_at, extended, opt_out_due
from models.privacy.requests import Regulation


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def last_of(day: str) -> int:
    return ms(day) + DAY_MS - 1


@pytest.mark.parametrize(
    ("regulation", "received", "first", "second"),
    [
        ("gdpr", "2026-01-31T00:00:00", "2026-02-28", "2026-04-30"),
        ("gdpr", "2026-01-31T23:59:59.999", "2026-02-28", "2026-04-30"),
        ("gdpr", "2026-01-29T12:00:00", "2026-02-28", "2026-04-29"),
        ("gdpr", "2026-01-28T12:00:00", "2026-02-28", "2026-04-28"),
        ("gdpr", "2024-01-31T12:00:00", "2024-02-29", "2024-04-30"),
        ("gdpr", "2024-01-30T12:00:00", "2024-02-29", "2024-04-30"),
        ("gdpr", "2024-01-29T12:00:00", "2024-02-29", "2024-04-29"),
        ("gdpr", "2024-02-29T12:00:00", "2024-03-29", "2024-05-29"),
        ("gdpr", "2000-01-31T12:00:00", "2000-02-29", "2000-04-30"),
        ("gdpr", "2100-01-31T12:00:00", "2100-02-28", "2100-04-30"),
        ("gdpr", "2026-03-31T12:00:00", "2026-04-30", "2026-06-30"),
        ("gdpr", "2026-11-30T12:00:00", "2026-12-30", "2027-02-28"),
        ("gdpr", "2027-11-30T12:00:00", "2027-12-30", "2028-02-29"),
        ("gdpr", "2026-12-31T12:00:00", "2027-01-31", "2027-03-31"),
        ("ccpa", "2026-01-01T00:00:00", "2026-02-15", "2026-04-01"),
        ("ccpa", "2024-01-31T23:59:59", "2024-03-16", "2024-04-30"),
        ("ccpa", "2026-11-20T12:00:00", "2027-01-04", "2027-02-18"),
    ],
)
def test_first_and_extended_deadlines(regulation: Regulation, received: str, first: str, second: str) -> None:
    assert due(regulation, ms(received)) == last_of(first)
    assert extended(regulation, ms(received)) == last_of(second)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-03-02T12:00:00", "2026-03-23"),  # a Monday
        ("2026-03-06T23:59:59", "2026-03-27"),  # a Friday
        ("2026-03-07T00:00:00", "2026-03-27"),  # a Saturday
        ("2026-03-08T12:00:00", "2026-03-27"),  # a Sunday
        ("2026-12-24T12:00:00", "2027-01-14"),  # holidays count as days
    ],
)
def test_opt_outs_have_fifteen_business_days(received: str, expected: str) -> None:
    assert opt_out_due(ms(received)) == last_of(expected)


def test_somebody_is_told_a_week_before() -> None:
    assert escalates_at(last_of("2026-02-28")) == last_of("2026-02-21")
