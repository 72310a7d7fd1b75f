"""What a backup says of itself: one line of JSON, signed with the key that certificates of erasures are signed with.

It has the SHA-256 of every chunk, so that a backup that was changed, cut short or mixed with another one is told from
a whole one, without any key that opens it.
"""

from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from models.privacy.certificate import public_key_id

FORMAT: Final = "onefold-backup/1"


class InvalidManifest(ValueError):
    """Not a manifest that the key's owner signed. The message says why."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One file of sealed records."""

    name: str
    bytes: int
    records: int
    sha256: str  # hexadecimal


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed."""

    backup_id: str
    made_at: int  # ms, the moment whose state it is
    shards: int
    schemas: dict[str, int]  # kind of store -> version of its tables
    rows: dict[str, int]  # kind of store and table, such as "shard.events" -> how many
    people: int  # whose rows are in it
    left_out: int  # people and letters that were erased while it was made
    sequences: list[int]  # of each shard, at that moment
    chunks: list[Chunk]
    software_version: str
    public_key_id: str = ""  # of the key that signed it; set by `sign_manifest`
    format: Literal["onefold-backup/1"] = FORMAT


class _Signed(Manifest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signature: str  # 128 hexadecimal digits


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Signed).decode


def sign_manifest(manifest: Manifest, private_key: bytes) -> bytes:
    """The signed document; `private_key` is that of Ed25519, 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    name = public_key_id(key.public_key().public_bytes_raw())
    unsigned = msgspec.structs.replace(manifest, public_key_id=name)
    return _encode(_Signed(**msgspec.structs.asdict(unsigned), signature=key.sign(_encode(unsigned)).hex()))


def read_manifest(document: bytes, public_key: bytes) -> Manifest:
    """The manifest in a document as `sign_manifest` made it. Raises InvalidManifest."""
    try:
        signed = _decode(document)
        signature = bytes.fromhex(signed.signature)
    except (ValueError, RecursionError):
        raise InvalidManifest("this is not the manifest of a backup, or one of a later version") from None
    fields = msgspec.structs.asdict(signed)
    del fields["signature"]
    manifest = Manifest(**fields)
    if manifest.public_key_id != public_key_id(public_key):
        raise InvalidManifest(f"it was signed with another key, {manifest.public_key_id}: give its public key")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _encode(manifest))
    except (InvalidSignature, ValueError):
        raise InvalidManifest("the signature does not hold: the manifest was changed after it was signed") from None
    return manifest
