"""What a shard answers without changing anything: profiles, pages of its log, memberships, counters.

Profiles and memberships come from memory, at a moment when it equals the disk; logs come from committed rows. Large
answers are made in slices, so that the shard goes on taking events in.
"""

import asyncio
import os
import time
from collections import deque
from pathlib import Path

from actors.errors import Invalid, Unavailable
from actors.group_commit import GroupCommit
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.segment_reads import SegmentReads
from actors.shard_log import ShardLog
from models.identity.customer_id import from_text, shard_of
from models.identity.identifiers import IdentitySettings
from models.identity.online import MatchingSettings
from models.identity.resolution import Candidate
from models.privacy.decisions import DecisionRecord
from models.privacy.ledger import ConsentRecord
from models.privacy.requests import IdentityFormat, hash_of
from models.profile.state import decode_profile, encode_profile
from models.shard.core import ShardCore
from models.shard.merging import candidate_of
from models.shard.protocol import DeadLetter, Link, MergeRecord, Review, SegmentChange, ShardStatus, StoredEvent
from models.shard.state import MARK_BITS, MachineSettings

# Changed customer ids that are kept, for those who follow the changes; an older position means a look at every profile.
RECENT_CHANGES_MAX = 100_000
_SETTLE_S_MAX = 5.0  # the caller asks again for as long as it has time
_PENDING_POLL_S = 0.2  # not every change to what is pending changes a profile, which is what is told of
_ANSWER_BYTES = 80 * 1024  # below the size from which Ray puts answers into shared memory
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class RecentChanges:
    """Who changed lately: customer ids by the sequence number of the commit that changed them."""

    def __init__(self, sequence: int) -> None:
        self.first = sequence  # changes after this one are here
        self.last = sequence
        self._groups: deque[tuple[int, list[int]]] = deque()
        self._size = 0
        self._news = asyncio.Event()

    def add(self, sequence: int, customer_ids: list[int]) -> None:
        """Takes in what a commit, which led to `sequence`, has changed."""
        self.last = sequence
        self._groups.append((sequence, customer_ids))
        self._size += len(customer_ids)
        while self._size > RECENT_CHANGES_MAX:
            self.first, dropped = self._groups.popleft()
            self._size -= len(dropped)
        self._news.set()
        self._news = asyncio.Event()

    def after(self, sequence: int) -> list[int]:
        """Who changed after `sequence`, each once, in order."""
        found: dict[int, None] = {}
        for committed, customer_ids in reversed(self._groups):
            if committed <= sequence:
                break
            found.update(dict.fromkeys(customer_ids))
        return list(reversed(found))

    async def wait(self, timeout_s: float) -> None:
        """Returns at the next change, or after `timeout_s`."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return


class ShardReads(SegmentReads):
    """The reading methods of a shard's actor."""

    def __init__(self, data_dir: Path, shards: int, core: ShardCore, commits: GroupCommit) -> None:
        super().__init__(core, commits, ShardLog(data_dir, core.shard, shards))
        self._data_dir = data_dir
        self._shards = shards
        self._changes = RecentChanges(core.sequence)

    async def settle(self, sequence: int) -> int:
        """Waits until every event taken in with at most this sequence has been applied; returns how far that is.

        Raises Invalid for a sequence that this shard has never given, and Unavailable if it takes too long.
        """
        if sequence > self._core.sequence:
            raise Invalid("min_seq: this shard has not given that sequence; use the one of an acknowledgement")
        try:
            await asyncio.wait_for(self._commits.settle(sequence), _SETTLE_S_MAX)
        except TimeoutError:
            raise Unavailable("min_seq: what was acknowledged is still being applied") from None
        return self._commits.settled

    async def read(self, keys: list[str]) -> list[bytes | int | None]:
        """For each normalised "namespace:value" that is at home here, or "customer_id:cus_..." minted here: the
        encoded profile if it is here, else the customer id to look for elsewhere, else None."""
        await self._commits.consistent()
        return [self._find(key) for key in keys]

    def _find(self, key: str) -> bytes | int | None:
        core = self._core
        customer_id: int | None
        if key.startswith(CUSTOMER_ID_NAMESPACE):
            customer_id = from_text(key[len(CUSTOMER_ID_NAMESPACE) :])
        else:
            customer_id = core.identifiers.get(key)
        while customer_id is not None and shard_of(customer_id) == core.shard:
            state = core.profiles.get(customer_id)
            if state is not None:
                return self._with_moves(state)
            redirect = core.redirects.get(customer_id)
            customer_id = None if redirect is None else redirect.target
        return customer_id

    def _with_moves(self, state: bytes) -> bytes:
        """The state with the moves of many people that it does not hold itself yet."""
        if not len(self._core.moves):
            return state
        profile = decode_profile(state)
        return encode_profile(profile) if self._core.moves.fold(profile) else state

    async def candidates(self, customer_ids: list[int]) -> list[Candidate | int | None]:
        """What resolution needs of each profile; the customer id that it was merged into; None if there is none."""
        await self._commits.consistent()
        found: list[Candidate | int | None] = []
        for customer_id in customer_ids:
            state = self._core.profiles.get(customer_id)
            redirect = self._core.redirects.get(customer_id)
            if state is not None:
                found.append(candidate_of(decode_profile(state)))
            else:
                found.append(None if redirect is None else redirect.target)
        return found

    async def owners(self, identifiers: list[str]) -> list[int]:
        """Customer id by identifier, as the index has it; 0 for none."""
        await self._commits.consistent()
        return [self._core.identifiers.get(identifier) or 0 for identifier in identifiers]

    async def identity_settings(self) -> IdentitySettings:
        """The limits and priorities that this shard resolves by."""
        return self._core.settings.identity

    async def machine_settings(self) -> MachineSettings:
        """All that this shard's machine was told of the platform's settings."""
        return self._core.settings

    # Matching

    async def matching_settings(self) -> MatchingSettings:
        """How this shard's profiles are matched."""
        return self._core.settings.matching

    async def pending_matches(self, limit: int, timeout_s: float) -> list[tuple[int, int, bytes | None]]:
        """The first profiles that are to be matched: customer id, mark, encoded profile or None if it is gone.

        Waits up to `timeout_s` for one. They stay until `matched` says that they were.
        """
        core = self._core
        deadline = time.monotonic() + timeout_s
        while not len(core.pending) and (left := deadline - time.monotonic()) > 0:
            await self._changes.wait(min(left, _PENDING_POLL_S))
        await self._commits.consistent()
        rows: list[tuple[int, int, bytes | None]] = []
        size = 0
        for customer_id, mark in core.pending.items():
            state = self._live_state(customer_id)
            size += len(state or b"")
            if len(rows) == limit or (rows and size > _ANSWER_BYTES):
                break
            rows.append((customer_id, mark, state))
        return rows

    async def profile_states(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` committed profiles with a customer id above `after`, ascending: id, encoded profile."""
        return self._log.profile_states(after, limit)

    async def states_of(self, customer_ids: list[int]) -> list[bytes | None]:
        """The encoded profiles with these ids; None for those that are gone or were merged away."""
        await self._commits.consistent()
        return [self._live_state(customer_id) for customer_id in customer_ids]

    def _live_state(self, customer_id: int) -> bytes | None:
        return None if customer_id in self._core.redirects else self._core.profiles.get(customer_id)

    async def reviews(self, after: str, limit: int) -> list[Review]:
        """Up to `limit` open reviews with an id above `after`, ascending."""
        await self._commits.consistent()
        found = [r for r in self._core.reviews.values() if not r.rejected_at and r.review_id > after]
        return sorted(found, key=lambda review: review.review_id)[:limit]

    async def review(self, review_id: str) -> Review | None:
        """One review, rejected ones too."""
        await self._commits.consistent()
        return self._core.reviews.get(review_id)

    # The log

    async def events(self, positions: list[tuple[int, int]], limit: int) -> list[list[StoredEvent]]:
        """Up to `limit` events, newest first, of each chain: (customer id, sequence number to begin at or -1)."""
        await self._commits.consistent()
        heads = [self._newest(customer_id) if head < 0 else head for customer_id, head in positions]
        return [self._log.chain(head, limit) if head else [] for head in heads]

    def _newest(self, customer_id: int) -> int:
        """Sequence number of the latest event in a profile's chain; 0 if it has none here."""
        state = self._core.profiles.get(customer_id)
        if state is not None:
            return decode_profile(state).last_event
        redirect = self._core.redirects.get(customer_id)
        return 0 if redirect is None else redirect.last_event

    async def tail(self, after: int, limit: int) -> list[StoredEvent]:
        """Events of this shard with a sequence above `after`, oldest first."""
        return self._log.tail(after, limit)

    async def latest(self, limit: int) -> list[StoredEvent]:
        """The last events of this shard, oldest first."""
        return self._log.latest(limit)

    async def links(self, customer_ids: list[int]) -> list[Link]:
        return self._log.links(customer_ids)

    async def merges(self, customer_ids: list[int]) -> list[MergeRecord]:
        return self._log.merges(customer_ids)

    async def merge_record(self, merge_id: str) -> MergeRecord | None:
        return self._log.merge(merge_id)

    async def segment_changes(self, after: int, limit: int) -> list[SegmentChange]:
        return self._log.changes(after, limit)

    async def letters(self, limit: int, received_at: int, letter_id: str) -> list[DeadLetter]:
        """Dead letters before (received_at, letter_id), newest first."""
        return self._log.letters(limit, received_at, letter_id)

    async def letters_with(self, letter_ids: list[str]) -> list[DeadLetter]:
        return self._log.letters_with(letter_ids)

    async def letters_waiting(self, after: int, limit: int) -> tuple[list[DeadLetter], int]:
        return self._log.letters_waiting(after, limit)

    async def changed(self, after: int, timeout_s: float) -> tuple[list[int], int]:
        """Customer ids changed after sequence `after`, waiting up to `timeout_s` for the first, and the new position.

        `after` -1 asks for the position only.
        """
        changes = self._changes
        if after < 0:
            return [], changes.last
        if after >= changes.last:
            await changes.wait(timeout_s)
        last = changes.last
        if after >= changes.first:
            return changes.after(after), last
        return await asyncio.to_thread(self._changed_ever, after), last

    def _changed_ever(self, after: int) -> list[int]:
        log = ShardLog(self._data_dir, self._core.shard, self._shards)
        try:
            return log.changed_profiles(after)
        finally:
            log.close()

    async def consents(self, customer_ids: list[int]) -> list[ConsentRecord]:
        """The answers on consent of these profiles, as they were recorded."""
        return self._log.consents(customer_ids)

    async def decisions(self, customer_ids: list[int]) -> list[DecisionRecord]:
        """Automated decisions about these profiles, and reviews of them, oldest first."""
        return self._log.decisions(customer_ids)

    async def decided_before(self, before: int, after: tuple[int, str], limit: int) -> list[tuple[int, str, int]]:
        """Up to `limit` automated decisions that were taken before a time, ms, the oldest first, after one of them:
        when each was taken, its id, and the customer id of whom it is about."""
        return self._log.decided_before(before, after, limit)

    async def decisions_named(self, record_ids: list[str]) -> list[DecisionRecord]:
        """Those automated decisions of these ids that there are."""
        return self._log.decisions_named(record_ids)

    async def changes_of(self, customer_ids: list[int]) -> list[SegmentChange]:
        """All entries and exits of these profiles, oldest first."""
        return self._log.changes_of(customer_ids)

    async def reviews_about(self, customer_ids: list[int]) -> list[Review]:
        """The reviews that are kept here with one of these profiles on either side."""
        await self._commits.consistent()
        core = self._core
        ids = {review_id for c in customer_ids for review_id in core.reviews_of.get(c, ())}
        return [core.reviews[review_id] for review_id in sorted(ids)]

    async def hashed(self, namespace: str, digests: list[str], form: IdentityFormat) -> list[str]:
        """The identifiers of a namespace, at home here, whose value has one of these hashes (hexadecimal)."""
        return await asyncio.to_thread(self._find_hashed, namespace, frozenset(digests), form)

    def _find_hashed(self, namespace: str, digests: frozenset[str], form: IdentityFormat) -> list[str]:
        log = ShardLog(self._data_dir, self._core.shard, self._shards)
        try:
            return [i for i in log.identifiers(namespace) if hash_of(i.partition(":")[2], form) in digests]
        finally:
            log.close()

    # Counters

    async def status(self) -> ShardStatus:
        """The shard's counters."""
        await self._commits.consistent()
        core = self._core
        now = time.time_ns() // 1_000_000
        # Switched off, nobody takes what is pending; switched on again, it is matched.
        oldest = core.pending.first() if core.settings.matching.enabled else None
        return ShardStatus(
            shard=core.shard,
            profiles=len(core.profiles),
            identifiers=len(core.identifiers),
            events=core.events_applied,
            duplicates=core.duplicates,
            in_flight=len(core.unsettled),
            sequence=core.sequence,
            settled=core.settled(),
            segments=self._segment_statuses(now),
            dead_letters=self._log.count_letters(),
            resident_bytes=resident_bytes(),
            pending_matches=0 if oldest is None else len(core.pending),
            pending_match_ms=0 if oldest is None else max(now - (core.pending[oldest] >> MARK_BITS), 0),
            reviews=core.open_reviews,
            reviews_left_out=core.reviews_left_out,
            unloaded=core.unloaded,
            moves=len(core.moves),
        )


def resident_bytes() -> int:
    """Physical memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
