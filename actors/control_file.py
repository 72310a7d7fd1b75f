"""The file under the control store: opened, made, brought up to date, and read and changed safely by many processes.

Every change raises `version()` in its own transaction, so that readers can keep what they read until the number moves.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from actors.errors import Conflict, Invalid, NotFound
from models.scoring.statements import SCORER_SOURCE

SCHEMA_VERSION = 4

_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_BUSY_TIMEOUT_MS = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, hint TEXT NOT NULL,
    scopes TEXT NOT NULL, source_id TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL DEFAULT 0, lifetime_ms INTEGER NOT NULL DEFAULT 0,
    purpose TEXT NOT NULL DEFAULT '', region TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (source_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (segment_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (webhook_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenants (
    name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, ending_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS computed_traits (trait_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_versions (
    name TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_evaluations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS model_aliases (number INTEGER PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL);
"""
_TABLES = re.findall(r"EXISTS (\w+)", _SCHEMA)
# What makes a file of one version a file of the next.
_UPGRADES = {
    1: (
        "ALTER TABLE keys ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE keys ADD COLUMN lifetime_ms INTEGER NOT NULL DEFAULT 0",
    ),
    2: ("ALTER TABLE keys ADD COLUMN purpose TEXT NOT NULL DEFAULT ''",),
    3: ("ALTER TABLE keys ADD COLUMN region TEXT NOT NULL DEFAULT ''",),
}


class ControlFile:
    """The open file. Safe to share between threads, and the file between processes.

    `clock` gives the time in ms. With `create`, a missing file is made (mode 0600); without, NotFound is raised. A file
    of an earlier version is brought up to date; Conflict is raised for one of a later version, and for what is none.
    """

    def __init__(self, path: Path, create: bool = False, clock: Callable[[], int] | None = None) -> None:
        if not path.exists():
            if not create:
                raise NotFound(f"there is no control store in {path.parent}: run `onefold init` first")
            path.touch(mode=0o600)
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.DatabaseError as error:
            self.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise Conflict(f"{path.name} is not a control store") from None
            raise
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        if create:
            self._create_tables()
        found = self._schema()
        if found in _UPGRADES:
            self._upgrade()
            found = self._schema()
        if found != SCHEMA_VERSION:
            self.close()
            raise Conflict(f"{path.name} is not a control store of schema {SCHEMA_VERSION}, which this version reads")
        tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(_TABLES):  # an earlier version made the file
            self._create_tables()

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    def version(self) -> int:
        """A number that grows with every change made by any process. Takes microseconds."""
        return self.meta("version") or 0

    def meta(self, name: str) -> int | None:
        """A number written once at init, such as `shards`; None if it was not."""
        row = self._row("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else cast(int, row[0])

    def fix_meta(self, name: str, value: int) -> None:
        """Writes a number that never changes again. Raises Conflict if it is there with another value."""
        if self.meta(name) is None:
            with self._write():
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        found = self.meta(name)
        if found != value:
            raise Conflict(f"{name} was fixed at {found} when this data directory was made; it cannot become {value}")

    def hold(self, until: int) -> None:
        """The shards begin nothing new before `until` (ms), so that what they have begun comes to an end; 0 lets them
        go on."""
        with self._write():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('held_until', ?)", (until,))

    def held_until(self) -> int:
        """Up to when (ms) the shards begin nothing new."""
        return self.meta("held_until") or 0

    def _schema(self) -> int | None:
        """The file's version; None if it is no control store."""
        try:
            return self.meta("schema")
        except sqlite3.DatabaseError:
            return None

    def _create_tables(self) -> None:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.strip().split(";\n"):
                self._db.execute(statement)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?), ('version', 0)", (SCHEMA_VERSION,))
            self._db.execute("COMMIT")

    def _upgrade(self) -> None:
        """Brings the file up to date, in one step; of several processes one does it."""
        with self._write():
            (found,) = self._db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
            while found in _UPGRADES:
                for statement in _UPGRADES[found]:
                    self._db.execute(statement)
                found += 1
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (found,))

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction, which raises the version."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'version'")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _row(self, statement: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(statement, values).fetchone()


def check_source(value: str) -> None:
    """Raises Invalid unless `value` can be the id of a source that operators make."""
    check_id("source_id", value)
    if value == SCORER_SOURCE:
        raise Invalid(f"source_id: {SCORER_SOURCE} is Onefold's own: choose another")


def check_id(field: str, value: str) -> None:
    """Raises Invalid unless `value` can be the name of something that operators make."""
    if not _ID.fullmatch(value):
        raise Invalid(f"{field}: expected 1 to 64 of a-z, 0-9, '_', '.', '-', starting with a letter or digit")
