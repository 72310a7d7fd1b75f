"""Times on the wire: ISO 8601 or epoch numbers in, integer milliseconds UTC out; the client's clock set right."""

import re
from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_SECONDS_BELOW = 100_000_000_000  # numbers smaller than this are seconds (as milliseconds: before March 1973)
_DIGITS = re.compile(r"\d{9,13}")
_ZONE_NAME = re.compile(r"\s*(?:utc|gmt|z)$", re.IGNORECASE)
_SPACE_BEFORE_OFFSET = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?=\D|$)")


def parse_time(value: object) -> int | None:
    """Milliseconds since the Unix epoch, or None if `value` is not a time.

    Text: ISO 8601, any number of decimals (cut to milliseconds), "T" or a space, any offset; without one it is
    UTC. Numbers, also as text: milliseconds since the epoch, or seconds below 100,000,000,000.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _parse_number(value)
    return None


def correct_time(stated: int, sent_at: int | None, received_at: int) -> int:
    """When a message took place by the server's clock, ms.

    The client's clock may be wrong, but not the time between two readings of it:
    receivedAt - (sentAt - timestamp). Without `sent_at` the client's clock is believed.
    """
    return stated if sent_at is None else received_at - (sent_at - stated)


def _parse_text(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _parse_unusual(text)
    return _milliseconds(moment)


def _milliseconds(moment: datetime) -> int | None:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        since = moment - _EPOCH
    except OverflowError:
        return None
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _parse_unusual(text: str) -> int | None:
    """Spellings that are common and that datetime.fromisoformat refuses."""
    if len(text) > 64:
        return None
    text = text.strip()
    if _DIGITS.fullmatch(text) and text.isascii():
        return _parse_number(int(text))
    text = _ZONE_NAME.sub("+00:00", text)
    text = _SPACE_BEFORE_OFFSET.sub("", text)
    text = _LEAP_SECOND.sub(":59", text)
    try:
        return _milliseconds(datetime.fromisoformat(text))
    except ValueError:
        return None


def _parse_number(number: float) -> int | None:
    if not -_MS_MAX <= number <= _MS_MAX:  # False for NaN too
        return None
    return int(number * 1000) if abs(number) < _SECONDS_BELOW else int(number)
