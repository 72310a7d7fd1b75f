"""JSON Schema (2020-12) of the criteria language, for editors and API descriptions.

What `models.segments.parse` takes satisfies it. The parser alone checks depth, size and calendar, and
gives the better errors.
"""

from typing import Any

from models.profile.lifecycle import STAGES
from models.segments.criteria import (
    LIST_MAX,
    MEASURE_OPERATORS,
    MEASURES,
    NUMBER_MAX,
    ORDER_OPERATORS,
    PRESENCE_OPERATORS,
    TEXT_MAX,
    TIME_OPERATORS,
    WHOLE_MAX,
)
from models.segments.times import DURATION_PATTERN, INSTANT_PATTERN

Schema = dict[str, Any]

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
_NUMBER: Schema = {"type": "number", "minimum": -NUMBER_MAX, "maximum": NUMBER_MAX}
_SCALAR: Schema = {"anyOf": [{"type": "string", "maxLength": TEXT_MAX}, _NUMBER, {"type": "boolean"}]}
_DURATION: Schema = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "description": "A number of seconds, minutes, hours, days or weeks: 90m, 12h, 30d; at most 3650d.",
}
_INSTANT: Schema = {
    "type": "string",
    "pattern": INSTANT_PATTERN,
    "description": "ISO 8601 date or date and time; UTC without an offset.",
}


def _object(properties: Schema, required: tuple[str, ...]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _moment(*relative: str) -> Schema:
    return {"anyOf": [_INSTANT, *(_object({key: {"$ref": "#/$defs/duration"}}, (key,)) for key in relative)]}


_VALUES: dict[str, Schema] = {
    "whole": {"type": "integer", "minimum": 0, "maximum": WHOLE_MAX},
    "amount": _NUMBER,
    "time": _moment("ago"),
}


def _measuring(kind: str, fields: Schema, required: tuple[str, ...]) -> Schema:
    """A clause type that measures: one form for each kind of measure, with and without a value."""
    forms: list[Schema] = []
    for of, operators in MEASURE_OPERATORS.items():
        measures = [measure for measure, measured in MEASURES[kind].items() if measured == of]
        measured = {"type": {"const": kind}, **fields, "measure": {"enum": measures}}
        needed = ("type", *required) if "count" in measures else ("type", *required, "measure")
        compared = [operator for operator in operators if operator not in PRESENCE_OPERATORS]
        if measures:
            value = {"operator": {"enum": compared}, "value": _VALUES[of]}
            forms.append(_object({**measured, **value}, (*needed, "operator", "value")))
        if measures and len(compared) < len(operators):
            forms.append(_object({**measured, "operator": {"enum": list(PRESENCE_OPERATORS)}}, (*needed, "operator")))
    return {"anyOf": forms}


def _demographic() -> Schema:
    values: list[tuple[tuple[str, ...], Schema | None]] = [
        (("equals", "not_equals", "contains"), _SCALAR),
        (("in", "not_in"), {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": LIST_MAX}),
        (("starts_with",), _NAME),
        (PRESENCE_OPERATORS, None),
        (ORDER_OPERATORS, _NUMBER),
        (TIME_OPERATORS, _moment("ago", "ahead")),
    ]
    forms: list[Schema] = []
    for operators, value in values:
        fields: Schema = {"type": {"const": "demographic"}, "trait": _NAME, "operator": {"enum": list(operators)}}
        if value is None:
            forms.append(_object(fields, ("type", "trait", "operator")))
        else:
            forms.append(_object({**fields, "value": value}, ("type", "trait", "operator", "value")))
    return {"anyOf": forms}


_WINDOW: Schema = {
    "anyOf": [
        _object({"last": {"$ref": "#/$defs/duration"}}, ("last",)),
        {**_object({"from": _INSTANT, "to": _INSTANT}, ()), "minProperties": 1},
    ]
}
_PARTS: Schema = {"type": "array", "items": {"$ref": "#/$defs/criteria"}, "minItems": 1}
_WINDOWED: Schema = {"window": {"$ref": "#/$defs/window"}}

CRITERIA_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Segment criteria",
    "$ref": "#/$defs/criteria",
    "$defs": {
        "criteria": {
            "anyOf": [
                _object({"all": _PARTS}, ("all",)),
                _object({"any": _PARTS}, ("any",)),
                _object({"not": {"$ref": "#/$defs/criteria"}}, ("not",)),
                {"$ref": "#/$defs/demographic"},
                {"$ref": "#/$defs/behavioral"},
                {"$ref": "#/$defs/transactional"},
                {"$ref": "#/$defs/engagement"},
                {"$ref": "#/$defs/lifecycle"},
            ]
        },
        "demographic": _demographic(),
        "behavioral": _measuring("behavioral", {"event": _NAME, **_WINDOWED}, ("event",)),
        "transactional": {
            **_measuring("transactional", {"product": _NAME, "currency": _NAME, **_WINDOWED}, ()),
            "not": {"properties": {"measure": {"const": "refunds"}}, "required": ["measure", "product"]},
        },
        "engagement": {
            **_measuring("engagement", {"channel": _NAME, "action": _NAME}, ("channel",)),
            "not": {"properties": {"measure": {"enum": ["first", "last"]}}, "required": ["measure", "action"]},
        },
        "lifecycle": _object(
            {
                "type": {"const": "lifecycle"},
                "stage": {
                    "anyOf": [
                        {"enum": list(STAGES)},
                        {"type": "array", "items": {"enum": list(STAGES)}, "minItems": 1},
                    ]
                },
            },
            ("type", "stage"),
        ),
        "window": _WINDOW,
        "duration": _DURATION,
    },
}
