"""Whether a purpose has a basis for people, at the moment at which they are told of."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

from actors.reader import CUSTOMER_ID_NAMESPACE
from models.identity.customer_id import to_text
from models.privacy.purposes import Purposes
from models.privacy.visibility import may_read
from models.profile.state import Profile

FRESH_MS = 1_000  # how long an answer holds: as long as a revoked key may count

Entry = tuple[int, str]
"""Who (customer id) entered which segment."""

MayTell = Callable[[Collection[Entry], str], Awaitable[Collection[Entry]]]
"""Those of the entries that may be told now, for a purpose: see `BasisCheck.entries`."""


class BasisCheck:
    """Asks for the profiles, by normalised keys, and for the definitions of segments, by id. `now` is in ms."""

    def __init__(
        self,
        profiles: Callable[[list[str]], Awaitable[list[Profile | None]]],
        segments: Callable[[], Mapping[str, Mapping[str, Any]]],
        purposes: Purposes,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        may_tell: Callable[[str, str], bool] = lambda segment_id, purpose: True,
    ) -> None:
        """`may_tell`: whether it may be told for a purpose who is in a segment (`actors.special_segments`)."""
        self._profiles = profiles
        self._may_tell = may_tell
        self._segments = segments
        self._purposes = purposes
        self._now = now

    async def keys(self, keys: Iterable[str], purpose: str) -> dict[str, bool]:
        """Of each normalised key that is somebody's, whether a purpose has a basis for that person: never if it is not
        in the registry any more; while there is no registry always, unless processing is restricted. Raises
        Unavailable."""
        asked = list(dict.fromkeys(keys))
        profiles = await self._profiles(asked)
        now = self._now()
        is_known = not self._purposes.is_on or purpose in self._purposes.known
        return {
            key: is_known and may_read(profile, self._purposes, purpose, now)
            for key, profile in zip(asked, profiles, strict=True)
            if profile is not None
        }

    async def people(self, customer_ids: Iterable[int], purpose: str) -> set[int]:
        """Those for whom a purpose has a basis; while there is no registry all but those whose processing is
        restricted. Raises Unavailable."""
        asked = {f"{CUSTOMER_ID_NAMESPACE}{to_text(each)}": each for each in customer_ids}
        readable = await self.keys(asked, purpose)
        gone = not self._purposes.is_on  # of whom nothing is known any more
        return {customer_id for key, customer_id in asked.items() if readable.get(key, gone)}

    async def entries(self, entries: Collection[Entry], purpose: str) -> Collection[Entry]:
        """Those of the entries that may be told: for the purpose, if empty for that of each segment, else for the
        default one. None for a purpose that is not in the registry any more, none of a segment that is no more, and
        none of a person who is no more. Raises Unavailable."""
        if not self._purposes.is_on:
            keys = {customer_id: f"{CUSTOMER_ID_NAMESPACE}{to_text(customer_id)}" for customer_id, _ in entries}
            present = await self.keys(keys.values(), "")
            return {entry for entry in entries if present.get(keys[entry[0]])}
        groups: dict[str, set[Entry]] = {}
        segments = {} if purpose else self._segments()
        for entry in entries:
            if purpose:
                groups.setdefault(purpose, set()).add(entry)
            elif entry[1] in segments:
                groups.setdefault(segments[entry[1]].get("purpose") or self._purposes.default, set()).add(entry)
        told: set[Entry] = set()
        for asked_for, asked in groups.items():
            group = {entry for entry in asked if self._may_tell(entry[1], asked_for)}
            readable = await self.people((customer_id for customer_id, _ in group), asked_for)
            told |= {entry for entry in group if entry[0] in readable}
        return told


class FreshCheck:
    """Whether entries that are told one after the other may be told, each at its moment: asked for all at once, and
    again when the answer is older than FRESH_MS."""

    def __init__(self, may_tell: MayTell, entries: Iterable[Entry], purpose: str, now: Callable[[], int]) -> None:
        self._may_tell = may_tell
        self._entries = set(entries)
        self._purpose = purpose
        self._now = now
        self._told: Collection[Entry] = ()
        self._until = 0

    async def ask(self) -> None:
        """Asks now. Raises Unavailable."""
        asked_at = self._now()
        self._told = await self._may_tell(self._entries, self._purpose) if self._entries else ()
        self._until = asked_at + FRESH_MS

    async def allows(self, entry: Entry) -> bool:
        """Whether one of the entries may be told now. Raises Unavailable."""
        if self._now() >= self._until:
            await self.ask()
        return entry in self._told
