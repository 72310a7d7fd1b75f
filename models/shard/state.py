"""What a shard holds: profiles, tables, columns, and what a step leaves to be written, sent and answered.

Profiles are kept encoded, and decoded only within a step. Nothing in this package touches a clock, a disk or a network.
"""

from collections import deque
from heapq import heappush

import msgspec
from pyroaring import BitMap64

from models.events.event import Event
from models.identity.customer_id import mint
from models.identity.identifiers import IdentitySettings
from models.identity.online import MatchingSettings
from models.identity.profile_record import profile_record
from models.privacy.decisions import DecisionRecord
from models.privacy.ledger import ConsentRecord
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.state import Profile, decode_profile, encode_profile
from models.segments.bulk_moves import BulkMove, BulkMoves
from models.segments.compile import CompiledSegment
from models.segments.index import SegmentIndex
from models.segments.spans import NEVER
from models.shard.event_log import EventLog
from models.shard.locks import Lock, Locks, Request
from models.shard.messages import Intake, Message
from models.shard.profile_columns import ProfileColumns
from models.shard.protocol import Erased, Link, MergeRecord, Review, SegmentChange
from models.shard.rows import Redirect, SegmentRow, Settling, Waiter, Workflow
from models.shard.suppressing import Suppressions
from models.shard.tables import History, Table

MARK_BITS = 20  # of a mark for matching, below the time since when it waits


class MachineSettings(msgspec.Struct):
    """What a shard must know of the platform's settings."""

    identity: IdentitySettings
    policy: ProfilePolicy
    lifecycle: LifecycleRules
    matching: MatchingSettings = MatchingSettings(enabled=False)
    purposes: Purposes = NO_PURPOSES
    suppression_key: bytes = b""  # see models.privacy.suppression


class ShardState:
    """What one shard holds. `now` (ms) is set by the machine for each command."""

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
        self.suppressions = Suppressions(self.suppressed, settings.suppression_key, settings.identity)
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
        self.log = EventLog(shard, history)
        self.unevidenced: list[int] = []
        self.unseen: list[str] = []  # dedupe keys of erased events
        self.forgotten: list[int] = []
        self.disowned: list[tuple[int, Event]] = []
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

    # Merges

    def merge(self, merge_id: str) -> MergeRecord:
        """A merge with both sides' states, which only the log keeps."""
        record = self.merges[merge_id]
        return record if record.loser_before else self.history.merge(merge_id)

    def merges_of(self, people: list[int]) -> set[str]:
        """Ids of the merges that are kept here in which one of these customer ids won or lost."""
        concerned = set(people)
        found = {m for m, r in self.merges.unsaved() if r.winner in concerned or r.loser in concerned}
        return found.union(m for m in self.history.merges_of(people) if m in self.merges)
