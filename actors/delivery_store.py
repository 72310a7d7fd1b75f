"""What is known of deliveries: how far each webhook has been told, what is to be tried again, and what was given up.

One SQLite file beside the shards', written by the deliverer alone. A cursor moves in the transaction that also keeps
what failed before it, so that a message is sent again after a crash rather than never.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

SCHEMA_VERSION = 1
_SCHEMA = f"""
PRAGMA user_version={SCHEMA_VERSION};
CREATE TABLE IF NOT EXISTS cursors (
    webhook_id TEXT, shard INTEGER, sequence INTEGER NOT NULL, PRIMARY KEY (webhook_id, shard)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    webhook_id TEXT, message_id TEXT, failures INTEGER NOT NULL, due INTEGER NOT NULL, error TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (webhook_id, message_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_due ON waiting (webhook_id, due);
CREATE TABLE IF NOT EXISTS dead (
    webhook_id TEXT, message_id TEXT, at INTEGER NOT NULL, error TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (webhook_id, message_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (
    webhook_id TEXT PRIMARY KEY, delivered INTEGER NOT NULL, failed INTEGER NOT NULL, last_success INTEGER NOT NULL,
    last_error TEXT NOT NULL, last_error_at INTEGER NOT NULL
) WITHOUT ROWID;
"""


class Waiting(NamedTuple):
    """A message that is to be tried again."""

    message_id: str
    failures: int
    due: int  # ms
    error: str
    body: bytes


class Dead(msgspec.Struct, frozen=True):
    """A message that was given up."""

    message_id: str
    at: int  # ms
    error: str
    body: bytes


class DeliveryStatus(msgspec.Struct, frozen=True):
    """How deliveries to a webhook go."""

    webhook_id: str
    delivered: int = 0
    failed: int = 0  # attempts
    last_success: int = 0  # ms; 0 for never
    last_error: str = ""
    last_error_at: int = 0  # ms
    waiting: int = 0
    dead: int = 0
    late_ms: int = 0  # age of the oldest entry or exit that it was not told of yet
    disabled_because: str = ""


class DeliveryStore:
    """The open store. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()

    def cursor(self, webhook_id: str) -> dict[int, int]:
        """Shard -> sequence number up to which the webhook has been told, or the message waits or is dead."""
        return dict(self._db.execute("SELECT shard, sequence FROM cursors WHERE webhook_id = ?", (webhook_id,)))

    def due(self, webhook_id: str, now: int, limit: int) -> list[Waiting]:
        """Messages to be tried again at `now` ms, those due first."""
        rows = self._db.execute(
            "SELECT message_id, failures, due, error, body FROM waiting WHERE webhook_id = ? AND due <= ? "
            "ORDER BY due LIMIT ?",
            (webhook_id, now, limit),
        )
        return [Waiting(*row) for row in rows]

    def waiting(self, webhook_id: str) -> int:
        """How many messages wait."""
        return int(self._db.execute("SELECT count(*) FROM waiting WHERE webhook_id = ?", (webhook_id,)).fetchone()[0])

    def note(
        self,
        webhook_id: str,
        now: int,
        delivered: Iterable[str] = (),
        waiting: Iterable[Waiting] = (),
        dead: Iterable[Dead] = (),
        cursor: dict[int, int] | None = None,
    ) -> None:
        """What came of some messages, and how far the webhook has been told by that; in one transaction."""
        delivered, waiting, dead = list(delivered), list(waiting), list(dead)
        failures = [each.error for each in waiting] + [each.error for each in dead]
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            gone = [(webhook_id, message_id) for message_id in (*delivered, *(each.message_id for each in dead))]
            db.executemany("DELETE FROM waiting WHERE webhook_id = ? AND message_id = ?", gone)
            db.executemany(
                "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?)", [(webhook_id, *each) for each in waiting]
            )
            db.executemany(
                "INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?)",
                [(webhook_id, each.message_id, each.at, each.error, each.body) for each in dead],
            )
            db.executemany(
                "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)",
                [(webhook_id, shard, sequence) for shard, sequence in (cursor or {}).items()],
            )
            db.execute("INSERT OR IGNORE INTO counters VALUES (?, 0, 0, 0, '', 0)", (webhook_id,))
            if delivered:
                statement = "UPDATE counters SET delivered = delivered + ?, last_success = ? WHERE webhook_id = ?"
                db.execute(statement, (len(delivered), now, webhook_id))
            if failures:
                statement = (
                    "UPDATE counters SET failed = failed + ?, last_error = ?, last_error_at = ? WHERE webhook_id = ?"
                )
                db.execute(statement, (len(failures), failures[-1], now, webhook_id))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def dead_letters(self, webhook_id: str, limit: int, after: str = "") -> list[Dead]:
        """Messages that were given up, by id."""
        rows = self._db.execute(
            "SELECT message_id, at, error, body FROM dead WHERE webhook_id = ? AND message_id > ? "
            "ORDER BY message_id LIMIT ?",
            (webhook_id, after, limit),
        )
        return [Dead(*row) for row in rows]

    def replay(self, webhook_id: str, message_ids: list[str] | None, now: int) -> int:
        """Puts dead messages (all for None) among those that are to be tried; returns how many."""
        found = [row[0] for row in self._db.execute("SELECT message_id FROM dead WHERE webhook_id = ?", (webhook_id,))]
        chosen = [(webhook_id, each) for each in found if message_ids is None or each in message_ids]
        self._db.execute("BEGIN IMMEDIATE")
        statement = (
            "INSERT OR REPLACE INTO waiting SELECT webhook_id, message_id, 0, ?, error, body FROM dead "
            "WHERE webhook_id = ? AND message_id = ?"
        )
        self._db.executemany(statement, [(now, *each) for each in chosen])
        self._db.executemany("DELETE FROM dead WHERE webhook_id = ? AND message_id = ?", chosen)
        self._db.execute("COMMIT")
        return len(chosen)

    def forget(self, webhook_id: str) -> None:
        """Drops all that is known of a deleted webhook."""
        self._db.execute("BEGIN IMMEDIATE")
        for table in ("cursors", "waiting", "dead", "counters"):
            self._db.execute(f"DELETE FROM {table} WHERE webhook_id = ?", (webhook_id,))
        self._db.execute("COMMIT")

    def known(self) -> set[str]:
        """Ids of the webhooks of which something is known."""
        return {
            row[0] for row in self._db.execute("SELECT webhook_id FROM cursors UNION SELECT webhook_id FROM counters")
        }

    def status(self, webhook_id: str) -> DeliveryStatus:
        """The counters."""
        row = self._db.execute(
            "SELECT delivered, failed, last_success, last_error, last_error_at FROM counters WHERE webhook_id = ?",
            (webhook_id,),
        ).fetchone()
        dead = self._db.execute("SELECT count(*) FROM dead WHERE webhook_id = ?", (webhook_id,)).fetchone()[0]
        delivered, failed, success, error, error_at = row or (0, 0, 0, "", 0)
        return DeliveryStatus(webhook_id, delivered, failed, success, error, error_at, self.waiting(webhook_id), dead)
