"""Runs of the purge: which are wanted, and what came of those that were made. One SQLite file, of counts alone.

A run that was begun and not finished is gone on with after a restart.
"""

import threading
from pathlib import Path

import msgspec

from actors.private_file import open_private_store

FILE = "purges.sqlite"
KEPT = 1_000  # runs
_BUSY_TIMEOUT_MS = 10_000
_SCHEMA = "CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, finished INTEGER NOT NULL, report BLOB NOT NULL)"


class PurgeReport(msgspec.Struct):
    """What a run took out."""

    people: int = 0  # who were changed
    purged: list[tuple[str, str, int]] = []  # purpose, section, entries
    erased: int = 0  # people of whom nothing was left, whose erasure was begun
    dead_letters: int = 0
    deliveries: int = 0  # given up, to webhooks
    results: int = 0  # files of access and portability requests
    decisions: int = 0  # that were taken by themselves


class PurgeRun(msgspec.Struct, frozen=True):
    """A run, by when it was wanted (ms); `finished` is 0 until it is, and then there is a report."""

    run: int
    finished: int
    report: PurgeReport


class PurgeStore:
    """The open store. Safe to share between threads, and the file between processes."""

    def __init__(self, path: Path) -> None:
        """Makes the file if it is missing."""
        self._lock = threading.Lock()
        self._db = open_private_store(path, f"busy_timeout={_BUSY_TIMEOUT_MS}")
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()

    def want(self, now: int) -> int:
        """Asks for a run that begins no earlier than this; one that has certainly not begun will do. Returns its
        number.

        Runs are made one after another, so of two that have not finished the later has not begun.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            waiting = self._db.execute("SELECT run FROM runs WHERE finished = 0 ORDER BY run").fetchall()
            if len(waiting) > 1:
                return int(waiting[-1][0])
            (latest,) = self._db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
            run = max(now, int(latest) + 1)
            self._db.execute("INSERT INTO runs VALUES (?, 0, ?)", (run, msgspec.msgpack.encode(PurgeReport())))
            statement = "DELETE FROM runs WHERE run NOT IN (SELECT run FROM runs ORDER BY run DESC LIMIT ?)"
            self._db.execute(statement, (KEPT,))
            return run

    def next(self) -> int | None:
        """The run to make now: of those that have not finished the one that was wanted first."""
        with self._lock:
            (run,) = self._db.execute("SELECT min(run) FROM runs WHERE finished = 0").fetchone()
        return None if run is None else int(run)

    def finish(self, run: int, now: int, report: PurgeReport) -> None:
        """Notes that a run has finished, and what it took out."""
        with self._lock:
            values = (now, msgspec.msgpack.encode(report), run)
            self._db.execute("UPDATE runs SET finished = ?, report = ? WHERE run = ?", values)

    def latest(self, limit: int = 1) -> list[PurgeRun]:
        """The runs wanted last, the latest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM runs ORDER BY run DESC LIMIT ?", (limit,)).fetchall()
        return [PurgeRun(run, finished, msgspec.msgpack.decode(body, type=PurgeReport)) for run, finished, body in rows]
