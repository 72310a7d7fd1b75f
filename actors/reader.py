"""Profiles, and decisions about people, straight from the shards' committed files, for processes on the same node.

A lookup takes two indexed reads on a read-only connection, some 9 microseconds, where a call to the shard's actor
takes a millisecond and the shard's attention. What is read is what was committed, and nothing is acknowledged before
its commit, so a reader is never behind an acknowledgement. Where these files cannot tell (a shard of another node, a
person on the way from one shard to another, a shard that has not settled yet), `Elsewhere` is raised: ask the shard.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from models.identity.customer_id import PREFIX, SHARDS_MAX, from_text, shard_of
from models.identity.placement import home_shard
from models.privacy.decisions import DecisionRecord, first_of, record_id_of
from models.profile.state import Profile, decode_profile
from models.segments.bulk_moves import BulkMove, BulkMoves

CUSTOMER_ID_NAMESPACE = "customer_id:"
_REDIRECTS_MAX = 64  # steps; a longer chain means a broken file, not a long history
_MMAP_BYTES = 1 << 30  # 9 microseconds a lookup instead of 11
_SEQUENCE_END = 1 << 63  # the files hold no larger numbers
_BUSY_TIMEOUT_MS = 50  # a recovery is not worth waiting for: the shard itself can answer


_PROFILE = "SELECT sequence, state, (SELECT value FROM meta WHERE key = 'moves') FROM profiles WHERE customer_id = ?"
_move = msgspec.msgpack.Decoder(BulkMove)
_decision = msgspec.msgpack.Decoder(DecisionRecord)


class Elsewhere(LookupError):
    """The files of this node cannot answer; the shard can."""


class Committed(NamedTuple):
    """A profile as last committed. The same `customer_id` and `sequence` always have the same `state`."""

    customer_id: int
    sequence: int
    state: bytes  # see models.profile.state.encode_profile
    moves: BulkMoves | None = None  # that hold for it, beside what it says itself; counted in `sequence`

    def profile(self) -> Profile:
        """Decoded, with all its memberships."""
        profile = decode_profile(self.state)
        if self.moves is not None:
            self.moves.fold(profile)
        return profile


def shard_path(data_dir: Path, shard: int) -> Path:
    """The shard's file."""
    return data_dir / "shards" / f"shard-{shard:03d}.sqlite"


class CommittedReader:
    """Reads of one process. Not for several threads at once.

    `shards` is the number of shards; `local` are those whose actors keep their files on this node (all if None).
    """

    def __init__(self, data_dir: Path, shards: int, local: Collection[int] | None = None) -> None:
        self._data_dir = data_dir
        self._shards = shards
        self._local = frozenset(range(shards) if local is None else local)
        self._connections: dict[int, sqlite3.Connection] = {}
        self._moves: dict[int, tuple[int, BulkMoves]] = {}  # shard -> version, moves that some profiles do not hold

    def close(self) -> None:
        """Ends all connections; the next read opens them again."""
        while self._connections:
            self._connections.popitem()[1].close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it, each shard is read as of one moment: many reads in half the time. Nothing within may await."""
        for shard in self._local:
            with suppress(Elsewhere, sqlite3.Error):
                self._connection(shard).execute("BEGIN")
        try:
            yield
        finally:
            for connection in self._connections.values():
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def read(self, key: str, min_seq: str = "") -> Committed | None:
        """The profile of a normalised "namespace:value" or of "customer_id:cus_...", None if there is none.

        With `min_seq`, an acknowledgement's token, the answer includes what was acknowledged. Raises Elsewhere, and
        ValueError for a malformed customer id or token.
        """
        try:
            if min_seq:
                self._require_settled(min_seq)
            customer_id = self._customer_id(key)
            return None if customer_id is None else self._follow(customer_id, not key.startswith(CUSTOMER_ID_NAMESPACE))
        except sqlite3.Error as error:
            # The shard is starting, checkpointing or away. Its actor knows more, and a new connection may.
            self.close()
            raise Elsewhere from error

    def get(self, key: str, min_seq: str = "") -> Profile | None:
        """Like `read`, decoded."""
        committed = self.read(key, min_seq)
        return None if committed is None else committed.profile()

    def decision(self, people: Iterable[int], decision: DecisionRecord) -> DecisionRecord | None:
        """An automated decision as it is in the log, whichever of these customer ids the person had then: the first, if
        there is more than one. Raises Elsewhere."""
        statement = "SELECT body FROM decisions WHERE record_id = ?"
        try:
            rows = [self._row(shard_of(each), statement, record_id_of(decision, each)) for each in people]
        except sqlite3.Error as error:
            self.close()
            raise Elsewhere from error
        return first_of(_decision.decode(row[0]) for row in rows if row is not None)

    def _customer_id(self, key: str) -> int | None:
        if key.startswith(CUSTOMER_ID_NAMESPACE):
            text = key[len(CUSTOMER_ID_NAMESPACE) :]
            if not text.startswith(PREFIX):
                raise ValueError(f"not a customer id: expected {PREFIX} and 13 base32 characters")
            return from_text(text)
        row = self._row(home_shard(key, self._shards), "SELECT customer_id FROM identifiers WHERE identifier = ?", key)
        return None if row is None else int(row[0])

    def _follow(self, customer_id: int, exists: bool) -> Committed | None:
        """The profile that a customer id leads to. `exists`: it stands in the index, so it must lead somewhere."""
        for _ in range(_REDIRECTS_MAX):
            shard = shard_of(customer_id)
            if shard >= self._shards:
                return None  # minted by no shard of this service
            row = self._row(shard, _PROFILE, customer_id)
            if row is not None:
                return self._with_moves(shard, customer_id, *row)
            row = self._row(shard, "SELECT target FROM redirects WHERE customer_id = ?", customer_id)
            if row is None:
                break
            customer_id, exists = row[0], True
        if exists:
            raise Elsewhere  # the person is on the way between two shards
        return None

    def _with_moves(self, shard: int, customer_id: int, sequence: int, state: bytes, version: int | None) -> Committed:
        """The profile with the moves of many that it does not hold itself yet."""
        if version is None:
            return Committed(customer_id, sequence, state)
        known = self._moves.get(shard)
        if known is None or known[0] != version:
            connection = self._connection(shard)
            # The row again, so that it is of the same moment as the moves.
            nested = connection.in_transaction
            if not nested:
                connection.execute("BEGIN")
            try:
                row = connection.execute(_PROFILE, (customer_id,)).fetchone()
                bodies = connection.execute("SELECT body FROM segment_moves WHERE folded = 0").fetchall()
            finally:
                if not nested:
                    connection.execute("COMMIT")
            if row is None:
                raise Elsewhere  # merged away in this very moment
            sequence, state, version = row
            known = version or 0, BulkMoves(_move.decode(body) for (body,) in bodies)
            self._moves[shard] = known
        moves = known[1]
        if not len(moves):
            return Committed(customer_id, sequence, state)
        return Committed(customer_id, moves.sequence_of(customer_id, sequence), state, moves)

    def _require_settled(self, token: str) -> None:
        for shard, sequence in parse_sequence(token).items():
            if shard >= self._shards:
                raise Elsewhere  # whoever asks the shards will say what is wrong
            row = self._row(shard, "SELECT value FROM meta WHERE key = ?", "settled")
            if row is None or row[0] < sequence:
                raise Elsewhere

    def _row(self, shard: int, statement: str, value: str | int) -> Any:
        return self._connection(shard).execute(statement, (value,)).fetchone()

    def _connection(self, shard: int) -> sqlite3.Connection:
        connection = self._connections.get(shard)
        if connection is not None:
            return connection
        path = shard_path(self._data_dir, shard)
        if shard not in self._local or not path.exists():
            raise Elsewhere
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
        self._connections[shard] = connection
        return connection


def parse_sequence(token: str) -> dict[int, int]:
    """Sequence number (below 2^63) by shard of an acknowledgement's token, "shard:n,shard:n". Raises ValueError."""
    sequences: dict[int, int] = {}
    for part in token.split(","):
        shard, colon, number = part.partition(":")
        is_pair = colon and shard.isdecimal() and number.isdecimal()
        if not is_pair or int(shard) >= SHARDS_MAX or int(number) >= _SEQUENCE_END:
            raise ValueError("min_seq: expected the `sequence` of an acknowledgement, as it was given")
        sequences[int(shard)] = int(number)
    return sequences
