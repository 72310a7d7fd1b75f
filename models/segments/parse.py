"""Definitions of segments and computed traits from JSON: checked completely, every error named by its place."""

import re
from typing import Any

from models.segments.criteria import TEXT_MAX, WHOLE_MAX, ComputedTrait, SegmentDefinition
from models.segments.field_reader import CriteriaError, FieldReader, InvalidCriteria, is_number, is_whole, kind_of
from models.segments.parse_criteria import ID_PATTERN, parse_criteria, parse_expression
from models.segments.times import parse_duration

REAL_TIME = "real_time"
REFRESH_MIN_MS = 60_000
_COMMON = ("id", "name", "description", "created_at", "version")


def parse_definition(data: object) -> SegmentDefinition:
    """A segment from JSON {"id", "name", "description", "criteria", "refresh", "holdout", "purpose",
    "created_at", "version"}.

    Only `name` and `criteria` are required: the id is made from the name if absent. Raises InvalidCriteria.
    """
    reader, fields = _common(data, "segment", ("criteria", "refresh", "holdout", "purpose"))
    refresh, holdout = fields.get("refresh", REAL_TIME), fields.get("holdout", 0)
    if refresh != REAL_TIME and (parse_duration(refresh) or 0) < REFRESH_MIN_MS:
        expected = f'"{REAL_TIME}", or a duration of at least a minute such as "15m", "6h" or "1d"'
        reader.fail("segment.refresh", f"expected {expected}, got {kind_of(refresh)}")
    if not is_number(holdout) or not 0 <= holdout <= 99:
        reader.fail("segment.holdout", f"expected percent of the members, from 0 to 99, got {kind_of(holdout)}")
    purpose = fields.get("purpose", "")
    if not isinstance(purpose, str):
        reader.fail("segment.purpose", f"expected a purpose of the registry, got {kind_of(purpose)}")
    _require(reader, fields, "criteria", parse_criteria)
    _finish(reader)
    return SegmentDefinition(
        **_known(fields), criteria=fields["criteria"], refresh=str(refresh), holdout=float(holdout), purpose=purpose
    )


def parse_computed_trait(data: object) -> ComputedTrait:
    """A computed trait from JSON {"id", "name", "description", "expression", "created_at", "version"}.

    Only `name` and `expression` are required: the id is made from the name if absent. Raises InvalidCriteria.
    """
    reader, fields = _common(data, "computed_trait", ("expression",))
    _require(reader, fields, "expression", parse_expression)
    _finish(reader)
    return ComputedTrait(**_known(fields), expression=fields["expression"])


def _common(data: object, what: str, more: tuple[str, ...]) -> tuple[FieldReader, dict[str, Any]]:
    """Checks the fields that every definition has; the id is filled in."""
    reader = FieldReader()
    if not isinstance(data, dict):
        raise InvalidCriteria([CriteriaError(what, f"expected an object, got {kind_of(data)}")])
    reader.only(data, what, (*_COMMON, *more))
    name = reader.text(data, "name", what)
    given_id = data.get("id", _slug(name))
    if not isinstance(given_id, str) or not re.fullmatch(ID_PATTERN, given_id):
        expected = "1 to 64 lower-case letters, digits, - or _, beginning with a letter or digit"
        found = f"got {kind_of(data['id'])}" if "id" in data else "none could be made from the name"
        reader.fail(f"{what}.id", f"expected {expected}; {found}")
    description = data.get("description", "")
    if not isinstance(description, str) or len(description) > TEXT_MAX:
        found = kind_of(description)
        reader.fail(f"{what}.description", f"expected text of at most {TEXT_MAX} characters, got {found}")
    for key, default in (("created_at", 0), ("version", 1)):
        value = data.get(key, default)
        if not is_whole(value):
            reader.fail(f"{what}.{key}", f"expected a whole number from 0 to {WHOLE_MAX}, got {kind_of(value)}")
    return reader, {**data, "id": given_id}


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: fields[key] for key in _COMMON if key in fields}


def _require(reader: FieldReader, fields: dict[str, Any], key: str, parse: Any) -> None:
    if key not in fields:
        reader.fail(key, "required, and absent")
        return
    try:
        parse(fields[key])
    except InvalidCriteria as invalid:
        reader.errors += invalid.errors


def _finish(reader: FieldReader) -> None:
    if reader.errors:
        raise InvalidCriteria(reader.errors)


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:64].rstrip("-")
