"""JSON Schemas of what is not read as a struct: the tracking API's messages, and the profile's document.

Messages are described here and checked by `models.events.wire`, which says more in its errors than a schema can.
"""

from typing import Any

_PATHS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch"}

_ID = {"type": ["string", "integer", "null"]}
_OBJECT = {"type": ["object", "null"]}
_TIME = {"type": ["string", "integer", "null"], "description": "ISO 8601, or milliseconds since 1970"}
_TEXT = {"type": ["string", "null"]}

_CONTEXT = {
    "type": ["object", "null"],
    "properties": {
        "traits": _OBJECT,
        "externalIds": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": ["string", "integer"]},
                    "type": {"type": "string", "description": "the namespace"},
                    "collection": {"type": "string"},
                    "encoding": {"type": "string"},
                },
                "required": ["id", "type"],
            },
        },
        "consent": {
            "type": "object",
            "properties": {"categoryPreferences": {"type": "object", "additionalProperties": {"type": "boolean"}}},
        },
    },
}
_COMMON = {
    "userId": _ID,
    "anonymousId": _ID,
    "messageId": {**_ID, "maxLength": 100, "description": "made here if absent; a known one is a duplicate"},
    "timestamp": _TIME,
    "originalTimestamp": _TIME,
    "sentAt": _TIME,
    "context": _CONTEXT,
    "integrations": _OBJECT,
    "writeKey": {"description": "the API key, where no header can be set; what is no string is no key"},
}


def _message(description: str, required: list[str], **fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {"type": {"type": "string"}, **_COMMON, **fields},
        "required": required,
    }


_REQUIRED_ID = {"type": ["string", "integer"]}
_MESSAGES: dict[str, dict[str, Any]] = {
    "identify": _message("Who somebody is.", [], traits=_OBJECT),
    "track": _message("What somebody did.", ["event"], event={"type": "string", "minLength": 1}, properties=_OBJECT),
    "page": _message("A page that somebody saw.", [], name=_TEXT, category=_TEXT, properties=_OBJECT),
    "screen": _message("A screen of an app that somebody saw.", [], name=_TEXT, category=_TEXT, properties=_OBJECT),
    "group": _message("A group that somebody belongs to.", ["groupId"], groupId=_REQUIRED_ID, traits=_OBJECT),
    "alias": _message("Two ids of one person.", ["userId", "previousId"], userId=_REQUIRED_ID, previousId=_REQUIRED_ID),
    "merge": _message(
        "Two identifiers of one person.",
        ["mergeProperties"],
        mergeProperties={
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "value": {"type": ["string", "integer"]}},
                "required": ["type", "value"],
            },
        },
    ),
}


def body_name(path: str) -> str:
    """The component that describes the body of /v1/{path}."""
    name = _PATHS.get(path, path)
    return "EventBatch" if name in ("batch", "import") else f"{name.capitalize()}Message"


def _in_a_batch(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{body_name(name)}"}
    return {"allOf": [reference, {"properties": {"type": {"const": name}}, "required": ["type"]}]}


EVENT_SCHEMAS: dict[str, dict[str, Any]] = {
    **{body_name(name): schema for name, schema in _MESSAGES.items()},
    "EventBatch": {
        "type": "object",
        "description": "Messages of any type. `context` and `integrations` hold for each that does not say otherwise.",
        "properties": {
            "batch": {
                "type": "array",
                "minItems": 1,
                "maxItems": 2500,
                "items": {"anyOf": [_in_a_batch(name, schema) for name, schema in _MESSAGES.items()]},
            },
            "context": _CONTEXT,
            "integrations": _OBJECT,
            "sentAt": _TIME,
            "writeKey": _COMMON["writeKey"],
        },
        "required": ["batch"],
    },
}

_MOMENT = {"type": "string", "format": "date-time"}
_SECTION = {"type": "object", "additionalProperties": True}
_ENTRIES = {"type": "array", "items": {"type": "object"}}
PROFILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One person, as known now (docs/profile.md).",
    "properties": {
        "customer_id": {"type": "string"},
        "version": {"type": "integer", "description": "grows with every change"},
        "created_at": _MOMENT,
        "first_seen": {**_MOMENT, "type": ["string", "null"]},
        "last_seen": {**_MOMENT, "type": ["string", "null"]},
        "identities": _ENTRIES,
        "attributes": _SECTION,
        "behaviors": _SECTION,
        "transactions": _SECTION,
        "engagement": _SECTION,
        "segments": _ENTRIES,
        "preferences": _SECTION,
        "lifecycle": _SECTION,
        "scores": _SECTION,
        "privacy": _SECTION,
        "insights": _SECTION,
        "realTimeContext": _SECTION,
        "groups": _ENTRIES,
    },
}
PROFILE_SCHEMA["required"] = list(PROFILE_SCHEMA["properties"])
PROFILE_SCHEMA["properties"]["region"] = {"type": "string", "description": "where the data is, with residency"}
PROFILE_SCHEMA["properties"]["withheld"] = {
    **_SECTION,
    "description": "section -> entries that the purpose may not see",
}
PROFILE_SCHEMA["properties"]["beyond_limits"] = {**_SECTION, "description": "section -> observations left out, if any"}
