"""Packed bits of consent signals: base64url text in, fields out, most significant bit first.

A consent signal that cannot be read must never be taken for a consent, so every read past the end raises. Text comes
from anybody, so work is bounded: by CHARS_MAX characters, VENDOR_ID_MAX, and by ranges that may not name more ids than
there are; no input takes more than milliseconds and about a megabyte for each set of vendors.

Encodings: IAB TCF v2 consent string format (integers, bit fields, ranges) and IAB Global Privacy Platform string
(Fibonacci integers and ranges).
"""

import re
from base64 import urlsafe_b64decode
from itertools import chain, compress

CHARS_MAX = 16_384  # of a whole signal; a cookie, where most are kept, holds 4,096
VENDOR_ID_MAX = 16_383  # well above what the Global Vendor List numbers; the format could hold 65,535

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_TRUTH = bytes.maketrans(b"01", b"\0\1")
_FIBONACCI_BITS_MAX = 32  # of one integer: over three million


class InvalidSignal(ValueError):
    """A consent signal that cannot be read. The message names the field and what was expected, never the signal."""


class BitReader:
    """Reads fields off base64url text, one after the other.

    `name` is what the text is, for errors. Raises InvalidSignal, here and in every method, unless what is asked for
    is there and well formed.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        check_length(text, name)
        if not _BASE64URL.fullmatch(text):
            raise InvalidSignal(f"{name} must be base64url, at least one of A-Z, a-z, 0-9, '-' and '_', without '='")
        octets = urlsafe_b64decode(text + "A" * (-len(text) % 4))
        self._bits = f"{int.from_bytes(octets):0{8 * len(octets)}b}"[: 6 * len(text)]
        self._at = 0

    def integer(self, width: int, field: str) -> int:
        """An unsigned integer of `width` bits, at least one."""
        return int(self._take(width, field), 2)

    def flag(self, field: str) -> bool:
        """One bit."""
        return self._take(1, field) == "1"

    def letters(self, field: str) -> str:
        """Two letters of six bits each, in upper case: a language or a country."""
        numbers = self.integer(6, field), self.integer(6, field)
        if max(numbers) > 25:
            raise self.invalid(field, "must be two letters, each a number from 0 (A) to 25 (Z)")
        return "".join(chr(ord("A") + number) for number in numbers)

    def members(self, count: int, field: str) -> frozenset[int]:
        """The positions, from 1, of the bits that are set among the next `count`."""
        bits = self._take(count, field).encode().translate(_TRUTH)
        return frozenset(compress(range(1, count + 1), bits))

    def ranges(self, id_max: int, field: str) -> tuple[tuple[int, int], ...]:
        """First and last id of each entry of an integer range: ids from 1 to `id_max`, none of them twice over."""
        found = []
        room = id_max
        for _ in range(self.integer(12, field)):
            is_group, first = divmod(self.integer(17, field), 1 << 16)
            last = self.integer(16, field) if is_group else first
            if not 1 <= first <= last <= id_max:
                raise self.invalid(field, "must have ranges of ids from 1 to its highest id, the first before the last")
            room -= last - first + 1
            if room < 0:
                raise self.invalid(field, "names more ids than there can be; its ranges must not overlap")
            found.append((first, last))
        return tuple(found)

    def vendors(self, field: str) -> frozenset[int]:
        """Vendor ids: the highest, then a bit for each or ranges (`OptimizedIntRange`)."""
        id_max = self.integer(16, field)
        if id_max > VENDOR_ID_MAX:
            raise self.invalid(field, f"has a highest vendor id above {VENDOR_ID_MAX}, more than there are")
        if not self.flag(field):
            return self.members(id_max, field)
        return frozenset(chain.from_iterable(range(first, last + 1) for first, last in self.ranges(id_max, field)))

    def fibonacci(self, field: str) -> int:
        """An integer from 1 in Fibonacci code, which ends at the first two set bits in a row."""
        end = self._bits.find("11", self._at) + 2
        if end < 2:
            raise self._cut_off(field)
        code = self._take(end - self._at, field)
        if len(code) > _FIBONACCI_BITS_MAX:
            raise self.invalid(field, f"must be a Fibonacci integer of at most {_FIBONACCI_BITS_MAX} bits")
        value, weight, heavier = 0, 1, 2
        for bit in code[:-1]:
            if bit == "1":
                value += weight
            weight, heavier = heavier, weight + heavier
        return value

    def fibonacci_ids(self, id_max: int, field: str) -> tuple[int, ...]:
        """Ids from 1 to `id_max` of a Fibonacci range, ascending: each entry counts on from the one before."""
        ids: list[int] = []
        last = 0
        for _ in range(self.integer(12, field)):
            is_group = self.flag(field)
            first = last + self.fibonacci(field)
            last = first + self.fibonacci(field) if is_group else first
            if last > id_max:
                raise self.invalid(field, f"must name ids from 1 to {id_max}")
            ids.extend(range(first, last + 1))
        return tuple(ids)

    def finish(self) -> None:
        """Nothing but zeros may be left: padding, of any length."""
        if "1" in self._bits[self._at :]:
            raise InvalidSignal(f"{self._name} holds more than its fields; only padding with zeros may follow them")

    def invalid(self, field: str, problem: str) -> InvalidSignal:
        """The error to raise about `field`."""
        return InvalidSignal(f"{self._name}: {field} {problem}")

    def _take(self, width: int, field: str) -> str:
        end = self._at + width
        if end > len(self._bits):
            raise self._cut_off(field)
        taken = self._bits[self._at : end]
        self._at = end
        return taken

    def _cut_off(self, field: str) -> InvalidSignal:
        return self.invalid(field, "is not all there: the string was cut off; send the whole of it")


def check_length(text: str, name: str) -> None:
    """Raises InvalidSignal if `text` is longer than any signal."""
    if len(text) > CHARS_MAX:
        raise InvalidSignal(f"{name} has more than {CHARS_MAX} characters; send one signal as it was issued")
