"""By when requests of data subjects must be completed.

    GDPR 12(3)                one calendar month from the receipt, two more if that is told within the first
    CCPA regulations 7021(b)  45 calendar days from the receipt, 45 more if that is told within the first
    CCPA regulations 7026(f)  opt-outs: 15 business days from the receipt

All end with their last day, UTC: at its last millisecond. A month from a day that the other month does not have is its
last day (31 January: 28 February, or 29). Business days are Monday to Friday; public holidays are not known here, so
that a deadline is early rather than late.
"""

import calendar
from datetime import UTC, date, datetime, timedelta

from models.privacy.requests import Regulation

DAY_MS = 86_400_000
ESCALATION_DAYS = 7  # before the deadline
GDPR_MONTHS = 1
GDPR_MONTHS_EXTENDED = 3
CCPA_DAYS = 45
CCPA_DAYS_EXTENDED = 90
OPT_OUT_BUSINESS_DAYS = 15
_EPOCH = date(1970, 1, 1)
_SATURDAY = 5


def due(regulation: Regulation, received_at: int) -> int:
    """When a request that was received at `received_at` must be completed, ms."""
    return _deadline(received_at, regulation, GDPR_MONTHS, CCPA_DAYS)


def extended(regulation: Regulation, received_at: int) -> int:
    """The same if the requester was told that it takes longer, ms."""
    return _deadline(received_at, regulation, GDPR_MONTHS_EXTENDED, CCPA_DAYS_EXTENDED)


def opt_out_due(received_at: int) -> int:
    """When an opt-out from sale and sharing must be in force, ms."""
    day = _day_of(received_at)
    left = OPT_OUT_BUSINESS_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return _end_of(day)


def escalates_at(due_at: int) -> int:
    """From when on a request that is due at `due_at` is to be brought to somebody's notice, ms."""
    return due_at - ESCALATION_DAYS * DAY_MS


def _deadline(received_at: int, regulation: Regulation, months: int, days: int) -> int:
    day = _day_of(received_at)
    return _end_of(_months_later(day, months) if regulation == "gdpr" else day + timedelta(days=days))


def _months_later(day: date, months: int) -> date:
    ahead, month = divmod(day.month - 1 + months, 12)
    year = day.year + ahead
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms // 1000, UTC).date()


def _end_of(day: date) -> int:
    return ((day - _EPOCH).days + 1) * DAY_MS - 1
