"""The requests of data subjects, in one SQLite file: a durable queue that the desk works on, and the record of it.

Many processes add requests and read them; the desk alone takes them further. A change is made in one transaction on
what is there at that moment, so that a cancellation and the beginning of the work cannot both happen.

What a request says of the person is sealed (AES-256-GCM), so that the queue itself is no place where an erased person
is found, and of no use to whoever has the file alone.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.errors import Conflict, NotFound
from actors.private_file import open_private_store
from models.privacy.requests import State, SubjectRequest

FILE = "privacy.sqlite"
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, received_at INTEGER NOT NULL, state TEXT NOT NULL, results TEXT NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_state ON requests (state, received_at);
CREATE INDEX requests_results ON requests (results) WHERE results != '';
CREATE TABLE callbacks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, url TEXT NOT NULL, due INTEGER NOT NULL,
    failures INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (due);
CREATE INDEX callbacks_told ON callbacks (request_id, url, number);
"""
_BUSY_TIMEOUT_MS = 10_000
Tell = Callable[[SubjectRequest], bytes]
"""Makes the body of a callback, JSON."""

_NONCE_BYTES = 12
_decode = msgspec.msgpack.Decoder(SubjectRequest).decode
_encode = msgspec.msgpack.Encoder().encode


class Callback(msgspec.Struct, frozen=True):
    """A change of state that somebody is to be told of."""

    number: int
    request_id: str
    url: str
    due: int  # ms
    failures: int
    body: bytes  # JSON


class PrivacyStore:
    """The open store. Safe to share between threads, and the file between processes."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Makes the file if it is missing. `key`: a secret of the data directory. Raises Conflict if a later version
        wrote the file."""
        self._cipher = AESGCM(blake2b(b"requests of data subjects", key=key, digest_size=32).digest())
        self._lock = threading.Lock()
        pragmas = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL", "secure_delete=ON")
        self._db = open_private_store(path, *pragmas)
        with self._transaction():
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if not found:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        if found not in (0, SCHEMA_VERSION):
            self.close()
            raise Conflict(f"{path.name} has schema {found}; this version reads {SCHEMA_VERSION}")

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    def add(self, request: SubjectRequest, tell: Tell | None = None) -> SubjectRequest:
        """Keeps a new request; one with the same id and content is the same request. Its callbacks are told what `tell`
        makes of it. Raises Conflict if there is another one with its id."""
        with self._transaction():
            row = self._db.execute("SELECT body FROM requests WHERE request_id = ?", (request.request_id,)).fetchone()
            if row is None:
                values = (request.request_id, request.received_at, request.state, request.results, self._seal(request))
                self._db.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", values)
                self._tell(request, tell)
                return request
        known = self._open(row[0])
        if (known.kind, known.regulation) != (request.kind, request.regulation) or (
            known.identities and known.identities != request.identities
        ):
            raise Conflict("subject_request_id: there is another request with this id")
        return known

    def request(self, request_id: str) -> SubjectRequest:
        """One request. Raises NotFound."""
        with self._lock:
            row = self._db.execute("SELECT body FROM requests WHERE request_id = ?", (request_id,)).fetchone()
        if row is None:
            raise NotFound("request_id: there is no such request")
        return self._open(row[0])

    def results(self) -> set[str]:
        """The names of all results that there are."""
        with self._lock:
            return {name for (name,) in self._db.execute("SELECT results FROM requests WHERE results != ''")}

    def with_results(self, name: str) -> SubjectRequest:
        """The request that has these results. Raises NotFound."""
        statement = "SELECT body FROM requests WHERE results = ? AND results != ''"
        with self._lock:
            row = self._db.execute(statement, (name,)).fetchone()
        if row is None:
            raise NotFound("name: there are no such results")
        return self._open(row[0])

    def requests(self, states: tuple[State, ...], limit: int, after: tuple[int, str] = (0, "")) -> list[SubjectRequest]:
        """Up to `limit` requests in these states, the oldest first, received after (ms, request id)."""
        marks = ",".join("?" * len(states))
        statement = (
            f"SELECT body FROM requests WHERE state IN ({marks}) AND (received_at, request_id) > (?, ?) "  # nosec B608
            "ORDER BY received_at, request_id LIMIT ?"
        )
        with self._lock:
            rows = self._db.execute(statement, (*states, *after, limit)).fetchall()
        return [self._open(body) for (body,) in rows]

    def change(
        self, request_id: str, change: Callable[[SubjectRequest], SubjectRequest], tell: Tell | None = None
    ) -> SubjectRequest:
        """Changes a request in one step; its callbacks are told what `tell` makes of it. Raises NotFound, and what
        `change` raises."""
        with self._transaction():
            row = self._db.execute("SELECT body FROM requests WHERE request_id = ?", (request_id,)).fetchone()
            if row is None:
                raise NotFound("request_id: there is no such request")
            request = change(self._open(row[0]))
            values = (request.state, request.results, self._seal(request), request_id)
            self._db.execute("UPDATE requests SET state = ?, results = ?, body = ? WHERE request_id = ?", values)
            self._tell(request, tell)
        return request

    # Callbacks

    def due_callbacks(self, now: int, limit: int) -> list[Callback]:
        """Up to `limit` callbacks that are due at `now` ms, those due first. Of those of one request to one URL only
        the first: it is told of changes in their order."""
        statement = (
            "SELECT number, request_id, url, due, failures, body FROM callbacks AS this WHERE due <= ? AND NOT EXISTS "
            "(SELECT 1 FROM callbacks AS that WHERE that.request_id = this.request_id AND that.url = this.url "
            "AND that.number < this.number) ORDER BY due, number LIMIT ?"
        )
        with self._lock:
            return [Callback(*row) for row in self._db.execute(statement, (now, limit))]

    def put_off(self, number: int, due: int) -> None:
        """A callback failed: it is due again at `due` ms."""
        with self._transaction():
            self._db.execute("UPDATE callbacks SET due = ?, failures = failures + 1 WHERE number = ?", (due, number))

    def drop_callback(self, number: int) -> None:
        """A callback was taken, or is given up."""
        with self._transaction():
            self._db.execute("DELETE FROM callbacks WHERE number = ?", (number,))

    def scrub(self) -> None:
        """Folds the write-ahead log into the file, so that nothing of what was deleted is left in it."""
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _seal(self, request: SubjectRequest) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, _encode(request), None)

    def _open(self, body: bytes) -> SubjectRequest:
        try:
            return _decode(self._cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], None))
        except InvalidTag:
            raise Conflict("the requests of data subjects were sealed with another suppression.key") from None

    def _tell(self, request: SubjectRequest, tell: Tell | None) -> None:
        if tell is not None and request.callbacks:
            told = tell(request)
            rows = [(request.request_id, url, told) for url in request.callbacks]
            statement = "INSERT INTO callbacks (request_id, url, due, failures, body) VALUES (?, ?, 0, 0, ?)"
            self._db.executemany(statement, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
