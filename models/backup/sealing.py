"""Sealing of rows: what concerns a person can be read only while all of that person's data keys stand.

Rows of the same subjects are gathered, compressed together and sealed as one record (AES-256-GCM). Its key is made of
the key of the backup and of those of its subjects, so that to destroy one of them is to destroy the record, in every
copy of every backup. A record says in the open which subjects it is of: opaque ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.backup.owners import NOBODY, Piece, Row, Subjects

KEY_BYTES = 32
NONCE_BYTES = 12
GATHER_BYTES = 64 << 20  # rows that are held until they are sealed
_ROW_BYTES = 64  # roughly, of a row beside its texts and bytes
_NOBODYS_BYTES = 1 << 20  # rows of nobody, which are very many, that make one record
_CODEC = pa.Codec("zstd", 3)
_encode = msgspec.msgpack.Encoder().encode


class CannotOpen(ValueError):
    """A record that its keys do not open: it was changed, or the keys are another backup's."""


class Located(msgspec.Struct, array_like=True, frozen=True):
    """A row and where it belongs."""

    store: str  # such as "shards/shard-000.sqlite"
    table: str
    row: list[Any]


class Record(msgspec.Struct, array_like=True, frozen=True):
    """Sealed rows."""

    subjects: Subjects
    size: int  # bytes, before compression
    sealed: bytes  # nonce, then what was encrypted


_rows = msgspec.msgpack.Decoder(list[Located])


def record_key(backup_id: str, backup_key: bytes, keys: Sequence[bytes]) -> bytes:
    """The key of records; `keys` are those of their subjects, in order."""
    digest = blake2b(key=backup_key, digest_size=KEY_BYTES, person=b"onefold-backup")
    digest.update(len(keys).to_bytes(4))
    for key in keys:
        digest.update(key)
    digest.update(backup_id.encode())
    return digest.digest()


def seal(subjects: Subjects, rows: Sequence[Located], backup_id: str, key: bytes, nonce: bytes) -> Record:
    """A record of these rows. `key`: see `record_key`; `nonce`: NONCE_BYTES that are random."""
    plain = _encode(rows)
    compressed = _CODEC.compress(plain, asbytes=True)
    return Record(subjects, len(plain), nonce + AESGCM(key).encrypt(nonce, compressed, backup_id.encode()))


def open_record(record: Record, backup_id: str, key: bytes) -> list[Located]:
    """The rows of a record. Raises CannotOpen."""
    nonce, sealed = record.sealed[:NONCE_BYTES], record.sealed[NONCE_BYTES:]
    try:
        compressed = AESGCM(key).decrypt(nonce, sealed, backup_id.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen("a record cannot be opened with its keys") from None
    return _rows.decode(_CODEC.decompress(compressed, record.size, asbytes=True))


class Gathering:
    """Rows that wait to be sealed, by their subjects."""

    def __init__(self) -> None:
        self._groups: dict[Subjects, list[Located]] = {}
        self._sizes: dict[Subjects, int] = {}
        self._bytes = 0

    def add(self, store: str, piece: Piece) -> bool:
        """Takes a row in; whether there are enough of them to be taken out."""
        size = _size_of(piece.row)
        self._groups.setdefault(piece.subjects, []).append(Located(store, piece.table, list(piece.row)))
        self._bytes += size
        if piece.subjects == NOBODY:
            self._sizes[NOBODY] = self._sizes.get(NOBODY, 0) + size
        return self._bytes >= GATHER_BYTES or self._sizes.get(NOBODY, 0) >= _NOBODYS_BYTES

    def take(self, everything: bool) -> Mapping[Subjects, list[Located]]:
        """What is to be sealed now: all, or only the rows of nobody while the others still have room."""
        if not everything and self._bytes < GATHER_BYTES:
            taken = {NOBODY: self._groups.pop(NOBODY, [])}
            self._bytes -= self._sizes.pop(NOBODY, 0)
            return taken
        taken, self._groups = self._groups, {}
        self._sizes.clear()
        self._bytes = 0
        return {subjects: rows for subjects, rows in taken.items() if rows}


def _size_of(row: Row) -> int:
    return _ROW_BYTES + sum(len(value) for value in row if isinstance(value, bytes | str))


def read_records(data: bytes) -> Iterator[Record]:
    """The records of a chunk: each has its length before it, 4 bytes. Raises CannotOpen if it ends within one."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise CannotOpen("a chunk ends within a record")
        yield _record.decode(data[at + 4 : end])
        at = end


def write_record(record: Record) -> bytes:
    """The bytes of a record in a chunk."""
    encoded = _encode(record)
    return len(encoded).to_bytes(4) + encoded


_record = msgspec.msgpack.Decoder(Record)
