"""Profiles as bytes that need no more encoding: what ProfileService answers with.

The shard's committed file tells a profile's id and sequence number in some 9 microseconds. If that version was
encoded before, and time has not changed its document, the bytes are at hand; to make them again takes a quarter of a
millisecond. Nothing has to be invalidated: a version that is no longer the latest is not asked for.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, NamedTuple, Protocol

from actors.reader import Committed
from models.profile.document import document, valid_until
from models.profile.lifecycle import LifecycleRules
from models.profile.state import Profile
from serve.profile_message import profile_message
from serve.profile_reads import ShardReads

CACHE_BYTES_MAX = 64 << 20  # of one replica
_ENTRY_BYTES = 300  # that an entry takes beside its message

Origin = Literal["cache", "file", "shard"]


class LocalFiles(Protocol):
    """Committed profiles of this node: `actors.reader.CommittedReader`."""

    def read(self, key: str, min_seq: str = "") -> Committed | None:
        """Raises LookupError if the files of this node cannot tell (yet)."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it, many reads cost less."""


class EncodedProfile(NamedTuple):
    """A profile as the message onefold.v1.Profile, and where it came from."""

    customer_id: int
    sequence: int
    message: bytes
    origin: Origin


class _Entry(NamedTuple):
    sequence: int
    until: int  # ms, exclusive: till then the document stays as it is
    names: Mapping[str, str]  # of segments, that the document was made with
    insights_of: object
    message: bytes


class EncodedProfiles:
    """Encoded profiles of one replica, by normalised "namespace:value" or "customer_id:cus_..."."""

    def __init__(
        self,
        shards: ShardReads,
        local: LocalFiles | None,
        segment_names: Callable[[], Mapping[str, str]],
        now: Callable[[], int],
        rules: LifecycleRules,
        insights: Callable[[Profile, int], tuple[dict[str, Any], int]],
        insights_of: Callable[[], object],
        bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        """`segment_names` gives the same mapping until a name changes; `now` is in ms. `insights` makes that section
        and tells until when (ms) it stays so; `insights_of` gives the same object until it would make another."""
        self._shards = shards
        self._local = local
        self._segment_names = segment_names
        self._now = now
        self._rules = rules
        self._insights = insights
        self._insights_of = insights_of
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[int, _Entry] = OrderedDict()  # customer id -> latest version, least used first

    async def get(self, key: str, min_seq: str = "") -> EncodedProfile | None:
        """The profile of a key, None if there is none. Raises Unavailable if its shard does not answer in time."""
        try:
            return self._from_file(key, min_seq)
        except LookupError:
            profile = await self._shards.profile(key, min_seq)
            return None if profile is None else self._from_shard(profile)

    async def get_many(self, keys: Sequence[str], min_seq: str = "") -> list[EncodedProfile | None]:
        """Profiles in the order of the keys, None where there is none."""
        found: list[EncodedProfile | None] = [None] * len(keys)
        elsewhere: list[int] = []
        with self._local.snapshot() if self._local else nullcontext():
            for position, key in enumerate(keys):
                try:
                    found[position] = self._from_file(key, min_seq)
                except LookupError:
                    elsewhere.append(position)
        if elsewhere:
            profiles = await self._shards.profiles([keys[position] for position in elsewhere], min_seq)
            for position, profile in zip(elsewhere, profiles, strict=True):
                found[position] = None if profile is None else self._from_shard(profile)
        return found

    def _from_file(self, key: str, min_seq: str) -> EncodedProfile | None:
        if self._local is None:
            raise LookupError
        committed = self._local.read(key, min_seq)
        if committed is None:
            return None
        customer_id, sequence = committed.customer_id, committed.sequence
        message = self._cached(customer_id, sequence)
        if message is not None:
            return EncodedProfile(customer_id, sequence, message, "cache")
        return EncodedProfile(customer_id, sequence, self._encode(committed.profile()), "file")

    def _from_shard(self, profile: Profile) -> EncodedProfile:
        message = self._cached(profile.customer_id, profile.sequence) or self._encode(profile)
        return EncodedProfile(profile.customer_id, profile.sequence, message, "shard")

    def _cached(self, customer_id: int, sequence: int) -> bytes | None:
        entry = self._entries.get(customer_id)
        if entry is None or entry.sequence != sequence:
            return None
        if self._now() >= entry.until or self._segment_names() is not entry.names:
            return None
        if self._insights_of() is not entry.insights_of:
            return None
        self._entries.move_to_end(customer_id)
        return entry.message

    def _encode(self, profile: Profile) -> bytes:
        now, names = self._now(), self._segment_names()
        insights_of = self._insights_of()
        insights, until = self._insights(profile, now)
        made = {**document(profile, now, names, self._rules), "insights": insights}
        message = profile_message(made).SerializeToString()
        self._drop(profile.customer_id)
        until = min(until, valid_until(profile, now, self._rules))
        self._entries[profile.customer_id] = _Entry(profile.sequence, until, names, insights_of, message)
        self._bytes += len(message) + _ENTRY_BYTES
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._entries)))
        return message

    def _drop(self, customer_id: int) -> None:
        entry = self._entries.pop(customer_id, None)
        if entry is not None:
            self._bytes -= len(entry.message) + _ENTRY_BYTES
