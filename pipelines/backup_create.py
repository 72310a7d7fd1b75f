"""Makes a backup of a data directory, while the service runs or not: sealed rows, and a signed manifest.

    DEST/manifest.json    what there is (`models.backup.manifest`); written last, so that without it there is no backup
    DEST/rows-00000       sealed records (`models.backup.sealing`)

What can be made again is left out: logs, vectors, work directories, results of requests that nobody has fetched.
"""

import os
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from importlib.metadata import version
from io import BufferedWriter
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.audit_log import AuditLog
from actors.backup_keys import BackupKeys
from actors.control import ControlStore
from actors.errors import Invalid
from actors.model_artefacts import DIRECTORY as MODELS
from actors.private_file import write_private
from actors.refusal_journal import RefusalJournal
from models.backup.manifest import Chunk, Manifest
from models.backup.owners import AUDIT, DELIVERIES, NOBODY, REQUESTS, SHARD, People, Piece, Rule, Subjects, rule_of
from models.backup.sealing import NONCE_BYTES, Gathering, Located, record_key, seal, write_record
from models.privacy.purposes import Purposes
from models.privacy.signed_document import sign
from models.profile.policy import ProfilePolicy
from pipelines.backup_cut import cut
from pipelines.erasure_certificate import signing_key

MANIFEST = "manifest.json"
FILES = "files"  # the store of files that are kept whole
HEAD = "audit.head"
CHUNK_BYTES = 64 << 20
RULES: dict[str, dict[str, Rule]] = {
    "shard": SHARD,
    "deliveries": DELIVERIES,
    "privacy": REQUESTS,
    "audit": AUDIT,
}
_WHOLE = (
    *("onefold.toml", "admin.key", "suppression.key", "audit.key", "privacy-signing.pem"),
    *("certificate-signing.key", "certificate-signing.pub", "hash.key", "token.key"),
)
_WHOLE_SQLITE = ("control.sqlite", "findings.sqlite", "purges.sqlite")  # of nobody, and small
_CERTIFICATES = "privacy/certificates"
_CLOSED = ("completed", "cancelled")
_suppressed = msgspec.msgpack.Decoder(int)


def create(
    data_dir: Path, destination: Path, shards: int, keys: BackupKeys, policy: ProfilePolicy, purposes: Purposes
) -> Manifest:
    """Writes a backup into a directory that is new or empty.

    Raises Invalid for a destination that cannot be, Unavailable if something stays in progress at the shards, or the
    copy of the keys cannot be written, Conflict for stores of another version, and OSError.
    """
    _check_destination(data_dir, destination)
    signer = signing_key(data_dir)
    backup_id = secrets.token_hex(16)
    public = Ed25519PrivateKey.from_private_bytes(signer).public_key().public_bytes_raw()
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Before anything is read: what is closed by then of these requests names nobody any more.
    closed = keys.destroyed("r")
    with ExitStack() as stack:
        # Deliveries before the shards: so a webhook is rather told twice than never.
        stores = {
            name: stack.enter_context(_reading(data_dir / f"{name}.sqlite")) for name in ("deliveries", "privacy")
        }
        with closing(AuditLog(data_dir)) as log, log.still() as head:
            stores["audit"] = stack.enter_context(_reading(data_dir / "audit.sqlite"))
        with closing(ControlStore(data_dir / "control.sqlite")) as control:
            readers = stack.enter_context(cut(data_dir, shards, control))
        made_at = time.time_ns() // 1_000_000
        sequences = [_meta(db, "sequence") for db in readers]
        keys.suppress({fingerprint: until for db in readers for fingerprint, until in _refused(db)})
        keys.follow_from(dict(enumerate(sequences)))
        with closing(
            _Writer(destination, backup_id, keys.add_backup(backup_id, made_at, public), keys, closed)
        ) as writer:
            writer.put_all(FILES, _files(data_dir, head))
            people = People({customer_id: target for db in readers for customer_id, target in _redirects(db)})
            for shard, db in enumerate(readers):
                writer.put_all(f"shards/shard-{shard:03d}.sqlite", _rows(db, "shard", people))
            for name, reading in stores.items():
                if reading is not None:
                    writer.put_all(f"{name}.sqlite", _rows(reading, name, people))
            writer.flush()
            schemas = {name: _version(db) for name, db in (("shard", readers[0]), *stores.items()) if db is not None}
            manifest = Manifest(
                backup_id=backup_id,
                made_at=made_at,
                shards=shards,
                schemas=schemas,
                rows=dict(writer.rows),
                people=sum(db.execute("SELECT count(*) FROM profiles").fetchone()[0] for db in readers),
                left_out=len(writer.left_out),
                sequences=sequences,
                chunks=writer.finish(),
                software_version=version("onefold"),
            )
    with closing(RefusalJournal(data_dir, shards, keys, policy, purposes)) as journal:
        now = time.time_ns() // 1_000_000
        journal.catch_up()
        keys.set_noted_until(now)
    # Only now, when the keys are on disk in both places, does it count as a backup.
    write_private(destination / MANIFEST, sign(manifest, signer))
    return manifest


def _check_destination(data_dir: Path, destination: Path) -> None:
    if destination.resolve().is_relative_to(data_dir.resolve()):
        raise Invalid("the backup must be outside of the data directory: give another place")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise Invalid("the place of the backup is not an empty directory: give another one")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A reader of one moment; None if there is no such store."""
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout=10000")
        db.execute("BEGIN")
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
        yield db


def _rows(db: sqlite3.Connection, kind: str, people: People) -> Iterator[Piece]:
    tables = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    for (table,) in tables.fetchall():
        rule = rule_of(RULES[kind], table)
        for row in db.execute(f'SELECT * FROM "{table}"'):  # nosec B608
            yield from rule(row, people)


def _files(data_dir: Path, head: bytes) -> Iterator[Piece]:
    for name in _WHOLE:
        if (data_dir / name).exists():
            yield Piece(NOBODY, "", (name, (data_dir / name).read_bytes()))
    for path in sorted((data_dir / _CERTIFICATES).glob("*.json")):
        yield Piece(NOBODY, "", (f"{_CERTIFICATES}/{path.name}", path.read_bytes()))
    for path in sorted((data_dir / MODELS).glob("[!.]*/*/**/*")):
        if path.is_file():
            yield Piece(NOBODY, "", (path.relative_to(data_dir).as_posix(), path.read_bytes()))
    yield Piece(NOBODY, "", (HEAD, head))
    for name in _WHOLE_SQLITE:
        if (data_dir / name).exists():
            with closing(sqlite3.connect(data_dir / name)) as source, closing(sqlite3.connect(":memory:")) as copy:
                source.backup(copy)
                yield Piece(NOBODY, "", (name, copy.serialize()))


def _meta(db: sqlite3.Connection, key: str) -> int:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


def _redirects(db: sqlite3.Connection) -> Iterable[tuple[int, int]]:
    return db.execute("SELECT customer_id, target FROM redirects")


def _refused(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    for key, value in db.execute("SELECT key, value FROM small WHERE kind = 'suppressed'"):
        yield key, _suppressed.decode(value)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


class _Writer:
    """Seals rows and writes them into chunks."""

    def __init__(
        self, destination: Path, backup_id: str, key: bytes, keys: BackupKeys, closed: Collection[str]
    ) -> None:
        self.rows: Counter[str] = Counter()
        self.left_out: set[str] = set()  # subjects whose key was destroyed
        self._destination = destination
        self._backup_id = backup_id
        self._key = key
        self._keys = keys
        self._closed = closed
        self._gathering = Gathering()
        self._chunks: list[Chunk] = []
        self._file: BufferedWriter | None = None
        self._hash = sha256()
        self._bytes = self._records = 0

    def close(self) -> None:
        """Closes what is open, after an error."""
        if self._file is not None:
            self._file.close()

    def put_all(self, store: str, pieces: Iterable[Piece]) -> None:
        """Takes rows of a store in."""
        kind = "shard" if store.startswith("shards/") else store.removesuffix(".sqlite")
        for piece in pieces:
            self.rows[f"{kind}.{piece.table}"] += 1
            if self._gathering.add(store, piece):
                self._seal(everything=False)

    def flush(self) -> None:
        """Writes what waits."""
        self._seal(everything=True)

    def finish(self) -> list[Chunk]:
        """Ends the last chunk; all of them, on disk."""
        self._end_chunk()
        return self._chunks

    def _seal(self, everything: bool) -> None:
        taken = self._gathering.take(everything)
        subjects = {each for group in taken for each in group}
        keys = self._keys.make_keys(subjects)
        for group, rows in taken.items():
            gone = [subject for subject in group if subject not in keys]
            if gone:
                rows = [each for each in rows if self._names_nobody(each)]
                self.left_out.update(gone if not rows else ())
                group = NOBODY
            if rows:
                self._write(group, rows, keys)

    def _write(self, subjects: Subjects, rows: list[Located], keys: Mapping[str, bytes]) -> None:
        key = record_key(self._backup_id, self._key, [keys[subject] for subject in subjects])
        record = write_record(seal(subjects, rows, self._backup_id, key, os.urandom(NONCE_BYTES)))
        if self._file is None:
            path = self._destination / f"rows-{len(self._chunks):05d}"
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._file.write(record)
        self._hash.update(record)
        self._bytes += len(record)
        self._records += 1
        if self._bytes >= CHUNK_BYTES:
            self._end_chunk()

    def _names_nobody(self, row: Located) -> bool:
        """A request of a data subject that an erasure has left with nothing that names the person."""
        if row.store != "privacy.sqlite" or row.table != "requests":
            return False
        return f"r:{row.row[0]}" in self._closed and row.row[2] in _CLOSED

    def _end_chunk(self) -> None:
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        name = f"rows-{len(self._chunks):05d}"
        chunk = Chunk(name=name, bytes=self._bytes, records=self._records, sha256=self._hash.hexdigest())
        self._chunks.append(chunk)
        self._hash, self._bytes, self._records = sha256(), 0, 0
