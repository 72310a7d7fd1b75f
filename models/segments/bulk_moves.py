"""Moves of many people at once: what a new, changed, refreshed or deleted segment makes of those who exist.

To write each of a million profiles would take minutes, and a segment must be right at the moment at which it goes live.
So the move is one record. It holds for a profile that was last saved before it, by sequence number; one that is
saved afterwards has it in its own memberships. Each person's move has a sequence number of its own, `first` and on, so
that it is an entry or exit like any other.
"""

from bisect import bisect_left
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.profile.state import Profile

CustomerIds = NDArray[np.int64]  # ascending


class BulkMove(msgspec.Struct, frozen=True, array_like=True):
    """People who left a segment and people who entered it, at one moment. Customer ids are packed: see `pack_ids`."""

    segment_id: str
    first: int  # sequence number of the first person's move: exits before entries, each by customer id
    at: int  # ms
    cause: str  # "definition", "refresh" or "deletion"
    exited: bytes
    entered: bytes
    timed: bytes = b""  # whose next look at the clock it has set
    holdout: float = 0.0  # of the segment, percent

    @property
    def exits(self) -> int:
        """How many left."""
        return len(self.exited) // 8

    @property
    def entries(self) -> int:
        """How many entered."""
        return len(self.entered) // 8

    @property
    def last(self) -> int:
        """Sequence number of the last person's move."""
        return self.first + self.exits + self.entries - 1

    def person(self, offset: int) -> tuple[int, bool]:
        """The customer id of the move number `first + offset`, and whether it is an entry."""
        entry = offset >= self.exits
        ids, place = (self.entered, offset - self.exits) if entry else (self.exited, offset)
        return int.from_bytes(ids[place * 8 : place * 8 + 8], "little"), entry


def pack_ids(ids: CustomerIds) -> bytes:
    """Customer ids, ascending, as 8 bytes each, little-endian."""
    return ids.astype("<i8").tobytes()


def unpack_ids(packed: bytes) -> CustomerIds:
    """Inverse of `pack_ids`."""
    return np.frombuffer(packed, "<i8")


class _Held:
    """A move with its ids ready to be searched."""

    def __init__(self, move: BulkMove) -> None:
        self.move = move
        self.exited = memoryview(move.exited).cast("q")
        self.entered = memoryview(move.entered).cast("q")

    def offset(self, customer_id: int) -> int:
        """Which of the moves is this person's; -1 for none."""
        for ids, before in ((self.exited, 0), (self.entered, self.move.exits)):
            place = bisect_left(ids, customer_id)
            if place < len(ids) and ids[place] == customer_id:
                return before + place
        return -1


def offset_in(move: BulkMove, customer_id: int) -> int:
    """Which of a move's entries and exits is this person's; -1 for none."""
    return _Held(move).offset(customer_id)


class BulkMoves:
    """The moves that some profiles do not hold yet, in order."""

    def __init__(self, moves: Iterable[BulkMove] = ()) -> None:
        self._held = [_Held(move) for move in sorted(moves, key=lambda move: move.first)]

    def __len__(self) -> int:
        return len(self._held)

    @property
    def moves(self) -> list[BulkMove]:
        """Oldest first."""
        return [held.move for held in self._held]

    def add(self, move: BulkMove) -> None:
        """Takes in a move later than all others."""
        self._held.append(_Held(move))

    def drop(self, first: int) -> None:
        """Forgets the move with that first sequence number: all profiles hold it."""
        self._held = [held for held in self._held if held.move.first != first]

    def sequence_of(self, customer_id: int, sequence: int) -> int:
        """The sequence number of a profile that was saved with `sequence`, with the moves that hold for it."""
        for held in self._held:
            if sequence < held.move.first and (offset := held.offset(customer_id)) >= 0:
                sequence = held.move.first + offset
        return sequence

    def fold(self, profile: Profile) -> bool:
        """Brings a profile's memberships up to the moves that hold for it. Returns whether there were any."""
        folded = False
        for held in self._held:
            move = held.move
            if profile.sequence >= move.first or (offset := held.offset(profile.customer_id)) < 0:
                continue
            if offset < move.exits:
                profile.memberships.pop(move.segment_id, None)
            else:
                profile.memberships[move.segment_id] = move.at
            profile.sequence = move.first + offset
            folded = True
        return folded
