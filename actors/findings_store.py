"""What was found in free text, in one SQLite file: where, of which kind and how often, never what.

Several replicas add to it. It is bounded: what is found in more fields than that is counted under no field's name.
"""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from actors.private_file import open_private_store

FILE = "findings.sqlite"
ROWS_MAX = 10_000
_BUSY_TIMEOUT_MS = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS findings (
    source TEXT, field TEXT, kind TEXT, count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (source, field, kind)
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (source, field, kind) DO UPDATE
SET count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last)
"""


class Found(NamedTuple):
    """How often something of a kind was found in a field of a source. Times in ms."""

    source: str
    field: str  # path, "" for those that there was no place for
    kind: str  # of models.privacy.free_text.KINDS
    times: int
    first: int
    last: int


class FindingsStore:
    """The open store. Safe to share between threads, and the file between processes."""

    def __init__(self, path: Path) -> None:
        """Makes the file if it is missing."""
        self._lock = threading.Lock()
        self._db = open_private_store(path, f"busy_timeout={_BUSY_TIMEOUT_MS}")
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add(self, found: Iterable[tuple[str, str, str, int]], at: int) -> None:
        """Adds (source, field, kind, count), found at `at` ms."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            (rows,) = self._db.execute("SELECT count(*) FROM findings").fetchone()
            for source, field, kind, count in found:
                known = self._db.execute(
                    "SELECT 1 FROM findings WHERE (source, field, kind) = (?, ?, ?)", (source, field, kind)
                ).fetchone()
                if not known and rows >= ROWS_MAX:
                    field = ""
                rows += not known
                self._db.execute(_ADD, (source, field, kind, count, at))

    def all(self) -> list[Found]:
        """Everything that was found, by source, field and kind."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM findings ORDER BY source, field, kind")
            return [Found(*row) for row in rows]
