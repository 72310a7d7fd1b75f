"""A source's JSON Schemas."""

from typing import Any

import pytest

from models.events.schema import InvalidSchema, SourceSchema, parse_schema_settings

ORDER = {
    "type": "object",
    "properties": {
        "price": {"type": "number", "minimum": 0},
        "ssn": False,
        "when": {"type": "string", "format": "date-time"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "patternProperties": {"^x_": True},
    "required": ["price"],
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"sku": {"type": "string"}}}},
}


def compiled(**settings: Any) -> SourceSchema:
    return SourceSchema(parse_schema_settings(settings))


def test_a_valid_message_has_no_violations() -> None:
    schema = compiled(events={"Order": ORDER})
    value = {"price": 1, "when": "2026-01-31T12:00:00Z", "items": [{"sku": "a"}], "x_extra": 1}
    assert schema.check("track", "Order", value) is None


def test_each_violation_is_named_without_its_value() -> None:
    schema = compiled(events={"Order": ORDER})
    value = {"price": -1, "ssn": "078-05-1120", "when": "secret", "items": [{"sku": 1}], "extra": "secret"}
    violations = schema.check("track", "Order", value)
    assert violations is not None
    fields = {found["field"] for found in violations.reasons}
    assert fields == {
        "properties.price",
        "properties.ssn",
        "properties.when",
        "properties.items.0.sku",
        "properties.extra",
    }
    assert violations.fields == {"price", "ssn", "when", "items", "extra"}
    assert not any("secret" in str(found) or "078" in str(found) for found in violations.reasons)


def test_a_missing_property_is_reported_and_leaves_nothing_to_omit() -> None:
    violations = compiled(events={"Order": ORDER}).check("track", "Order", {})
    assert violations is not None
    assert violations.reasons == [{"code": "schema", "field": "properties.price", "message": "is required"}]
    assert violations.fields == set()


def test_the_event_name_goes_before_the_type() -> None:
    schema = compiled(events={"Order": {"required": ["a"]}}, types={"track": False, "identify": {"required": ["b"]}})
    assert schema.subject("track", "Order") == "properties"
    assert schema.check("track", "Order", {"a": 1}) is None
    assert schema.check("track", "Unplanned", {}) is not None
    assert schema.subject("identify", "") == "traits"
    assert schema.subject("group", "") == ""
    assert schema.check("group", "", {}) is None


def test_property_names() -> None:
    schema = compiled(events={"E": {"propertyNames": {"maxLength": 3}}})
    violations = schema.check("track", "E", {"good": 1, "ok": 2})
    assert violations is not None
    assert violations.fields == {"good"}


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"events": {"O": {"type": "strin"}}}, "events.O"),
        ({"events": {"O": {"$ref": "https://example.com/schema"}}}, "same schema"),
        ({"events": {"O": {"properties": {"a": {"$ref": "#/$defs/none"}}}}}, "has no"),
        ({"events": {"O": {"$ref": "#"}}}, "without end"),
        ({"events": {"O": 3}}, "bool"),
        ({"types": {"alias": {}}}, "types.alias"),
        ({"mode": "warn"}, "mode"),
        ({"event": {}}, "unknown field"),
        (3, "Expected"),
    ],
)
def test_unusable_schemas_are_refused(settings: Any, match: str) -> None:
    with pytest.raises(InvalidSchema, match=match):
        SourceSchema(parse_schema_settings(settings))
