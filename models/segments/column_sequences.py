"""Sequences over columns: chains of occurrences joined by slot and by the properties that steps compare.

A chain is known by where it has arrived: its slot, its time and what later steps compare with (hashes). One step after
the other the latest chain before each occurrence is looked up by sorting. That is enough as long as each step compares
all that is still to be compared; of the few sequences that skip a step with it, the profiles are asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.segments.column_windows import Found, earlier, edges, inside
from models.segments.columns import Columns, EventColumn
from models.segments.criteria import PropertyTest, Reference, Rolling, Sequence, Step
from models.segments.growing_array import Int64s, Mask
from models.segments.sequences import static_tests
from models.segments.spans import NEVER

Occurrences = Callable[[str, tuple[PropertyTest, ...]], tuple[EventColumn | None, Mask, set[int]]]
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(slots=True)
class _Chains:
    """Where the chains have arrived, with the hashes of what later steps compare with."""

    slots: NDArray[Any]
    times: Int64s
    bound: dict[Reference, Int64s]


def find_sequences(clause: Sequence, columns: Columns, now: int, occurrences: Occurrences) -> Found:
    """What columns tell of a sequence. `occurrences` finds those of an event that pass tests (see VectorEvaluator)."""
    size, window = columns.size, clause.window
    begin = now - window.length if isinstance(window, Rolling) else window.start - 1
    hard: set[int] = set()
    moments: Int64s | None = None
    chains: _Chains | None = None
    holds: Mask = np.zeros(size, np.bool_)
    joinable = _is_joinable(clause)
    for number, step in enumerate(clause.steps):
        column, passed, unsure = occurrences(step.event, tuple(static_tests(step)))
        hard |= unsure
        if column is None:
            slots, times = np.zeros(0, np.int32), np.zeros(0, np.int64)
        else:
            hard |= {slot for slot, since in column.aged.items() if begin < since or step.absent}
            slots, times = column.slots.view(len(passed)), column.times.view(len(passed))
        if column is not None and column.untracked & _joined_by(clause, number):
            hard |= set(map(int, np.unique(slots[passed])))
        moments = earlier(moments, edges(slots[passed], times[passed], window, now, size))
        if not joinable:
            hard |= set(map(int, np.unique(slots[passed])))
            continue
        if step.absent:
            assert chains is not None
            came = passed & (times <= now)
            future = edges(slots[passed], times[passed], Rolling(0), now, size)
            stayed = _stayed_away(chains, step, column, np.flatnonzero(came))
            over = chains.times + step.within
            holds[chains.slots[stayed & (over <= now)]] = True
            waiting = over > now
            deadlines = np.full(size, NEVER, np.int64)
            np.minimum.at(deadlines, chains.slots[waiting], over[waiting])
            return Found(holds, earlier(earlier(moments, future), deadlines), hard)
        positions = np.flatnonzero(passed)
        positions = positions[inside(times[positions], window, now)]
        needed = _needed_after(clause, number)
        if chains is None:
            chains = _arrived(column, positions, number, needed, {})
        else:
            chains = _go_on(chains, step, number, column, positions, needed)
    if chains is not None:
        holds[chains.slots] = True
    return Found(holds, moments, hard)


def _comparisons(step: Step) -> list[PropertyTest]:
    return [test for test in step.where if isinstance(test.value, Reference)]


def _needed_after(clause: Sequence, number: int) -> set[Reference]:
    """What the steps after `number` compare with and the steps up to it have."""
    later = {test.value for step in clause.steps[number + 1 :] for test in _comparisons(step)}
    return {reference for reference in later if reference.step <= number}


def _joined_by(clause: Sequence, number: int) -> set[str]:
    """The properties of a step that are compared with one another's."""
    bound = {reference.property for reference in _needed_after(clause, number) if reference.step == number}
    return bound | {test.property for test in _comparisons(clause.steps[number])}


def _is_joinable(clause: Sequence) -> bool:
    """Whether each step compares all that is still to be compared."""
    return all(
        _needed_after(clause, number - 1) <= {test.value for test in _comparisons(step)}
        for number, step in enumerate(clause.steps)
        if number
    )


def _hashes(column: EventColumn | None, name: str, positions: NDArray[Any]) -> Int64s:
    values = None if column is None else column.properties.get(name)
    if column is None or values is None:
        return np.zeros(len(positions), np.int64)
    found: Int64s = values.hashes(column.slots.size)[positions]
    return found


def _arrived(
    column: EventColumn | None,
    positions: NDArray[Any],
    number: int,
    needed: set[Reference],
    carried: dict[Reference, Int64s],
) -> _Chains:
    """Chains that have arrived at these occurrences."""
    if column is None:
        return _Chains(np.zeros(0, np.int32), np.zeros(0, np.int64), dict.fromkeys(needed, np.zeros(0, np.int64)))
    size = column.slots.size
    bound = {
        reference: _hashes(column, reference.property, positions) if reference.step == number else carried[reference]
        for reference in needed
    }
    return _Chains(column.slots.view(size)[positions], column.times.view(size)[positions], bound)


def _go_on(
    chains: _Chains,
    step: Step,
    number: int,
    column: EventColumn | None,
    positions: NDArray[Any],
    needed: set[Reference],
) -> _Chains:
    if column is None:
        return _arrived(None, positions, number, needed, {})
    compared, agreeing, positions = _compared(step, column, positions)
    size = column.slots.size
    slots, times = column.slots.view(size)[positions], column.times.view(size)[positions]
    groups = _groups(slots, agreeing)
    chain_groups = _groups(chains.slots, [chains.bound[reference] for reference in compared])
    # In each group by time, an occurrence before a chain of the same millisecond, which it does not follow.
    order, is_chain, group, at = _merged(groups, times, chain_groups, chains.times)
    latest = np.maximum.accumulate(np.where(is_chain, np.arange(len(order)), -1))
    follows = ~is_chain & (latest >= 0)
    before = np.maximum(latest, 0)
    follows &= group[before] == group
    if step.within:
        follows &= at[before] >= at - step.within
    kept = np.sort(order[follows])  # occurrences come first in what was merged
    carried = {
        reference: hashes[kept] for reference, hashes in zip(compared, agreeing, strict=True) if reference in needed
    }
    return _arrived(column, positions[kept], number, needed, carried)


def _stayed_away(chains: _Chains, step: Step, column: EventColumn | None, positions: NDArray[Any]) -> Mask:
    """The chains that the step has not followed within its time."""
    if column is None:
        return np.ones(len(chains.slots), np.bool_)
    compared, agreeing, positions = _compared(step, column, positions)
    size = column.slots.size
    slots, times = column.slots.view(size)[positions], column.times.view(size)[positions]
    chain_groups = _groups(chains.slots, [chains.bound[reference] for reference in compared])
    order, is_chain, group, at = _merged(_groups(slots, agreeing), times, chain_groups, chains.times)
    total = len(order)
    ahead = np.where(is_chain, total, np.arange(total))
    following = np.minimum.accumulate(ahead[::-1])[::-1]
    there = is_chain & (following < total)
    after = np.minimum(following, max(total - 1, 0))
    came = there & (group[after] == group) & (at[after] <= at + step.within)
    stayed = np.ones(len(chains.slots), np.bool_)
    stayed[order[came] - len(positions)] = False
    return stayed


def _compared(
    step: Step, column: EventColumn, positions: NDArray[Any]
) -> tuple[list[Reference], list[Int64s], NDArray[Any]]:
    """What the step compares with, the hashes of its own occurrences, and these without the ones that lack one."""
    tests = _comparisons(step)
    hashes = [_hashes(column, test.property, positions) for test in tests]
    there = np.ones(len(positions), np.bool_)
    for each in hashes:
        there &= each != 0
    return [test.value for test in tests], [each[there] for each in hashes], positions[there]


def _groups(slots: NDArray[Any], hashes: list[Int64s]) -> NDArray[np.uint64]:
    """One number for a slot and what is compared; different ones meet by a chance of 1 in 2**64."""
    groups = slots.astype(np.uint64)
    for each in hashes:
        mixed = (groups ^ each.view(np.uint64)) * _MIX
        groups = mixed ^ (mixed >> np.uint64(31)) ^ (groups << np.uint64(17))
    return groups


def _merged(
    groups: NDArray[np.uint64], times: Int64s, chain_groups: NDArray[np.uint64], chain_times: Int64s
) -> tuple[NDArray[Any], Mask, NDArray[np.uint64], Int64s]:
    """Occurrences and chains together by group and time, occurrences first: their order (chains numbered after the
    occurrences), which are chains, groups and times."""
    group, at = np.concatenate([groups, chain_groups]), np.concatenate([times, chain_times])
    is_chain = np.arange(len(group)) >= len(groups)
    order = np.lexsort((is_chain, at, group))
    return order, is_chain[order], group[order], at[order]
