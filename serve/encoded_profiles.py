"""Profiles as bytes that need no more encoding: what ProfileService answers with.

The shard's committed file tells a profile's id and sequence number in some 9 microseconds, the scorer's file its scores
in some 5. If that version was encoded before with these scores, and time has not changed its document, the bytes are at
hand; to make them again takes a quarter of a millisecond. Nothing has to be invalidated: a version that is no longer
the latest is not asked for.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, NamedTuple, Protocol

from actors.reader import Committed
from models.profile.state import Profile
from models.scoring.kept import KeptScore
from serve.profile_message import profile_message
from serve.profile_reads import ShardReads
from serve.score_reads import ScoreReads

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
    made_with: tuple[object, ...]
    scores: Sequence[object]  # of the person: rows of a file, or what a scorer has answered
    message: bytes


class EncodedProfiles:
    """Encoded profiles of one replica, by normalised "namespace:value" or "customer_id:cus_..."."""

    def __init__(
        self,
        shards: ShardReads,
        local: LocalFiles | None,
        now: Callable[[], int],
        document: Callable[[Profile, str, int, list[KeptScore]], tuple[dict[str, Any], int]],
        made_with: Callable[[], tuple[object, ...]],
        scores: ScoreReads,
        bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        """`document` makes the document of a profile with its scores for a purpose at a time (ms), and tells until when
        it stays so; `made_with` gives the same objects until it would make another. `now` is in ms."""
        self._shards = shards
        self._local = local
        self._now = now
        self._document = document
        self._made_with = made_with
        self._scores = scores
        self._bytes_max = bytes_max
        self._bytes = 0
        # Customer id and purpose -> latest version, least used first.
        self._entries: OrderedDict[tuple[int, str], _Entry] = OrderedDict()

    async def get(self, key: str, min_seq: str = "", purpose: str = "") -> EncodedProfile | None:
        """The profile of a key for a purpose, None if there is none. Raises Unavailable if its shard does not answer in
        time."""
        try:
            return self._from_file(key, min_seq, purpose)
        except LookupError:
            profile = await self._shards.profile(key, min_seq)
            if profile is None:
                return None
            scores = await self._scores.of([profile.customer_id])
            return self._from_shard(profile, purpose, scores.get(profile.customer_id, []))

    async def get_many(self, keys: Sequence[str], min_seq: str = "", purpose: str = "") -> list[EncodedProfile | None]:
        """Profiles in the order of the keys, None where there is none."""
        found: list[EncodedProfile | None] = [None] * len(keys)
        elsewhere: list[int] = []
        with self._local.snapshot() if self._local else nullcontext(), self._scores.snapshot():
            for position, key in enumerate(keys):
                try:
                    found[position] = self._from_file(key, min_seq, purpose)
                except LookupError:
                    elsewhere.append(position)
        if elsewhere:
            profiles = await self._shards.profiles([keys[position] for position in elsewhere], min_seq)
            scores = await self._scores.of([profile.customer_id for profile in profiles if profile is not None])
            for position, profile in zip(elsewhere, profiles, strict=True):
                if profile is not None:
                    found[position] = self._from_shard(profile, purpose, scores.get(profile.customer_id, []))
        return found

    def _from_file(self, key: str, min_seq: str, purpose: str) -> EncodedProfile | None:
        if self._local is None:
            raise LookupError
        committed = self._local.read(key, min_seq)
        if committed is None:
            return None
        customer_id, sequence = committed.customer_id, committed.sequence
        rows = self._scores.rows(customer_id)
        message = self._cached(customer_id, sequence, purpose, rows)
        if message is not None:
            return EncodedProfile(customer_id, sequence, message, "cache")
        message = self._encode(committed.profile(), purpose, rows, self._scores.scores(rows))
        return EncodedProfile(customer_id, sequence, message, "file")

    def _from_shard(self, profile: Profile, purpose: str, scores: list[KeptScore]) -> EncodedProfile:
        message = self._cached(profile.customer_id, profile.sequence, purpose, scores)
        message = message or self._encode(profile, purpose, scores, scores)
        return EncodedProfile(profile.customer_id, profile.sequence, message, "shard")

    def _cached(self, customer_id: int, sequence: int, purpose: str, scores: Sequence[object]) -> bytes | None:
        key = customer_id, purpose
        entry = self._entries.get(key)
        if entry is None or entry.sequence != sequence or self._now() >= entry.until or entry.scores != scores:
            return None
        if any(one is not other for one, other in zip(self._made_with(), entry.made_with, strict=True)):
            return None
        self._entries.move_to_end(key)
        return entry.message

    def _encode(self, profile: Profile, purpose: str, kept: Sequence[object], scores: list[KeptScore]) -> bytes:
        made_with = self._made_with()
        made, until = self._document(profile, purpose, self._now(), scores)
        message = profile_message(made).SerializeToString()
        key = profile.customer_id, purpose
        self._drop(key)
        self._entries[key] = _Entry(profile.sequence, until, made_with, kept, message)
        self._bytes += len(message) + _ENTRY_BYTES
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._entries)))
        return message

    def _drop(self, key: tuple[int, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.message) + _ENTRY_BYTES
