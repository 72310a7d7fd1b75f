"""The event log of a shard as a step sees it: what is written, under what the step does to it.

The events of one profile are a chain: each row names the one before it, and the profile names the latest.
"""

from collections.abc import Iterable

import msgspec

from models.events.event import Event
from models.shard.protocol import StoredEvent
from models.shard.tables import EventRow, History


class EventLog:
    """What is added, linked anew, changed and removed since the last drain, which takes it over."""

    def __init__(self, shard: int, history: History) -> None:
        self._shard = shard
        self._history = history
        self.added: list[EventRow] = []
        self.relinked: list[tuple[int, int]] = []  # sequence, the one before it from now on
        self.changed: dict[int, Event] = {}  # sequence -> what is left of the event
        self.removed: list[int] = []

    def remove(self, sequences: Iterable[int]) -> None:
        """Takes events out."""
        for sequence in sequences:
            self.removed.append(sequence)
            self.changed.pop(sequence, None)

    def chain(self, customer_id: int, head: int, after: int = 0) -> list[StoredEvent]:
        """The events of a chain back from `head` with a sequence above `after`, oldest first."""
        unsaved = {row.sequence: row for row in self.added}
        latest: list[StoredEvent] = []
        while head > after and head in unsaved:
            row = unsaved[head]
            latest.append(StoredEvent(self._shard, row.sequence, row.customer_id, row.event))
            head = row.previous
        latest.reverse()
        chain = [*self._history.events_after(customer_id, head, after), *latest]
        if self.removed:
            gone = set(self.removed)
            chain = [stored for stored in chain if stored.sequence not in gone]
        if self.changed:
            return [_as_left(stored, self.changed.get(stored.sequence)) for stored in chain]
        return chain


def _as_left(stored: StoredEvent, left: Event | None) -> StoredEvent:
    return stored if left is None else msgspec.structs.replace(stored, event=left)
