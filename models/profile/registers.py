"""Registers: of the values that were observed for a key, the latest one is held.

"Latest" is a total order over what was observed (time, tie, then the value itself), so that a register holds
the same observation in whatever order it is told of them: its join is associative, commutative and idempotent.
"""

from typing import Any

import msgspec

from models.profile.state import Observation

_canonical = msgspec.json.Encoder(order="deterministic")


def canonical_json(value: Any) -> str:
    """One text for one JSON value: sorted keys, no spaces."""
    return _canonical.encode(value).decode()


def is_later(new: Observation, held: Observation) -> bool:
    """`new` takes the place of `held`: by time, then tie, then value and source (never equal for different ones)."""
    if new.timestamp != held.timestamp:
        return new.timestamp > held.timestamp
    if new.tie != held.tie:
        return new.tie > held.tie
    return _content(new) > _content(held)


def is_later_permission(new: Observation, held: Observation) -> bool:
    """`is_later` for permissions: of two that were given and refused in the same millisecond, the refusal holds."""
    if new.timestamp == held.timestamp and new.value != held.value:
        return _restriction(new.value) > _restriction(held.value)
    return is_later(new, held)


def observe(registers: dict[str, Observation], key: str, new: Observation) -> bool:
    """Tells register `key` of an observation. Returns whether its value is another one now."""
    held = registers.get(key)
    if held is None:
        registers[key] = new
        return True
    if not is_later(new, held):
        return False
    registers[key] = new
    return bool(new.value != held.value)


def observe_permission(registers: dict[str, Observation], key: str, new: Observation) -> bool:
    """`observe` for a permission (True, False, or None for withdrawn without a word)."""
    held = registers.get(key)
    if held is None:
        registers[key] = new
        return True
    if not is_later_permission(new, held):
        return False
    registers[key] = new
    return bool(new.value != held.value)


def _content(observation: Observation) -> tuple[str, str]:
    return canonical_json(observation.value), observation.source


def _restriction(value: Any) -> int:
    if value is True:
        return 0
    return 1 if value is None else 2
