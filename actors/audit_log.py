"""The audit log of a data directory: who did what, in one SQLite file that every process of the service writes.

    audit.sqlite      the entries, each with its hash (`models.audit.chain`)
    audit.head        where the log ends, signed (`models.audit.head`)
    audit.key         what it is signed with

All three are for their owner only, and are made when the log is first opened. A batch is one transaction, written
under a lock of the file system that also covers the head: announced, committed, confirmed, each on disk before the
next. That takes some milliseconds, whatever the size of the batch.
"""

import fcntl
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.errors import Conflict
from actors.private_file import sync, write_private_once
from models.audit.chain import GENESIS, Detail, Entry, Linked, Point, Record, extend, verify
from models.audit.head import KEY_BYTES, Head, Problem, decode_head, encode_head, settle

FILE, HEAD_FILE, KEY_FILE = "audit.sqlite", "audit.head", "audit.key"
SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 10_000
_SCHEMA = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL,
    subjects TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
);
CREATE INDEX entries_actor ON entries (actor, number)
"""
_COLUMNS = "number, at, actor, action, outcome, subjects, detail, hash"


class Verdict(msgspec.Struct, frozen=True):
    """What a look at the whole log found. `broken` is the first number that cannot be vouched for, 0 if all can."""

    entries: int
    head: Point
    broken: int = 0
    problem: Problem | Literal["chain", "other_log"] = ""


class EntryFilter(msgspec.Struct, frozen=True):
    """Which entries are asked for: all, but for what is given."""

    actor: str | None = None
    action: str | None = None
    since: int = 0  # ms
    until: int = 1 << 62  # ms, exclusive
    subject: int | None = None  # customer id


class Affected(msgspec.Struct):
    """What somebody has done with one person's data. `reads` and `changes` count requests; times in ms."""

    customer_id: int
    reads: int
    changes: int
    first_at: int
    last_at: int


class AuditLog:
    """The open log. Safe to share between threads, and the files between processes."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self._lock = threading.Lock()
        self._key, self._key_file = _open_key(data_dir / KEY_FILE)
        (data_dir / FILE).touch(mode=0o600)
        self._db = sqlite3.connect(data_dir / FILE, isolation_level=None, check_same_thread=False)
        try:
            with self._exclusive():
                _configure(self._db)
                self._prepare()
        except sqlite3.DatabaseError as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise Conflict(
                f"{FILE} is damaged: move it away, and start again without it; it stays known that entries are missing"
            ) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()
            os.close(self._key_file)

    def append(self, records: Sequence[Record]) -> Point:
        """Adds entries (at least one), all or none; on disk when it returns. Returns where the log ends now.

        Raises sqlite3.Error or OSError if that cannot be: then nothing was added.
        """
        with self._exclusive():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                head = self._settled()
                linked = extend(head.last, records)
                end = Point(linked[-1].entry.number, linked[-1].hash)
                self._db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, linked))
                self._write_head(head.announce(end))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            with suppress(OSError):  # it is committed, and the head names it: whoever writes next confirms it
                self._write_head(head.announce(end).confirm())
        return end

    def verify(self, expected: Point | None = None) -> Verdict:
        """Looks at every entry and at the head. Others may write meanwhile.

        `expected` is where the log ended at an earlier time: that shows whether all three files were replaced.
        """
        with self._exclusive():
            tail = self._tail()
            head = self._settled()
        with closing(self._connect()) as db:
            count = 0
            with suppress(sqlite3.DatabaseError):  # as far as the file is damaged, entries are missing
                (count,) = db.execute("SELECT count(*) FROM entries WHERE number <= ?", (tail.number,)).fetchone()
            broken = verify(_read(db, tail.number), head.last)
            other = expected is not None and expected != _point(db, expected.number)
        if broken is not None and (not head.broken or broken < head.broken):
            return Verdict(count, head.last, broken, "chain")
        if expected is not None and other and not head.broken:
            return Verdict(count, head.last, expected.number, "other_log")
        return Verdict(count, head.last, head.broken, head.problem)

    def entries(self, wanted: EntryFilter, before: int, limit: int) -> list[Entry]:
        """Entries with numbers below `before`, the latest first."""
        conditions, values = _conditions(wanted)
        statement = f"SELECT {_COLUMNS} FROM entries WHERE number < ? AND {conditions} ORDER BY number DESC LIMIT ?"  # nosec B608
        with closing(self._connect()) as db:
            return [_linked(row).entry for row in db.execute(statement, (before, *values, limit))]

    def actors(self, wanted: EntryFilter) -> list[str]:
        """Whose entries these are, who came last first; nobody's left out."""
        conditions, values = _conditions(wanted)
        statement = (
            f"SELECT actor FROM entries WHERE {conditions} AND actor != '' "  # nosec B608
            "GROUP BY actor ORDER BY max(number) DESC"
        )
        with closing(self._connect()) as db:
            return [actor for (actor,) in db.execute(statement, values)]

    def affected(self, wanted: EntryFilter) -> list[Affected]:
        """Everybody whose data was answered or changed in these entries, by customer id."""
        conditions, values = _conditions(wanted)
        statement = f"SELECT {_COLUMNS} FROM entries WHERE {conditions} AND subjects != '' ORDER BY number"  # nosec B608
        found: dict[int, Affected] = {}
        with closing(self._connect()) as db:
            for row in db.execute(statement, values):
                entry = _linked(row).entry
                is_read = entry.detail.get("kind") == "read"
                for customer_id in entry.subjects:
                    person = found.get(customer_id)
                    if person is None:
                        person = found[customer_id] = Affected(customer_id, 0, 0, entry.at, entry.at)
                    person.reads += is_read
                    person.changes += not is_read
                    person.first_at = min(person.first_at, entry.at)
                    person.last_at = max(person.last_at, entry.at)
        return [found[customer_id] for customer_id in sorted(found)]

    @contextmanager
    def still(self) -> Iterator[bytes]:
        """While it lasts nobody adds an entry; gives what the head's file holds then."""
        with self._exclusive():
            self._write_head(self._settled())
            yield (self._dir / HEAD_FILE).read_bytes()

    def _prepare(self) -> None:
        """Makes the tables, if there are none; else confirms what a crash left announced."""
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise Conflict(f"{FILE} has schema {found}; this version reads {SCHEMA_VERSION} and earlier ones")
        if found < SCHEMA_VERSION:
            if not (self._dir / HEAD_FILE).exists():
                self._write_head(Head())
            self._db.executescript(f"BEGIN; {_SCHEMA}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        self._write_head(self._settled())

    def _settled(self) -> Head:
        """The head as it is, once it is known where the log ends."""
        missing: Problem = "head_missing"
        head = None
        with suppress(FileNotFoundError):
            head = decode_head((self._dir / HEAD_FILE).read_bytes(), self._key)
            missing = "head_forged"
        return settle(head, self._tail(), missing)

    def _tail(self) -> Point:
        row = self._db.execute("SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        if row is None:
            return GENESIS
        number, kept = row
        return Point(number, kept if isinstance(kept, bytes) else b"")

    def _write_head(self, head: Head) -> None:
        """Replaces the head's file, on disk when it returns."""
        draft = self._dir / (HEAD_FILE + ".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(encode_head(head, self._key))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._dir / HEAD_FILE)
        sync(self._dir)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """While it lasts, nobody else writes the entries or the head. SQLite's own lock ends with the transaction."""
        with self._lock:
            fcntl.flock(self._key_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._key_file, fcntl.LOCK_UN)

    def _connect(self) -> sqlite3.Connection:
        """A connection of its own for a long read, beside those who write."""
        db = sqlite3.connect(self._dir / FILE, isolation_level=None)
        _configure(db)
        return db


def _configure(db: sqlite3.Connection) -> None:
    db.text_factory = lambda data: data.decode(errors="replace")  # what is no text is tampering, and not an error here
    db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")


def _open_key(path: Path) -> tuple[bytes, int]:
    """The key, and its open file. Of several processes that find none, one makes it."""
    if not path.exists():
        write_private_once(path, secrets.token_hex(KEY_BYTES) + "\n")
    descriptor = os.open(path, os.O_RDONLY)
    return os.pread(descriptor, 4 * KEY_BYTES, 0).strip(), descriptor


def _conditions(wanted: EntryFilter) -> tuple[str, list[Any]]:
    """What a WHERE asks, and its values."""
    conditions: dict[str, Any] = {"at >= ?": wanted.since, "at < ?": wanted.until}
    if wanted.actor is not None:
        conditions["actor = ?"] = wanted.actor
    if wanted.action is not None:
        conditions["action = ?"] = wanted.action
    if wanted.subject is not None:
        conditions["instr(',' || subjects || ',', ?)"] = f",{wanted.subject},"
    return " AND ".join(conditions), list(conditions.values())


def _read(db: sqlite3.Connection, last: int) -> Iterator[Linked]:
    """The entries up to the number `last`; they end where the file is damaged."""
    with suppress(sqlite3.DatabaseError):
        statement = f"SELECT {_COLUMNS} FROM entries WHERE number <= ? ORDER BY number"  # nosec B608
        yield from map(_linked, db.execute(statement, (last,)))


def _point(db: sqlite3.Connection, number: int) -> Point | None:
    """The place in the chain with this number, None if there is none."""
    row = db.execute("SELECT hash FROM entries WHERE number = ?", (number,)).fetchone()
    return None if row is None else Point(number, row[0])


def _row(linked: Linked) -> tuple[Any, ...]:
    entry = linked.entry
    subjects = ",".join(map(str, entry.subjects))
    detail = msgspec.json.encode(entry.detail).decode()
    return (entry.number, entry.at, entry.actor, entry.action, entry.outcome, subjects, detail, linked.hash)


def _linked(row: tuple[Any, ...]) -> Linked:
    """A row as it was written; one that never was so has no hash that could be right."""
    number, at, actor, action, outcome, subjects, detail, kept = row
    try:
        people = tuple(map(int, subjects.split(","))) if subjects else ()
        facts = msgspec.json.decode(detail, type=Detail)
    except (AttributeError, TypeError, ValueError, msgspec.DecodeError):
        return Linked(Entry(number, at, actor, action, outcome, (), {}), b"")
    return Linked(Entry(number, at, actor, action, outcome, people, facts), kept)
