"""What a scan for an erased person found, store by store, and whether the scan itself can be trusted."""

from collections.abc import Collection
from typing import Literal

import msgspec

How = Literal["raw", "decoded"]


class Found(msgspec.Struct, frozen=True, order=True):
    """A needle was found. `count`: occurrences in raw bytes, rows in decoded tables."""

    needle: str  # fingerprint
    file: str  # relative to what was scanned
    place: str  # "bytes", "packed" (profiles within bytes), "name", "content" (of a compressed file) or table.column
    how: How
    count: int
    # False: part of a longer text, or equal to a short value or a number: it may well be of somebody else.
    certain: bool = True


class StoreScan(msgspec.Struct):
    """One store: everything under one name in the data directory."""

    store: str
    files: int = 0
    bytes: int = 0
    rows: int = 0  # decoded
    found: list[Found] = []
    control_found: int = 0  # places where canaries that must be found were
    problems: list[str] = []  # what could not be read


class Planted(msgspec.Struct, frozen=True):
    """A canary that the scan planted in a copy of one kind of store. None: that way it cannot be seen there."""

    kind: str
    raw: bool | None
    decoded: bool | None
    missing: list[str] = []  # places where it was planted and not found

    @property
    def holds(self) -> bool:
        """It was found in every way in which it can be."""
        return self.raw is not False and self.decoded is not False and not self.missing


class ScanReport(msgspec.Struct, frozen=True):
    """A whole scan."""

    stores: list[StoreScan]
    planted: list[Planted]
    control_missing: list[str] = []  # fingerprints of canaries that must be there and were not found
    seconds: float = 0.0

    def about(self, fingerprints: Collection[str]) -> "ScanReport":
        """The same scan, with what was found of these needles alone: one scan may look for many people."""
        stores = [
            msgspec.structs.replace(store, found=[each for each in store.found if each.needle in fingerprints])
            for store in self.stores
        ]
        return msgspec.structs.replace(self, stores=stores)

    @property
    def failures(self) -> list[str]:
        """Why the scan proves nothing; empty if it was whole and its controls hold."""
        unread = [f"{store.store}: {problem}" for store in self.stores for problem in store.problems]
        unseen = [
            f"control: a canary in a copy of {each.kind} was not found" for each in self.planted if not each.holds
        ]
        if not self.planted:
            unseen.append("control: no canary was planted")
        missing = [f"control: canary {mark} was not found" for mark in self.control_missing]
        return unread + unseen + missing

    @property
    def found(self) -> list[Found]:
        """What counts against an erasure."""
        return [each for store in self.stores for each in store.found if each.certain]

    @property
    def clean(self) -> bool:
        """The scan was whole, its controls hold, and nothing was found."""
        return not self.failures and not self.found
