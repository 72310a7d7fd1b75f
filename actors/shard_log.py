"""What a shard's file tells besides profiles: pages of events, links, merges, segment changes and dead letters.

A read-only connection of its own, so that no page waits for a commit or holds one up. Cursors are the shard's
sequence numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from actors.reader import shard_path
from actors.schema import connect
from actors.store import CHAIN
from models.events.event import decode_event
from models.privacy.decisions import DecisionRecord, review_id_of
from models.privacy.ledger import ConsentRecord
from models.profile.state import decode_profile
from models.segments.bulk_moves import BulkMove, BulkMoves, offset_in
from models.segments.holdout import is_held_out
from models.segments.times import FOREVER
from models.shard.protocol import DeadLetter, Link, MergeRecord, SegmentChange, StoredEvent

_SOUGHT = 100  # texts that are looked for at once

_link = msgspec.msgpack.Decoder(Link)
_decision = msgspec.msgpack.Decoder(DecisionRecord)
_consent = msgspec.msgpack.Decoder(ConsentRecord)
_merge = msgspec.msgpack.Decoder(MergeRecord)
_change = msgspec.msgpack.Decoder(SegmentChange)
_move = msgspec.msgpack.Decoder(BulkMove)
_letter = msgspec.msgpack.Decoder(DeadLetter)


class ShardLog:
    """Reads the committed log of one shard."""

    def __init__(self, data_dir: Path, shard: int, shards: int) -> None:
        self._shard = shard
        self._db = connect(shard_path(data_dir, shard), shard, shards, read_only=True)

    def close(self) -> None:
        self._db.close()

    def chain(self, head: int, limit: int) -> list[StoredEvent]:
        """Up to `limit` events of one profile, newest first, from sequence `head` on."""
        rows = self._db.execute(CHAIN, {"head": head, "after": 0, "limit": limit})
        return [StoredEvent(self._shard, sequence, owner, decode_event(body)) for sequence, owner, body in rows]

    def tail(self, after: int, limit: int) -> list[StoredEvent]:
        """Up to `limit` events of all profiles with a sequence above `after`, oldest first."""
        statement = "SELECT sequence, customer_id, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._db.execute(statement, (after, limit))
        return [StoredEvent(self._shard, sequence, owner, decode_event(body)) for sequence, owner, body in rows]

    def latest(self, limit: int) -> list[StoredEvent]:
        """The last `limit` events of all profiles, oldest first."""
        statement = "SELECT sequence, customer_id, body FROM events ORDER BY sequence DESC LIMIT ?"
        rows = self._db.execute(statement, (limit,)).fetchall()
        return [
            StoredEvent(self._shard, sequence, owner, decode_event(body)) for sequence, owner, body in reversed(rows)
        ]

    def links(self, customer_ids: Sequence[int]) -> list[Link]:
        """Edges of the identity graph that were found at these profiles, oldest first."""
        statement = f"SELECT body FROM links WHERE customer_id IN ({_marks(customer_ids)}) ORDER BY sequence"  # nosec B608
        return [_link.decode(body) for (body,) in self._db.execute(statement, customer_ids)]

    def consents(self, customer_ids: Sequence[int]) -> list[ConsentRecord]:
        """The answers on consent of these profiles, as they were recorded."""
        statement = f"SELECT body FROM consents WHERE customer_id IN ({_marks(customer_ids)}) ORDER BY sequence"  # nosec B608
        return [_consent.decode(body) for (body,) in self._db.execute(statement, customer_ids)]

    def decisions(self, customer_ids: Sequence[int]) -> list[DecisionRecord]:
        """Automated decisions about these profiles, and reviews of them, oldest first."""
        statement = f"SELECT body FROM decisions WHERE customer_id IN ({_marks(customer_ids)}) ORDER BY at, record_id"  # nosec B608
        return [_decision.decode(body) for (body,) in self._db.execute(statement, customer_ids)]

    def decisions_named(self, record_ids: Sequence[str]) -> list[DecisionRecord]:
        """Those of these ids that there are."""
        statement = f"SELECT body FROM decisions WHERE record_id IN ({_marks(record_ids)})"  # nosec B608
        return [_decision.decode(body) for (body,) in self._db.execute(statement, record_ids)]

    def decisions_between(self, since: int, until: int) -> Iterator[DecisionRecord]:
        """All of a time, ms, from `since` up to and without `until`."""
        # By the index rows come in another order than they lie in: for all of them the table is three times as fast.
        at = "at" if since else "+at"
        rows = self._db.execute(f"SELECT body FROM decisions WHERE {at} >= ? AND {at} < ?", (since, until))  # nosec B608
        return (_decision.decode(body) for (body,) in rows)

    def decided_before(self, before: int, after: tuple[int, str], limit: int) -> list[tuple[int, str, int]]:
        """Up to `limit` decisions, without reviews, that were taken before a time, ms, the oldest first, after one of
        them: when each was taken, its id, and the customer id of whom it is about."""
        statement = (
            "SELECT at, record_id, customer_id FROM decisions "
            "WHERE at < ?1 AND (at, record_id) > (?2, ?3) AND record_id NOT GLOB ?4 ORDER BY at, record_id LIMIT ?5"
        )
        return self._db.execute(statement, (before, *after, review_id_of("*"), limit)).fetchall()

    def merged_into(self, customer_id: int) -> int:
        """Whom a profile of this shard was merged into; 0 if it was not."""
        row = self._db.execute("SELECT target FROM redirects WHERE customer_id = ?", (customer_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def merges(self, customer_ids: Sequence[int]) -> list[MergeRecord]:
        """Merges, undone ones too, with any of these profiles on either side, oldest first."""
        marks = _marks(customer_ids)
        statement = f"SELECT body FROM merges WHERE winner IN ({marks}) OR loser IN ({marks})"  # nosec B608
        found = [_merge.decode(body) for (body,) in self._db.execute(statement, [*customer_ids, *customer_ids])]
        return sorted(found, key=lambda record: record.sequence)

    def merge(self, merge_id: str) -> MergeRecord | None:
        """One merge."""
        row = self._db.execute("SELECT body FROM merges WHERE merge_id = ?", (merge_id,)).fetchone()
        return None if row is None else _merge.decode(row[0])

    def changes(self, after: int, limit: int) -> list[SegmentChange]:
        """Up to `limit` entries and exits with a sequence above `after`, oldest first, those of many at once too."""
        statement = "SELECT body FROM segment_changes WHERE sequence > ? ORDER BY sequence LIMIT ?"
        found = [_change.decode(body) for (body,) in self._db.execute(statement, (after, limit))]
        until = found[-1].sequence if len(found) == limit else FOREVER
        statement = (
            "SELECT body FROM segment_moves WHERE last > ? AND first <= ? AND exits + entries > 0 "
            "ORDER BY first LIMIT ?"
        )
        for (body,) in self._db.execute(statement, (after, until, limit)).fetchall():
            found += _moves_of(_move.decode(body), after, limit)
        return sorted(found, key=lambda change: change.sequence)[:limit]

    def changes_since(self, segment_id: str, at: int) -> list[SegmentChange | BulkMove]:
        """All that moved people in and out of a segment later than `at` ms, newest first."""
        single = "SELECT body FROM segment_changes WHERE segment_id = ? AND at > ?"
        found: list[tuple[int, SegmentChange | BulkMove]] = []
        for (body,) in self._db.execute(single, (segment_id, at)):
            change = _change.decode(body)
            found.append((change.sequence, change))
        many = "SELECT body FROM segment_moves WHERE segment_id = ? AND at > ?"
        for (body,) in self._db.execute(many, (segment_id, at)):
            move = _move.decode(body)
            found.append((move.first, move))
        found.sort(key=lambda each: each[0], reverse=True)
        return [each for _, each in found]

    def changes_of(self, customer_ids: Sequence[int]) -> list[SegmentChange]:
        """All entries and exits of these profiles, oldest first."""
        single = f"SELECT body FROM segment_changes WHERE customer_id IN ({_marks(customer_ids)})"  # nosec B608
        found = [_change.decode(body) for (body,) in self._db.execute(single, customer_ids)]
        for (body,) in self._db.execute("SELECT body FROM segment_moves WHERE exits + entries > 0"):
            move = _move.decode(body)
            for customer_id in customer_ids:
                if (offset := offset_in(move, customer_id)) >= 0:
                    found += _moves_of(move, move.first + offset - 1, 1)
        return sorted(found, key=lambda change: change.sequence)

    def flow(self, segment_id: str, times: Sequence[int]) -> list[tuple[int, int]]:
        """How many entered and how many left in each step between these ascending times (ms), later than the first."""
        single = (
            "SELECT coalesce(sum(entries), 0), coalesce(sum(1 - entries), 0) FROM segment_changes "
            "WHERE segment_id = ? AND at > ? AND at <= ?"
        )
        many = (
            "SELECT coalesce(sum(entries), 0), coalesce(sum(exits), 0) FROM segment_moves "
            "WHERE segment_id = ? AND at > ? AND at <= ?"
        )
        flows = []
        for start, end in pairwise(times):
            entered, left = self._db.execute(single, (segment_id, start, end)).fetchone()
            entered_at_once, left_at_once = self._db.execute(many, (segment_id, start, end)).fetchone()
            flows.append((entered + entered_at_once, left + left_at_once))
        return flows

    def count_profiles(self) -> int:
        """How many profiles there are."""
        return int(self._db.execute("SELECT count(*) FROM profiles").fetchone()[0])

    def newest_of(self, customer_id: int) -> int:
        """Sequence number of the latest event in the chain of a profile, also of one that was merged away; 0 if it has
        none here."""
        row = self._db.execute("SELECT state FROM profiles WHERE customer_id = ?", (customer_id,)).fetchone()
        if row is not None:
            return decode_profile(row[0]).last_event
        row = self._db.execute("SELECT last_event FROM redirects WHERE customer_id = ?", (customer_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def standing_moves(self) -> BulkMoves:
        """The moves of many at once that profiles do not hold themselves yet."""
        rows = self._db.execute("SELECT body FROM segment_moves WHERE folded = 0").fetchall()
        return BulkMoves(_move.decode(body) for (body,) in rows)

    def changed_profiles(self, after: int) -> list[int]:
        """Customer ids of all profiles changed after sequence `after`. Reads the whole table."""
        return [row[0] for row in self._db.execute("SELECT customer_id FROM profiles WHERE sequence > ?", (after,))]

    def identifiers(self, namespace: str) -> Iterable[str]:
        """All identifiers of a namespace whose home is this shard."""
        statement = "SELECT identifier FROM identifiers WHERE identifier >= ? AND identifier < ?"
        return (identifier for (identifier,) in self._db.execute(statement, (f"{namespace}:", f"{namespace};")))

    def profile_states(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` profiles with a customer id above `after`, ascending: id, encoded profile."""
        statement = "SELECT customer_id, state FROM profiles WHERE customer_id > ? ORDER BY customer_id LIMIT ?"
        return self._db.execute(statement, (after, limit)).fetchall()

    def states_of(self, customer_ids: Sequence[int]) -> list[tuple[int, bytes]]:
        """Those of these profiles that are there: id, encoded profile."""
        statement = f"SELECT customer_id, state FROM profiles WHERE customer_id IN ({_marks(customer_ids)})"  # nosec B608
        return self._db.execute(statement, customer_ids).fetchall()

    def carrying(self, identifiers: Sequence[str], after: int, limit: int) -> tuple[list[StoredEvent], list[Link], int]:
        """Events and links in which the text of one of these identifiers is, among `limit` sequence numbers above
        `after`; and the last of these numbers, -1 at the end. Reads the whole of them."""
        events: dict[int, StoredEvent] = {}
        links: dict[int, Link] = {}
        last = after + limit
        for start in range(0, len(identifiers), _SOUGHT):
            some = [each.encode() for each in identifiers[start : start + _SOUGHT]]
            held = f"sequence > ? AND sequence <= ? AND ({' OR '.join(['instr(body, ?)'] * len(some))})"
            statement = f"SELECT sequence, customer_id, body FROM events WHERE {held}"  # nosec B608
            for sequence, owner, body in self._db.execute(statement, (after, last, *some)):
                events[sequence] = StoredEvent(self._shard, sequence, owner, decode_event(body))
            statement = f"SELECT sequence, body FROM links WHERE {held}"  # nosec B608
            links |= {
                sequence: _link.decode(body) for sequence, body in self._db.execute(statement, (after, last, *some))
            }
        statement = "SELECT max(sequence) FROM (SELECT sequence FROM events UNION ALL SELECT sequence FROM links)"
        end = self._db.execute(statement).fetchone()[0] or 0
        return list(events.values()), list(links.values()), last if last < end else -1

    def letters(self, limit: int, received_at: int, letter_id: str) -> list[DeadLetter]:
        """Up to `limit` dead letters before (received_at ms, letter_id), newest first."""
        statement = (
            "SELECT body, replayed_at FROM dead_letters WHERE (received_at, letter_id) < (?, ?) "
            "ORDER BY received_at DESC, letter_id DESC LIMIT ?"
        )
        return _letters(self._db.execute(statement, (received_at, letter_id, limit)))

    def letters_with(self, letter_ids: Sequence[str]) -> list[DeadLetter]:
        """The letters with these ids that wait for a replay, oldest first."""
        statement = (
            "SELECT body, replayed_at FROM dead_letters "  # nosec B608
            f"WHERE replayed_at = 0 AND letter_id IN ({_marks(letter_ids)}) ORDER BY position"
        )
        return _letters(self._db.execute(statement, letter_ids))

    def letters_waiting(self, after: int, limit: int) -> tuple[list[DeadLetter], int]:
        """Up to `limit` letters that wait for a replay, oldest first, after position `after`; position of the last."""
        statement = (
            "SELECT body, replayed_at, position FROM dead_letters "
            "WHERE replayed_at = 0 AND position > ? ORDER BY position LIMIT ?"
        )
        rows = self._db.execute(statement, (after, limit)).fetchall()
        return _letters(row[:2] for row in rows), rows[-1][2] if rows else after

    def count_letters(self) -> int:
        """Dead letters that wait for a replay."""
        row = self._db.execute("SELECT count(*) FROM dead_letters WHERE replayed_at = 0").fetchone()
        return int(row[0])


def _moves_of(move: BulkMove, after: int, limit: int) -> list[SegmentChange]:
    """The first `limit` of a move's entries and exits after a sequence number."""
    start = max(after + 1 - move.first, 0)
    changes = []
    for offset in range(start, min(start + limit, move.exits + move.entries)):
        customer_id, entered = move.person(offset)
        kind: Literal["entered", "exited"] = "entered" if entered else "exited"
        kept = move.holdout > 0 and is_held_out(move.segment_id, customer_id, move.holdout)
        changes.append(
            SegmentChange(customer_id, move.segment_id, kind, move.at, move.cause, move.first + offset, kept)
        )
    return changes


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _letters(rows: Iterable[tuple[bytes, int]]) -> list[DeadLetter]:
    return [msgspec.structs.replace(_letter.decode(body), replayed_at=replayed_at) for body, replayed_at in rows]
