"""A shard's file: where it is, which tables it has, and how a connection to it is set up.

One SQLite file a shard, in WAL mode: one process writes it (`actors.store`, which holds the lock), any number read
what is committed (`actors.reader`, `actors.shard_log`). A file is made once, by `create_shards`; whoever opens one
expects it to be there, so that a shard that starts on the wrong machine stops instead of starting empty.
"""

import os
import sqlite3
from pathlib import Path

from actors.errors import Conflict, NotFound
from actors.reader import shard_path

SCHEMA_VERSION = 4

# Measured here (1.5 million dedupe keys, 300,000 profiles, groups of 128 events; see docs/decisions): a larger cache or
# memory mapping gave nothing, since the keys are random and the kernel caches the file anyway; less cost 20%.
WRITE_CACHE_KIB = 64 * 1024
READ_CACHE_KIB = 8 * 1024
# A checkpoint runs within a commit. At the default of 1,000 pages the longest took 40 ms, at 4,000 75 ms, at 16,000
# 160 ms, for 10 to 25% more events a second: the shorter stop is worth more than the rate.
WAL_AUTOCHECKPOINT_PAGES = 1000
BUSY_TIMEOUT_MS = 10_000

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE profiles (
    customer_id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, due INTEGER NOT NULL, state BLOB NOT NULL
);
CREATE TABLE identifiers (identifier TEXT PRIMARY KEY, customer_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE redirects (customer_id INTEGER PRIMARY KEY, target INTEGER NOT NULL, last_event INTEGER NOT NULL);
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, previous INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE dedupe (message BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE small (kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE links (sequence INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX links_customer ON links (customer_id);
CREATE TABLE merges (
    merge_id TEXT PRIMARY KEY, winner INTEGER NOT NULL, loser INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX merges_winner ON merges (winner);
CREATE INDEX merges_loser ON merges (loser);
CREATE TABLE consents (sequence INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX consents_customer ON consents (customer_id);
CREATE TABLE decisions (
    record_id TEXT PRIMARY KEY, customer_id INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_customer ON decisions (customer_id);
CREATE INDEX decisions_at ON decisions (at);
CREATE TABLE segment_changes (
    sequence INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, segment_id TEXT NOT NULL, at INTEGER NOT NULL,
    entries INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX segment_changes_customer ON segment_changes (customer_id);
CREATE INDEX segment_changes_at ON segment_changes (segment_id, at, entries);
CREATE TABLE segment_moves (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, segment_id TEXT NOT NULL, at INTEGER NOT NULL,
    exits INTEGER NOT NULL, entries INTEGER NOT NULL, folded INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX segment_moves_unfolded ON segment_moves (first) WHERE folded = 0;
CREATE TABLE outbox (
    destination INTEGER, sequence INTEGER, body BLOB NOT NULL, PRIMARY KEY (destination, sequence)
) WITHOUT ROWID;
CREATE TABLE channels (peer INTEGER PRIMARY KEY, sent INTEGER NOT NULL, received INTEGER NOT NULL);
CREATE TABLE dead_letters (
    position INTEGER PRIMARY KEY, letter_id TEXT NOT NULL UNIQUE, received_at INTEGER NOT NULL,
    replayed_at INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX dead_letters_received ON dead_letters (received_at, letter_id);
CREATE INDEX dead_letters_waiting ON dead_letters (position) WHERE replayed_at = 0;
"""


# In no file that was made before decisions had a retention.
_LATER = "CREATE INDEX IF NOT EXISTS decisions_at ON decisions (at)"


def create_shards(data_dir: Path, shards: int) -> None:
    """Makes the files of `shards` shards; does nothing if they are there.

    Raises Conflict if the data directory was made for another number of shards.
    """
    folder = data_dir / "shards"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for shard in range(shards):
        path = shard_path(data_dir, shard)
        if path.exists():
            connect(path, shard, shards).close()
        else:
            _create(path, shard, shards)
    extra = shard_path(data_dir, shards)
    if extra.exists():
        raise Conflict(f"shards: this data directory holds more than {shards} shards; start it with all of them")


def connect(path: Path, shard: int, shards: int, read_only: bool = False) -> sqlite3.Connection:
    """A connection to an existing shard file, in autocommit mode, usable from any thread but one at a time.

    Raises NotFound if the file is missing and Conflict if it is another shard's or another version's.
    """
    if not path.exists():
        raise NotFound(f"the store of shard {shard} is not on this machine: `onefold init` makes it, once")
    mode = "ro" if read_only else "rw"
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    db.execute(f"PRAGMA cache_size=-{READ_CACHE_KIB if read_only else WRITE_CACHE_KIB}")
    if not read_only:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")
        db.execute(f"PRAGMA wal_autocheckpoint={WAL_AUTOCHECKPOINT_PAGES}")
    found = _identity(db)
    if found != (SCHEMA_VERSION, shard, shards):
        db.close()
        raise Conflict(
            f"{path.name} holds schema {found[0]}, shard {found[1]} of {found[2]}; "
            f"expected schema {SCHEMA_VERSION}, shard {shard} of {shards}: give --shards {found[2]}"
        )
    if not read_only:
        db.execute(_LATER)
    return db


def _identity(db: sqlite3.Connection) -> tuple[int, int, int]:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if not version:
        return (0, 0, 0)
    meta = dict(db.execute("SELECT key, value FROM meta WHERE key IN ('shard', 'shards')"))
    return (version, meta["shard"], meta["shards"])


def _create(path: Path, shard: int, shards: int) -> None:
    """Makes the file under another name and renames it when it is whole, so that a crash leaves none half made."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    db = sqlite3.connect(fresh, isolation_level=None)
    # Truncate mode while it is made: nothing of it is left in side files when it is renamed.
    db.execute("PRAGMA synchronous=FULL")
    db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    db.execute("INSERT INTO meta VALUES ('shard', ?), ('shards', ?)", (shard, shards))
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    os.rename(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
