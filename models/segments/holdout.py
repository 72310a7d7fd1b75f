"""The holdout of a segment: the members that are kept back from activation, to compare the others with.

Who is kept back follows from the ids of person and segment alone: the same on every shard, at every time, and for each
segment another part of the people.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_STEPS = ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB))  # of splitmix64


def is_held_out(segment_id: str, customer_id: int, percent: float) -> bool:
    """Whether a member is in the holdout of `percent` (0 to 100)."""
    mixed = (customer_id + _salt(segment_id)) & _MASK
    for shift, factor in _STEPS:
        mixed = ((mixed ^ (mixed >> shift)) * factor) & _MASK
    return (mixed ^ (mixed >> 31)) < _limit(percent)


def held_out(segment_id: str, customer_ids: NDArray[np.int64], percent: float) -> NDArray[np.bool_]:
    """The same for many at once."""
    mixed = customer_ids.astype(np.uint64) + np.uint64(_salt(segment_id))
    for shift, factor in _STEPS:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    found: NDArray[np.bool_] = (mixed ^ (mixed >> np.uint64(31))) < np.uint64(_limit(percent))
    return found


def _salt(segment_id: str) -> int:
    return int.from_bytes(blake2b(segment_id.encode(), digest_size=8).digest(), "little")


def _limit(percent: float) -> int:
    return min(int(percent / 100 * 2**64), _MASK)
