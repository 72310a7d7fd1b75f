"""A source's JSON Schemas: what its messages must look like, and what happens to those that do not.

A source may have a schema for the `properties` of an event by its name, or of a type (track, page, screen),
and for the `traits` of identify and group. Its mode says what a violation does:
- "block": the message is refused, and kept as a dead letter with the violations as its reasons;
- "omit": the violating top-level properties or traits are left out, and reported.

References to other documents ($ref to a URL) are refused: validating must never reach for the network.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from models.events.clock import parse_time
from models.events.outcome import REASONS_MAX, Reason, reason

# message type -> the field that its schema describes
_SUBJECT = {
    "track": "properties",
    "page": "properties",
    "screen": "properties",
    "identify": "traits",
    "group": "traits",
}
_EXPECTATION_CHARS_MAX = 100
_LITERALS = frozenset({"const", "default", "enum", "examples"})  # keywords whose values are not schemas


class SchemaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source's schemas as they are configured. A schema is an object, or true or false (JSON Schema 2020-12)."""

    mode: Literal["block", "omit"] = "block"
    events: dict[str, dict[str, Any] | bool] = {}  # name of a track event -> schema of its properties
    types: dict[str, dict[str, Any] | bool] = {}  # message type -> schema of its properties or traits


class InvalidSchema(ValueError):
    """A configured schema cannot be used. The message says which, and why."""


class Violations(msgspec.Struct, frozen=True):
    """How an object breaks its schema, and which of its top-level fields would have to go."""

    reasons: list[Reason]
    fields: set[str]


class SourceSchema:
    """The compiled schemas of one source: make it once, check many messages. Raises InvalidSchema."""

    def __init__(self, settings: SchemaSettings) -> None:
        self.mode = settings.mode
        unknown = sorted(settings.types.keys() - _SUBJECT.keys())
        if unknown:
            raise InvalidSchema(f"types.{unknown[0]}: a schema can be given for {', '.join(sorted(_SUBJECT))}")
        self._events = {name: _compile(f"events.{name}", schema) for name, schema in settings.events.items()}
        self._types = {name: _compile(f"types.{name}", schema) for name, schema in settings.types.items()}

    def subject(self, kind: str, name: str) -> str:
        """Which field of a message has a schema: "properties", "traits" or "" for none."""
        return _SUBJECT[kind] if self._validator(kind, name) is not None else ""

    def check(self, kind: str, name: str, value: dict[str, Any]) -> Violations | None:
        """How `value`, the message's `subject` field, breaks the schema for messages of this type and name."""
        validator = self._validator(kind, name)
        if validator is None or validator.is_valid(value):
            return None
        subject = _SUBJECT[kind]
        reasons: list[Reason] = []
        fields: set[str] = set()
        for error in validator.iter_errors(value):
            for path, expectation, culprit in _explain(error):
                found = reason("schema", ".".join([subject, *path]), expectation)
                if len(reasons) < REASONS_MAX and found not in reasons:
                    reasons.append(found)
                if culprit is not None:
                    fields.add(culprit)
        return Violations(reasons, fields)

    def _validator(self, kind: str, name: str) -> Validator | None:
        if kind == "track" and name in self._events:
            return self._events[name]
        return self._types.get(kind)


def parse_schema_settings(settings: Any) -> SchemaSettings:
    """Schema settings from decoded JSON or TOML. Raises InvalidSchema."""
    try:
        return msgspec.convert(settings, SchemaSettings)
    except msgspec.ValidationError as error:
        raise InvalidSchema(str(error)) from None


def _compile(place: str, schema: dict[str, Any] | bool) -> Validator:
    dialect = validator_for(schema, default=Draft202012Validator)
    try:
        dialect.check_schema(schema)
    except SchemaError as error:
        raise InvalidSchema(f"{place}: not a valid JSON Schema at {error.json_path}: {error.message}") from None
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise InvalidSchema(f"{place}: $ref must point into the same schema (#/$defs/...), not elsewhere")
    validator: Validator = dialect(_with_paths(schema), registry=Registry(), format_checker=_formats())
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    try:
        for reference in _references(schema):
            resolver.lookup(reference)
        validator.is_valid({})
    except Unresolvable as error:
        raise InvalidSchema(f"{place}: the schema has no {error.ref}") from None
    except RecursionError:
        raise InvalidSchema(f"{place}: the schema refers to itself without end") from None
    return validator


def _references(schema: Any) -> Iterator[str]:
    """Every $ref of a schema."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _with_paths(schema: Any) -> Any:
    """The same schema with `false` properties written as {"not": {}}: jsonschema gives breaches of `false` no path."""
    if isinstance(schema, list):
        return [_with_paths(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: value if key in _LITERALS else _with_paths(value) for key, value in schema.items()}
    properties = changed.get("properties")
    if isinstance(properties, dict):
        changed["properties"] = {k: {"not": {}} if v is False else v for k, v in properties.items()}
    return changed


def _formats() -> FormatChecker:
    """The formats that are checked: those of the jsonschema package and date-time."""
    checker = FormatChecker()
    checker.checks("date-time")(lambda value: not isinstance(value, str) or parse_time(value) is not None)
    return checker


def _explain(error: ValidationError) -> Iterator[tuple[list[str], str, str | None]]:
    """(path, what was expected, top-level field at fault) of each breach that `error` stands for.

    jsonschema's own messages quote the value, which may be personal; these quote the schema alone.
    """
    path = [str(part) for part in error.absolute_path]
    culprit = path[0] if path else None
    keyword = str(error.validator)
    if keyword == "required" and isinstance(error.instance, dict):
        for name in error.validator_value:
            if name not in error.instance:
                yield [*path, name], "is required", culprit
    elif keyword == "additionalProperties" and isinstance(error.instance, dict):
        for name in _additional(error.instance, error.schema):
            yield [*path, name], "is not in the schema", culprit or name
    elif list(error.absolute_schema_path)[-2:-1] == ["propertyNames"] and isinstance(error.instance, str):
        yield path, "has a name that the schema does not allow", culprit or error.instance
    elif error.validator is None or (keyword == "not" and error.validator_value == {}):  # the schema is `false`
        yield path, "is not allowed by the schema", culprit
    else:
        yield path, f"must satisfy the schema's {keyword}{_expectation(error.validator_value)}", culprit


def _additional(value: Iterable[str], schema: Any) -> list[str]:
    """Names in `value` that neither `properties` nor `patternProperties` describe."""
    named = {name: True for name in schema.get("properties", {})}
    patterns = {"patternProperties": {pattern: True for pattern in schema.get("patternProperties", {})}}
    only_named = Draft202012Validator({"properties": named, **patterns, "additionalProperties": False})
    return [name for name in value if not only_named.is_valid({name: None})]


def _expectation(value: Any) -> str:
    if isinstance(value, dict):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f" {text}" if len(text) <= _EXPECTATION_CHARS_MAX else ""
