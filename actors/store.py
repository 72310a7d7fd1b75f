"""The durable store of one shard: loads the machine's tables at start, writes each drain in one transaction.

The store holds the shard's lock for as long as its process lives, so two incarnations of a shard can never own the
file at once. `write` and `commit` are apart because only the commit waits for the disk: the actor runs it in a thread
(one step of SQLite, without the interpreter's lock) while the event loop takes in what arrives.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import msgspec

from actors.errors import Unavailable
from actors.page_scrub import Scrubbed
from actors.reader import shard_path
from actors.schema import connect
from models.events.event import Event, decode_event, encode_event
from models.privacy.decisions import DecisionRecord, review_id_of
from models.privacy.ledger import ConsentRecord
from models.segments.bulk_moves import BulkMove
from models.shard.protocol import STANDING_CAUSES, DeadLetter, Link, MergeRecord, SegmentChange, StoredEvent
from models.shard.tables import Effects

_LOCK_POLL_S = 0.02
# Keys are looked up this many at a time: one statement, prepared once.
_SEEN_CHUNK = 32
_SEEN = f"SELECT message, sequence FROM dedupe WHERE message IN ({','.join('?' * _SEEN_CHUNK)})"  # nosec B608
_encode = msgspec.msgpack.Encoder().encode

Envelopes = dict[int, list[tuple[int, bytes]]]
"""Destination shard -> numbered envelopes, ascending."""


class Loader(Protocol):
    """What takes in the saved tables at start (`models.shard.machine.ShardMachine`)."""

    def load_profile(self, customer_id: int, state: bytes, due: int) -> None: ...
    def load_identifier(self, identifier: str, customer_id: int) -> None: ...
    def load_redirect(self, customer_id: int, target: int, last_event: int) -> None: ...
    def load_small(self, kind: str, key: str, value: bytes) -> None: ...
    def load_move(self, move: BulkMove) -> None: ...
    def load_channel(self, source: int, received: int) -> None: ...
    def load_meta(self, key: str, value: int) -> None: ...


class Store:
    """The open store of a shard, and the machine's `History`. One call at a time, from any thread."""

    def __init__(self, data_dir: Path, shard: int, shards: int, lock_timeout_s: float = 0) -> None:
        """Raises NotFound, Conflict (see `actors.schema.connect`), and Unavailable if another process has the file."""
        self.path = shard_path(data_dir, shard)
        self._shard = shard
        # The connection first: it says what is wrong with the path in words.
        self._db = connect(self.path, shard, shards)
        self._lock = _lock(self.path.with_suffix(".lock"), shard, lock_timeout_s)
        self._sent: dict[int, int] = dict(self._db.execute("SELECT peer, sent FROM channels"))

    def close(self) -> None:
        """Folds the write-ahead log into the file and gives up the lock."""
        self._db.close()
        os.close(self._lock)

    # Start

    def load(self, machine: Loader) -> None:
        """Fills the machine's tables."""
        db = self._db
        for customer_id, state, due in db.execute("SELECT customer_id, state, due FROM profiles"):
            machine.load_profile(customer_id, state, due)
        for identifier, customer_id in db.execute("SELECT identifier, customer_id FROM identifiers"):
            machine.load_identifier(identifier, customer_id)
        for row in db.execute("SELECT customer_id, target, last_event FROM redirects"):
            machine.load_redirect(*row)
        for kind, key, value in db.execute("SELECT kind, key, value FROM small"):
            machine.load_small(kind, key, value)
        for merge_id, body in db.execute("SELECT merge_id, body FROM merges"):
            machine.load_small("merges", merge_id, body)
        for (body,) in db.execute("SELECT body FROM segment_moves WHERE folded = 0 ORDER BY first"):
            machine.load_move(_move.decode(body))
        for source, received in db.execute("SELECT peer, received FROM channels"):
            machine.load_channel(source, received)
        for key, value in db.execute("SELECT key, value FROM meta"):
            machine.load_meta(key, value)

    def outbox(self) -> Envelopes:
        """Envelopes that are not known to have arrived."""
        rows = self._db.execute("SELECT destination, sequence, body FROM outbox ORDER BY destination, sequence")
        envelopes: Envelopes = {}
        for destination, sequence, body in rows:
            envelopes.setdefault(destination, []).append((sequence, body))
        return envelopes

    # Transactions

    def begin(self) -> None:
        """Opens the transaction that `write`, `acknowledge` and the dead letters' methods add to."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Makes it durable: returns when the disk has it."""
        self._db.execute("COMMIT")

    def scrub(self, scrub_pages: Callable[[], Scrubbed]) -> Scrubbed | None:
        """Empties the write-ahead log into the file, lets go of all pages, and has some scrubbed, between two
        transactions. None if a reader was in the way."""
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            return None
        self._db.execute("PRAGMA shrink_memory")
        return scrub_pages()

    def write(self, effects: Effects) -> Envelopes:
        """Adds what one drain left. Returns its envelopes, numbered, to be sent after the commit."""
        db = self._db
        many = db.executemany
        if effects.events:
            rows = [(e.sequence, e.customer_id, e.previous, encode_event(e.event)) for e in effects.events]
            many("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        if effects.events_relinked:
            rows_relinked = [(previous, sequence) for sequence, previous in effects.events_relinked]
            many("UPDATE events SET previous = ? WHERE sequence = ?", rows_relinked)
        if effects.events_deleted:
            many("DELETE FROM events WHERE sequence = ?", [(sequence,) for sequence in effects.events_deleted])
        if effects.events_changed:
            rows_left = [(encode_event(event), sequence) for sequence, event in effects.events_changed]
            many("UPDATE events SET body = ? WHERE sequence = ?", rows_left)
        if effects.dedupe:
            many("INSERT INTO dedupe VALUES (?, ?)", [(_digest(key), sequence) for key, sequence in effects.dedupe])
        if effects.dedupe_deleted:
            many("DELETE FROM dedupe WHERE message = ?", [(_digest(key),) for key in effects.dedupe_deleted])
        if effects.profiles:
            many("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?)", effects.profiles)
        if effects.profiles_deleted:
            many("DELETE FROM profiles WHERE customer_id = ?", [(c,) for c in effects.profiles_deleted])
        if effects.identifiers:
            many("INSERT OR REPLACE INTO identifiers VALUES (?, ?)", effects.identifiers)
        if effects.identifiers_deleted:
            many("DELETE FROM identifiers WHERE identifier = ?", [(i,) for i in effects.identifiers_deleted])
        if effects.redirects:
            many("INSERT OR REPLACE INTO redirects VALUES (?, ?, ?)", effects.redirects)
        if effects.redirects_deleted:
            many("DELETE FROM redirects WHERE customer_id = ?", [(c,) for c in effects.redirects_deleted])
        if effects.small or effects.small_deleted:
            self._write_small(effects)
        if effects.links:
            many("INSERT INTO links VALUES (?, ?, ?)", [(x.sequence, x.customer_id, _encode(x)) for x in effects.links])
        if effects.disowned:
            self._disown(effects.disowned)
        if effects.consents:
            rows_told = [(x.sequence, x.customer_id, _encode(x)) for x in effects.consents]
            many("INSERT INTO consents VALUES (?, ?, ?)", rows_told)
        if effects.decisions:
            rows_decided = [(x.record_id, x.customer_id, x.at, _encode(x)) for x in effects.decisions]
            many("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)", rows_decided)
        if effects.changes:
            rows_changed = [
                (x.sequence, x.customer_id, x.segment_id, x.at, x.change == "entered", _encode(x))
                for x in effects.changes
            ]
            many("INSERT INTO segment_changes VALUES (?, ?, ?, ?, ?, ?)", rows_changed)
        if effects.moves or effects.moves_folded:
            self._write_moves(effects)
        for customer_id in effects.unevidenced:
            self._drop_evidence(customer_id)
        if effects.forgotten:
            self._forget(effects.forgotten)
        if effects.meta:
            many("INSERT OR REPLACE INTO meta VALUES (?, ?)", effects.meta)
        if effects.received:
            statement = (
                "INSERT INTO channels VALUES (?1, 0, ?2) ON CONFLICT (peer) DO UPDATE SET received = excluded.received"
            )
            many(statement, effects.received.items())
        return self._post(effects.messages)

    def acknowledge(self, received: dict[int, int]) -> None:
        """Drops the envelopes that their destinations have taken: destination -> number of the latest one."""
        statement = "DELETE FROM outbox WHERE destination = ? AND sequence <= ?"
        self._db.executemany(statement, received.items())

    def _write_moves(self, effects: Effects) -> None:
        rows = [
            (move.first, move.last, move.segment_id, move.at, move.exits, move.entries, _encode(move))
            for move in effects.moves
        ]
        self._db.executemany("INSERT INTO segment_moves VALUES (?, ?, ?, ?, ?, ?, 0, ?)", rows)
        for first in effects.moves_folded:
            self._fold_move(first)
        # Readers see by this number whether the moves that they know are still those that hold.
        statement = "INSERT INTO meta VALUES ('moves', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
        self._db.execute(statement)

    def _fold_move(self, first: int) -> None:
        """All profiles hold a move: it stays as history, without whose next look at the clock it has set."""
        (body,) = self._db.execute("SELECT body FROM segment_moves WHERE first = ?", (first,)).fetchone()
        kept = _encode(msgspec.structs.replace(_move.decode(body), timed=b""))
        self._db.execute("UPDATE segment_moves SET folded = 1, body = ? WHERE first = ?", (kept, first))

    def _drop_evidence(self, customer_id: int) -> None:
        """Links of a profile stay, without the values that were compared."""
        statement = "SELECT sequence, body FROM links WHERE customer_id = ?"
        for sequence, body in self._db.execute(statement, (customer_id,)).fetchall():
            link = _link.decode(body)
            if link.evidence is not None:
                bare = _encode(msgspec.structs.replace(link, evidence=None))
                self._db.execute("UPDATE links SET body = ? WHERE sequence = ?", (bare, sequence))

    def _forget(self, people: list[int]) -> None:
        """Links, consents and decisions of erased people go. Their entries and exits are counted in every history:
        these stay, without what caused them."""
        db = self._db
        for customer_id in people:
            db.execute("DELETE FROM links WHERE customer_id = ?", (customer_id,))
            db.execute("DELETE FROM consents WHERE customer_id = ?", (customer_id,))
            db.execute("DELETE FROM decisions WHERE customer_id = ?", (customer_id,))
            statement = "SELECT sequence, body FROM segment_changes WHERE customer_id = ?"
            for sequence, body in db.execute(statement, (customer_id,)).fetchall():
                change = _change.decode(body)
                if change.cause not in STANDING_CAUSES:
                    blank = _encode(msgspec.structs.replace(change, cause=""))
                    db.execute("UPDATE segment_changes SET body = ? WHERE sequence = ?", (blank, sequence))

    def _disown(self, events: Iterable[tuple[int, Event]]) -> None:
        """Answers on consent go that came with these events, before those come that are in their place."""
        theirs: dict[int, set[tuple[str, str]]] = {}
        for customer_id, event in events:
            if "consent" in event.context:
                theirs.setdefault(customer_id, set()).add((event.source, event.message_id))
        for customer_id, messages in theirs.items():
            rows = self._db.execute(
                "SELECT sequence, body FROM consents WHERE customer_id = ?", (customer_id,)
            ).fetchall()
            told = ((sequence, _consent.decode(body)) for sequence, body in rows)
            gone = [(sequence,) for sequence, x in told if (x.source, x.message_id) in messages]
            self._db.executemany("DELETE FROM consents WHERE sequence = ?", gone)

    def _write_small(self, effects: Effects) -> None:
        merges = [_merge_row(key, value) for kind, key, value in effects.small if kind == "merges"]
        self._db.executemany("INSERT OR REPLACE INTO merges VALUES (?, ?, ?, ?)", merges)
        others = [row for row in effects.small if row[0] != "merges"]
        self._db.executemany("INSERT OR REPLACE INTO small VALUES (?, ?, ?)", others)
        gone = [(key,) for kind, key in effects.small_deleted if kind == "merges"]
        self._db.executemany("DELETE FROM merges WHERE merge_id = ?", gone)
        others_gone = [row for row in effects.small_deleted if row[0] != "merges"]
        self._db.executemany("DELETE FROM small WHERE kind = ? AND key = ?", others_gone)

    def _post(self, messages: dict[int, bytes]) -> Envelopes:
        envelopes: Envelopes = {}
        for destination, body in messages.items():
            number = self._sent[destination] = self._sent.get(destination, 0) + 1
            self._db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (destination, number, body))
            self._db.execute(
                "INSERT INTO channels VALUES (?1, ?2, 0) ON CONFLICT (peer) DO UPDATE SET sent = excluded.sent",
                (destination, number),
            )
            envelopes[destination] = [(number, body)]
        return envelopes

    def part(self, events: Iterable[int], links: Iterable[int], left_of: Callable[[Event], Event]) -> None:
        """Keeps of these events what `left_of` says, and nothing of these links."""
        for sequence in events:
            row = self._db.execute("SELECT body FROM events WHERE sequence = ?", (sequence,)).fetchone()
            if row is not None:
                left = encode_event(left_of(decode_event(row[0])))
                self._db.execute("UPDATE events SET body = ? WHERE sequence = ?", (left, sequence))
        self._db.executemany("DELETE FROM links WHERE sequence = ?", [(sequence,) for sequence in links])

    # Dead letters

    def put_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Keeps dead letters. One that is there already stays as it is."""
        statement = (
            "INSERT INTO dead_letters (letter_id, received_at, replayed_at, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (letter_id) DO NOTHING"
        )
        self._db.executemany(statement, [(x.letter_id, x.received_at, x.replayed_at, _encode(x)) for x in letters])

    def mark_replayed(self, letter_ids: Iterable[str], now: int) -> None:
        """Notes that letters were taken after all, at `now` ms."""
        statement = "UPDATE dead_letters SET replayed_at = ? WHERE letter_id = ?"
        self._db.executemany(statement, [(now, letter_id) for letter_id in letter_ids])

    def delete_letters(self, letter_ids: Iterable[str]) -> int:
        """Deletes letters; returns how many were there."""
        before = self._db.total_changes
        self._db.executemany("DELETE FROM dead_letters WHERE letter_id = ?", [(letter_id,) for letter_id in letter_ids])
        return self._db.total_changes - before

    def delete_any_letters(self, limit: int) -> int:
        """Deletes up to `limit` letters, the oldest first; returns how many."""
        statement = (
            "DELETE FROM dead_letters WHERE position IN (SELECT position FROM dead_letters ORDER BY position LIMIT ?)"
        )
        return self._db.execute(statement, (limit,)).rowcount

    def delete_letters_before(self, received_at: int, limit: int) -> int:
        """Deletes up to `limit` letters received before a time (ms), the oldest first; returns how many."""
        statement = (
            "DELETE FROM dead_letters WHERE position IN "
            "(SELECT position FROM dead_letters WHERE received_at < ? ORDER BY received_at LIMIT ?)"
        )
        return self._db.execute(statement, (received_at, limit)).rowcount

    # Decisions

    def delete_decisions(self, record_ids: Iterable[str]) -> None:
        """Deletes decisions, each with its review."""
        rows = [(row,) for each in record_ids for row in (each, review_id_of(each))]
        self._db.executemany("DELETE FROM decisions WHERE record_id = ?", rows)

    # History

    def events_after(self, customer_id: int, head: int, after: int) -> list[StoredEvent]:
        """Events of one profile with sequence in (after, head], oldest first, along its chain back from `head`."""
        found = [
            StoredEvent(self._shard, sequence, owner, decode_event(body))
            for sequence, owner, body in self._db.execute(CHAIN, {"head": head, "after": after, "limit": -1})
        ]
        if found and any(event.customer_id != customer_id for event in found):
            raise RuntimeError("a chain of events leads to another profile's: the shard's file is damaged")
        found.reverse()
        return found

    def seen(self, dedupe_keys: list[str]) -> dict[str, int]:
        """Those of the keys whose message was taken in before, with the sequence at which it was."""
        by_digest = {_digest(key): key for key in dedupe_keys}
        digests = list(by_digest)
        found: dict[str, int] = {}
        for start in range(0, len(digests), _SEEN_CHUNK):
            chunk = digests[start : start + _SEEN_CHUNK]
            chunk += chunk[-1:] * (_SEEN_CHUNK - len(chunk))
            found.update((by_digest[digest], sequence) for digest, sequence in self._db.execute(_SEEN, chunk))
        return found

    def decision(self, record_id: str) -> DecisionRecord | None:
        """An automated decision, or a review of one; None if there is none."""
        row = self._db.execute("SELECT body FROM decisions WHERE record_id = ?", (record_id,)).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=DecisionRecord)

    def merge(self, merge_id: str) -> MergeRecord:
        """A merge, whole. Raises KeyError if there is none."""
        row = self._db.execute("SELECT body FROM merges WHERE merge_id = ?", (merge_id,)).fetchone()
        if row is None:
            raise KeyError(merge_id)
        return msgspec.msgpack.decode(row[0], type=MergeRecord)

    def merges_of(self, people: list[int]) -> list[str]:
        """Ids of the merges in which one of these customer ids won or lost."""
        statement = "SELECT merge_id FROM merges WHERE winner = ?1 UNION SELECT merge_id FROM merges WHERE loser = ?1"
        return [merge_id for each in people for (merge_id,) in self._db.execute(statement, (each,))]


# The rows of a chain from `head` on, newest first, above `after` and at most `limit` (-1: all).
CHAIN = """
WITH RECURSIVE chain (sequence, customer_id, previous, body) AS (
    SELECT sequence, customer_id, previous, body FROM events WHERE sequence = :head AND sequence > :after
    UNION ALL
    SELECT e.sequence, e.customer_id, e.previous, e.body
    FROM chain JOIN events AS e ON e.sequence = chain.previous WHERE e.sequence > :after
)
SELECT sequence, customer_id, body FROM chain LIMIT :limit
"""


class _Parties(msgspec.Struct):
    """The two profiles of a merge record."""

    winner: int
    loser: int


_move = msgspec.msgpack.Decoder(BulkMove)
_change = msgspec.msgpack.Decoder(SegmentChange)
_link = msgspec.msgpack.Decoder(Link)
_consent = msgspec.msgpack.Decoder(ConsentRecord)
_parties = msgspec.msgpack.Decoder(_Parties)


def _merge_row(merge_id: str, record: bytes) -> tuple[str, int, int, bytes]:
    parties = _parties.decode(record)
    return (merge_id, parties.winner, parties.loser, record)


def _digest(dedupe_key: str) -> bytes:
    """16 bytes: among a billion messages, the chance that two ever share one is about 1e-21."""
    return blake2b(dedupe_key.encode(), digest_size=16).digest()


def _lock(path: Path, shard: int, timeout_s: float) -> int:
    """Takes the exclusive lock of a shard; the kernel frees it when the process ends, however it ends.

    A file of its own: closing any descriptor of the SQLite file would drop SQLite's own locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise Unavailable(f"another process has the store of shard {shard} open") from None
            time.sleep(_LOCK_POLL_S)
