"""JSON in fields of gRPC messages: what holds of the JSON of HTTP bodies holds of it."""

from typing import TypeVar

import msgspec

from actors.errors import Invalid
from models.events.limits import Limits
from models.events.structure import check_json

_DEPTH_MAX = Limits().depth_max

T = TypeVar("T")


def json_field(field: str, text: str, kind: type[T], expected: str) -> T:
    """The value of a field as a `kind`. Raises Invalid, which says what was expected, or what cannot be stored."""
    raw = text.encode()
    try:
        decoded = msgspec.json.decode(raw, type=kind)
        broken = check_json(raw, _DEPTH_MAX)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(f"{field}: expected {expected}") from None
    if broken:
        raise Invalid(f"{field}: {broken[0]['field']}: {broken[0]['message']}")
    return decoded
