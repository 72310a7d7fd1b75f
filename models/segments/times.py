"""Times in criteria: durations such as "30d" and instants in ISO 8601, both in integer milliseconds."""

import re

from models.events.clock import parse_time

FOREVER = 1 << 62  # ms; later than every time that can be written
DURATION_PATTERN = "^[1-9][0-9]{0,8}[smhdw]$"
DURATION_MAX_MS = 3650 * 86_400_000
INSTANT_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_DURATION = re.compile(DURATION_PATTERN)
_INSTANT = re.compile(INSTANT_PATTERN)


def parse_duration(text: object) -> int | None:
    """Milliseconds of "90m", "12h", "30d" (s, m, h, d, w; at most 3650 days), or None if it is not a duration."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        return None
    length_ms = int(text[:-1]) * _UNITS_MS[text[-1]]
    return length_ms if length_ms <= DURATION_MAX_MS else None


def parse_instant(text: object) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 date or date and time, or None if it is not one.

    A date is its first millisecond; without an offset the time is UTC.
    """
    return parse_time(text) if isinstance(text, str) and _INSTANT.match(text) else None
