"""Reads backups: checks that one is whole, and opens what the keys that stand can open."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from actors.backup_keys import BackupKeys
from models.backup.manifest import Manifest, read_manifest
from models.backup.owners import Subjects
from models.backup.sealing import Located, open_record, read_records, record_key
from models.privacy.signed_document import InvalidDocument
from pipelines.backup_create import MANIFEST

_PAGE = 2000  # records whose keys are looked up at once


class Opened(msgspec.Struct, frozen=True):
    """The rows of one record; None if a key of its subjects is gone."""

    subjects: Subjects
    rows: list[Located] | None


class _Named(msgspec.Struct):
    backup_id: str


def backup_id_of(backup: Path) -> str:
    """Which backup a directory says that it holds; not verified. Raises InvalidDocument, OSError."""
    try:
        return msgspec.json.decode((backup / MANIFEST).read_bytes(), type=_Named).backup_id
    except FileNotFoundError:
        raise InvalidDocument(f"there is no {MANIFEST}: this is no backup, or it was not finished") from None
    except ValueError:
        raise InvalidDocument("this is not the manifest of a backup") from None


def verified(backup: Path, public_key: bytes) -> Manifest:
    """The manifest of a backup of which every byte is as it was written. Raises InvalidDocument, OSError."""
    try:
        document = (backup / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise InvalidDocument(f"there is no {MANIFEST}: this is no backup, or it was not finished") from None
    manifest = read_manifest(document, public_key)
    for chunk in manifest.chunks:
        digest = sha256()
        try:
            with (backup / chunk.name).open("rb") as file:
                while data := file.read(1 << 20):
                    digest.update(data)
        except FileNotFoundError:
            raise InvalidDocument(f"{chunk.name} is missing") from None
        if digest.hexdigest() != chunk.sha256:
            raise InvalidDocument(f"{chunk.name} is not as it was written")
    return manifest


def opened(backup: Path, manifest: Manifest, keys: BackupKeys) -> Iterator[Opened]:
    """Every record, in order. Raises NotFound if the keys are of other backups, and CannotOpen."""
    backup_key = keys.backup_key(manifest.backup_id).key
    for chunk in manifest.chunks:
        records = list(read_records((backup / chunk.name).read_bytes()))
        for start in range(0, len(records), _PAGE):
            page = records[start : start + _PAGE]
            standing = keys.keys({subject for record in page for subject in record.subjects})
            for record in page:
                if any(subject not in standing for subject in record.subjects):
                    yield Opened(record.subjects, None)
                    continue
                key = record_key(manifest.backup_id, backup_key, [standing[subject] for subject in record.subjects])
                yield Opened(record.subjects, open_record(record, manifest.backup_id, key))
