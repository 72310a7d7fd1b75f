"""Pairs of records that resemble each other as a whole, for bulk resolution: candidates that no blocking key finds.

Every record is embedded, and paired with the records nearest to it. The search is exact and looks at all of them: time
grows with the square of the number of records (about half a minute for 44,000 distinct ones on two cores).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.identity.embedding import Embedder

NEIGHBOURS = 10
_ROWS = 1024  # whose distances to all others are held at a time


def nearest_pairs(
    texts: Sequence[str], embedder: Embedder, neighbours: int = NEIGHBOURS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of positions in `texts`, left < right, each once: every text with the `neighbours` nearest to it, by the
    cosine of their embeddings. Texts that the embedder has nothing for (zero vectors) are in no pair."""
    vectors = embedder.embed(texts)
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    vectors = np.ascontiguousarray(vectors[known])
    wanted = min(neighbours + 1, len(known))  # a text is its own nearest
    if wanted < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    packed = []
    for start in range(0, len(known), _ROWS):
        cosines = vectors[start : start + _ROWS] @ vectors.T
        nearest = np.argpartition(cosines, -wanted, axis=1)[:, -wanted:]
        left = np.repeat(known[start : start + _ROWS], wanted)
        right = known[nearest.ravel()]
        different = left != right
        left, right = left[different], right[different]
        packed.append(np.minimum(left, right) << 32 | np.maximum(left, right))
    distinct = np.unique(np.concatenate(packed))
    return distinct >> 32, distinct & 0xFFFFFFFF
