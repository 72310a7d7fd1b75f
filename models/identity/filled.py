"""Which fields records have, as bits: bit i of a mask stands for the i-th field.

What a record has tells of where it comes from: a newsletter knows an e-mail address, a shop one of the street.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.identity.columns import Column
from models.identity.comparison import MISSING, Levels
from models.identity.fields import Field

MASKS_MAX = 2_000  # different ones that pairs are counted for, the most frequent

Masks = NDArray[np.int64]


def filled(columns: Sequence[Column]) -> Masks:
    """The fields that each record has."""
    masks = np.zeros(len(columns[0].codes) if columns else 0, np.int64)
    for position, column in enumerate(columns):
        masks |= (column.codes >= 0).any(axis=1).astype(np.int64) << position
    return masks


def both_filled(levels: Levels) -> Masks:
    """The fields that both records of each pair have, from their comparison levels."""
    masks = np.zeros(len(levels), np.int64)
    for position, column in enumerate(levels.T):
        masks |= (column != MISSING).astype(np.int64) << position
    return masks


def fields_of(mask: int, fields: Sequence[Field]) -> list[Field]:
    """The fields that a mask stands for."""
    return [field for position, field in enumerate(fields) if mask >> position & 1]


def mask_of(names: Sequence[str], fields: Sequence[Field]) -> int:
    """The mask that stands for fields, by their names; other names stand for nothing."""
    return sum(1 << position for position, field in enumerate(fields) if field in names)


def pairs_by_filled(masks: Masks, counts: NDArray[np.int64]) -> dict[int, float]:
    """How many pairs of records have exactly these fields filled in both, from how many records have each of the
    distinct `masks`. Records whose mask is none of the MASKS_MAX most frequent are left out."""
    most = np.lexsort((masks, -counts))[:MASKS_MAX]
    masks, counts = masks[most], counts[most]
    one, other = np.triu_indices(len(masks))
    pairs = (counts[one] * counts[other]).astype(np.float64)
    same = one == other
    pairs[same] = counts * (counts - 1) / 2
    both, position = np.unique(masks[one] & masks[other], return_inverse=True)
    return dict(zip(both.tolist(), np.bincount(position, pairs, len(both)).tolist(), strict=True))
