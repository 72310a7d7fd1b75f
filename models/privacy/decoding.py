"""From what is stored to the texts in it: MessagePack and JSON, one within the other, packed profiles among them.

Every shard's records are MessagePack, some with packed profile states inside (merge records, messages between shards,
workflows), some with JSON as it came (dead letters). Nothing here knows their types: all that can be opened is opened,
so that a new kind of record needs no change.
"""

import binascii
import re
from base64 import b64decode
from typing import Any

import msgspec

from models.profile.packing import unpack

DEPTH_MAX = 8  # values within values, each encoded anew
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_SEPARATOR = b"\0"
_JSON_STARTS = b'{["'

_msgpack = msgspec.msgpack.Decoder()
_json = msgspec.json.Decoder()


class Texts:
    """What a value holds, apart by kind, so that each is searched at the cost of its kind."""

    __slots__ = ("numbers", "strings", "unopened")

    def __init__(self) -> None:
        self.strings: list[str] = []
        self.numbers: list[int] = []
        self.unopened: list[bytes] = []  # bytes as they are, where nothing says all that they encode

    def joined(self) -> bytes:
        """All texts and bytes, apart by zero bytes."""
        return _SEPARATOR.join(["\0".join(self.strings).encode("utf-8", "surrogatepass"), *self.unopened])


def texts(value: object) -> Texts:
    """All texts and whole numbers in a value, keys of mappings too."""
    found = Texts()
    add_text, add_number = found.strings.append, found.numbers.append
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        each, level = waiting.pop()
        kind = type(each)
        if kind is str:
            add_text(each)
            if level < DEPTH_MAX and len(each) > 1:
                _open_text(each, level + 1, waiting)
        elif kind is int:
            add_number(each)
        elif kind is dict:
            waiting += [(key, level) for key in each]
            waiting += [(held, level) for held in each.values()]
        elif kind is list or kind is tuple:
            waiting += [(held, level) for held in each]
        elif kind is bytes or kind is bytearray or kind is memoryview:
            data = bytes(each)
            opened = open_bytes(data) if level < DEPTH_MAX else None
            if opened is not None:
                waiting.append((opened, level + 1))
            # JSON may say a key twice, of which one comes out.
            if opened is None or data[:1] in _JSON_STARTS:
                found.unopened.append(data)
        elif kind is float:
            if each.is_integer():
                add_number(int(each))
        elif kind is msgspec.msgpack.Ext:
            waiting.append((each.data, level))
    return found


def open_bytes(data: bytes) -> Any:
    """What bytes encode: a value of MessagePack or JSON, packed or not, or text. None if they are none of it."""
    first = data[:1]
    if not first:
        return ""
    if first == b"\x01":
        try:
            return _of_msgpack(unpack(data))
        except ValueError:
            return None
    if 0x80 <= first[0] < 0xE0:
        opened = _of_msgpack(data)
        if opened is not None:
            return opened
    elif first in _JSON_STARTS or first.isspace():
        opened = _of_json(data)
        if opened is not None:
            return opened
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _of_msgpack(data: bytes) -> Any:
    try:
        opened = _msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError):
        return None
    return None if isinstance(opened, bytes) and opened == data else opened


def _of_json(data: bytes | str) -> Any:
    try:
        return _json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _open_text(text: str, level: int, waiting: list[tuple[Any, int]]) -> None:
    if text[0] in '{["':
        opened = _of_json(text)
        if opened is not None:
            waiting.append((opened, level))
    elif _BASE64.fullmatch(text):
        body = text.rstrip("=").translate(_URL_SAFE)
        try:
            waiting.append((b64decode(body + "=" * (-len(body) % 4)), level))
        except binascii.Error:
            return
