"""Profiles by key, by the shortest way: the shard's committed file if it is on this node, else a call to the shard."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from models.privacy.decisions import DecisionRecord
from models.profile.state import Profile

NOBODY = (
    "no profile has this key; if its events were sent just now, ask with `min_seq` set to the `sequence` that "
    "acknowledged them"
)


class LocalReads(Protocol):
    """Committed profiles of the shards whose files are on this node (`actors.reader.CommittedReader`)."""

    def get(self, key: str, min_seq: str = "") -> Profile | None:
        """The profile, or None if there is none. Raises LookupError if this node's files cannot tell (yet)."""

    def decision(self, people: Iterable[int], decision: DecisionRecord) -> DecisionRecord | None:
        """The first decision of the log about a person who has had these customer ids. Raises LookupError."""


class ShardReads(Protocol):
    """Profiles as their shards answer (`actors.router.Router`)."""

    async def profile(self, key: str, min_seq: str = "") -> Profile | None: ...

    async def profiles(self, keys: list[str], min_seq: str = "") -> list[Profile | None]: ...


class DecisionReads(ShardReads, Protocol):
    """The same, and what was decided about people."""

    async def decision(self, people: list[int], decision: DecisionRecord) -> DecisionRecord | None: ...


class ProfileReads:
    """Reads of one replica. Keys are normalised "namespace:value" or "customer_id:cus_..."."""

    def __init__(self, shards: DecisionReads, local: LocalReads | None) -> None:
        self._shards = shards
        self._local = local

    async def get(self, key: str, min_seq: str = "") -> Profile | None:
        """The profile of a key, None if there is none. Raises Unavailable if its shard does not answer in time."""
        if self._local is not None:
            try:
                return self._local.get(key, min_seq)
            except LookupError:
                pass  # not here, or not settled through min_seq: the shard waits for that, files do not
        return await self._shards.profile(key, min_seq)

    async def decision(self, people: list[int], decision: DecisionRecord) -> DecisionRecord | None:
        """An automated decision as it is in the log about a person who has had these customer ids: the first. Raises
        Unavailable."""
        if self._local is not None:
            with suppress(LookupError):
                return self._local.decision(people, decision)
        return await self._shards.decision(people, decision)

    async def get_many(self, keys: Sequence[str], min_seq: str = "") -> list[Profile | None]:
        """Profiles in the order of the keys, None where there is none."""
        found: list[Profile | None] = [None] * len(keys)
        elsewhere: list[int] = []
        for position, key in enumerate(keys):
            try:
                if self._local is None:
                    raise LookupError
                found[position] = self._local.get(key, min_seq)
            except LookupError:
                elsewhere.append(position)
        if elsewhere:
            answers = await self._shards.profiles([keys[position] for position in elsewhere], min_seq)
            for position, profile in zip(elsewhere, answers, strict=True):
                found[position] = profile
        return found
