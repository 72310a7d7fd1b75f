"""The data keys of backups, in one SQLite file that is in no backup: whose key is gone is in no backup any more.

    backup-keys.sqlite    a key for each person, dead letter and request of a data subject, and for each backup

Beside the keys is kept what a restore must know of the time after its backup: whose keys were destroyed, which
identifiers are refused, and what people have refused since (`models.backup.refusals`).

A copy elsewhere (the setting `backup.keys_copy`) is made the same as the file at each backup and each erasure, before
either is done; its pages are written over in place. Both files overwrite what is deleted, and are made anew after a key
is destroyed, so that no unused space holds one.
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from actors.errors import Conflict, NotFound, Unavailable
from models.backup.refusals import Refusal, later
from models.backup.sealing import KEY_BYTES

FILE = "backup-keys.sqlite"
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE backups (backup_id TEXT PRIMARY KEY, made_at INTEGER NOT NULL, key BLOB NOT NULL, signer BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE data_keys (subject TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE destroyed (subject TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE suppressed (fingerprint TEXT PRIMARY KEY, refused_until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE refusals (
    customer_id INTEGER, section TEXT, name TEXT, body BLOB NOT NULL, PRIMARY KEY (customer_id, section, name)
) WITHOUT ROWID;
CREATE TABLE followed (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
"""
_BUSY_TIMEOUT_MS = 10_000
_CHUNK = 500  # subjects of one statement
_encode = msgspec.msgpack.Encoder().encode
_refusal = msgspec.msgpack.Decoder(Refusal)


class BackupKey(NamedTuple):
    """What opens a backup, beside the keys of the people in it."""

    key: bytes
    signer: bytes  # public key of its manifest, 32 bytes


class BackupKeys:
    """The open store. Safe to share between threads, and the file between processes."""

    def __init__(self, path: Path, copy: Path | None = None, create: bool = True) -> None:
        """`copy`: where a copy is kept. Raises NotFound without `create`, and Conflict if a later version wrote it."""
        if not path.exists():
            if not create:
                raise NotFound(f"there are no keys of backups at {path}")
            path.touch(mode=0o600)
        self.copy = copy
        self._lock = threading.Lock()
        self._db = _connect(path)
        with self._transaction():
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if not found and create:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                found = SCHEMA_VERSION
        if found != SCHEMA_VERSION:
            self.close()
            raise Conflict(f"{path.name} holds no backup keys of schema {SCHEMA_VERSION}, which this version reads")

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    # Backups

    def add_backup(self, backup_id: str, made_at: int, signer: bytes) -> bytes:
        """The new key of a new backup. `signer` is the public key of its manifest."""
        key = os.urandom(KEY_BYTES)
        with self._transaction() as db:
            db.execute("INSERT INTO backups VALUES (?, ?, ?, ?)", (backup_id, made_at, key, signer))
        return key

    def backup_key(self, backup_id: str) -> BackupKey:
        """Raises NotFound."""
        with self._lock:
            row = self._db.execute("SELECT key, signer FROM backups WHERE backup_id = ?", (backup_id,)).fetchone()
        if row is None:
            raise NotFound("these keys are not of this backup: give the keys that were kept with it")
        return BackupKey(*row)

    def has_backups(self) -> bool:
        """Whether there was ever a backup."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM backups LIMIT 1").fetchone() is not None

    # Keys

    def make_keys(self, subjects: Iterable[str]) -> dict[str, bytes]:
        """The keys of these subjects, made where there are none; of those whose key was destroyed there is none."""
        wanted = list(dict.fromkeys(subjects))
        with self._transaction() as db:
            gone = {s for (s,) in _select(db, "SELECT subject FROM destroyed WHERE subject IN", wanted)}
            found: dict[str, bytes] = dict(_select(db, "SELECT subject, key FROM data_keys WHERE subject IN", wanted))
            made = {s: os.urandom(KEY_BYTES) for s in wanted if s not in found and s not in gone}
            db.executemany("INSERT INTO data_keys VALUES (?, ?)", made.items())
        return found | made

    def keys(self, subjects: Iterable[str]) -> dict[str, bytes]:
        """The keys that stand of these subjects."""
        with self._lock:
            return dict(_select(self._db, "SELECT subject, key FROM data_keys WHERE subject IN", list(subjects)))

    def subjects(self, kind: str) -> set[str]:
        """All subjects of a kind, such as "l", whose key stands."""
        with self._lock:
            statement = "SELECT subject FROM data_keys WHERE subject >= ? AND subject < ?"
            return {subject for (subject,) in self._db.execute(statement, (f"{kind}:", f"{kind};"))}

    def destroyed(self, kind: str) -> set[str]:
        """All subjects of a kind whose key was destroyed."""
        with self._lock:
            statement = "SELECT subject FROM destroyed WHERE subject >= ? AND subject < ?"
            return {subject for (subject,) in self._db.execute(statement, (f"{kind}:", f"{kind};"))}

    def destroy(self, subjects: Collection[str], suppressed: Mapping[str, int]) -> None:
        """Destroys the keys of these subjects for good, also in the copy, and what is noted of these people; notes
        which fingerprints are refused up to when (ms). May be done again. Raises Unavailable if the copy cannot be
        written: the keys are not gone until it is."""
        people = [(int(subject[2:]),) for subject in subjects if subject.startswith("p:")]
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO destroyed VALUES (?)", [(subject,) for subject in subjects])
            db.executemany("DELETE FROM data_keys WHERE subject = ?", [(subject,) for subject in subjects])
            db.executemany("DELETE FROM refusals WHERE customer_id = ?", people)
            _suppress(db, suppressed)
        with self._lock:
            self._db.execute("VACUUM")  # rows that were moved leave copies in their old pages
        self.mirror()

    def suppress(self, suppressed: Mapping[str, int]) -> None:
        """Notes fingerprints and up to when (ms) they are refused."""
        with self._transaction() as db:
            _suppress(db, suppressed)

    def lift(self, fingerprints: Iterable[str]) -> None:
        """These are not refused any more."""
        with self._transaction() as db:
            db.executemany("DELETE FROM suppressed WHERE fingerprint = ?", [(each,) for each in fingerprints])
        self.mirror()

    def suppressed(self) -> dict[str, int]:
        """All that is refused: fingerprint -> ms."""
        with self._lock:
            return dict(self._db.execute("SELECT fingerprint, refused_until FROM suppressed"))

    # Refusals

    def follow_from(self, sequences: Mapping[int, int], anew: bool = False) -> None:
        """Refusals are noted of events after these sequence numbers, by shard; where that has begun, it goes on,
        unless it is to begin `anew`."""
        verb = "REPLACE" if anew else "IGNORE"
        with self._transaction() as db:
            db.executemany(f"INSERT OR {verb} INTO followed VALUES (?, ?)", sequences.items())

    def followed(self) -> dict[int, int]:
        """Shard -> sequence number up to which refusals are noted."""
        with self._lock:
            return dict(self._db.execute("SELECT shard, sequence FROM followed"))

    def note(self, refusals: Iterable[tuple[int, Refusal]], followed: Mapping[int, int]) -> int:
        """Notes what people (by customer id) have refused, up to these sequence numbers; how many were news."""
        news = 0
        with self._transaction() as db:
            for customer_id, refusal in refusals:
                key = (customer_id, refusal.section, refusal.name)
                statement = "SELECT body FROM refusals WHERE customer_id = ? AND section = ? AND name = ?"
                row = db.execute(statement, key).fetchone()
                gone = db.execute("SELECT 1 FROM destroyed WHERE subject = ?", (f"p:{customer_id}",)).fetchone()
                if not gone and later(refusal, _refusal.decode(row[0]) if row else None):
                    db.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?, ?, ?)", (*key, _encode(refusal)))
                    news += 1
            db.executemany("UPDATE followed SET sequence = ?2 WHERE shard = ?1", followed.items())
        return news

    def refusals(self, customer_ids: Iterable[int]) -> list[Refusal]:
        """What these people have refused."""
        with self._lock:
            rows = _select(self._db, "SELECT body FROM refusals WHERE customer_id IN", list(customer_ids))
        return [_refusal.decode(body) for (body,) in rows]

    def refusing(self) -> list[int]:
        """The customer ids of whom a refusal is noted."""
        with self._lock:
            return [each for (each,) in self._db.execute("SELECT DISTINCT customer_id FROM refusals")]

    def noted_until(self) -> int:
        """When all refusals that had been said were noted last, ms; 0 for never."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE name = 'noted_until'").fetchone()
        return int(row[0]) if row else 0

    def set_noted_until(self, at: int) -> None:
        """At `at` ms all that had been said was noted; the copy is made the same. Raises Unavailable."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('noted_until', ?)", (at,))
        self.mirror()

    # Copies

    def mirror(self) -> None:
        """Makes the copy the same as this store, on disk when it returns. Raises Unavailable, also if a copy was there
        and is not any more: elsewhere it would keep what is destroyed here."""
        if self.copy is None:
            return
        place = crc32(str(self.copy.absolute()).encode())
        with self._lock:
            was_there = self._db.execute("SELECT value FROM meta WHERE name = 'copied_to'").fetchone() == (place,)
        if was_there and not self.copy.exists():
            raise Unavailable(
                "backup.keys_copy: the copy of the keys is not where it was: is its disk there? If it is lost, make an "
                "empty file in its place, for another"
            )
        try:
            self.copy_to(self.copy)
        except (OSError, sqlite3.Error):
            raise Unavailable("backup.keys_copy: the copy of the keys of backups cannot be written") from None
        if not was_there:
            with self._transaction() as db:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('copied_to', ?)", (place,))

    def copy_to(self, path: Path) -> None:
        """Writes all of it over another file, page by page. Raises OSError, sqlite3.Error."""
        path.touch(mode=0o600)
        path.chmod(0o600)  # it may have been there before
        with self._lock, closing(_connect(path)) as copy:
            self._db.backup(copy)
            copy.execute("VACUUM")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    """Without a write-ahead log or temporary files, in which keys would stay."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=TRUNCATE",
        "synchronous=FULL",
        "secure_delete=ON",
        "temp_store=MEMORY",
    ):
        db.execute(f"PRAGMA {pragma}")
    return db


def _suppress(db: sqlite3.Connection, suppressed: Mapping[str, int]) -> None:
    statement = (
        "INSERT INTO suppressed VALUES (?, ?) ON CONFLICT (fingerprint) "
        "DO UPDATE SET refused_until = max(refused_until, excluded.refused_until)"
    )
    db.executemany(statement, suppressed.items())


def _select(db: sqlite3.Connection, statement: str, values: list[str] | list[int]) -> Iterator[Any]:
    """Rows of a statement that ends with IN, for any number of values."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield from db.execute(f"{statement} ({','.join('?' * len(chunk))})", chunk)
