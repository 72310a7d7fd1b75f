"""An index from blocking keys to the records that have them, small enough for millions of records in memory.

Postings are two parallel arrays (key, row) sorted by key, 12 bytes each, beside a dictionary of the latest ones, which
is folded into the arrays when it has grown by a sixteenth of them (as in a log-structured merge tree). A record that
changes gets a new row; its old row is dead at once and its old postings go at the next fold.

A key that more than `block_max` records share tells nothing: it is not used, and counted.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_FOLD_MIN = 20_000  # postings
_FOLD_SHARE = 16
_DEAD_SHARE_MAX = 1.5  # rows for each live one until dead ones' numbers are given up


class BlockIndex:
    """Customer id -> record bytes, found by blocking keys (unsigned 64-bit)."""

    def __init__(self, block_max: int, candidates_max: int) -> None:
        """A look-up gives the `candidates_max` records that share the most keys."""
        self.block_max = block_max
        self.candidates_max = candidates_max
        self.oversized_lookups = 0  # keys of look-ups that were not used
        self.truncated_lookups = 0  # look-ups that found more than `candidates_max`
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._rows: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._latest: dict[int, list[int]] = {}
        self._latest_size = 0
        self._ids: list[int] = []  # row -> customer id
        self._alive = bytearray()  # row -> 0 once it is dead
        self._data: list[bytes] = []  # row -> record
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row_of)

    def __iter__(self) -> Iterator[int]:
        return iter(self._row_of)

    def __contains__(self, customer_id: int) -> bool:
        return customer_id in self._row_of

    @property
    def postings(self) -> int:
        """Postings held, those of dead rows included."""
        return len(self._keys) + self._latest_size

    def get(self, customer_id: int) -> bytes | None:
        """The record's bytes."""
        row = self._row_of.get(customer_id)
        return None if row is None else self._data[row]

    def put(self, customer_id: int, keys: Sequence[int], data: bytes) -> None:
        """Adds a record or takes the place of the one that the customer had."""
        self.drop(customer_id)
        row = len(self._ids)
        self._ids.append(customer_id)
        self._alive.append(1)
        self._data.append(data)
        self._row_of[customer_id] = row
        for key in set(keys):
            self._latest.setdefault(key, []).append(row)
            self._latest_size += 1
        if self._latest_size > max(_FOLD_MIN, len(self._keys) // _FOLD_SHARE):
            self._fold()

    def drop(self, customer_id: int) -> bool:
        """Removes the customer's record; whether there was one."""
        row = self._row_of.pop(customer_id, None)
        if row is None:
            return False
        self._alive[row] = 0
        self._data[row] = b""
        return True

    def find(self, keys: Sequence[int], exclude: int = 0) -> list[int]:
        """Customer ids that share a key, those that share the most first, then the oldest."""
        shared: dict[int, int] = {}
        for key in set(keys):
            block = self._block(key)
            if len(block) > self.block_max:
                self.oversized_lookups += 1
                continue
            for customer_id in block:
                shared[customer_id] = shared.get(customer_id, 0) + 1
        shared.pop(exclude, None)
        if len(shared) > self.candidates_max:
            self.truncated_lookups += 1
        return sorted(shared, key=lambda c: (-shared[c], c))[: self.candidates_max]

    def _block(self, key: int) -> list[int]:
        """Customer ids of the live rows of a key; of a block that is far too large, only some."""
        ids, alive = self._ids, self._alive
        probe = np.uint64(key)
        first = int(self._keys.searchsorted(probe, "left"))
        last = int(self._keys.searchsorted(probe, "right"))
        # Dead rows go at the next fold, so twice the bound is looked at, and never a block of a million rows.
        rows = self._rows[first : min(last, first + 2 * self.block_max + 1)].tolist()
        rows += self._latest.get(key, ())
        return [ids[row] for row in rows if alive[row]]

    def _fold(self) -> None:
        """Moves the latest postings into the arrays, without those of dead rows."""
        alive = np.array(self._alive, np.bool_)
        sizes = [len(group) for group in self._latest.values()]
        fresh_keys = np.repeat(np.fromiter(self._latest, np.uint64, len(sizes)), sizes)
        fresh_rows = np.fromiter(chain.from_iterable(self._latest.values()), np.uint32, self._latest_size)
        wanted = alive[fresh_rows]
        fresh_keys, fresh_rows = fresh_keys[wanted], fresh_rows[wanted]
        order = np.lexsort((fresh_rows, fresh_keys))
        kept = alive[self._rows]
        keys, rows = self._keys[kept], self._rows[kept]
        places = keys.searchsorted(fresh_keys[order], "right")
        self._keys = np.insert(keys, places, fresh_keys[order])
        self._rows = np.insert(rows, places, fresh_rows[order])
        self._latest.clear()
        self._latest_size = 0
        if len(self._ids) > _DEAD_SHARE_MAX * len(self._row_of):
            self._renumber(alive)

    def _renumber(self, alive: NDArray[np.bool_]) -> None:
        """Gives up the numbers of dead rows."""
        self._rows = (np.cumsum(alive) - 1).astype(np.uint32)[self._rows]
        self._data = [data for data, lives in zip(self._data, self._alive, strict=True) if lives]
        self._ids = [customer_id for customer_id, lives in zip(self._ids, self._alive, strict=True) if lives]
        self._alive = bytearray(b"\1" * len(self._ids))
        self._row_of = {customer_id: row for row, customer_id in enumerate(self._ids)}
