"""Fields of JSON criteria, one by one: texts, numbers, times, durations, windows; every mistake noted by its place.

An error says where ("criteria.all[1].window.last") and what was expected there. It tells the kind of the
value that was found, never the value, which may be personal data.
"""

import re
from typing import Any

import msgspec

from models.segments.criteria import (
    ALL_TIME,
    LIST_MAX,
    NUMBER_MAX,
    ORDER_OPERATORS,
    PRESENCE_OPERATORS,
    TEXT_MAX,
    TIME_OPERATORS,
    WHOLE_MAX,
    Absolute,
    Instant,
    Moment,
    Relative,
    Rolling,
    Window,
)
from models.segments.times import FOREVER, parse_duration, parse_instant

_DURATION = 'a duration such as "30d", "12h" or "90m" (s, m, h, d or w; at most 3650d)'
_SCALAR = f"text of at most {TEXT_MAX} characters, a number, true or false"
_INSTANT = 'an ISO 8601 date or time such as "2024-05-01" or "2024-05-01T12:00:00Z"'

Fields = dict[str, Any]


class CriteriaError(msgspec.Struct, frozen=True):
    """One thing wrong with a definition."""

    path: str  # e.g. "criteria.all[1].window.last"
    message: str  # what was expected, and the kind of what was found


class InvalidCriteria(ValueError):
    """A definition or its criteria are not in the language; `errors` has every reason."""

    def __init__(self, errors: list[CriteriaError]) -> None:
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in errors))
        self.errors = errors


class FieldReader:
    """Reads fields and gathers the errors; what is read in place of a wrong value is unusable."""

    def __init__(self) -> None:
        self.errors: list[CriteriaError] = []

    def fail(self, path: str, message: str) -> None:
        self.errors.append(CriteriaError(path, message))

    def only(self, data: Fields, path: str, allowed: tuple[str, ...]) -> None:
        for key in data:
            if key not in allowed:
                self.fail(join(path, key), f"unknown field; expected only {listed(allowed)}")

    def text(self, data: Fields, key: str, path: str) -> str:
        value = data.get(key)
        if isinstance(value, str) and 0 < len(value) <= TEXT_MAX:
            return value
        found = "nothing" if key not in data else "empty text" if value == "" else kind_of(value)
        if isinstance(value, str) and value:
            found = f"{len(value)} characters"
        self.fail(f"{path}.{key}", f"expected text of 1 to {TEXT_MAX} characters, got {found}")
        return ""

    def choice(self, data: Fields, key: str, path: str, allowed: tuple[str, ...]) -> str:
        value = data.get(key)
        if isinstance(value, str) and value in allowed:
            return value
        found = f"{kind_of(value)} that is none of them" if key in data else "nothing"
        self.fail(f"{path}.{key}", f"expected one of {listed(allowed)}, got {found}")
        return ""

    def has_value(self, data: Fields, path: str, expected: str) -> bool:
        if "value" not in data:
            self.fail(f"{path}.value", f"expected {expected}, got nothing")
        return "value" in data

    def no_value(self, data: Fields, path: str, operator: str) -> None:
        if "value" in data and operator:
            self.fail(f"{path}.value", f'expected none: the operator "{operator}" compares with nothing')

    def number(self, data: Fields, path: str) -> int | float:
        expected = f"a number from -{NUMBER_MAX} to {NUMBER_MAX}"
        if not self.has_value(data, path, expected):
            return 0
        value = data["value"]
        if not is_number(value):
            self.fail(f"{path}.value", f"expected {expected}, got {kind_of(value)}")
            return 0
        number: int | float = value
        return number

    def whole(self, data: Fields, path: str) -> int:
        expected = f"a whole number from 0 to {WHOLE_MAX}"
        if not self.has_value(data, path, expected):
            return 0
        value = data["value"]
        if not is_whole(value):
            self.fail(f"{path}.value", f"expected {expected}, got {kind_of(value)}")
            return 0
        number: int = value
        return number

    def operand(self, data: Fields, path: str, operator: str, relative: tuple[str, ...]) -> Any:
        """The value that an operator on a single value compares with: a scalar, a tuple of them, a number, a Moment
        (moving ones by `relative`, such as "ago"), or None."""
        if operator in ("in", "not_in"):
            return self.scalars(data, path)
        if operator in TIME_OPERATORS:
            return self.moment(data, path, relative)
        if operator in ORDER_OPERATORS:
            return self.number(data, path)
        if operator == "starts_with":
            return self.text(data, "value", path)
        if operator in PRESENCE_OPERATORS or not operator:
            self.no_value(data, path, operator)
            return None
        if self.has_value(data, path, _SCALAR) and not is_scalar(data["value"]):
            self.fail(f"{path}.value", f"expected {_SCALAR}, got {kind_of(data['value'])}")
        return data.get("value")

    def scalars(self, data: Fields, path: str) -> tuple[Any, ...]:
        expected = f"a list of 1 to {LIST_MAX} values"
        if not self.has_value(data, path, expected):
            return ()
        values = data["value"]
        if not isinstance(values, list) or not 0 < len(values) <= LIST_MAX:
            found = f"{len(values)} values" if isinstance(values, list) else kind_of(values)
            self.fail(f"{path}.value", f"expected {expected}, got {found}")
            return ()
        for i, value in enumerate(values):
            if not is_scalar(value):
                self.fail(f"{path}.value[{i}]", f"expected {_SCALAR}, got {kind_of(value)}")
        return tuple(values)

    def moment(self, data: Fields, path: str, relative: tuple[str, ...]) -> Moment:
        moving = "".join(f', or {{"{key}": "30d"}}' for key in relative)
        expected = f"{_INSTANT}{moving}"
        if not self.has_value(data, path, expected):
            return Instant(0)
        value = data["value"]
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in relative:
            key, text = next(iter(value.items()))
            length_ms = self.duration(text, f"{path}.value.{key}")
            return Relative(-length_ms if key == "ago" else length_ms)
        at = parse_instant(value)
        if at is None:
            self.fail(f"{path}.value", f"expected {expected}, got {kind_of(value)}")
        return Instant(at or 0)

    def duration(self, text: object, path: str) -> int:
        length_ms = parse_duration(text)
        if length_ms is None:
            self.fail(path, f"expected {_DURATION}, got {kind_of(text)}")
        return length_ms or 1

    def window(self, data: Fields, path: str) -> Window:
        if "window" not in data:
            return ALL_TIME
        window = data["window"]
        path = f"{path}.window"
        expected = '{"last": "30d"}, or {"from": ..., "to": ...} with one or both of them'
        if not isinstance(window, dict) or not window:
            self.fail(path, f"expected {expected}, got {'an empty object' if window == {} else kind_of(window)}")
            return ALL_TIME
        if "last" in window:
            self.only(window, path, ("last",))
            return Rolling(self.duration(window["last"], f"{path}.last"))
        self.only(window, path, ("from", "to"))
        edges = {"from": -FOREVER, "to": FOREVER}
        for key in edges:
            if key in window:
                at = parse_instant(window[key])
                if at is None:
                    self.fail(f"{path}.{key}", f"expected {_INSTANT}, got {kind_of(window[key])}")
                    return ALL_TIME
                edges[key] = at
        if edges["from"] >= edges["to"]:
            self.fail(f"{path}.to", 'expected a time after "from"')
        return Absolute(edges["from"], edges["to"])


def join(path: str, key: object) -> str:
    """The path of a field; a name that is not a plain word is left out, since it may be anything."""
    return f"{path}.{key}" if isinstance(key, str) and re.fullmatch("[A-Za-z0-9_]{1,40}", key) else path


def listed(names: tuple[str, ...]) -> str:
    """The names in quotes, with commas between them."""
    return ", ".join(f'"{name}"' for name in names)


def kind_of(value: object) -> str:
    """What a value is, in words that tell nothing of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for types, name in ((str, "text"), ((int, float), "a number"), (list, "a list"), (dict, "an object")):
        if isinstance(value, types):
            return name
    return "another kind of value"


def is_number(value: object) -> bool:
    """A number that criteria may compare with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= NUMBER_MAX


def is_whole(value: object) -> bool:
    """A count that criteria may compare with."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WHOLE_MAX


def is_scalar(value: object) -> bool:
    """A single value that criteria may compare with."""
    return isinstance(value, bool) or is_number(value) or (isinstance(value, str) and len(value) <= TEXT_MAX)
