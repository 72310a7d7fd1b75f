"""Documents that anybody can check: one line of JSON with its keys in order, signed.

There is one way to write a document, so that any changed byte shows. It holds an Ed25519 signature (hexadecimal, in the
field `signature`) over the same document without that field.
"""

from hashlib import sha256
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ID_HEX_CHARS = 16
_SIGNATURE = "signature"


class InvalidDocument(ValueError):
    """Not a document that the key's owner signed. The message says why."""


class Signable(msgspec.Struct, frozen=True, kw_only=True):
    """What every signed document has. The field `format` names its kind and version."""

    public_key_id: str = ""  # of the key that signed it; set by `sign`


Document = TypeVar("Document", bound=Signable)
_encode = msgspec.json.Encoder(order="sorted").encode


class _Formatted(msgspec.Struct):
    format: str = ""


def format_of(document: bytes) -> str:
    """Which kind of document it says that it is; "" if it says nothing."""
    try:
        return msgspec.json.decode(document, type=_Formatted).format
    except (ValueError, RecursionError):
        return ""


def public_key_id(public_key: bytes) -> str:
    """A short name of a public key (32 bytes)."""
    return sha256(public_key).hexdigest()[:_ID_HEX_CHARS]


def sign(document: Signable, private_key: bytes) -> bytes:
    """The signed document; `private_key` is that of Ed25519, 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    name = public_key_id(key.public_key().public_bytes_raw())
    fields = msgspec.to_builtins(msgspec.structs.replace(document, public_key_id=name))
    return _encode({**fields, _SIGNATURE: key.sign(_encode(fields)).hex()})


def verify(document: bytes, kind: type[Document], public_key: bytes, name: str) -> Document:
    """The document as `sign` made it; `name` says in errors what it should be. Raises InvalidDocument if so much as a
    byte is another."""
    try:
        fields = msgspec.json.decode(document, type=dict[str, object])
        signature = bytes.fromhex(str(fields.pop(_SIGNATURE)))
        found = msgspec.convert(fields, kind)
    except (ValueError, KeyError, RecursionError):
        raise InvalidDocument(f"this is not {name}, or not the whole of it") from None
    signed = _encode(found)
    if _encode({**fields, _SIGNATURE: signature.hex()}) != document or signed != _encode(fields):
        raise InvalidDocument("the document is not written as it was signed: give the file as it was issued")
    if found.public_key_id != public_key_id(public_key):
        raise InvalidDocument(f"it was signed with another key, {found.public_key_id}: give its public key")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise InvalidDocument("the signature does not hold: the document was changed after it was signed") from None
    return found
