"""What the control store says, kept in memory until it says something else."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

REFRESH_MS = 500

T = TypeVar("T")


class Versioned(Protocol):
    """A store that counts its changes, as `actors.control.ControlStore` does."""

    def version(self) -> int: ...


class Snapshot(Generic[T]):
    """What `load` made of the store, at most half a second old. `now` in ms."""

    def __init__(self, store: Versioned, load: Callable[[], T], now: Callable[[], int]) -> None:
        self._store = store
        self._load = load
        self._now = now
        self._value: T | None = None
        self._version = -1
        self._checked_ms = 0

    def get(self) -> T:
        """The value; a call in REFRESH_MS looks at the store's version."""
        now = self._now()
        if self._value is None or abs(now - self._checked_ms) >= REFRESH_MS:
            version = self._store.version()
            if self._value is None or version != self._version:
                self._value = self._load()
                self._version = version
            self._checked_ms = now
        return self._value
