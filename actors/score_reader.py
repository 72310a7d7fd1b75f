"""Scores straight from the scorers' committed files, for processes on the same node: one indexed read a person."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.reader import Elsewhere
from actors.score_store import SCHEMA_VERSION, models_of, scores_path
from models.identity.customer_id import shard_of
from models.scoring.kept import KeptModel, KeptScore, Row, kept_score

_MMAP_BYTES = 1 << 30
_BUSY_TIMEOUT_MS = 50
_LOOK_S = 0.5  # between two looks for a file that is not there

_ROWS_OF_ONE = (
    "SELECT customer_id, name, model, at, until, value, stale, body FROM scores WHERE customer_id = ? ORDER BY name"
)


class ScoreReader:
    """Reads of one process. Not for several threads at once. A file that is not there is one without scores."""

    def __init__(self, data_dir: Path, shards: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._data_dir = data_dir
        self._shards = shards
        self._clock = clock
        self._connections: dict[int, sqlite3.Connection] = {}
        self._models: dict[int, dict[int, KeptModel]] = {}
        self._look_at: dict[int, float] = {}  # shard -> when to look again whether there is a file

    def close(self) -> None:
        """Ends all connections; the next read opens them again."""
        while self._connections:
            self._connections.popitem()[1].close()
        self._models.clear()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it, each file is read as of one moment: many reads in half the time. Nothing within may await."""
        for shard in range(self._shards):
            with suppress(sqlite3.Error):
                connection = self._connection(shard)
                if connection is not None:
                    connection.execute("BEGIN")
        try:
            yield
        finally:
            for connection in self._connections.values():
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def rows(self, customer_id: int) -> Sequence[Row]:
        """The champions' scores of a person, by name, equal as long as nothing of them has changed. Raises Elsewhere if
        the file cannot be read now."""
        shard = shard_of(customer_id)
        if shard >= self._shards:
            return ()
        try:
            connection = self._connection(shard)
            if connection is None:
                return ()
            return [Row._make(row) for row in connection.execute(_ROWS_OF_ONE, (customer_id,))]
        except sqlite3.Error as error:
            self.close()
            raise Elsewhere from error

    def scores(self, rows: Sequence[Row]) -> list[KeptScore]:
        """What rows tell. Raises Elsewhere if the file cannot be read now."""
        return [kept_score(row, self._model(shard_of(row.customer_id), row.model)) for row in rows]

    def _model(self, shard: int, number: int) -> KeptModel:
        known = self._models.get(shard, {})
        if number not in known:
            try:
                connection = self._connection(shard)
                known = self._models[shard] = {} if connection is None else models_of(connection)
                return known[number]
            except (sqlite3.Error, KeyError) as error:
                self.close()
                raise Elsewhere from error
        return known[number]

    def _connection(self, shard: int) -> sqlite3.Connection | None:
        connection = self._connections.get(shard)
        if connection is None and self._clock() >= self._look_at.get(shard, 0.0):
            connection = self._open(shard)
            if connection is None:
                self._look_at[shard] = self._clock() + _LOOK_S
            else:
                self._connections[shard] = connection
        return connection

    def _open(self, shard: int) -> sqlite3.Connection | None:
        path = scores_path(self._data_dir, shard)
        if not path.exists():
            return None
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
        if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            return connection
        connection.close()  # the scorer is making it
        return None
