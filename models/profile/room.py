"""Room: what a section of a profile still takes, so that one id and a key that writes cannot grow a profile for ever.

What does not fit is left out and counted in `Profile.beyond_limits`, never silently; the event itself stays in the
log. Values are only measured where they or the section are larger than people's are, so ordinary ones pay nothing.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from models.profile.policy import ProfileLimits

SMALL = 64  # characters of a text that need not be measured
SIZED = frozenset({str, dict, list})  # types of values that may have to be
_FEW = 64  # keys of a section that need not be measured while their values are small


def leave_out(beyond: dict[str, int], section: str, observations: int = 1) -> None:
    """Counts what was not folded into a section, because of a limit."""
    beyond[section] = beyond.get(section, 0) + observations


class Room:
    """What the section `held` (key -> values) takes during one call, in keys and in encoded bytes."""

    __slots__ = ("_beyond", "_held", "_keys", "_left", "_limits", "_section")

    def __init__(
        self, held: Mapping[str, Any], section: str, keys: int, limits: ProfileLimits, beyond: dict[str, int]
    ) -> None:
        self._held, self._section, self._keys = held, section, keys
        self._limits, self._beyond = limits, beyond
        self._left = -1  # bytes; -1 until measured

    def takes(self, key: str, value: Any) -> bool:
        """Whether `value` fits under a key that is not there yet. Counts it as left out if not."""
        held, limits = self._held, self._limits
        if len(held) >= self._keys or len(key) > limits.text:
            leave_out(self._beyond, self._section)
            return False
        kind = type(value)
        if kind not in SIZED or (kind is str and len(value) <= SMALL):
            return len(held) < _FEW or self._has(len(key) + SMALL)
        size = self._size_of(value)
        return size >= 0 and (self._is_low() or self._has(len(key) + size))

    def takes_instead(self, value: Any, before: Any) -> bool:
        """The same for a value, not a small one, in the place of another."""
        size = self._size_of(value)
        return size >= 0 and (self._is_low() or self._has(size - len(_encoder.encode(before))))

    def takes_count(self, counts: Mapping[str, Any], text: str) -> bool:
        """The same for one more value (as JSON) that is counted."""
        if len(counts) < _FEW // 8 and len(text) <= SMALL:
            return True
        size = len(text.encode())
        if len(counts) >= self._limits.counted_values or size > self._limits.value_bytes:
            leave_out(self._beyond, self._section)
            return False
        return self._has(size)

    def _size_of(self, value: Any) -> int:
        """Encoded bytes; -1 for too many, which are counted as left out."""
        size = len(_encoder.encode(value))
        if size <= self._limits.value_bytes:
            return size
        leave_out(self._beyond, self._section)
        return -1

    def _is_low(self) -> bool:
        """So few keys that the section need not be measured."""
        return len(self._held) * self._limits.value_bytes < self._limits.section_bytes // 2

    def _has(self, growth: int) -> bool:
        if growth <= 0:
            return True
        if self._left < 0:
            self._left = max(0, self._limits.section_bytes - len(_encoder.encode(self._held)))
        if growth > self._left:
            leave_out(self._beyond, self._section)
            return False
        self._left -= growth
        return True


_encoder = msgspec.msgpack.Encoder()
