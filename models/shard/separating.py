"""What a profile would be without its merges by likeness: every such merge taken back, on copies, by the machine's own
rules (`models.shard.merging`).

The order is that in which a plan takes merges back (`models.identity.reresolution.separable`): the upper ones first, of
one winner the earliest first. What the platform holds is not changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from models.identity.customer_id import shard_of
from models.identity.reresolution import Merge, separable
from models.privacy.decisions import DecisionRecord
from models.profile.state import Profile, decode_profile
from models.shard.core import ShardCore
from models.shard.merging import rebuild_winner, replay, split
from models.shard.protocol import MergeRecord, StoredEvent
from models.shard.state import MachineSettings

_AFTER_ALL = 1 << 62  # sequence numbers of what happens on the copies: above any real one


class Unit(NamedTuple):
    """One unit: its profile, the unit that it is tied to (0 for the one that is the profile now), and the tie's place
    among all ties of the profile."""

    profile: Profile
    winner: int
    order: int


def merge_of(record: MergeRecord) -> Merge:
    """What re-resolution needs to know of a merge."""
    likeness = record.method == "probabilistic"
    return Merge(record.winner, record.loser, record.sequence, likeness, record.merge_id, record.source)


def separate(
    state: bytes,
    records: Iterable[MergeRecord],
    events: Mapping[int, Sequence[StoredEvent]],
    shards: int,
    settings: MachineSettings,
) -> list[Unit]:
    """The units of an encoded profile, the one that is the profile now first.

    `records` are the merges of its lineage that stand, with both sides' states; `events`, for each winner of one that
    can be taken back, its own events after the first such merge, oldest first.
    """
    return _Separation(records, events, shards, settings).units(state)


def first_ties(profile: int, records: Iterable[MergeRecord]) -> dict[int, int]:
    """For each winner of a merge that can be taken back, the sequence number of the first: its events after that are
    what `separate` needs."""
    first: dict[int, int] = {}
    for tie in separable(profile, map(merge_of, records)):
        first[tie.winner] = min(tie.order, first.get(tie.winner, tie.order))
    return first


class _Separation:
    """A copy of the shards' state, as far as one profile goes. Also the copies' History."""

    def __init__(
        self,
        records: Iterable[MergeRecord],
        events: Mapping[int, Sequence[StoredEvent]],
        shards: int,
        settings: MachineSettings,
    ) -> None:
        self._shards = shards
        self._settings = settings
        self._events = {customer_id: list(found) for customer_id, found in events.items()}
        self._cores: dict[int, ShardCore] = {}
        for record in records:
            # Copied: that it was undone is noted on it.
            kept = msgspec.structs.replace(record)
            self._core(int(record.merge_id.split("_")[1])).merges.load(record.merge_id, kept)

    def units(self, state: bytes) -> list[Unit]:
        root = decode_profile(state).customer_id
        self._core(shard_of(root)).profiles[root] = state
        tied: dict[int, tuple[int, int]] = {root: (0, 0)}
        standing = [root]
        for customer_id in standing:  # grows
            while (record := self._first(customer_id)) is not None:
                tied[record.loser] = (customer_id, len(tied))
                standing.append(record.loser)
                self._take_back(customer_id, record)
        return [Unit(self._core(shard_of(c)).profile(c), *tied[c]) for c in standing]

    def _first(self, winner: int) -> MergeRecord | None:
        merges = [
            record
            for record in self._core(shard_of(winner)).merges.values()
            if record.winner == winner and not record.undone_at and record.method == "probabilistic"
        ]
        return min(merges, key=lambda record: record.sequence, default=None)

    def _take_back(self, customer_id: int, record: MergeRecord) -> None:
        here, there = self._core(shard_of(customer_id)), self._core(shard_of(record.loser))
        profile = here.profile(customer_id)
        winner, loser = split(here, profile, record)
        record.undone_at = 1
        rebuilt = rebuild_winner(here, profile, record, winner)
        here.save(rebuilt)
        gone = set(loser.sequences)
        self._events[customer_id] = [e for e in self._events.get(customer_id, ()) if e.sequence not in gone]
        restored = decode_profile(loser.state)
        replay(there, restored, loser.timeline, set(loser.identifiers))
        there.save(restored)
        for core in (here, there):
            for row in core.log.added:
                saved = StoredEvent(core.shard, row.sequence, row.customer_id, row.event)
                self._events.setdefault(row.customer_id, []).append(saved)
            core.log.added.clear()
        # Nobody has set the two apart: the merge stands.
        rebuilt.apart = [c for c in rebuilt.apart if c != record.loser]
        restored.apart = [c for c in restored.apart if c != customer_id]

    def _core(self, shard: int) -> ShardCore:
        core = self._cores.get(shard)
        if core is None:
            core = self._cores[shard] = ShardCore(shard, self._shards, self._settings, self)
            core.sequence = _AFTER_ALL
        return core

    # models.shard.tables.History

    def events_after(self, customer_id: int, head: int, after: int) -> list[StoredEvent]:
        """The profile's saved events, as they were handed over."""
        return [event for event in self._events.get(customer_id, ()) if after < event.sequence <= head]

    def seen(self, dedupe_keys: list[str]) -> dict[str, int]:
        """Nothing is taken in here."""
        return {}

    def decision(self, record_id: str) -> DecisionRecord | None:
        """Nothing is decided here."""
        return None

    def merge(self, merge_id: str) -> MergeRecord:
        """Every merge came with both states."""
        raise KeyError(merge_id)

    def merges_of(self, people: list[int]) -> list[str]:
        """Nobody is erased here."""
        return []
