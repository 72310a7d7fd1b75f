"""Pairs of records that somebody has looked at: what is known of them needs no matcher, and teaches it.

A few are enough to be of use: they hold in the result whatever the scores say, and take part in learning as what they
are, where other pairs count as what they seem to be.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]


class ContraryLabels(ValueError):
    """Labels say of two records both that they are one person and that they are not."""


class Labels(NamedTuple):
    """Positions of records, and whether the two are one person: (labels,) each."""

    left: Rows
    right: Rows
    same: Bools


def by_node(labels: Labels, node: Rows) -> Labels:
    """The labels of records as those of what stands for them (`node`, by record), each pair once and in ascending
    order, left <= right. Raises ContraryLabels."""
    one, other = node[labels.left], node[labels.right]
    packed = np.minimum(one, other) << 32 | np.maximum(one, other)
    pairs, position = np.unique(packed, return_inverse=True)
    same, count = np.bincount(position, labels.same, len(pairs)), np.bincount(position, minlength=len(pairs))
    contrary = int(np.count_nonzero((same > 0) & (same < count)))
    if contrary:
        raise ContraryLabels(f"labels: {contrary} pairs of records are said to be one person and two; say one of them")
    return Labels(pairs >> 32, pairs & 0xFFFFFFFF, same > 0)


def find(labels: Labels, left: Rows, right: Rows) -> Rows:
    """The label of each pair, -1 for none. `labels` as from `by_node`; left <= right."""
    if not len(labels.left):
        return np.full(len(left), -1)
    known, wanted = labels.left << 32 | labels.right, left << 32 | right
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)
