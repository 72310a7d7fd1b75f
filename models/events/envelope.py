"""The outside of a request: compression, the batch around the messages, and the credential.

Messages are handed on as the bytes that came, so that each can be refused, kept and replayed by itself.
"""

import json
import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from models.events.limits import Limits
from models.events.outcome import WireError
from models.events.structure import check_structure

MESSAGE_TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias", "merge"})
_PATHS = {
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
    "b": "batch",
    "batch": "batch",
    "import": "import",
    **{name: name for name in MESSAGE_TYPES},
}
# What a batch can say for all of its messages, and whether that must be an object.
_SHARED = {"context": True, "integrations": True, "sentAt": False}
_GZIP = b"\x1f\x8b"
# Each member's end costs a copy of what follows it, so many small ones would take time that grows with their square.
_GZIP_MEMBERS_MAX = 8
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_decoder = msgspec.json.Decoder()


class Credential(msgspec.Struct, frozen=True):
    """The key that a request shows, and how."""

    key: str
    scheme: Literal["basic", "bearer", "body"]


class _KeyHolder(msgspec.Struct):
    writeKey: Any = None


_key_decoder = msgspec.json.Decoder(_KeyHolder)


class Envelope(msgspec.Struct):
    """A batch, opened."""

    items: list[bytes]
    shared: dict[str, Any]  # context, integrations and sentAt of the whole batch, where given
    shared_bytes: int  # size of what each message takes over from `shared`
    unknown: list[str]  # names of other fields


def message_kind(path: str) -> str | None:
    """What the last part of a path under /v1/ takes: a message type, "batch" or "import"; None for another path."""
    return _PATHS.get(path)


def credential_of(headers: Mapping[str, str], body: bytes = b"") -> Credential | None:
    """The credential of a request: HTTP Basic (the key as the user name), Bearer, or `writeKey` in the body.

    `headers` have lower-case names or ignore case. `body` is decompressed JSON, looked into only when the
    header names no key.
    """
    header = headers.get("authorization") or headers.get("Authorization") or ""
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credential(rest, "bearer")
    if scheme.lower() == "basic":
        try:
            key = b64decode(rest, validate=True).decode().partition(":")[0]
        except ValueError:  # binascii.Error and UnicodeDecodeError are two
            key = ""
        if key:
            return Credential(key, "basic")
    try:
        key = _key_decoder.decode(body.removeprefix(_BYTE_ORDER_MARK)).writeKey
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors; the parser will say what is wrong
        return None
    return Credential(key, "body") if isinstance(key, str) and key else None


def decompress(body: bytes, limits: Limits) -> bytes:
    """The body, unzipped if it is gzip, whatever its headers say. Raises WireError if it is too large or broken."""
    size_max = limits.request_bytes_max
    if body[:2] == _GZIP:
        body = _gunzip(body, size_max)
    if len(body) > size_max:
        raise too_large(size_max)
    return body.removeprefix(_BYTE_ORDER_MARK)


def _gunzip(body: bytes, size_max: int) -> bytes:
    view = memoryview(body)
    start = 0
    parts: list[bytes] = []
    size = 0
    try:
        while view[start : start + 2] == _GZIP:  # a gzip file may have several members
            if len(parts) == _GZIP_MEMBERS_MAX:
                text = f"the gzip body has more than {_GZIP_MEMBERS_MAX} members; compress it as one"
                raise WireError(400, "invalid_gzip", text)
            member = zlib.decompressobj(wbits=31)
            part = member.decompress(view[start:], size_max - size + 1)
            size += len(part)
            parts.append(part)
            if size > size_max:
                raise too_large(size_max)
            if not member.eof:
                raise WireError(400, "invalid_gzip", "the gzip body ends too early; send it whole")
            start = len(body) - len(member.unused_data)
    except zlib.error:
        raise WireError(400, "invalid_gzip", "the body begins like gzip but cannot be decompressed") from None
    return b"".join(parts)


def too_large(size_max: int) -> WireError:
    """The answer to a request of more than `size_max` bytes."""
    message = f"the request is larger than {size_max // 1024} KB; send fewer messages in a batch"
    return WireError(413, "request_too_large", message)


def open_batch(body: bytes, limits: Limits) -> Envelope:
    """The messages of a batch and what the batch says for all of them. Raises WireError."""
    fields, items = _split(body)
    if not items:
        raise WireError(400, "empty_batch", "the batch is empty: `batch` must be an array of at least one message")
    if len(items) > limits.batch_events_max:
        message = f"the batch has {len(items)} messages; send at most {limits.batch_events_max}"
        raise WireError(413, "batch_too_long", message)
    if len(body) > limits.batch_bytes_max and not _from_rudderstack(items[0]):
        raise too_large(limits.batch_bytes_max)
    shared: dict[str, Any] = {}
    for name in _SHARED:
        value = _shared(name, fields.get(name, b"null"), limits)
        if value is not None:
            shared[name] = value
    return Envelope(
        items=items,
        shared=shared,
        shared_bytes=sum(len(fields[name]) for name in ("context", "integrations") if name in fields),
        unknown=sorted(fields.keys() - _SHARED.keys() - {"batch", "timestamp", "writeKey"}),
    )


def _split(body: bytes) -> tuple[dict[str, bytes], list[bytes]]:
    """The fields of a batch but `batch`, and its messages, all still JSON."""
    try:
        fields = {name: bytes(raw) for name, raw in _object_decoder.decode(body).items()}
        batch = fields.pop("batch", b"null")
        return fields, [bytes(raw) for raw in _list_decoder.decode(batch)]
    except msgspec.ValidationError:
        raise _not_a_batch() from None
    except (ValueError, RecursionError) as error:
        fields_and_items = _split_leniently(body)
        if fields_and_items is None:
            raise invalid_json(error) from None
        return fields_and_items


def _split_leniently(body: bytes) -> tuple[dict[str, bytes], list[bytes]] | None:
    """`_split` of what only a lenient reader takes for JSON: NaN, Infinity, halves of surrogate pairs.

    Serialisers write these (Python's json does, and JavaScript's cuts emoji in two). Only the messages that
    hold them shall be lost, so each is written out again, to be refused by itself.
    """
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            return None
        batch = document.pop("batch", None)
        fields = {name: json.dumps(value).encode() for name, value in document.items()}
        items = [json.dumps(item).encode() for item in batch] if isinstance(batch, list) else None
    except (ValueError, RecursionError):
        return None
    if items is None:
        raise _not_a_batch()
    return fields, items


def _not_a_batch() -> WireError:
    return WireError(400, "not_a_batch", "the body must be an object whose `batch` is an array of messages")


def _shared(name: str, raw: bytes, limits: Limits) -> Any:
    """The value of one of a batch's own fields."""
    try:
        value = _decoder.decode(raw)
    except (ValueError, RecursionError) as error:
        failure = invalid_json(error)
        raise WireError(400, failure.code, f"the batch's `{name}`: {failure.message}") from None
    if _SHARED[name] and value is not None and not isinstance(value, dict):
        raise WireError(400, "wrong_type", f"the batch's `{name}` must be an object")
    for found in check_structure(value, raw, limits.depth_max):
        raise WireError(400, found["code"], f"the batch's `{name}`: {found['message']}")
    return value


def _from_rudderstack(item: bytes) -> bool:
    """Whether a message was written by a RudderStack SDK: they alone give its top level a `channel`."""
    try:
        message = _decoder.decode(item)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and isinstance(message.get("channel"), str)


def invalid_json(error: Exception) -> WireError:
    """The answer to a body, or the reason for a message, that a decoder refused with `error`."""
    if isinstance(error, RecursionError):
        return WireError(400, "too_deep", "objects and arrays are nested too deep")
    if isinstance(error, UnicodeDecodeError):
        return WireError(400, "invalid_json", "the JSON is not UTF-8")
    if isinstance(error, msgspec.ValidationError):
        return WireError(400, "number_out_of_range", "a number is too large for a 64-bit float or integer")
    # msgspec names the offending byte's place, never its surroundings.
    hint = "NaN, Infinity and halves of surrogate pairs are not allowed in JSON"
    return WireError(400, "invalid_json", f"not valid JSON: {error}. {hint}")
