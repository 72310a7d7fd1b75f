"""What is known of deliveries: how far each webhook has been told, what is to be tried again, and what was given up.

One SQLite file beside the shards', written by the deliverer alone. A cursor moves in the transaction that also keeps
what failed before it, so that a message is sent again after a crash rather than never.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.errors import Conflict
from actors.private_file import open_private_store
from models.privacy.recipients import Recipient

SCHEMA_VERSION = 3
_SCHEMA = """
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
_SINCE_2 = """
ALTER TABLE counters ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN dead_lettered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN created_at INTEGER;
"""
# Who is to be told of an erasure, and what came of that; it stays when the message and the webhook are gone.
_SINCE_3 = """
CREATE TABLE recipients (
    message_id TEXT, webhook_id TEXT, state TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (message_id, webhook_id)
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
    """How deliveries to a webhook go. Counts are since it was made."""

    webhook_id: str
    delivered: int = 0
    failed: int = 0  # attempts
    retried: int = 0  # attempts after a failed one
    dead_lettered: int = 0
    last_success: int = 0  # ms; 0 for never
    last_error: str = ""
    last_error_at: int = 0  # ms
    waiting: int = 0
    dead: int = 0
    behind: int | None = 0  # entries and exits that it was not told of yet; None: the shards did not say
    late_ms: int | None = 0  # age of the oldest of them
    disabled_because: str = ""


class DeliveryStore:
    """The open store. Not for several threads at once. Raises Conflict if a later version wrote the file."""

    def __init__(self, path: Path) -> None:
        self._db = open_private_store(path, "synchronous=FULL", "secure_delete=ON")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            self.close()
            raise Conflict(f"{path.name} has schema {found}; this version reads {SCHEMA_VERSION} and earlier ones")
        steps = [_SCHEMA + _SINCE_2] * (found < 2) + [_SINCE_3] * (found < 3)
        if steps:
            self._db.executescript(f"BEGIN; {' '.join(steps)} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()

    def adopt(self, webhook_id: str, created_at: int) -> None:
        """From now on this is about the webhook that was made at `created_at` ms: of an earlier one with the same id
        all is dropped."""
        statement = "SELECT created_at FROM counters WHERE webhook_id = ?"
        found = self._db.execute(statement, (webhook_id,)).fetchone()
        if found == (created_at,):
            return
        with self._transaction():
            if found is not None and found[0] is not None:
                self._drop(webhook_id, created_at)
            self._count(webhook_id)
            self._db.execute("UPDATE counters SET created_at = ? WHERE webhook_id = ?", (created_at, webhook_id))

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
        retried: int = 0,
        failed: int = 0,
        last_error: str = "",
    ) -> None:
        """What came of some messages, and how far the webhook has been told by that; in one transaction.

        `waiting` are to be tried again; `retried` attempts were not the first, and `failed` attempts failed.
        """
        delivered, dead = list(delivered), list(dead)
        with self._transaction() as db:
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
            acknowledged = [("acknowledged", now, webhook_id, message_id) for message_id in delivered]
            failed_for_good = [("failed", now, webhook_id, each.message_id) for each in dead]
            statement = "UPDATE recipients SET state = ?, at = ? WHERE webhook_id = ? AND message_id = ?"
            db.executemany(statement, acknowledged + failed_for_good)
            self._count(webhook_id)
            db.execute(
                "UPDATE counters SET delivered = delivered + ?, failed = failed + ?, retried = retried + ?, "
                "dead_lettered = dead_lettered + ? WHERE webhook_id = ?",
                (len(delivered), failed, retried, len(dead), webhook_id),
            )
            if delivered:
                db.execute("UPDATE counters SET last_success = ? WHERE webhook_id = ?", (now, webhook_id))
            if last_error:
                statement = "UPDATE counters SET last_error = ?, last_error_at = ? WHERE webhook_id = ?"
                db.execute(statement, (last_error, now, webhook_id))

    def announce(self, webhook_ids: Iterable[str], messages: Iterable[Waiting]) -> None:
        """Puts messages among those that are to be sent to each of these webhooks, once, and notes that they wait for
        its answer."""
        messages = list(messages)
        with self._transaction() as db:
            for webhook_id in webhook_ids:
                self._count(webhook_id)
                for message in messages:
                    statement = "INSERT OR IGNORE INTO recipients VALUES (?, ?, 'waiting', 0)"
                    if db.execute(statement, (message.message_id, webhook_id)).rowcount:
                        db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?)", (webhook_id, *message))

    def recipients(self, message_id: str) -> list[Recipient]:
        """What came of telling each webhook of an erasure, by webhook."""
        statement = "SELECT webhook_id, state, at FROM recipients WHERE message_id = ? ORDER BY webhook_id"
        rows = self._db.execute(statement, (message_id,))
        return [Recipient(name=f"webhook:{webhook_id}", state=state, at=at) for webhook_id, state, at in rows]

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
        wanted = None if message_ids is None else set(message_ids)
        chosen = [(webhook_id, each) for each in found if wanted is None or each in wanted]
        statement = (
            "INSERT OR REPLACE INTO waiting SELECT webhook_id, message_id, 0, ?, error, body FROM dead "
            "WHERE webhook_id = ? AND message_id = ?"
        )
        with self._transaction() as db:
            db.executemany(statement, [(now, *each) for each in chosen])
            db.executemany("DELETE FROM dead WHERE webhook_id = ? AND message_id = ?", chosen)
            awaited = "UPDATE recipients SET state = 'waiting', at = 0 WHERE webhook_id = ? AND message_id = ?"
            db.executemany(awaited, chosen)
        return len(chosen)

    def take_out(self, message_ids: Iterable[str]) -> int:
        """Drops messages to any webhook that wait or are dead; returns how many."""
        before = self._db.total_changes
        with self._transaction() as db:
            for message_id in message_ids:
                for table in ("waiting", "dead"):
                    db.execute(f"DELETE FROM {table} WHERE message_id = ?", (message_id,))  # nosec B608
        return self._db.total_changes - before

    def delete_dead(self, before: int) -> int:
        """Deletes messages that were given up before a time (ms); returns how many."""
        with self._transaction() as db:
            return db.execute("DELETE FROM dead WHERE at < ?", (before,)).rowcount

    def withhold(self, webhook_id: str, message_ids: Iterable[str]) -> None:
        """Drops messages to a webhook that wait and may not be told any more."""
        with self._transaction() as db:
            gone = [(webhook_id, message_id) for message_id in message_ids]
            db.executemany("DELETE FROM waiting WHERE webhook_id = ? AND message_id = ?", gone)

    def kept(self) -> Iterator[tuple[str, bytes]]:
        """Ids and bodies of all messages that wait or are dead."""
        yield from self._db.execute("SELECT message_id, body FROM waiting UNION SELECT message_id, body FROM dead")

    def scrub(self) -> None:
        """Makes the file anew, so that nothing of what was deleted is left: where rows were moved within their pages,
        copies stay that `secure_delete` does not see. Folds the write-ahead log into it."""
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def forget(self, webhook_id: str, now: int) -> None:
        """Drops all that is known of a webhook that was deleted by `now` ms: whoever it was will not answer."""
        with self._transaction():
            self._drop(webhook_id, now)

    def known(self) -> set[str]:
        """Ids of the webhooks of which something is known."""
        return {row[0] for row in self._db.execute("SELECT webhook_id FROM counters")}

    def status(self, webhook_id: str) -> DeliveryStatus:
        """The counters."""
        row = self._db.execute(
            "SELECT delivered, failed, retried, dead_lettered, last_success, last_error, last_error_at FROM counters "
            "WHERE webhook_id = ?",
            (webhook_id,),
        ).fetchone()
        dead = self._db.execute("SELECT count(*) FROM dead WHERE webhook_id = ?", (webhook_id,)).fetchone()[0]
        counted = DeliveryStatus(webhook_id) if row is None else DeliveryStatus(webhook_id, *row)
        return msgspec.structs.replace(counted, waiting=self.waiting(webhook_id), dead=dead)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _count(self, webhook_id: str) -> None:
        """Makes the counters of a webhook if there are none: of every webhook that is known there are."""
        statement = (
            "INSERT OR IGNORE INTO counters (webhook_id, delivered, failed, last_success, last_error, last_error_at) "
            "VALUES (?, 0, 0, 0, '', 0)"
        )
        self._db.execute(statement, (webhook_id,))

    def _drop(self, webhook_id: str, now: int) -> None:
        statement = "UPDATE recipients SET state = 'failed', at = ? WHERE webhook_id = ? AND state = 'waiting'"
        self._db.execute(statement, (now, webhook_id))
        for table in ("cursors", "waiting", "dead", "counters"):
            self._db.execute(f"DELETE FROM {table} WHERE webhook_id = ?", (webhook_id,))  # nosec B608
