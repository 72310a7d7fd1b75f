"""The scores of one shard's people: a SQLite file beside the shard's, written by the shard's scorer alone.

Scores can be made again from the shard and the registry of models, so they need not be on disk at each commit. Those of
champions count; those of challengers are kept beside them in a table of their own, for comparison. Some people's scores
are kept for longer (`models.scoring.samples`), to be measured by what came; without the file that begins anew.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.page_scrub import Scrubbed
from actors.private_file import open_private_store
from models.scoring.drift import DriftCounts
from models.scoring.kept import KeptModel, Row, rival_of
from models.scoring.registry import ModelVersion
from models.scoring.samples import WEEK_MS, OtherScore, Sample

SCHEMA_VERSION = 3
DIRECTORY = "scores"
Table = Literal["scores", "shadow"]
_SCORES = """
    customer_id INTEGER, name TEXT, model INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
    value NOT NULL, stale TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (customer_id, name)
"""
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE models (model INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE scores ({_SCORES}) WITHOUT ROWID;
CREATE TABLE shadow ({_SCORES}) WITHOUT ROWID;
CREATE TABLE samples (
    customer_id INTEGER, model INTEGER, week INTEGER, at INTEGER NOT NULL, value REAL NOT NULL, rival REAL,
    PRIMARY KEY (customer_id, model, week)
) WITHOUT ROWID;
CREATE INDEX scores_until ON scores (until) WHERE until > 0;
CREATE INDEX shadow_until ON shadow (until) WHERE until > 0;
"""
_OF_PEOPLE = ("scores", "shadow", "samples")
_COLUMNS = "customer_id, name, model, at, until, value, stale, body"
_CHUNK = 500  # ids in one statement
_CACHE_KIB = 16 * 1024
_ROWS = 20_000
_BUSY_TIMEOUT_MS = 10_000
_PROBES_MAX = 20_000  # people; of more, a name's values are read all at once

_drift_counts = msgspec.json.Decoder(DriftCounts)
_kept_model = msgspec.json.Decoder(KeptModel)


def scores_path(data_dir: Path, shard: int) -> Path:
    """The file of a shard's scores."""
    return data_dir / DIRECTORY / f"scores-{shard:03d}.sqlite"


def remove_scores(path: Path) -> None:
    """Deletes a file of scores, if there is one, that nobody has open."""
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)


def remove_all_scores(data_dir: Path, shards: int) -> None:
    """Deletes the scores of all shards, where there are no scorers that would forget who is erased or withdraws."""
    for shard in range(shards):
        remove_scores(scores_path(data_dir, shard))


class Stale(NamedTuple):
    """That a person has no later score of a name, and why; and when they are to be looked at again, as of a Row."""

    customer_id: int
    name: str
    why: str
    until: int


class Values(NamedTuple):
    """The scores of one name, of n people each: (n,)."""

    customer_ids: NDArray[np.int64]
    values: NDArray[np.float64]
    is_stale: NDArray[np.bool_]


class ScoreStore:
    """The open file. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Makes the file if there is none, or anew if another version of this program has made it."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._db = _open(path)
        if self._db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            self._db.close()
            remove_scores(path)
            self._db = _open(path)
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    # What the scorer has done

    def meta(self, key: str, default: Any) -> Any:
        """A number or text that was set."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def model(self, version: ModelVersion) -> int:
        """The number of a model in this file."""
        with self.transaction():
            found = self._db.execute("SELECT model FROM models WHERE reference = ?", (version.reference,)).fetchone()
            if found is None:
                signature = version.signature
                kept = KeptModel(version.reference, signature.output, signature.features, signature.rival)
                statement = "INSERT INTO models (reference, body) VALUES (?, ?) RETURNING model"
                found = self._db.execute(statement, (version.reference, msgspec.json.encode(kept))).fetchone()
        return int(found[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is changed within it is changed at once, or not at all."""
        with self._lock:
            if self._db.in_transaction:  # within another
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def set_meta(self, **values: int | str) -> None:
        """Keeps numbers and texts."""
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    # Scores

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        """Keeps scores, in the place of earlier ones of the same person and name."""
        with self.transaction():
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)  # nosec B608

    def mark(self, table: Table, stale: Iterable[Stale]) -> None:
        """Says of scores that are there why there is none of a later time."""
        with self.transaction():
            statement = f"UPDATE {table} SET stale = ?, until = ? WHERE customer_id = ? AND name = ?"  # nosec B608
            self._db.executemany(statement, ((each.why, each.until, each.customer_id, each.name) for each in stale))

    def sample(self, rows: Iterable[Row]) -> None:
        """Keeps scores that are numbers for longer, the last of each person, model and week."""
        kept = [
            (row.customer_id, row.model, row.at // WEEK_MS, row.at, row.value, rival_of(row))
            for row in rows
            if not isinstance(row.value, str)
        ]
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?)", kept)

    def keep_samples(self, since: Mapping[int, int]) -> None:
        """Forgets what was kept before a time, ms, by model, and all of other models."""
        with self.transaction():
            marks = ",".join("?" * len(since))
            self._db.execute(f"DELETE FROM samples WHERE model NOT IN ({marks})", tuple(since))  # nosec B608
            self._db.executemany("DELETE FROM samples WHERE model = ? AND at < ?", since.items())

    def drop_older(self, since: int) -> None:
        """Forgets what was told last before a time, ms."""
        with self.transaction():
            for table in ("scores", "shadow"):
                self._db.execute(f"DELETE FROM {table} WHERE at < ?", (since,))  # nosec B608

    def drop(self, customer_ids: Collection[int]) -> None:
        """Forgets all scores of people."""
        with self.transaction():
            for table in _OF_PEOPLE:
                statement = f"DELETE FROM {table} WHERE customer_id = ?"  # nosec B608
                self._db.executemany(statement, ((each,) for each in customer_ids))

    def keep_names(self, table: Table, names: Collection[str]) -> None:
        """Forgets the scores of all other names."""
        with self.transaction():
            marks = ",".join("?" * len(names))
            self._db.execute(f"DELETE FROM {table} WHERE name NOT IN ({marks})", tuple(names))  # nosec B608

    def people_between(self, after: int, until: int) -> list[int]:
        """The customer ids above `after`, up to and with `until`, of whom there is any score, ascending."""
        found: set[int] = set()
        with self._lock:
            for table in _OF_PEOPLE:
                statement = f"SELECT customer_id FROM {table} WHERE customer_id > ? AND customer_id <= ?"  # nosec B608
                found.update(each for (each,) in self._db.execute(statement, (after, until)))
        return sorted(found)

    def due(self, now: int, limit: int) -> list[int]:
        """Up to `limit` people who are to be looked at again by `now` ms."""
        found: dict[int, None] = {}
        with self._lock:
            for table in ("scores", "shadow"):
                statement = f"SELECT customer_id FROM {table} WHERE until > 0 AND until <= ? ORDER BY until LIMIT ?"  # nosec B608
                found.update((each, None) for (each,) in self._db.execute(statement, (now, limit)))
        return list(found)[:limit]

    def scrub(self, scrub_pages: Callable[[], Scrubbed]) -> Scrubbed | None:
        """Empties the write-ahead log into the file, lets go of all pages, and has some scrubbed. None if a reader was
        in the way."""
        with self._lock:
            busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                return None
            self._db.execute("PRAGMA shrink_memory")
            return scrub_pages()

    def rows_of(self, customer_ids: Sequence[int]) -> list[Row]:
        """The champions' scores of some people."""
        with self._lock:
            return rows_of(self._db, customer_ids)

    def other_scores_of(self, customer_ids: Sequence[int]) -> list[OtherScore]:
        """What there is of some people beside the champions' latest scores, by time."""
        found: set[OtherScore] = set()
        with self._lock:
            for table in ("shadow", "samples"):
                for start in range(0, len(customer_ids), _CHUNK):
                    chunk = customer_ids[start : start + _CHUNK]
                    statement = f"SELECT customer_id, reference, at, value FROM {table} JOIN models USING (model)"  # nosec B608
                    rows = self._db.execute(f"{statement} WHERE customer_id IN ({_marks(chunk)})", chunk)
                    found.update(map(OtherScore._make, rows))
        return sorted(found, key=lambda score: score[:3])

    def models(self) -> dict[int, KeptModel]:
        """What has made scores, by its number in this file."""
        with self._lock:
            return models_of(self._db)

    def drift(self) -> DriftCounts:
        """Who was counted when everybody was scored last."""
        return _drift_counts.decode(self.meta("drift", "{}"))

    def count(self) -> int:
        """How many scores of champions there are."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM scores").fetchone()[0])

    def values(self, name: str, customer_ids: NDArray[np.int64] | None = None) -> Values:
        """The champion's scores of a name that are numbers, by customer id: of all, or of some people (ascending ids).

        Reads what is committed, on a connection of its own: a million scores take a second.
        """
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        ids, values, stale = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.bool_)]
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
            db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
            for rows in _numbers(db, name, customer_ids):
                ids.append(np.array([row[0] for row in rows], np.int64))
                values.append(np.array([row[1] for row in rows], np.float64))
                stale.append(np.array([row[2] for row in rows], np.bool_))
        found = Values(np.concatenate(ids), np.concatenate(values), np.concatenate(stale))
        if customer_ids is None:
            return found
        chosen = np.isin(found.customer_ids, customer_ids)
        return Values(found.customer_ids[chosen], found.values[chosen], found.is_stale[chosen])


def _numbers(
    db: sqlite3.Connection, name: str, customer_ids: NDArray[np.int64] | None
) -> Iterator[list[tuple[int, float, int]]]:
    """Customer id, value, whether it is stale: some at a time, of a superset of these people."""
    statement = "SELECT customer_id, value, stale <> '' FROM scores WHERE name = ? AND typeof(value) <> 'text'"
    if customer_ids is None or len(customer_ids) > _PROBES_MAX:
        found = db.execute(statement, (name,))
        while rows := found.fetchmany(_ROWS):
            yield rows
        return
    for start in range(0, len(customer_ids), _CHUNK):
        chunk = customer_ids[start : start + _CHUNK].tolist()
        rows = db.execute(f"{statement} AND customer_id IN ({_marks(chunk)})", (name, *chunk)).fetchall()
        if rows:
            yield rows


def rows_of(db: sqlite3.Connection, customer_ids: Sequence[int]) -> list[Row]:
    """The champions' scores of some people, in a file of scores."""
    found: list[Row] = []
    for start in range(0, len(customer_ids), _CHUNK):
        chunk = customer_ids[start : start + _CHUNK]
        statement = f"SELECT {_COLUMNS} FROM scores WHERE customer_id IN ({_marks(chunk)})"  # nosec B608
        found += map(Row._make, db.execute(statement, chunk))
    return found


def models_of(db: sqlite3.Connection) -> dict[int, KeptModel]:
    """What has made scores, by its number in a file of scores."""
    return {model: _kept_model.decode(body) for model, body in db.execute("SELECT model, body FROM models")}


def drift_of(data_dir: Path, shard: int) -> DriftCounts:
    """Who was counted when everybody of a shard was scored last, from its file; nobody if there is none."""
    with _reading(data_dir, shard) as db:
        row = None if db is None else db.execute("SELECT value FROM meta WHERE key = 'drift'").fetchone()
    return DriftCounts() if row is None else _drift_counts.decode(row[0])


def samples_of(data_dir: Path, shard: int, reference: str) -> dict[tuple[int, int], Sample]:
    """The scores of a version that were kept, from the file of a shard, by customer id and time, ms."""
    statement = "SELECT customer_id, at, value, rival FROM samples JOIN models USING (model) WHERE reference = ?"
    with _reading(data_dir, shard) as db:
        rows = [] if db is None else db.execute(statement, (reference,)).fetchall()
    return {(row[0], row[1]): Sample(row[2], float("nan") if row[3] is None else row[3]) for row in rows}


@contextmanager
def _reading(data_dir: Path, shard: int) -> Iterator[sqlite3.Connection | None]:
    """A file of scores, to be read; None if there is none, or none of this version."""
    path = scores_path(data_dir, shard)
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        yield db if db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION else None


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _open(path: Path) -> sqlite3.Connection:
    again = "synchronous=NORMAL"  # a commit that a loss of power takes back is made again
    pragmas = (again, "secure_delete=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}", f"cache_size=-{_CACHE_KIB}")
    return open_private_store(path, *pragmas)
