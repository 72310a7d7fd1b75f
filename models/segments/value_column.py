"""A column of JSON values, one at each position, that every operator of the language can be asked about at once.

While there are few different values each position holds a code, and an operator is asked once for each different
value: by the very test that the judge of one profile uses. A column with too many different values keeps instead what
operators need: hashes, numbers, times, packed texts. What is inside lists it does not hold: there it says that it
cannot tell (`unsure`), and the profile itself is asked.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from models.events.clock import parse_time
from models.profile.money import to_micro
from models.profile.registers import canonical_json
from models.segments.criteria import ORDER_OPERATORS, TIME_OPERATORS
from models.segments.growing_array import GrowingArray, Int64s, Mask
from models.segments.scalars import COMPARE, scalar_test, value_key
from models.segments.text_column import TextColumn

DISTINCT_MAX = 65_535  # different values of a column with codes
NO_MOMENT = np.iinfo(np.int64).min  # ms
NO_AMOUNT = np.iinfo(np.int64).min
_TESTS_MAX = 64  # remembered answers for each different value
_EXACT_MAX = 2**53


class Answer(NamedTuple):
    """What a column says of a test: where it holds, and where it cannot tell (None: nowhere)."""

    holds: Mask
    unsure: Mask | None = None


class ValueColumn:
    """Values by position. Positions that were never set hold none."""

    def __init__(self) -> None:
        self._codes = GrowingArray(np.uint16)  # 0 for none
        self._code_of: dict[Any, int] = {}
        self._values: list[Any] = [None]
        self._hashes: GrowingArray | None = None  # once there are too many values
        self._numbers = GrowingArray(np.float64, np.nan)  # as long as they have to be
        self._amounts = GrowingArray(np.int64, NO_AMOUNT)
        self._moments = GrowingArray(np.int64, NO_MOMENT)
        self._texts = TextColumn()
        self._lists = GrowingArray(np.bool_)
        self._tests: dict[tuple[str, Any], Mask] = {}
        self._derived: dict[str, NDArray[Any]] = {}

    @property
    def is_coded(self) -> bool:
        """Whether every different value is known."""
        return self._hashes is None

    def put(self, position: int, value: Any) -> None:
        """Sets a value; None for none."""
        if self._hashes is not None:
            self._put_hash(position, value)
            return
        if value is None:
            self._codes.put(position, 0)
            return
        key = _key(value)
        code = self._code_of.get(key)
        if code is None:
            code = len(self._values)
            if code > DISTINCT_MAX:
                self._open()
                self._put_hash(position, value)
                return
            self._code_of[key] = code
            self._values.append(value)
        self._codes.put(position, code)

    def keep(self, kept: Mask) -> None:
        """Drops the positions that are not kept."""
        if self._hashes is None:
            self._codes.keep(kept)
            return
        for array in (self._hashes, self._numbers, self._amounts, self._moments, self._lists):
            if array.size:
                array.keep(kept)
        self._texts.keep(kept)

    def test(self, operator: str, value: Any, length: int) -> Answer:
        """An operator with a fixed value, at the first `length` positions."""
        if self._hashes is None:
            return Answer(self._lookup(operator, value)[self._codes.view(length)])
        return self._test_hashes(operator, value, self._hashes.view(length))

    def moments(self, length: int) -> Int64s:
        """The values that are times, in ms, else NO_MOMENT."""
        if self._hashes is not None:
            return self._moments.view(length)
        return self._by_code("moments", _moment, length)

    def amounts(self, length: int) -> Int64s:
        """Micro-units of the values that are amounts, else NO_AMOUNT."""
        if self._hashes is not None:
            return self._amounts.view(length)
        return self._by_code("amounts", _amount, length)

    def hashes(self, length: int) -> Int64s:
        """Equal for equal values, also of other columns; 0 for none."""
        if self._hashes is not None:
            return self._hashes.view(length)
        return self._by_code("hashes", _hash, length)

    def values(self) -> list[Any]:
        """The different values by code, the first of which is none; for a coded column."""
        return self._values

    def codes(self, length: int) -> NDArray[np.uint16]:
        """Codes into `values`; for a coded column."""
        return self._codes.view(length)

    def numbers(self, length: int) -> NDArray[np.float64]:
        """The values that are numbers, else not-a-number."""
        if self._hashes is not None:
            return self._numbers.view(length)
        found: NDArray[np.float64] = np.array([_number(value) for value in self._values])[self._codes.view(length)]
        return found

    def _by_code(self, name: str, derive: Callable[[Any], int], length: int) -> Int64s:
        """Derived once for each different value."""
        known = self._derived.get(name)
        if known is None or len(known) < len(self._values):
            start = 0 if known is None else len(known)
            more = np.array([derive(value) for value in self._values[start:]], np.int64)
            known = self._derived[name] = more if known is None else np.concatenate([known, more])
        found: Int64s = known[self._codes.view(length)]
        return found

    def _lookup(self, operator: str, value: Any) -> Mask:
        key = (operator, _exactly(value))
        known = self._tests.get(key)
        if known is not None and len(known) == len(self._values):
            return known
        test = scalar_test(operator, value)
        start = 0 if known is None else len(known)
        more = np.array([test(each) for each in self._values[start:]], np.bool_)
        found = more if known is None else np.concatenate([known, more])
        if len(self._tests) >= _TESTS_MAX:
            self._tests.clear()
        self._tests[key] = found
        return found

    def _test_hashes(self, operator: str, value: Any, hashes: Int64s) -> Answer:
        match operator:
            case "exists" | "not_exists":
                return Answer(np.not_equal(hashes, 0) if operator == "exists" else np.equal(hashes, 0))
            case "equals" | "not_equals":
                wanted = _hash(value)
                return Answer(np.equal(hashes, wanted) if operator == "equals" else np.not_equal(hashes, wanted))
            case "in" | "not_in":
                return Answer(np.isin(hashes, [_hash(each) for each in value], invert=operator == "not_in"))
        length = len(hashes)
        if operator in ORDER_OPERATORS:
            return Answer(compare_all(operator, self._numbers.view(length), value))
        if operator in TIME_OPERATORS:
            at = self._moments.view(length)
            return Answer((at != NO_MOMENT) & (at < value.at if operator == "before" else at > value.at))
        holds = self._texts.test(operator, value, length) if isinstance(value, str) else np.zeros(length, np.bool_)
        unsure = operator == "contains" and self._lists.size
        return Answer(holds, self._lists.view(length) if unsure else None)

    def _open(self) -> None:
        """From codes to hashes."""
        size = self._codes.size
        self._hashes = GrowingArray(np.int64)
        codes = self._codes.view(size)
        kinds: tuple[tuple[GrowingArray, Callable[[Any], Any], Any], ...] = (
            (self._hashes, _hash, np.int64),
            (self._numbers, _number, np.float64),
            (self._amounts, _amount, np.int64),
            (self._moments, _moment, np.int64),
            (self._lists, _is_list, np.bool_),
        )
        for array, derive, dtype in kinds:
            values = np.array([derive(value) for value in self._values], dtype)
            if not _is_blank(values, array.fill):
                array.fill_from(values[codes])
        self._texts.fill([value if isinstance(value, str) else None for value in self._values], codes)
        self._codes = GrowingArray(np.uint16)
        self._code_of, self._values = {}, [None]
        self._tests, self._derived = {}, {}

    def _put_hash(self, position: int, value: Any) -> None:
        assert self._hashes is not None
        self._hashes.put(position, _hash(value))
        self._texts.put(position, value if isinstance(value, str) else None)
        # Most such columns hold texts alone, and need no room for anything else.
        _put_if_any(self._numbers, position, _number(value))
        _put_if_any(self._amounts, position, _amount(value))
        _put_if_any(self._moments, position, _moment(value))
        _put_if_any(self._lists, position, _is_list(value))


def _put_if_any(array: GrowingArray, position: int, value: Any) -> None:
    """Sets a value in an array that is only as long as there is something in it."""
    if position < array.size or not _is_blank(value, array.fill):
        array.put(position, value)


def _is_blank(values: Any, fill: Any) -> bool:
    """Whether all values are what an array holds where nothing was set."""
    return bool(np.all(np.isnan(values) if fill != fill else np.equal(values, fill)))


def compare_all(operator: str, values: NDArray[Any], value: Any) -> Mask:
    """An operator of numbers at every position."""
    found: Any = COMPARE[operator](values, value)
    return cast(Mask, found)


def _key(value: Any) -> Any:
    return ("json", canonical_json(value)) if isinstance(value, list | dict) else value_key(value)


def _exactly(value: Any) -> Any:
    """A key of what is compared with: 1 and true are not the same."""
    if isinstance(value, tuple):
        return tuple(_exactly(each) for each in value)
    return value_key(value)


def _hash(value: Any) -> int:
    """64 bits, 0 for none: equal for equal values, and for different ones by a chance of 1 in 2**64."""
    if value is None:
        return 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < _EXACT_MAX:
            return int(struct.unpack("<q", struct.pack("<d", value + 0.0))[0]) ^ _NUMBERS
        return hash(("large", value)) or 1  # of equal numbers, whatever their type, Python's own is equal
    return hash(_key(value)) or 1


_NUMBERS = 0x5A17_3E9C_44D1_0B77


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return np.nan
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floating point ones compares as infinity does
        return math.inf if value > 0 else -math.inf


def _moment(value: Any) -> int:
    at = parse_time(value)
    return NO_MOMENT if at is None else at


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _amount(value: Any) -> int:
    micro = to_micro(value)
    return NO_AMOUNT if micro is None else micro
