"""Criteria and segment definitions from JSON: checked completely, every error named by its place.

An error says where ("criteria.all[1].window.last") and what was expected there. It tells the kind of the
value that was found, never the value, which may be personal data.
"""

import re
from typing import Any

import msgspec

from models.profile.lifecycle import STAGES
from models.profile.state import MICRO
from models.segments.criteria import (
    ALL_TIME,
    CLAUSES_MAX,
    DEMOGRAPHIC_OPERATORS,
    DEPTH_MAX,
    LIST_MAX,
    MEASURE_OPERATORS,
    MEASURES,
    NUMBER_MAX,
    ORDER_OPERATORS,
    PRESENCE_OPERATORS,
    TEXT_MAX,
    TIME_OPERATORS,
    WHOLE_MAX,
    Absolute,
    AllOf,
    AnyOf,
    Behavioral,
    Clause,
    Demographic,
    Engagement,
    Instant,
    LifecycleStage,
    Moment,
    Node,
    Not,
    Relative,
    Rolling,
    SegmentDefinition,
    Transactional,
    Window,
)
from models.segments.times import FOREVER, parse_duration, parse_instant

ID_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$"
_DURATION = 'a duration such as "30d", "12h" or "90m" (s, m, h, d or w; at most 3650d)'
_SCALAR = f"text of at most {TEXT_MAX} characters, a number, true or false"
_INSTANT = 'an ISO 8601 date or time such as "2024-05-01" or "2024-05-01T12:00:00Z"'


class CriteriaError(msgspec.Struct, frozen=True):
    """One thing wrong with a definition."""

    path: str  # e.g. "criteria.all[1].window.last"
    message: str  # what was expected, and the kind of what was found


class InvalidCriteria(ValueError):
    """A definition or its criteria are not in the language; `errors` has every reason."""

    def __init__(self, errors: list[CriteriaError]) -> None:
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in errors))
        self.errors = errors


def parse_criteria(data: object) -> Node:
    """The tree of JSON criteria. Raises InvalidCriteria."""
    reader = _Reader()
    node = reader.node(data, "criteria", 1)
    if reader.clauses > CLAUSES_MAX:
        reader.fail("criteria", f"expected at most {CLAUSES_MAX} criteria, got {reader.clauses}")
    if reader.errors or node is None:
        raise InvalidCriteria(reader.errors)
    return node


def parse_definition(data: object) -> SegmentDefinition:
    """A definition from JSON {"id", "name", "description", "criteria", "created_at", "version"}.

    Only `name` and `criteria` are required: the id is made from the name if absent. Raises InvalidCriteria.
    """
    reader = _Reader()
    if not isinstance(data, dict):
        raise InvalidCriteria([CriteriaError("segment", f"expected an object, got {_kind(data)}")])
    reader.only(data, "segment", ("id", "name", "description", "criteria", "created_at", "version"))
    name = reader.text(data, "name", "segment")
    segment_id = data.get("id", _slug(name))
    if not isinstance(segment_id, str) or not re.fullmatch(ID_PATTERN, segment_id):
        expected = "1 to 64 lower-case letters, digits, - or _, beginning with a letter or digit"
        found = f"got {_kind(data['id'])}" if "id" in data else "none could be made from the name"
        reader.fail("segment.id", f"expected {expected}; {found}")
    description = data.get("description", "")
    if not isinstance(description, str) or len(description) > TEXT_MAX:
        reader.fail("segment.description", f"expected text of at most {TEXT_MAX} characters, got {_kind(description)}")
    for key, default in (("created_at", 0), ("version", 1)):
        value = data.get(key, default)
        if not _is_whole(value):
            reader.fail(f"segment.{key}", f"expected a whole number from 0 to {WHOLE_MAX}, got {_kind(value)}")
    if "criteria" not in data:
        reader.fail("criteria", "required, and absent")
    else:
        try:
            parse_criteria(data["criteria"])
        except InvalidCriteria as invalid:
            reader.errors += invalid.errors
    if reader.errors:
        raise InvalidCriteria(reader.errors)
    return SegmentDefinition(
        segment_id, name, data["criteria"], description, data.get("created_at", 0), data.get("version", 1)
    )


class _Reader:
    """Walks the JSON and gathers the errors; a node with errors is None or unusable."""

    def __init__(self) -> None:
        self.errors: list[CriteriaError] = []
        self.clauses = 0

    def fail(self, path: str, message: str) -> None:
        self.errors.append(CriteriaError(path, message))

    def only(self, data: dict[str, Any], path: str, allowed: tuple[str, ...]) -> None:
        for key in data:
            if key not in allowed:
                self.fail(_join(path, key), f"unknown field; expected only {_listed(allowed)}")

    def node(self, data: object, path: str, depth: int) -> Node | None:
        if not isinstance(data, dict):
            self.fail(path, f"expected an object, got {_kind(data)}")
            return None
        operators = [key for key in ("all", "any", "not") if key in data]
        if not operators:
            return self._clause(data, path)
        if len(data) > 1:
            self.fail(path, f'expected "{operators[0]}" alone: put other criteria in an "all" or "any" around it')
            return None
        if depth > DEPTH_MAX:
            self.fail(path, f"expected at most {DEPTH_MAX} levels of all, any and not")
            return None
        key = operators[0]
        if key == "not":
            part = self.node(data["not"], f"{path}.not", depth + 1)
            return None if part is None else Not(part)
        listed = data[key]
        if not isinstance(listed, list) or not listed:
            found = "an empty list" if listed == [] else _kind(listed)
            self.fail(f"{path}.{key}", f"expected a list of at least one criterion, got {found}")
            return None
        parts = [self.node(part, f"{path}.{key}[{i}]", depth + 1) for i, part in enumerate(listed)]
        whole = tuple(part for part in parts if part is not None)
        return AllOf(whole) if key == "all" else AnyOf(whole)

    def _clause(self, data: dict[str, Any], path: str) -> Clause | None:
        self.clauses += 1
        match data.get("type"):
            case "demographic":
                return self._demographic(data, path)
            case "behavioral":
                self.only(data, path, ("type", "event", "measure", "operator", "value", "window"))
                event = self.text(data, "event", path)
                return Behavioral(event, *self._comparison(data, "behavioral", path), self._window(data, path))
            case "transactional":
                return self._transactional(data, path)
            case "engagement":
                return self._engagement(data, path)
            case "lifecycle":
                return self._lifecycle(data, path)
        expected = 'one of "demographic", "behavioral", "transactional", "engagement", "lifecycle"'
        if "type" in data:
            self.fail(f"{path}.type", f"expected {expected}, got {_kind(data['type'])} that is none of them")
        else:
            self.fail(path, f'expected an object with "all", "any" or "not", or with a "type": {expected}')
        return None

    def _demographic(self, data: dict[str, Any], path: str) -> Demographic:
        self.only(data, path, ("type", "trait", "operator", "value"))
        trait = self.text(data, "trait", path)
        operator = self._operator(data, path, DEMOGRAPHIC_OPERATORS)
        if operator in ("in", "not_in"):
            return Demographic(trait, operator, self._scalars(data, path))
        if operator in TIME_OPERATORS:
            return Demographic(trait, operator, self._moment(data, path, ahead=True))
        if operator in ORDER_OPERATORS:
            return Demographic(trait, operator, self._number(data, path))
        if operator == "starts_with":
            return Demographic(trait, operator, self.text(data, "value", path))
        if operator in PRESENCE_OPERATORS or not operator:
            self._nothing(data, path, operator)
            return Demographic(trait, operator)
        if self._has_value(data, path, _SCALAR) and not _is_scalar(data["value"]):
            self.fail(f"{path}.value", f"expected {_SCALAR}, got {_kind(data['value'])}")
        return Demographic(trait, operator, data.get("value"))

    def _transactional(self, data: dict[str, Any], path: str) -> Transactional:
        self.only(data, path, ("type", "measure", "operator", "value", "window", "product", "currency"))
        product = self.text(data, "product", path) if "product" in data else ""
        currency = self.text(data, "currency", path).strip().upper() if "currency" in data else ""
        measure, operator, value = self._comparison(data, "transactional", path)
        if product and measure == "refunds":
            self.fail(f"{path}.product", 'expected none with the measure "refunds": refunds are known by order only')
        return Transactional(measure, operator, value, self._window(data, path), product, currency)

    def _engagement(self, data: dict[str, Any], path: str) -> Engagement:
        self.only(data, path, ("type", "channel", "measure", "action", "operator", "value"))
        channel = self.text(data, "channel", path)
        action = self.text(data, "action", path) if "action" in data else ""
        measure, operator, value = self._comparison(data, "engagement", path)
        if action and measure != "count":
            self.fail(f"{path}.action", f'expected none with the measure "{measure}": only counts are kept by action')
        return Engagement(channel, measure, operator, value, action)

    def _lifecycle(self, data: dict[str, Any], path: str) -> LifecycleStage:
        self.only(data, path, ("type", "stage"))
        listed = data.get("stage")
        stages = [listed] if isinstance(listed, str) else listed
        expected = f"one or a list of {_listed(STAGES)}"
        if not isinstance(stages, list) or not stages:
            self.fail(f"{path}.stage", f"expected {expected}, got {_kind(listed) if 'stage' in data else 'nothing'}")
            return LifecycleStage(())
        for i, stage in enumerate(stages):
            if stage not in STAGES:
                place = f"{path}.stage" if isinstance(listed, str) else f"{path}.stage[{i}]"
                self.fail(place, f"expected {expected}, got {_kind(stage)} that is none of them")
        return LifecycleStage(tuple(stage for stage in stages if isinstance(stage, str)))

    def _comparison(self, data: dict[str, Any], kind: str, path: str) -> tuple[str, str, Any]:
        """(measure, operator, value) of a clause that measures something."""
        measures = MEASURES[kind]
        measure = data.get("measure", "count")
        if not isinstance(measure, str) or measure not in measures:
            self.fail(f"{path}.measure", f"expected one of {_listed(tuple(measures))}, got {_kind(measure)}")
            return "count", "exists", None
        of = measures[measure]
        operator = self._operator(data, path, MEASURE_OPERATORS[of])
        if operator in PRESENCE_OPERATORS or not operator:
            self._nothing(data, path, operator)
            return measure, operator, None
        if of == "time":
            return measure, operator, self._moment(data, path, ahead=False)
        if of == "amount":
            return measure, operator, round(self._number(data, path) * MICRO)
        if self._has_value(data, path, f"a whole number from 0 to {WHOLE_MAX}") and not _is_whole(data["value"]):
            self.fail(f"{path}.value", f"expected a whole number from 0 to {WHOLE_MAX}, got {_kind(data['value'])}")
            return measure, operator, 0
        return measure, operator, data.get("value", 0)

    def _operator(self, data: dict[str, Any], path: str, allowed: tuple[str, ...]) -> str:
        operator = data.get("operator")
        if isinstance(operator, str) and operator in allowed:
            return operator
        found = f"{_kind(operator)} that is none of them" if "operator" in data else "nothing"
        self.fail(f"{path}.operator", f"expected one of {_listed(allowed)}, got {found}")
        return ""

    def text(self, data: dict[str, Any], key: str, path: str) -> str:
        value = data.get(key)
        if isinstance(value, str) and 0 < len(value) <= TEXT_MAX:
            return value
        found = "nothing" if key not in data else "empty text" if value == "" else _kind(value)
        if isinstance(value, str) and value:
            found = f"{len(value)} characters"
        self.fail(f"{path}.{key}", f"expected text of 1 to {TEXT_MAX} characters, got {found}")
        return ""

    def _has_value(self, data: dict[str, Any], path: str, expected: str) -> bool:
        if "value" not in data:
            self.fail(f"{path}.value", f"expected {expected}, got nothing")
        return "value" in data

    def _nothing(self, data: dict[str, Any], path: str, operator: str) -> None:
        if "value" in data and operator:
            self.fail(f"{path}.value", f'expected none: the operator "{operator}" compares with nothing')

    def _number(self, data: dict[str, Any], path: str) -> int | float:
        expected = f"a number from -{NUMBER_MAX} to {NUMBER_MAX}"
        if not self._has_value(data, path, expected):
            return 0
        value = data["value"]
        if not _is_number(value):
            self.fail(f"{path}.value", f"expected {expected}, got {_kind(value)}")
            return 0
        number: int | float = value
        return number

    def _scalars(self, data: dict[str, Any], path: str) -> tuple[Any, ...]:
        expected = f"a list of 1 to {LIST_MAX} values"
        if not self._has_value(data, path, expected):
            return ()
        values = data["value"]
        if not isinstance(values, list) or not 0 < len(values) <= LIST_MAX:
            found = f"{len(values)} values" if isinstance(values, list) else _kind(values)
            self.fail(f"{path}.value", f"expected {expected}, got {found}")
            return ()
        for i, value in enumerate(values):
            if not _is_scalar(value):
                self.fail(f"{path}.value[{i}]", f"expected {_SCALAR}, got {_kind(value)}")
        return tuple(values)

    def _moment(self, data: dict[str, Any], path: str, *, ahead: bool) -> Moment:
        relative = 'or {"ago": "30d"}' + (' or {"ahead": "30d"}' if ahead else "")
        expected = f"{_INSTANT}, {relative}"
        if not self._has_value(data, path, expected):
            return Instant(0)
        value = data["value"]
        keys = ("ago", "ahead") if ahead else ("ago",)
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in keys:
            key, text = next(iter(value.items()))
            length_ms = self._duration(text, f"{path}.value.{key}")
            return Relative(-length_ms if key == "ago" else length_ms)
        at = parse_instant(value)
        if at is None:
            self.fail(f"{path}.value", f"expected {expected}, got {_kind(value)}")
        return Instant(at or 0)

    def _duration(self, text: object, path: str) -> int:
        length_ms = parse_duration(text)
        if length_ms is None:
            self.fail(path, f"expected {_DURATION}, got {_kind(text)}")
        return length_ms or 1

    def _window(self, data: dict[str, Any], path: str) -> Window:
        if "window" not in data:
            return ALL_TIME
        window = data["window"]
        path = f"{path}.window"
        expected = '{"last": "30d"}, or {"from": ..., "to": ...} with one or both of them'
        if not isinstance(window, dict) or not window:
            self.fail(path, f"expected {expected}, got {'an empty object' if window == {} else _kind(window)}")
            return ALL_TIME
        if "last" in window:
            self.only(window, path, ("last",))
            return Rolling(self._duration(window["last"], f"{path}.last"))
        self.only(window, path, ("from", "to"))
        edges = {"from": -FOREVER, "to": FOREVER}
        for key in edges:
            if key in window:
                at = parse_instant(window[key])
                if at is None:
                    self.fail(f"{path}.{key}", f"expected {_INSTANT}, got {_kind(window[key])}")
                    return ALL_TIME
                edges[key] = at
        if edges["from"] >= edges["to"]:
            self.fail(f"{path}.to", 'expected a time after "from"')
        return Absolute(edges["from"], edges["to"])


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:64].rstrip("-")


def _join(path: str, key: object) -> str:
    """The path of a field; a name that is not a plain word is left out, since it may be anything."""
    return f"{path}.{key}" if isinstance(key, str) and re.fullmatch("[A-Za-z0-9_]{1,40}", key) else path


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for types, name in ((str, "text"), ((int, float), "a number"), (list, "a list"), (dict, "an object")):
        if isinstance(value, types):
            return name
    return "another kind of value"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= NUMBER_MAX


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WHOLE_MAX


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and len(value) <= TEXT_MAX)
