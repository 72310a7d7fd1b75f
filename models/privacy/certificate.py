"""The certificate of an erasure: what was erased, where it was looked for afterwards, and what was found; signed.

It names nobody: identifiers are keyed hashes, customer ids are opaque. The document is one line of JSON with its keys
in order (the one way to write it, so that any changed byte shows), and holds an Ed25519 signature over the same
document without the field `signature`.
"""

from hashlib import sha256
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from models.privacy.requests import Regulation

FORMAT: Final = "onefold-erasure-certificate/1"
_ID_HEX_CHARS = 16

REMAINS = (
    "segment history: entries and exits under the opaque customer ids, which are counted in every segment's past sizes",
    "audit log: who did what, when, under the opaque customer ids",
    "suppression list: keyed hashes of the identifiers, so that later events of the person are refused",
)
"""What an erasure leaves, none of which names the person."""


class InvalidCertificate(ValueError):
    """Not a certificate that the key's owner signed. The message says why."""


class StoreEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What scans saw in one store, before the erasure and after it."""

    store: str
    files: int
    bytes: int
    rows: int  # decoded
    found_before: int | None  # places: a column of a table, or the bytes of a file; None: it was not scanned before
    found_after: int
    alike_after: int  # places with longer texts or equal short values, which may well be of others


class ControlEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A random text planted in a copy of one kind of store, and whether the scan found it. None: not to be seen so."""

    kind: str
    raw: bool | None
    decoded: bool | None


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who had the person's data, and what became of telling them."""

    name: str
    state: Literal["acknowledged", "waiting", "failed"]
    at: int = 0  # ms; 0 for never


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed."""

    certificate_id: str
    issued_at: int  # ms
    request_id: str
    regulation: Regulation
    fingerprints: list[str]  # keyed hashes of the erased identifiers
    customer_ids: list[str]  # opaque
    events_erased: int
    stores: list[StoreEvidence]
    controls: list[ControlEvidence]
    recipients: list[Recipient]
    software_version: str
    remains: tuple[str, ...] = REMAINS
    public_key_id: str = ""  # of the key that signed it; set by `sign`
    format: Literal["onefold-erasure-certificate/1"] = FORMAT


class _Signed(Certificate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signature: str  # 128 hexadecimal digits


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Signed).decode


def public_key_id(public_key: bytes) -> str:
    """A short name of a public key (32 bytes)."""
    return sha256(public_key).hexdigest()[:_ID_HEX_CHARS]


def sign(certificate: Certificate, private_key: bytes) -> bytes:
    """The signed document; `private_key` is that of Ed25519, 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    public_key = key.public_key().public_bytes_raw()
    unsigned = msgspec.structs.replace(certificate, public_key_id=public_key_id(public_key))
    fields = msgspec.structs.asdict(unsigned)
    return _encode(_Signed(**fields, signature=key.sign(_encode(unsigned)).hex()))


def verify(document: bytes, public_key: bytes) -> Certificate:
    """The certificate in a document as `sign` made it. Raises InvalidCertificate if so much as a byte is another."""
    try:
        signed = _decode(document)
        signature = bytes.fromhex(signed.signature)
    except (ValueError, RecursionError):
        raise InvalidCertificate("this is not a certificate of an erasure, or not the whole of one") from None
    if _encode(signed) != document:
        raise InvalidCertificate("the document is not written as it was signed: give the file as it was issued")
    fields = msgspec.structs.asdict(signed)
    del fields["signature"]
    certificate = Certificate(**fields)
    if certificate.public_key_id != public_key_id(public_key):
        raise InvalidCertificate(f"it was signed with another key, {certificate.public_key_id}: give its public key")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _encode(certificate))
    except (InvalidSignature, ValueError):
        raise InvalidCertificate("the signature does not hold: the document was changed after it was signed") from None
    return certificate
