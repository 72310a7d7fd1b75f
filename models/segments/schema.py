"""JSON Schema (2020-12) of the criteria language, for editors and API descriptions.

What `models.segments.parse_criteria` takes satisfies it. The parser alone checks depth, size and calendar, and
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
    PROPERTY_MEASURES,
    STEPS_MAX,
    TESTS_MAX,
    TEXT_MAX,
    TIME_OPERATORS,
    VALUE_MEASURES,
    WHOLE_MAX,
)
from models.segments.parse_criteria import CLAUSE_TYPES, ID_PATTERN
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


def _measuring(kind: str, fields: Schema, required: tuple[str, ...], measures: tuple[str, ...]) -> list[Schema]:
    """The forms of a clause with one of these measures: by the kind of measure, with and without a value."""
    forms: list[Schema] = []
    for of, operators in MEASURE_OPERATORS.items():
        named = [measure for measure in measures if MEASURES[kind][measure] == of]
        if not named:
            continue
        measured = {"type": {"const": kind}, **fields, "measure": {"enum": named}}
        needed = ("type", *required) if "count" in named else ("type", *required, "measure")
        compared = [operator for operator in operators if operator not in PRESENCE_OPERATORS]
        value = {"operator": {"enum": compared}, "value": _VALUES[of]}
        forms.append(_object({**measured, **value}, (*needed, "operator", "value")))
        present = [measure for measure in named if measure not in ("distinct", "score")]
        if present and len(compared) < len(operators):
            measured = {**measured, "measure": {"enum": present}}
            forms.append(_object({**measured, "operator": {"enum": list(PRESENCE_OPERATORS)}}, (*needed, "operator")))
    return forms


def _compared(fields: Schema, required: tuple[str, ...], *relative: str) -> list[Schema]:
    """The forms of a test of one value, by the kind of operator."""
    values: list[tuple[tuple[str, ...], Schema | None]] = [
        (("equals", "not_equals", "contains"), _SCALAR),
        (("in", "not_in"), {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": LIST_MAX}),
        (("starts_with",), _NAME),
        (PRESENCE_OPERATORS, None),
        (ORDER_OPERATORS, _NUMBER),
        (TIME_OPERATORS, _moment(*relative)),
    ]
    forms: list[Schema] = []
    for operators, value in values:
        tested = {**fields, "operator": {"enum": list(operators)}}
        if value is None:
            forms.append(_object(tested, (*required, "operator")))
        else:
            forms.append(_object({**tested, "value": value}, (*required, "operator", "value")))
    return forms


def _clause(name: str) -> list[Schema]:
    """The forms of a clause on one trait."""
    return _compared({"type": {"const": name}, "trait": _NAME}, ("type", "trait"), "ago", "ahead")


_WINDOW: Schema = {
    "anyOf": [
        _object({"last": {"$ref": "#/$defs/duration"}}, ("last",)),
        {**_object({"from": _INSTANT, "to": _INSTANT}, ()), "minProperties": 1},
    ]
}
_PARTS: Schema = {"type": "array", "items": {"$ref": "#/$defs/criteria"}, "minItems": 1}
_WINDOWED: Schema = {"window": {"$ref": "#/$defs/window"}}

_WHERE: Schema = {
    "where": {"type": "array", "items": {"$ref": "#/$defs/property_test"}, "minItems": 1, "maxItems": TESTS_MAX}
}
_LINES: Schema = {"product": _NAME, "category": _NAME, "currency": _NAME}
_EVENT: Schema = {"event": _NAME, **_WHERE, **_WINDOWED}
_COUNTED = tuple(measure for measure in MEASURES["behavioral"] if measure not in PROPERTY_MEASURES)
_REFERENCE = _object(
    {"step": {"type": "integer", "minimum": 0, "maximum": STEPS_MAX - 2}, "property": _NAME}, ("step", "property")
)
_STEP = _object(
    {
        "event": _NAME,
        "where": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"$ref": "#/$defs/property_test"},
                    _object(
                        {"property": _NAME, "operator": {"const": "equals"}, "value": _REFERENCE},
                        ("property", "operator", "value"),
                    ),
                ]
            },
            "minItems": 1,
            "maxItems": TESTS_MAX,
        },
        "within": {"$ref": "#/$defs/duration"},
        "absent": {"type": "boolean"},
    },
    ("event",),
)
_STAGES: Schema = {"enum": list(STAGES)}
_ORDERED = tuple(measure for measure in MEASURES["transactional"] if measure != "refunds")
_DEFINITIONS: Schema = {
    "criteria": {
        "anyOf": [
            _object({"all": _PARTS}, ("all",)),
            _object({"any": _PARTS}, ("any",)),
            _object({"not": {"$ref": "#/$defs/criteria"}}, ("not",)),
            *({"$ref": f"#/$defs/{name}"} for name in CLAUSE_TYPES),
        ]
    },
    "demographic": {"anyOf": _clause("demographic")},
    "computed": {"anyOf": _clause("computed")},
    "behavioral": {
        "anyOf": [
            *_measuring("behavioral", _EVENT, ("event",), _COUNTED),
            *_measuring("behavioral", {**_EVENT, "property": _NAME}, ("event", "property"), PROPERTY_MEASURES),
        ]
    },
    "transactional": {
        "anyOf": [
            *_measuring("transactional", {**_LINES, **_WINDOWED}, (), _ORDERED),
            *_measuring("transactional", {"currency": _NAME, **_WINDOWED}, (), ("refunds",)),
        ]
    },
    "engagement": {
        "anyOf": [
            *_measuring("engagement", {"channel": _NAME, "action": _NAME}, (), ("count",)),
            *_measuring("engagement", {"channel": _NAME}, (), ("first", "last")),
            *_measuring("engagement", {}, (), ("score",)),
        ]
    },
    "lifecycle": _object(
        {
            "type": {"const": "lifecycle"},
            "stage": {"anyOf": [_STAGES, {"type": "array", "items": _STAGES, "minItems": 1}]},
        },
        ("type", "stage"),
    ),
    "sequence": _object(
        {
            "type": {"const": "sequence"},
            "steps": {"type": "array", "items": _STEP, "minItems": 2, "maxItems": STEPS_MAX},
            **_WINDOWED,
        },
        ("type", "steps"),
    ),
    "membership": _object(
        {"type": {"const": "membership"}, "segment": {"type": "string", "pattern": ID_PATTERN}}, ("type", "segment")
    ),
    "property_test": {"anyOf": _compared({"property": _NAME}, ("property",))},
    "window": _WINDOW,
    "duration": _DURATION,
}

CRITERIA_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Segment criteria",
    "$ref": "#/$defs/criteria",
    "$defs": _DEFINITIONS,
}

COMPUTED_TRAIT_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Expression of a computed trait",
    "anyOf": [
        _object({"type": {"const": "behavioral"}, **_EVENT, "measure": {"enum": list(_COUNTED)}}, ("type", "event")),
        _object(
            {
                "type": {"const": "behavioral"},
                **_EVENT,
                "measure": {"enum": [*PROPERTY_MEASURES, *VALUE_MEASURES]},
                "property": _NAME,
            },
            ("type", "event", "measure", "property"),
        ),
        _object(
            {"type": {"const": "transactional"}, **_LINES, **_WINDOWED, "measure": {"enum": list(_ORDERED)}}, ("type",)
        ),
        _object(
            {
                "type": {"const": "transactional"},
                "currency": _NAME,
                **_WINDOWED,
                "measure": {"const": "refunds"},
            },
            ("type", "measure"),
        ),
        _object({"type": {"const": "predicate"}, "criteria": {"$ref": "#/$defs/criteria"}}, ("type", "criteria")),
    ],
    "$defs": _DEFINITIONS,
}
