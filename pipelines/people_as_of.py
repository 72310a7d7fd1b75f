"""People as they were at a time, and what they did after it, from the shards' committed files.

Who is taken follows from the customer id, so that a sample is the same each time. An event counts for whom it belongs
to today (`models.scoring.replay`). All shards' files must be on this machine; a service may run on them meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from actors.shard_log import ShardLog
from models.events.event import Event
from models.identity.customer_id import shard_of
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.privacy.visibility import may_be_scored
from models.profile.policy import ProfilePolicy
from models.profile.reduce import time_of
from models.profile.state import Profile, decode_profile
from models.scoring.replay import profile_as_of
from models.scoring.samples import MEASURED, MEASURED_PERCENT
from models.segments.bulk_moves import BulkMove, unpack_ids
from models.segments.holdout import is_held_out
from models.shard.protocol import SegmentChange

T = TypeVar("T")

PEOPLE_MAX = 200_000
_PAGE = 500  # profiles read at once
_SAMPLE = "sample of people"  # salt: another part of the people than any other


def is_measured(customer_id: int) -> bool:
    """Whether somebody is measured, and not learned from: three of ten, always the same."""
    return is_held_out(MEASURED, customer_id, MEASURED_PERCENT)


class Person(NamedTuple):
    """Somebody who was known at the time."""

    customer_id: int
    then: Profile  # as of the time
    after: tuple[Event, ...]  # later than that, up to and with the end
    end: Profile  # as of the end
    segments: frozenset[str]  # that they are in now
    at: int  # the time, ms
    until: int  # the end


class Leaving(NamedTuple):
    """Who moved into (true) and out of a segment, and when (ms), oldest first, by customer id."""

    moves: dict[int, list[tuple[int, bool]]]

    def left(self, person: Person, is_member: bool) -> bool | None:
        """Whether somebody who is a member now or not left between their time and the end; None for who was no member
        at the time."""
        later = [(at, entered) for at, entered in self.moves.get(person.customer_id, ()) if at > person.at]
        was_member = not later[0][1] if later else is_member
        return any(not entered and at <= person.until for at, entered in later) if was_member else None


class PeopleAsOf:
    """Those who may be scored `now` and were known at `at`, with what they did up to `until` (ms, all three)."""

    def __init__(
        self,
        data_dir: Path,
        shards: int,
        at: int,
        until: int,
        now: int,
        policy: ProfilePolicy,
        purposes: Purposes = NO_PURPOSES,
        people_max: int = PEOPLE_MAX,
        times: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        """`times`: only these people, by customer id, each as of a time of their own and with what they did up to
        another (ms), between `at` and `until`.

        Raises NotFound if a shard's file is not on this machine, and ValueError for impossible times."""
        if not at <= until <= now:
            raise ValueError(
                "as-of: the time after it in which outcomes are looked for must have passed: choose an earlier one, or "
                "a shorter horizon"
            )
        self._stack = ExitStack()
        with self._stack:
            self._logs = [
                self._stack.enter_context(closing(ShardLog(data_dir, shard, shards))) for shard in range(shards)
            ]
            self._stack = self._stack.pop_all()
        self.at, self.until, self.now = at, until, now
        self._policy, self._purposes = policy, purposes
        self._people_max = people_max
        self._times = times
        self.withheld = 0  # people who may not be scored

    def close(self) -> None:
        """Ends the reads."""
        self._stack.close()

    def __iter__(self) -> Iterator[Person]:
        for present in self.present():
            times = (self.at, self.until) if self._times is None else self._times[present.customer_id]
            if (person := self._person(present, *times)) is not None:
                yield person

    def present(self) -> Iterator[Profile]:
        """Those who may be scored, as they are, whether they were known at the time or not."""
        self.withheld = 0
        for shard, log in enumerate(self._logs):
            moves = log.standing_moves()
            for _, state in self._states(shard, log):
                profile = decode_profile(state)
                moves.fold(profile)
                if may_be_scored(profile, self._purposes, self.now):
                    yield profile
                else:
                    self.withheld += 1

    def pages(self, size: int) -> Iterator[list[Person]]:
        """The same, so many at a time; the last page may be empty."""
        return batches(self, size)

    def sample(self, size: int) -> list[Person]:
        """About so many of them, chosen by their customer ids and not by how long they have been known."""
        whole = self._people_max
        self._people_max = min(size, whole)
        try:
            return list(self)
        finally:
            self._people_max = whole

    def leaving(self, segment_id: str) -> Leaving:
        """Who moved out of and into a segment after the time."""
        moves: dict[int, list[tuple[int, bool]]] = {}
        for log in self._logs:
            for change in reversed(log.changes_since(segment_id, self.at)):  # oldest first
                for people, entered in zip(_people_of(change), (False, True), strict=True):
                    for customer_id in people:
                        moves.setdefault(customer_id, []).append((change.at, entered))
        return Leaving(moves)

    def _states(self, shard: int, log: ShardLog) -> Iterator[tuple[int, bytes]]:
        """Encoded profiles of a shard: of a sample of all, or of those who are asked for."""
        if self._times is not None:
            mine = sorted(customer_id for customer_id in self._times if shard_of(customer_id) == shard)
            for start in range(0, len(mine), _PAGE):
                yield from log.states_of(mine[start : start + _PAGE])
            return
        profiles = sum(log.count_profiles() for log in self._logs)
        percent = min(100.0 * self._people_max / max(profiles, 1), 100.0)
        after = 0
        while page := log.profile_states(after, _PAGE):
            after = page[-1][0]
            yield from (each for each in page if percent >= 100 or is_held_out(_SAMPLE, each[0], percent))

    def _person(self, present: Profile, at: int, until: int) -> Person | None:
        events = events_of(self._logs, present)
        then = profile_as_of(present.customer_id, events, at, self._policy, self._purposes)
        end = then
        if until > at:
            end = profile_as_of(present.customer_id, events, until, self._policy, self._purposes)
        if then is None or end is None:
            return None
        after = tuple(event for event in events if at < time_of(event) <= until)
        return Person(present.customer_id, then, after, end, frozenset(present.memberships), at, until)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many at a time; the last batch may be empty."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def events_of(logs: Sequence[ShardLog], present: Profile) -> list[Event]:
    """All events of a person, from the logs of all shards: also of those whom they were before merges."""
    found: list[Event] = []
    for one in dict.fromkeys([present.customer_id, *present.absorbed]):
        log = logs[shard_of(one)]
        if head := log.newest_of(one):
            found += [stored.event for stored in log.chain(head, -1)]
    return found


def merged_into(data_dir: Path, shards: int, customer_ids: Iterable[int]) -> dict[int, int]:
    """Whom those of these customer ids that were merged away lead to today. Raises NotFound if a shard's file is not on
    this machine."""
    found: dict[int, int] = {}
    with ExitStack() as stack:
        logs = [stack.enter_context(closing(ShardLog(data_dir, shard, shards))) for shard in range(shards)]
        for customer_id in customer_ids:
            today = customer_id
            while shard_of(today) < shards and (target := logs[shard_of(today)].merged_into(today)):
                today = found[customer_id] = target
    return found


def _people_of(change: SegmentChange | BulkMove) -> tuple[Sequence[int], Sequence[int]]:
    """Who left and who entered."""
    if isinstance(change, BulkMove):
        exits, entries = unpack_ids(change.exited), unpack_ids(change.entered)
        return np.asarray(exits).tolist(), np.asarray(entries).tolist()
    one = (change.customer_id,)
    return (one, ()) if change.change == "exited" else ((), one)
