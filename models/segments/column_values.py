"""Values made of columns, compared as the judges of one profile compare them."""

from typing import Any

import numpy as np

from models.profile.state import MICRO
from models.segments.criteria import PRESENCE_OPERATORS, Comparison
from models.segments.growing_array import Int64s, Mask
from models.segments.scalars import COMPARE
from models.segments.spans import count_bounds
from models.segments.value_column import compare_all

_EXACT = 2**53


def of_nothing(measure: str, operator: str, value: Any) -> bool:
    """What a measure of no occurrence compares to."""
    if measure == "count" or operator in PRESENCE_OPERATORS:
        low, high, wanted = count_bounds(operator, value)
        return (low <= 0 <= high) == wanted
    if measure in ("distinct", "sum"):
        return COMPARE[operator](0, value)
    return operator == "not_equals"


def compare_average(total: Int64s, has: Int64s, operator: str, value: int) -> tuple[Mask, bool]:
    """An average against micro-units, without dividing; and whether that was exact."""
    limit = abs(value) * (int(has.max()) if len(has) else 0)
    holds = np.where(has > 0, compare_all(operator, total, value * has), operator == "not_equals")
    return holds, limit < 2**62


def as_number(measure: str, number: Int64s, has: Int64s) -> tuple[Any, Mask, bool]:
    """The value of a computed trait as its judge computes it, where there is one, and whether it is as precise."""
    if measure == "distinct":
        return number.astype(np.float64), np.ones(len(number), np.bool_), True
    there = has > 0
    known = np.where(there, number, 0)
    precise = not len(known) or int(np.abs(known).max()) < _EXACT
    if measure == "average":
        return known / (np.maximum(has, 1) * MICRO), there, precise
    if measure in ("min", "max"):
        return known / MICRO, there, precise
    return number / MICRO, np.ones(len(number), np.bool_), precise


def compare_numbers(value: Any, there: Mask, clause: Comparison) -> Mask:
    """An operator on numbers, where there are any."""
    operator, operand = clause.operator, clause.value
    match operator:
        case "exists":
            return there
        case "not_exists":
            return ~there
        case "in" | "not_in" | "equals" | "not_equals":
            wanted = operand if isinstance(operand, tuple) else (operand,)
            numbers = [each for each in wanted if isinstance(each, int | float) and not isinstance(each, bool)]
            found: Mask = there & np.isin(value, numbers)
            return found if operator in ("in", "equals") else ~found
    compared: Mask = there & compare_all(operator, value, operand)
    return compared


def unique_pairs(slots: Any, hashes: Int64s) -> Any:
    """The slots of the different (slot, hash) pairs."""
    order = np.lexsort((hashes, slots))
    slots, hashes = slots[order], hashes[order]
    if not len(slots):
        return slots
    first = np.ones(len(slots), np.bool_)
    first[1:] = (slots[1:] != slots[:-1]) | (hashes[1:] != hashes[:-1])
    return slots[first]
