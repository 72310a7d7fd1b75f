"""What must hold of any JSON that is stored: bounded nesting, integers of 64 bits, no NUL characters.

MessagePack has no larger integers, databases cut text at NUL, and deep nesting overflows whoever walks it.
Quick checks clear nearly every message; only a suspect is walked.
"""

import re
from typing import Any

import msgspec

from models.events.outcome import REASONS_MAX, Reason, reason

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_PATH_CHARS_MAX = 200
_SUSPECT = re.compile(rb"\d{19}|\\u0000")  # an integer beyond 64 bits has as many digits
_encoder = msgspec.msgpack.Encoder()


def check_structure(document: Any, raw: bytes, depth_max: int) -> list[Reason]:
    """Reasons to refuse `document`, decoded from `raw`; none if it can be stored."""
    if raw.count(b"{") + raw.count(b"[") <= depth_max and b"\\u0000" not in raw and _is_encodable(document):
        return []
    found: list[Reason] = []
    _walk(document, "", 1, depth_max, found)
    return found[:REASONS_MAX]


def check_json(raw: bytes, depth_max: int) -> list[Reason]:
    """The same of JSON that was not decoded to look at it. Raises msgspec.DecodeError if it is none."""
    if raw.count(b"{") + raw.count(b"[") <= depth_max and not _SUSPECT.search(raw):
        return []
    return check_structure(msgspec.json.decode(raw), raw, depth_max)


def _is_encodable(document: Any) -> bool:
    try:
        _encoder.encode(document)
    except OverflowError:
        return False
    return True


def _walk(value: Any, path: str, depth: int, depth_max: int, found: list[Reason]) -> None:
    kind = type(value)
    if kind is dict or kind is list:
        if depth > depth_max:
            found.append(reason("too_deep", _field(path), f"objects and arrays may be nested {depth_max} deep at most"))
            return
        if kind is list:
            for position, item in enumerate(value):
                _walk(item, f"{path}[{position}]", depth + 1, depth_max, found)
            return
        for key, item in value.items():
            inner = f"{path}.{key}" if path else key
            if "\0" in key:
                found.append(reason("nul_character", _field(inner), "a field's name must not hold U+0000"))
            _walk(item, inner, depth + 1, depth_max, found)
    elif kind is str:
        if "\0" in value:
            found.append(reason("nul_character", _field(path), "text must not hold U+0000"))
    elif kind is int and not _INT_MIN <= value <= _INT_MAX:
        found.append(reason("number_out_of_range", _field(path), "integers must fit 64 bits; send larger ones as text"))


def _field(path: str) -> str:
    return path.replace("\0", "\ufffd")[:_PATH_CHARS_MAX]
