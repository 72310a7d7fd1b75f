"""Texts of a file to typed values: numbers, booleans, JSON, times. Pure.

Every function raises ValueError with what was expected; never with the value, which may be personal.
"""

import json
import math
import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
# No leading zero and at most 15 digits: "01234" and long card numbers are codes, not numbers.
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
_CODE_NAMES = re.compile(r"(?i)(^|_|\b)(id|code|zip|zipcode|postcode|postal|plz|phone|mobile|tel|fax|card|number|no)$")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
_YEARS = (1900, 2200)
_UNIX_S_DIGITS, _UNIX_MS_DIGITS, _COMPACT_DATE_DIGITS = 10, 13, 8


def looks_numeric(value: Any) -> bool:
    """Whether a value of an untyped column can be read as a number without losing anything (or is missing)."""
    if value is None or value == "":
        return True
    if isinstance(value, str):
        return _PLAIN_NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def is_number_column(name: str, values: list[Any]) -> bool:
    """Whether an untyped column holds numbers, by its first values; codes such as postcodes stay text."""
    present = [value for value in values if value not in (None, "")]
    return bool(present) and _CODE_NAMES.search(name) is None and all(looks_numeric(value) for value in present)


def parse_number(value: Any) -> int | float:
    """A finite number from a text or a number."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError("expected a number such as 12.50")
        number: int | float = int(text) if text.lstrip("+-").isdigit() else float(text)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("expected a number such as 12.50")
    elif isinstance(value, Decimal):
        number = int(value) if value == value.to_integral_value() else float(value)
    else:
        number = value
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def parse_integer(value: Any) -> int:
    """A whole number."""
    number = parse_number(value)
    if number != int(number):
        raise ValueError("expected a whole number")
    return int(number)


def parse_boolean(value: Any) -> bool:
    """A truth value from true/false, yes/no, t/f, y/n, 1/0 in any case."""
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("expected true or false (or yes/no, 1/0)")


def parse_json(value: Any) -> Any:
    """A JSON value from its text; values that are already structured pass through."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_no_constant)
    except ValueError:
        raise ValueError("expected JSON") from None
    except RecursionError:
        raise ValueError("expected JSON that is nested less deep") from None


def _no_constant(_: str) -> Any:
    raise ValueError("expected finite numbers")


def parse_time(value: Any, pattern: str, zone: str) -> int:
    """Milliseconds since the Unix epoch, UTC.

    `pattern` is auto, iso8601, unix, unix_ms or a strptime pattern; `zone` (an IANA name) holds for values
    without an offset. With auto: ISO 8601, YYYYMMDD, or Unix seconds or milliseconds by the number of digits.
    """
    moment = _moment(value, pattern)
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(zone))
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"expected a year from {_YEARS[0]} to {_YEARS[1]}")
    return round(moment.timestamp() * 1000)


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name. Raises ValueError if it is unknown here."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError("expected an IANA time zone such as Europe/Berlin") from None


def _moment(value: Any, pattern: str) -> datetime | int:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    text = str(value).strip()
    if pattern in ("unix", "unix_ms"):
        return _unix(text, pattern)
    if pattern == "auto" and text.isdigit() and len(text) in (_UNIX_S_DIGITS, _UNIX_MS_DIGITS):
        return _unix(text, "unix" if len(text) == _UNIX_S_DIGITS else "unix_ms")
    try:
        if pattern not in ("auto", "iso8601"):
            return datetime.strptime(text, pattern)
        if text.isdigit() and len(text) != _COMPACT_DATE_DIGITS:
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        expected = (
            "ISO 8601 such as 2026-03-01T12:30:00Z" if pattern in ("auto", "iso8601") else f"the format {pattern}"
        )
        hint = "; for another format set timestamp.format" if pattern == "auto" else ""
        raise ValueError(f"expected a time as {expected}{hint}") from None


def _unix(text: str, unit: str) -> int:
    try:
        milliseconds = round(float(text) * (1000 if unit == "unix" else 1))
        year = datetime.fromtimestamp(milliseconds / 1000, UTC).year
    except (ValueError, OverflowError, OSError):
        year = 0
    if not _YEARS[0] <= year <= _YEARS[1]:
        raise ValueError(f"expected Unix {'seconds' if unit == 'unix' else 'milliseconds'} of a year in use")
    return milliseconds


def to_iso(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, as the ingestion API takes it."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
