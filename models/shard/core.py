"""The shard's state and the steps that every part of the machine is made of.

Holds the profiles (encoded; decoded ones only within a step), the identifier index, memberships, timers,
locks and the shard's counters. A step reads and changes them here, and says what to send; nothing in this
package touches a clock, a disk or a network.
"""

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

import msgspec
from pyroaring import BitMap64

from models.events.event import Event
from models.identity.customer_id import mint
from models.identity.identifiers import IdentitySettings
from models.identity.online import MatchingSettings
from models.identity.placement import home_shard
from models.identity.profile_record import is_matched_by, profile_record
from models.privacy.corrections import CORRECTION
from models.privacy.decisions import DecisionRecord
from models.privacy.gate import admitted
from models.privacy.ledger import ConsentRecord, records_of
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import Profile, decode_profile, encode_profile
from models.segments.bulk_moves import BulkMove, BulkMoves
from models.segments.compile import CompiledSegment
from models.segments.evaluate import judged
from models.segments.holdout import is_held_out
from models.segments.index import SegmentIndex
from models.segments.spans import NEVER
from models.shard.locks import Lock, Locks, Request
from models.shard.messages import Applied, Intake, Message, Unsee
from models.shard.profile_columns import ProfileColumns
from models.shard.protocol import (
    Erased,
    EventResult,
    IngestResult,
    Link,
    MergeRecord,
    Review,
    SegmentChange,
    StoredEvent,
)
from models.shard.rows import Redirect, SegmentRow, Settling, Waiter, Workflow
from models.shard.suppressing import Suppressions
from models.shard.tables import EventRow, History, Table

MARK_BITS = 20
TIMERS_MAX = 1000  # profiles re-evaluated in one step because of time


class MachineSettings(msgspec.Struct):
    """What a shard must know of the platform's settings."""

    identity: IdentitySettings
    policy: ProfilePolicy
    lifecycle: LifecycleRules
    matching: MatchingSettings = MatchingSettings(enabled=False)
    purposes: Purposes = NO_PURPOSES
    suppression_key: bytes = b""  # see models.privacy.suppression


class ShardCore:
    """State and primitive steps of one shard. `now` (ms) is set by the machine for each command."""

    def __init__(self, shard: int, shards: int, settings: MachineSettings, history: History) -> None:
        self.shard = shard
        self.shards = shards
        self.settings = settings
        self.history = history
        self.now = 0
        # Saved state.
        self.profiles: dict[int, bytes] = {}
        self.identifiers: Table[str, int] = Table()
        self.redirects: Table[int, Redirect] = Table()
        self.locks: Table[str, Lock] = Table()
        self.requests: Table[int, Request] = Table()
        self.held: Table[int, Intake] = Table()
        self.workflows: Table[int, Workflow] = Table()
        self.settling: Table[int, Settling] = Table()
        self.unsettled: Table[int, bool] = Table()
        self.merges: Table[str, MergeRecord] = Table()
        self.segments: Table[str, SegmentRow] = Table()
        self.uncounted: Table[str, float] = Table()  # to be counted; or, if deleted, emptied: its holdout in percent
        self.counted: Table[str, int] = Table()  # segment id -> ms when all profiles were last evaluated at once
        self.pending: Table[int, int] = Table()  # customer id -> mark (see `mark_for_matching`), in order
        self.reviews: Table[str, Review] = Table()
        self.erased: Table[str, Erased] = Table()  # by request id
        self.suppressed: Table[str, int] = Table()  # fingerprint of an identifier -> ms up to which events are refused
        self.channels: dict[int, int] = {}  # source shard -> number of the latest envelope taken
        self.sequence = 0
        self.last_customer_id = 0
        self.events_applied = 0
        self.duplicates = 0
        self.events_suppressed = 0
        self.reviews_left_out = 0
        # Derived state.
        self.suppressions = Suppressions(self.suppressed, settings.suppression_key)
        self.lock = Locks(self.locks, self.requests)
        self.compiled: dict[str, CompiledSegment] = {}
        self.index = SegmentIndex([])
        self.members: dict[str, BitMap64] = {}
        self.stopped: dict[str, str] = {}  # segment id -> the kind of error that its evaluation met
        self.column_keeper = ProfileColumns(settings.lifecycle.anonymous_namespaces)
        self.columns = self.column_keeper.columns
        self.moves = BulkMoves()
        self.reviews_of: dict[int, set[str]] = {}  # customer id -> ids of the reviews kept here, on either side
        self.open_reviews = 0
        self.timers: list[tuple[int, int]] = []  # (due ms, customer id); stale entries are skipped
        self.waiting: dict[int, list[tuple[Waiter, int]]] = {}  # sequence -> waiters, index of the result in each
        # Of this step.
        self.local: deque[Message] = deque()
        self.outgoing: dict[int, list[Message]] = {}
        self.replies: list[tuple[int, object]] = []
        self.event_rows: list[EventRow] = []
        self.relinked: list[tuple[int, int]] = []
        self.unlogged: list[int] = []
        self.rewritten: dict[int, Event] = {}  # sequence -> what is left of the event
        self.unevidenced: list[int] = []
        self.unseen: list[str] = []  # dedupe keys of erased events
        self.forgotten: list[int] = []
        self.link_rows: list[Link] = []
        self.consent_rows: list[ConsentRecord] = []
        self.decision_rows: list[DecisionRecord] = []
        self.change_rows: list[SegmentChange] = []
        self.move_rows: list[BulkMove] = []
        self.folded_moves: list[int] = []
        self.folded: set[int] = set()  # open profiles that took in a bulk move and are not saved since
        self._open: dict[int, Profile] = {}
        self._dirty: set[int] = set()
        self._deleted: set[int] = set()

    # Profiles

    def profile(self, customer_id: int) -> Profile:
        """The decoded profile; the same object until the next drain. `save` it after a change."""
        profile = self._open.get(customer_id)
        if profile is None:
            profile = self._open[customer_id] = decode_profile(self.profiles[customer_id])
            if len(self.moves) or self.columns.has_due:
                self.fold(profile)
        return profile

    def peek(self, customer_id: int) -> Profile:
        """The profile for a look: its memberships may be older."""
        return self._open.get(customer_id) or decode_profile(self.profiles[customer_id])

    def profile_at(self, slot: int) -> Profile:
        """`peek`, by the slot in the columns."""
        return self.peek(int(self.columns.customers[slot]))

    def fold(self, profile: Profile) -> None:
        """Brings a profile up to the bulk moves: its memberships, and when to look at it again."""
        due = self.columns.due_of(profile.customer_id)
        if due != NEVER and (not profile.due or due < profile.due):
            profile.due = due
            heappush(self.timers, (due, profile.customer_id))
            self.folded.add(profile.customer_id)
        if self.moves.fold(profile):
            self.folded.add(profile.customer_id)

    def fold_open(self) -> None:
        """The same for the profiles that are open when a move is made."""
        for profile in self._open.values():
            self.fold(profile)

    def is_live(self, customer_id: int) -> bool:
        """The profile is here and has not been merged away."""
        known = customer_id in self._open or customer_id in self.profiles
        return known and customer_id not in self.redirects

    def create_profile(self) -> Profile:
        """A new, empty profile of this shard."""
        self.last_customer_id = mint(self.last_customer_id, self.now, self.shard)
        return Profile(self.last_customer_id, self.now)

    def save(self, profile: Profile) -> None:
        """Marks the profile as changed, under the next sequence number."""
        self.sequence += 1
        profile.sequence = self.sequence
        self._open[profile.customer_id] = profile
        self._dirty.add(profile.customer_id)
        self._deleted.discard(profile.customer_id)

    def save_anew(self, profile: Profile) -> None:
        """`save`, for a change that is more than one event's: all that the columns hold of the profile is made anew."""
        self.save(profile)
        self.column_keeper.take_anew(profile.customer_id)

    def delete_profile(self, customer_id: int) -> None:
        if self.settings.matching.enabled and profile_record(self.profile(customer_id)) is not None:
            self.mark_for_matching(customer_id)  # what matching holds of it must go
        self._open.pop(customer_id, None)
        self._dirty.discard(customer_id)
        self.column_keeper.remove(customer_id)
        self.profiles.pop(customer_id, None)
        self._deleted.add(customer_id)

    def drain_profiles(self) -> tuple[list[tuple[int, int, int, bytes]], list[int]]:
        """Encodes the changed profiles and forgets the decoded ones."""
        rows = []
        self.project()
        for customer_id in self._dirty:
            profile = self._open[customer_id]
            if self.columns.has_due:
                self.columns.clear_due(customer_id)
            data = self.profiles[customer_id] = encode_profile(profile)
            rows.append((customer_id, profile.sequence, profile.due, data))
        deleted = list(self._deleted)
        self._open.clear()
        self._dirty.clear()
        self._deleted.clear()
        self.folded.clear()
        return rows, deleted

    def project(self) -> None:
        """Brings the columns up to the profiles."""
        changed = {c: self._open[c] for c in self._dirty if c not in self.redirects}
        self.column_keeper.update(changed)

    @property
    def unloaded(self) -> int:
        """How many profiles are not in the columns yet, after a start."""
        return self.column_keeper.unloaded

    def load_some(self, limit: int) -> None:
        """Takes the next profiles into the columns and the member lists."""
        for customer_id in self.column_keeper.next_unloaded(limit):
            if not self.is_live(customer_id):
                continue
            profile = self._open.get(customer_id)
            if profile is None:
                profile = decode_profile(self.profiles[customer_id])
                self.moves.fold(profile)
            self.columns.put(profile)
            for segment_id in profile.memberships:
                self.members.setdefault(segment_id, BitMap64()).add(customer_id)

    def mark_for_matching(self, customer_id: int, changed: bool = True) -> None:
        """The profile is to be matched: its record has `changed`, or what it is matched with.

        The mark holds, high to low, since when it waits (ms), 19 bits of a fresh sequence number, so that one mark is
        never another's, and whether the record has changed since it was last matched.
        """
        if self.settings.matching.enabled:
            self.sequence += 1
            before = self.pending.get(customer_id) or 0
            since = before >> MARK_BITS or self.now
            number = self.sequence % (1 << MARK_BITS - 1)
            self.pending.put(customer_id, since << MARK_BITS | number << 1 | changed | before & 1)

    # Messages and replies

    def home(self, identifier: str) -> int:
        return home_shard(identifier, self.shards)

    def by_home(self, identifiers: Iterable[str]) -> dict[int, list[str]]:
        """The identifiers, grouped by their home shard."""
        groups: dict[int, list[str]] = {}
        for identifier in identifiers:
            groups.setdefault(self.home(identifier), []).append(identifier)
        return groups

    def send(self, shard: int, message: Message) -> None:
        """To another shard after the commit; to this one within the same step."""
        if shard == self.shard:
            self.local.append(message)
        else:
            self.outgoing.setdefault(shard, []).append(message)

    def settled(self) -> int:
        """Every event taken in here with at most this sequence has been applied, wherever, and readers see it."""
        first = self.unsettled.first()
        return self.sequence if first is None else first - 1

    def report(self, intake: Intake, result: EventResult | None) -> None:
        """Tells where the event was taken in that it has been applied."""
        if intake.shard == self.shard:
            self.settle(intake.sequence, result)
        else:
            self.send(intake.shard, Applied(intake.sequence, result))

    def settle(self, sequence: int, result: EventResult | None) -> None:
        """An event taken in here has been applied, and readers see it; or it was refused."""
        self.unsettled.delete(sequence)
        for waiter, index in self.waiting.pop(sequence, ()):
            if result is not None:
                waiter.results[index] = msgspec.structs.replace(result)
            if waiter.results[index].status != "suppressed":
                waiter.results[index].status = "applied"
            self.close(waiter)

    def close(self, waiter: Waiter) -> None:
        """One thing less to wait for; after the last the caller gets the results."""
        waiter.missing -= 1
        if not waiter.missing:
            self.replies.append((waiter.call, IngestResult(f"{self.shard}:{self.sequence}", waiter.results)))

    def refuse(self, intake: Intake) -> None:
        """An event that was taken in is an erased person's: it goes no further."""
        self.events_suppressed += 1
        self.send(intake.shard, Unsee([dedupe_key(intake.event)]))
        self.report(intake, EventResult(intake.event.message_id, "suppressed"))

    # Applying

    def apply_event(
        self,
        intake: Intake,
        profile: Profile,
        methods: list[str] | None = None,
        created: bool = False,
        changes: list[SegmentChange] | None = None,
        merged: list[int] | None = None,
        demoted: list[str] | None = None,
    ) -> EventResult | None:
        """Folds the event into the profile, moves its memberships and logs it. Returns what the caller may wait for."""
        policy, purposes = self.settings.policy, self.settings.purposes
        admission = admitted(profile, intake.event, purposes)
        event = admission.event or intake.event
        changed = apply(profile, event, policy, purposes)
        self._keep_consents(event, profile.customer_id, changed)
        if event.type == CORRECTION:  # which may leave no trait where there was one
            self.column_keeper.take_anew(profile.customer_id)
        self.column_keeper.observe(profile, event, changed, policy)
        self.log_event(profile, event)
        moved = self.reevaluate(profile, self.index.affected(changed, profile), event.message_id)
        self.save(profile)
        if self.settings.matching.enabled and is_matched_by(changed):
            self.mark_for_matching(profile.customer_id)
        self.events_applied += 1
        if not intake.wait:
            return None
        return EventResult(
            message_id=event.message_id,
            status="applied",
            customer_id=profile.customer_id,
            created=created,
            confidence=1.0,
            methods=methods if methods is not None else exact_methods(event.identifiers),
            profile_updates=changed,
            segment_changes=[*(changes or []), *moved],
            merged=merged or [],
            demoted_identifiers=demoted or [],
            withheld=list(admission.left_out),
            processing_ms=float(self.now - intake.started),
        )

    def _keep_consents(self, event: Event, customer_id: int, changed: list[str]) -> None:
        if "consent" in event.context:
            prefix = "privacy.consents."
            answers = [path.removeprefix(prefix) for path in changed if path.startswith(prefix)]
            records = records_of(event, customer_id, answers, self.settings.purposes, self.sequence)
            self.sequence += len(records)
            self.consent_rows += records

    def log_decisions(self, records: Iterable[DecisionRecord]) -> None:
        """Logs decisions about people who are here, or were before they were merged away: not of the erased."""
        self.decision_rows += [
            each for each in records if self.is_live(each.customer_id) or each.customer_id in self.redirects
        ]

    def log_event(self, profile: Profile, event: Event) -> None:
        """Appends the event to the log, at the head of the profile's chain."""
        self.sequence += 1
        self.event_rows.append(EventRow(self.sequence, profile.customer_id, profile.last_event, event))
        profile.last_event = self.sequence

    def events_after(self, profile: Profile, after: int) -> list[StoredEvent]:
        """The profile's events in this shard's log with a sequence above `after`, oldest first."""
        return self._chain(profile.customer_id, profile.last_event, after)

    def events_of(self, customer_id: int, head: int) -> list[StoredEvent]:
        """All events of the chain back from `head` in this shard's log, oldest first."""
        return self._chain(customer_id, head, 0)

    def _chain(self, customer_id: int, head: int, after: int) -> list[StoredEvent]:
        unsaved = {row.sequence: row for row in self.event_rows}
        latest: list[StoredEvent] = []
        while head > after and head in unsaved:
            row = unsaved[head]
            latest.append(StoredEvent(self.shard, row.sequence, row.customer_id, row.event))
            head = row.previous
        latest.reverse()
        chain = [*self.history.events_after(customer_id, head, after), *latest]
        if self.unlogged:
            gone = set(self.unlogged)
            chain = [stored for stored in chain if stored.sequence not in gone]
        if self.rewritten:
            return [_as_left(stored, self.rewritten.get(stored.sequence)) for stored in chain]
        return chain

    def unlog(self, customer_id: int, head: int) -> int:
        """Takes the chain of events back from `head` out of the log, and out of what was seen. Returns their number."""
        chain = self._chain(customer_id, head, 0)
        self.unlogged.extend(stored.sequence for stored in chain)
        homes: dict[int, list[str]] = {}
        for stored in chain:
            homes.setdefault(self.home(stored.event.route), []).append(dedupe_key(stored.event))
        for home, keys in homes.items():
            self.send(home, Unsee(keys))
        return len(chain)

    def merge(self, merge_id: str) -> MergeRecord:
        """A merge with both sides' states, which only the log keeps."""
        record = self.merges[merge_id]
        return record if record.loser_before else self.history.merge(merge_id)

    def merges_of(self, people: list[int]) -> set[str]:
        """Ids of the merges that are kept here in which one of these customer ids won or lost."""
        concerned = set(people)
        found = {m for m, r in self.merges.unsaved() if r.winner in concerned or r.loser in concerned}
        return found.union(m for m in self.history.merges_of(people) if m in self.merges)

    def log_links(self, profile: Profile, event: Event, kept: list[str], joined: dict[str, int]) -> None:
        """Evidence: this event showed its first identifier together with those that came from elsewhere."""
        if len(kept) < 2:
            return
        anchor = kept[0]
        for other in kept[1:]:
            if joined.get(other, 0) != joined.get(anchor, 0) or not joined.get(other, 0):
                self.sequence += 1
                self.link_rows.append(
                    Link(
                        customer_id=profile.customer_id,
                        left=anchor,
                        right=other,
                        method="explicit" if event.explicit else "exact",
                        confidence=1.0,
                        message_id=event.message_id,
                        source=event.source,
                        at=event.timestamp,
                        sequence=self.sequence,
                    )
                )

    # Segments

    def reevaluate(self, profile: Profile, segments: Iterable[CompiledSegment], cause: str) -> list[SegmentChange]:
        """Moves the profile in and out of `segments`; sets the timer for what time alone may change."""
        moved: list[SegmentChange] = []
        due = profile.due
        for segment in segments:
            segment_id = segment.segment_id
            try:
                member, flip = judged(segment, profile, self.now)
            except Exception as error:
                self.stop_segment(segment_id, error)
                continue
            if member != (segment_id in profile.memberships):
                moved.append(self.move(profile, segment_id, member, cause))
            if flip != NEVER and (not due or flip < due):
                due = flip
        if due != profile.due:
            profile.due = due
            heappush(self.timers, (due, profile.customer_id))
        return moved

    def stop_segment(self, segment_id: str, error: Exception) -> None:
        """Takes a segment whose evaluation fails out of service: it is seen to have stopped, and the others go on."""
        self.stopped[segment_id] = type(error).__name__
        self.index_segments()

    def index_segments(self) -> None:
        """Makes the index of the segments that events and time move."""
        self.index = SegmentIndex(
            [
                segment
                for segment_id, segment in self.compiled.items()
                if segment_id not in self.stopped and not segment.definition.refresh_ms
            ]
        )

    def move(self, profile: Profile, segment_id: str, enter: bool, cause: str) -> SegmentChange:
        """Notes an entry or an exit on the profile, in the member list and in the log."""
        members = self.members.setdefault(segment_id, BitMap64())
        if enter:
            profile.memberships[segment_id] = self.now
            members.add(profile.customer_id)
        else:
            del profile.memberships[segment_id]
            members.discard(profile.customer_id)
        self.sequence += 1
        change = SegmentChange(
            customer_id=profile.customer_id,
            segment_id=segment_id,
            change="entered" if enter else "exited",
            at=self.now,
            cause=cause,
            sequence=self.sequence,
            held_out=self._is_held_out(segment_id, profile.customer_id),
        )
        self.change_rows.append(change)
        return change

    def _is_held_out(self, segment_id: str, customer_id: int) -> bool:
        segment = self.compiled.get(segment_id)
        percent = segment.definition.holdout if segment is not None else 0
        return percent > 0 and is_held_out(segment_id, customer_id, percent)

    def leave_all(self, profile: Profile, cause: str) -> None:
        """Takes a profile that ends out of every segment."""
        for segment_id in list(profile.memberships):
            self.move(profile, segment_id, False, cause)

    def next_due(self) -> int:
        """When time alone may next change something, ms; 0 for never."""
        due = min(self.timers[0][0] if self.timers else NEVER, self.columns.earliest_due())
        return 0 if due == NEVER else due

    def run_timers(self) -> None:
        """Re-evaluates profiles that are due, TIMERS_MAX at most: what is left is due at the next tick."""
        if self.columns.earliest_due() <= self.now:
            for customer_id in self.columns.due_by(self.now, TIMERS_MAX):
                self.profile(customer_id)  # which puts it among the timers
        for _ in range(TIMERS_MAX):
            if not self.timers or self.timers[0][0] > self.now:
                break
            due, customer_id = heappop(self.timers)
            if not self.is_live(customer_id):
                continue
            profile = self.profile(customer_id)
            if profile.due != due:
                continue
            profile.due = 0
            self.reevaluate(profile, self.index.timed, "time")
            self.save(profile)


def _as_left(stored: StoredEvent, left: Event | None) -> StoredEvent:
    return stored if left is None else msgspec.structs.replace(stored, event=left)


def dedupe_key(event: Event) -> str:
    """What makes two messages the same one: their source and message id."""
    return f"{event.source}\0{event.message_id}"


def exact_methods(identifiers: Iterable[str]) -> list[str]:
    """Names of the ways in which identifiers found a person, e.g. ["exact:user_id"]."""
    return list(dict.fromkeys("exact:" + i.partition(":")[0] for i in identifiers))
