"""The shard's state as named tables, and what one step of the machine leaves to be written and sent.

A table is a dictionary that remembers which keys changed since the last drain. The store holds the same
tables on disk; a drain turns the changes into one transaction. Keys that appear and vanish between two
drains leave no trace, so locks taken and released within one step cost no write.
"""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from models.events.event import Event
from models.privacy.decisions import DecisionRecord
from models.privacy.ledger import ConsentRecord
from models.segments.bulk_moves import BulkMove
from models.shard.protocol import Link, MergeRecord, SegmentChange, StoredEvent

K = TypeVar("K", int, str)
V = TypeVar("V")


class Table(Generic[K, V]):
    """A dictionary with a memory of its unsaved changes. Mutated values must be `put` again."""

    __slots__ = ("_born", "_changed", "_rows")

    def __init__(self) -> None:
        self._rows: dict[K, V] = {}
        self._changed: set[K] = set()
        self._born: set[K] = set()  # keys that the store has never seen

    def load(self, key: K, value: V) -> None:
        """Takes a row from the store at start; it does not count as a change."""
        self._rows[key] = value

    def get(self, key: K) -> V | None:
        return self._rows.get(key)

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def items(self) -> Iterator[tuple[K, V]]:
        return iter(self._rows.items())

    def values(self) -> Iterator[V]:
        return iter(self._rows.values())

    def first(self) -> K | None:
        """The oldest key, in order of insertion."""
        return next(iter(self._rows), None)

    def put(self, key: K, value: V) -> None:
        if key not in self._rows and key not in self._changed:
            self._born.add(key)
        self._rows[key] = value
        self._changed.add(key)

    def delete(self, key: K) -> None:
        if self._rows.pop(key, None) is None:
            return
        if key in self._born:
            self._born.discard(key)
            self._changed.discard(key)
        else:
            self._changed.add(key)

    def move_to_end(self, key: K) -> None:
        """Makes a key, if it is there, the last in order. The order is not saved."""
        if key in self._rows:
            self._rows[key] = self._rows.pop(key)

    def unsaved(self) -> list[tuple[K, V]]:
        """Rows put since the last drain."""
        return [(key, self._rows[key]) for key in self._changed if key in self._rows]

    def drain(self) -> tuple[list[tuple[K, V]], list[K]]:
        """Rows put and keys deleted since the last drain."""
        puts = self.unsaved()
        deletes = [key for key in self._changed if key not in self._rows]
        self._changed.clear()
        self._born.clear()
        return puts, deletes


class EventRow(msgspec.Struct, frozen=True):
    """A row of the shard's event log. `previous` links the rows of one profile, newest to oldest."""

    sequence: int
    customer_id: int
    previous: int
    event: Event


class Effects(msgspec.Struct):
    """What one drain leaves: all rows go into one transaction; messages and replies leave after its commit."""

    profiles: list[tuple[int, int, int, bytes]] = []  # customer id, sequence, due ms, encoded profile
    profiles_deleted: list[int] = []
    identifiers: list[tuple[str, int]] = []  # identifier, customer id
    identifiers_deleted: list[str] = []
    redirects: list[tuple[int, int, int]] = []  # customer id, target, head of its chain of events
    redirects_deleted: list[int] = []
    small: list[tuple[str, str, bytes]] = []  # kind (models.shard.machine.SMALL_TABLES), key, MessagePack
    small_deleted: list[tuple[str, str]] = []  # kind, key
    meta: list[tuple[str, int]] = []
    events: list[EventRow] = []
    events_relinked: list[tuple[int, int]] = []  # sequence, new `previous`
    events_deleted: list[int] = []  # sequences
    events_changed: list[tuple[int, Event]] = []  # sequence, what is left of the event
    dedupe: list[tuple[str, int]] = []  # dedupe key, sequence
    dedupe_deleted: list[str] = []  # dedupe keys
    links: list[Link] = []
    consents: list[ConsentRecord] = []
    decisions: list[DecisionRecord] = []  # one that is there already stays as it is
    changes: list[SegmentChange] = []
    moves: list[BulkMove] = []
    moves_folded: list[int] = []  # first sequence numbers of the moves that all profiles hold by now
    unevidenced: list[int] = []  # customer ids whose links keep no values that were compared
    forgotten: list[
        int
    ] = []  # customer ids of whom links, consents, decisions go, and in entries and exits what caused them
    disowned: list[tuple[int, Event]] = []  # customer id, event that is not theirs: nor are its answers on consent
    messages: dict[int, bytes] = {}  # destination shard -> one envelope, to be numbered and put in the outbox
    received: dict[int, int] = {}  # source shard -> number of the latest envelope taken from it
    replies: list[tuple[int, object]] = []  # call, result (an exception instance to be raised, or a value)


class History(Protocol):
    """What the machine reads of what it has written: the store implements it, and the simulation in memory."""

    def events_after(self, customer_id: int, head: int, after: int) -> list[StoredEvent]:
        """Events of one profile with sequence in (after, head], oldest first, walking its chain back from `head`."""

    def seen(self, dedupe_keys: list[str]) -> dict[str, int]:
        """Those of the keys that are in the dedupe table, with the sequence at which each was taken in."""

    def decision(self, record_id: str) -> DecisionRecord | None:
        """An automated decision, or a review of one."""

    def merge(self, merge_id: str) -> MergeRecord:
        """A merge, whole."""

    def merges_of(self, people: list[int]) -> list[str]:
        """Ids of the merges in which one of these customer ids won or lost, whether they stand or were taken back."""
