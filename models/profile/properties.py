"""Properties of an event's occurrences, as a profile keeps them for segments: packed, one by one.

Kept are the properties that can be compared: texts, numbers, true and false, by name. What is inside lists and objects
stays in the event log alone.
"""

from typing import Any

import msgspec

from models.events.event import Event
from models.profile.policy import ProfilePolicy

Properties = dict[str, Any]  # name -> text, number, True or False
NONE = b""
_WHOLE_MAX = 2**63 - 1


def pack_properties(event: Event, policy: ProfilePolicy) -> tuple[bytes, int]:
    """What is kept of an event's properties, packed (b"" for none), and how many are left out, beyond the limits."""
    given = event.properties
    if not given:
        return NONE, 0
    left_out = 0
    ignored, limits = policy.ignored_properties, policy.limits
    kept: Properties = {}
    for name, value in given.items():
        kind = type(value)
        if kind is dict or kind is list or value is None or name in ignored:
            continue
        too_large = (kind is str and len(value) > limits.text) or (
            kind is int and not -_WHOLE_MAX <= value <= _WHOLE_MAX
        )
        if too_large or len(kept) >= limits.properties or len(name) > limits.text:
            left_out += 1
            continue
        kept[name] = value
    return _encoder.encode(kept) if kept else NONE, left_out


def unpack_properties(packed: bytes) -> Properties:
    """Inverse of `pack_properties`."""
    return _decoder.decode(packed) if packed else {}


# One text for one set of properties: where two occurrences have the same time, this orders them.
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Properties)
