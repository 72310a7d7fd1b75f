"""The blocks of records that come and go: which records share a blocking key with which.

Blocks are those of bulk resolution (`BlockingKeys.blocks`), exactly: a block with more than `block_max` nodes is not
used, and it is used again once it has shrunk. What was loaded in bulk lies in two sorted arrays, 12 bytes an entry;
a block that has changed since is a list of its own.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.identity.blocking import Hashes, block_pairs

Nodes = NDArray[np.int64]


class BlockTable:
    """Nodes by block hash and block hashes by node."""

    def __init__(self, block_max: int) -> None:
        self._block_max = block_max
        self._hashes: Hashes = np.empty(0, np.uint64)  # of the loaded entries, ascending
        self._nodes: NDArray[np.int32] = np.empty(0, np.int32)
        self._changed: dict[int, list[int]] = {}
        self._hashes_of: dict[int, Hashes] = {}
        self._oversized: set[int] = set()

    def load(self, count: int, blocks: Iterable[Hashes]) -> None:
        """Fills an empty table with `count` nodes: arrays of hashes by node, 0 for none."""
        matrix = np.column_stack([np.empty((count, 0), np.uint64), *blocks])
        self._hashes_of = {node: row[row != 0] for node, row in enumerate(matrix)}
        nodes, places = np.nonzero(matrix)
        hashes = matrix[nodes, places]
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._nodes = hashes[order], nodes[order].astype(np.int32)
        found, sizes = np.unique(self._hashes, return_counts=True)
        self._oversized = set(found[sizes > self._block_max].tolist())

    def members(self, block: int) -> Sequence[int]:
        """The nodes of a block, whether it is used or not."""
        changed = self._changed.get(block)
        return self._loaded(block) if changed is None else changed

    def add(self, node: int, hashes: Hashes) -> list[int]:
        """Adds a node. The blocks that have become too large by it."""
        self._hashes_of[node] = hashes
        blocks = hashes.tolist()
        for block in blocks:
            self._own(block).append(node)
        grown = [b for b in blocks if b not in self._oversized and len(self._changed[b]) > self._block_max]
        self._oversized.update(grown)
        return grown

    def remove(self, node: int) -> list[int]:
        """Removes a node. The blocks that are no longer too large."""
        blocks = self._hashes_of.pop(node).tolist()
        for block in blocks:
            self._own(block).remove(node)
        shrunk = [b for b in blocks if b in self._oversized and len(self._changed[b]) <= self._block_max]
        self._oversized.difference_update(shrunk)
        return shrunk

    def candidates(self, node: int) -> set[int]:
        """The nodes that share a used block with this one."""
        found: set[int] = set()
        for block in self._hashes_of[node].tolist():
            if block not in self._oversized:
                found.update(self.members(block))
        found.discard(node)
        return found

    def share_block(self, one: int, other: int) -> bool:
        """Whether the two are in one used block."""
        shared = np.intersect1d(self._hashes_of[one], self._hashes_of[other]).tolist()
        return any(block not in self._oversized for block in shared)

    def pairs(self, nodes: Sequence[int], groups: Nodes) -> tuple[Nodes, Nodes]:
        """The pairs of nodes of one group that share a used block, as positions in `nodes`, left < right, ascending.
        `groups`: a number for each node."""
        hashes = [self._hashes_of[node] for node in nodes]
        owner = np.repeat(np.arange(len(nodes)), [len(own) for own in hashes])
        flat = np.concatenate([*hashes, np.empty(0, np.uint64)])
        used = np.array([block not in self._oversized for block in flat.tolist()], np.bool_)
        owner, flat = owner[used], flat[used]
        # Other groups' hashes become others; that two of them meet is as likely as for any two hashes.
        flat = flat ^ (groups[owner].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        packed = np.unique(block_pairs(owner, flat, self._block_max))
        return packed >> 32, packed & 0xFFFFFFFF

    def _own(self, block: int) -> list[int]:
        changed = self._changed.get(block)
        if changed is None:
            changed = self._changed[block] = self._loaded(block)
        return changed

    def _loaded(self, block: int) -> list[int]:
        key = np.uint64(block)
        first, last = self._hashes.searchsorted(key, "left"), self._hashes.searchsorted(key, "right")
        nodes: list[int] = self._nodes[first:last].tolist()
        return nodes
