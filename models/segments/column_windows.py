"""Windows over columns of occurrences: which are inside, sums and extremes by slot, and when the next one moves.

`Found` is what the leaves of `models.segments.vector` say: for every slot whether a clause holds and the earliest
moment at which time alone may change that, and the slots of which the columns do not know enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.segments.criteria import Moment, Relative, Rolling, Window
from models.segments.growing_array import Int64s, Mask
from models.segments.spans import NEVER

Positions = slice | NDArray[np.intp]
"""Which rows of a column: all of them, or those at these positions. A mask in their place takes four times as long."""

_EXACT = float(2**53)  # sums below are exact in floating point


@dataclass(slots=True)
class Found:
    """What columns tell of a clause."""

    holds: Mask  # by slot
    edges: Int64s | None = None  # by slot, ms of the earliest moment of change, later than now; None for never
    hard: Iterable[int] = field(default_factory=tuple)  # slots to be asked of their profiles


def inside(times: Int64s, window: Window, now: int, latest: int = NEVER) -> Positions:
    """The occurrences that have happened and are inside the window. `latest`: none of them is later."""
    tests: list[Mask] = []
    if isinstance(window, Rolling):
        tests.append(np.greater(times, now - window.length))
    elif window.start > -NEVER:
        tests.append(np.greater_equal(times, window.start))
    if not isinstance(window, Rolling) and window.end <= now:
        tests.append(np.less(times, window.end))
    elif latest > now:
        tests.append(np.less_equal(times, now))
    if not tests:
        return slice(None)
    found = tests[0]
    for test in tests[1:]:
        found &= test
    return slice(None) if found.all() else np.flatnonzero(found)


def edges(slots: NDArray[Any], times: Int64s, window: Window, now: int, size: int) -> Int64s | None:
    """By slot the first moment after `now` at which an occurrence comes or leaves the window."""
    future = times > now
    if isinstance(window, Rolling):
        moments = np.where(future, times, times + window.length)
        moving = moments > now
    else:
        moments = times
        moving = future & (times >= window.start) & (times < window.end)
    if not moving.any():
        return None
    found = np.full(size, NEVER, np.int64)
    np.minimum.at(found, slots[moving], moments[moving])
    return found


def earlier(left: Int64s | None, right: Int64s | None) -> Int64s | None:
    """The earlier of two edges, slot by slot."""
    if left is None or right is None:
        return right if left is None else left
    found: Int64s = np.minimum(left, right)
    return found


def counts(slots: NDArray[Any], size: int) -> Int64s:
    """How many occurrences each slot has."""
    found: Int64s = np.bincount(slots, minlength=size)
    return found


def sums(slots: NDArray[Any], amounts: Int64s, size: int, most: int | None = None) -> tuple[Int64s, bool]:
    """The sum of each slot, and whether all sums are exact. `most`: what all amounts together do not exceed."""
    largest = float(most) if most is not None else float(np.abs(amounts.astype(np.float64)).sum())
    if largest < _EXACT:
        found: Int64s = np.bincount(slots, weights=amounts, minlength=size).astype(np.int64)
        return found, True
    total = np.zeros(size, np.int64)
    np.add.at(total, slots, amounts)
    return total, largest < float(2**62)


def extremes(slots: NDArray[Any], values: Int64s, size: int, least: bool) -> Int64s:
    """The least or greatest value of each slot; NEVER or -NEVER where there is none."""
    found = np.full(size, NEVER if least else -NEVER, np.int64)
    (np.minimum if least else np.maximum).at(found, slots, values)
    return found


def compare_moment(at: Int64s, has: Mask, operator: str, moment: Moment, now: int) -> tuple[Mask, Int64s | None]:
    """`models.segments.spans.judge_moment` for a time of each slot; false where there is none."""
    if not isinstance(moment, Relative):
        return has & (at < moment.at if operator == "before" else at > moment.at), None
    reached = at - moment.offset
    if operator == "before":
        holds = has & (reached < now)
        return holds, np.where(has & ~holds, reached + 1, NEVER)
    holds = has & (reached > now)
    return holds, np.where(holds, reached, NEVER)
