"""What a backup says of itself, signed with the key that certificates of erasures are signed with.

It has the SHA-256 of every chunk, so that a backup that was changed, cut short or mixed with another one is told from
a whole one, without any key that opens it.
"""

from typing import Final, Literal

import msgspec

from models.privacy.signed_document import Signable, verify

FORMAT: Final = "onefold-backup/1"


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One file of sealed records."""

    name: str
    bytes: int
    records: int
    sha256: str  # hexadecimal


class Manifest(Signable, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    format: Literal["onefold-backup/1"] = FORMAT


def read_manifest(document: bytes, public_key: bytes) -> Manifest:
    """The manifest in a document as `models.privacy.signed_document.sign` made it. Raises InvalidDocument."""
    return verify(document, Manifest, public_key, "the manifest of a backup")
