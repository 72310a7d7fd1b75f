"""The shard's state machine: commands in, effects out; pure and synchronous.

`handle` runs one command to its end within the shard: messages that the shard sends to itself are handled
in the same step. `drain` gives what must be committed in one transaction before any message or reply
leaves. Two shards agree through channels that deliver each envelope exactly once and in order; a restart
loads the tables and goes on where the last commit was.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from models.events.event import Event
from models.segments.bulk_moves import BulkMove
from models.shard.commands import (
    Accept,
    Command,
    Count,
    Decide,
    DeleteSegment,
    Erase,
    Fold,
    Load,
    Matched,
    Pair,
    Part,
    Purge,
    PutSegment,
    Receive,
    Refresh,
    Reviewed,
    Suppress,
    TakeDecision,
    Tick,
    Unmerge,
)
from models.shard.core import ShardCore, dedupe_key, exact_methods
from models.shard.locks import Lock, Request
from models.shard.messages import (
    Absorb,
    Absorbed,
    Answer,
    Applied,
    Confirmed,
    Deliver,
    Finish,
    Flush,
    Flushed,
    Forget,
    Forgotten,
    Intake,
    KeysLocked,
    LockKeys,
    LockProfiles,
    ProfilesLocked,
    Prune,
    Rematch,
    Repoint,
    Reroute,
    Restore,
    Restored,
    SetApart,
    UnlockKeys,
    UnlockProfiles,
    Unsee,
    Yield,
    decode_envelope,
    encode_envelope,
)
from models.shard.parting import Parting
from models.shard.protocol import Erased, EventResult, MergeRecord, Review
from models.shard.purging import Purging
from models.shard.reviews import Reviews
from models.shard.rows import Redirect, SegmentRow, Settling, Waiter, Workflow
from models.shard.segmenting import Segmenting
from models.shard.state import MachineSettings
from models.shard.tables import Effects, History, Table
from models.shard.workflow import Workflows

# Small tables: name -> (type of the key, type of the value).
SMALL_TABLES: dict[str, tuple[type, Any]] = {
    "locks": (str, Lock),
    "requests": (int, Request),
    "held": (int, Intake),
    "workflows": (int, Workflow),
    "settling": (int, Settling),
    "unsettled": (int, bool),
    "merges": (str, MergeRecord),
    "segments": (str, SegmentRow),
    "uncounted": (str, float),
    "counted": (str, int),
    "pending": (int, int),
    "reviews": (str, Review),
    "erased": (str, Erased),
    "suppressed": (str, int),
}
LOAD_AT_START = 5_000  # profiles that are brought into the columns by `restore` itself
_encode = msgspec.msgpack.Encoder().encode


class ShardMachine:
    """One shard. Load its tables with the `load_*` methods, call `restore`, then `handle` and `drain` at will."""

    def __init__(self, shard: int, shards: int, settings: MachineSettings, history: History) -> None:
        self.core = ShardCore(shard, shards, settings, history)
        self._reviews = Reviews(self.core)
        self._workflows = Workflows(self.core, self._reviews)
        self.segmenting = Segmenting(self.core)
        self._purging = Purging(self.core)
        self._parting = Parting(self.core)
        self._small: dict[str, Table[Any, Any]] = {name: getattr(self.core, name) for name in SMALL_TABLES}
        self._saved_meta: dict[str, int] = {}
        self._fresh: dict[str, int] = {}  # dedupe keys of this step -> sequence
        self._received: dict[int, int] = {}
        self._shared_ids: dict[int, int] = {}  # while loading
        flows = self._workflows
        self._handlers: dict[type, Callable[[Any], None]] = {
            Deliver: flows.deliver,
            Applied: lambda m: self.core.settle(m.sequence, m.result),
            Confirmed: flows.confirmed,
            LockKeys: flows.lock_keys,
            KeysLocked: flows.locking.keys_locked,
            UnlockKeys: flows.unlock_keys,
            LockProfiles: flows.lock_profiles,
            ProfilesLocked: flows.locking.profiles_locked,
            UnlockProfiles: flows.unlock_profiles,
            Yield: flows.yield_,
            Absorb: flows.absorb,
            Absorbed: flows.absorbed,
            Finish: flows.finish,
            Repoint: flows.repoint,
            Flush: flows.locking.flush,
            Flushed: flows.locking.flushed,
            Restore: flows.unmerges.restore,
            Reroute: flows.unmerges.reroute,
            Restored: flows.unmerges.restored,
            SetApart: flows.pairings.set_apart,
            Forget: flows.erasures.forget,
            Forgotten: flows.erasures.forgotten,
            Unsee: lambda m: self.core.unseen.extend(m.keys),
            Prune: self._purging.prune,
            Rematch: self._rematch,
            Answer: lambda m: self.core.replies.append((m.call, m.paired)),
        }

    # Start

    def load_profile(self, customer_id: int, state: bytes, due: int) -> None:
        self.core.profiles[customer_id] = state
        self._shared_ids[customer_id] = customer_id
        if due:
            self.core.timers.append((due, customer_id))

    def load_identifier(self, identifier: str, customer_id: int) -> None:
        # A profile has several identifiers: they share one integer, which is 100 bytes less a profile.
        self.core.identifiers.load(identifier, self._shared_ids.get(customer_id, customer_id))

    def load_redirect(self, customer_id: int, target: int, last_event: int) -> None:
        self.core.redirects.load(customer_id, Redirect(target, last_event))

    def load_small(self, kind: str, key: str, value: bytes) -> None:
        key_type, value_type = SMALL_TABLES[kind]
        row = msgspec.msgpack.decode(value, type=value_type)
        self._small[kind].load(key_type(key), _without_states(row) if kind == "merges" else row)

    def load_move(self, move: BulkMove) -> None:
        self.core.moves.add(move)

    def load_channel(self, source: int, received: int) -> None:
        self.core.channels[source] = received

    def load_meta(self, key: str, value: int) -> None:
        self._saved_meta[key] = value
        if key in _COUNTERS:
            setattr(self.core, key, value)

    def restore(self) -> None:
        """Rebuilds what is derived: compiled segments, columns, member lists, timers, reviews by customer. Of many
        profiles the columns and member lists are left to Load."""
        core = self.core
        self._shared_ids.clear()
        core.timers.sort()
        core.unsettled = self._small["unsettled"] = _by_key(core.unsettled)
        core.pending = self._small["pending"] = _by_mark(core.pending)
        self._reviews.restore()
        self.segmenting.restore(LOAD_AT_START)

    # Steps

    def handle(self, command: Command, now: int) -> None:
        """Runs one command at time `now` (ms). What it did is in the next `drain`."""
        core = self.core
        core.now = now
        match command:
            case Accept():
                self._accept(command)
            case Receive():
                self._receive(command)
            case Tick():
                core.run_timers()
            case PutSegment():
                self.segmenting.put(command)
            case DeleteSegment():
                self.segmenting.delete(command)
            case Load():
                self.segmenting.load(command)
            case Count():
                self.segmenting.count(command)
            case Refresh():
                self.segmenting.refresh(command)
            case Fold():
                self.segmenting.fold(command)
            case Unmerge():
                self._workflows.unmerges.start(command.call, command.merge_id)
            case Pair():
                self._workflows.pairings.start(command.call, command.pairing)
            case Erase():
                self._workflows.erasures.start(command.call, command.erasure)
            case Suppress():
                self._suppress(command)
            case Part():
                self._parting.part(command)
            case Purge():
                self._purging.purge(command)
            case Decide():
                core.log_decisions(command.records)
                core.replies.append((command.call, None))
            case TakeDecision():
                core.replies.append((command.call, core.take_decision(command.record, command.absorbed)))
            case Reviewed():
                for finding in command.findings:
                    self._reviews.update(finding)
                core.replies.append((command.call, None))
            case Matched():
                self._matched(command)
        self._run_local()

    def _run_local(self) -> None:
        local = self.core.local
        while local:
            message = local.popleft()
            self._handlers[type(message)](message)

    def _accept(self, command: Accept) -> None:
        core = self.core
        keys = [dedupe_key(event) for event in command.events]
        seen = core.history.seen(keys)
        waiter = Waiter(command.call, [], 1)  # one more than the events, until all of them are counted
        taken: list[tuple[int, int]] = []  # index of the result, sequence
        for index, (event, key) in enumerate(zip(command.events, keys, strict=True)):
            if core.suppressions.refuses(event):
                core.events_suppressed += 1
                waiter.results.append(EventResult(event.message_id, "suppressed"))
                continue
            taken_as = seen.get(key) or self._fresh.get(key)
            if taken_as:
                core.duplicates += 1
                waiter.results.append(self._duplicate(event))
                if command.wait and taken_as in core.unsettled:
                    # Its first sending (or the router's, repeated) is still being resolved: wait for that.
                    waiter.missing += 1
                    core.waiting.setdefault(taken_as, []).append((waiter, index))
                continue
            core.sequence += 1
            sequence = core.sequence
            self._fresh[key] = sequence
            core.unsettled.put(sequence, True)
            waiter.results.append(EventResult(event.message_id, "accepted"))
            taken.append((index, sequence))
            if command.wait:
                waiter.missing += 1
                core.waiting[sequence] = [(waiter, index)]
            self._workflows.take(Intake(event, core.shard, sequence, command.wait, core.now))
            self._run_local()
        if not command.wait:
            for index, sequence in taken:
                if sequence not in core.unsettled:
                    waiter.results[index].status = "applied"
        core.close(waiter)

    def _suppress(self, command: Suppress) -> None:
        core = self.core
        for identifier in command.identifiers:
            if command.refused_until:
                core.suppressions.add(identifier, command.refused_until)
            else:
                core.suppressions.lift(identifier)
        core.replies.append((command.call, None))

    def _duplicate(self, event: Event) -> EventResult:
        """What is known here of an event that was taken in before."""
        core = self.core
        owner = core.identifiers.get(event.route) or 0
        while (redirect := core.redirects.get(owner)) is not None:
            owner = redirect.target
        methods = exact_methods(event.identifiers)
        return EventResult(event.message_id, "duplicate", customer_id=owner, confidence=1.0, methods=methods)

    def _receive(self, command: Receive) -> None:
        core = self.core
        latest = core.channels.get(command.source, 0)
        for number, envelope in enumerate(command.envelopes, start=command.first):
            if number != latest + 1:
                continue  # taken before, or a gap: the sender goes on from what is answered
            latest = number
            for message in decode_envelope(envelope):
                self._handlers[type(message)](message)
                self._run_local()
        if latest != core.channels.get(command.source, 0):
            core.channels[command.source] = latest
            self._received[command.source] = latest
        core.replies.append((command.call, latest))

    def _rematch(self, message: Rematch) -> None:
        if self.core.is_live(message.customer_id):
            self.core.mark_for_matching(message.customer_id, changed=False)

    def _matched(self, command: Matched) -> None:
        pending = self.core.pending
        for customer_id, mark in command.done:
            if pending.get(customer_id) == mark:  # else it has changed since
                pending.delete(customer_id)
        for customer_id in command.deferred:
            pending.move_to_end(customer_id)
        self.core.replies.append((command.call, None))

    # Effects

    def drain(self) -> Effects:
        """All that has happened since the last drain; to be committed as one transaction, events before
        `events_relinked` before `events_deleted` and `events_changed`, before messages and replies leave."""
        core = self.core
        effects = Effects()
        effects.profiles, effects.profiles_deleted = core.drain_profiles()
        effects.identifiers, effects.identifiers_deleted = core.identifiers.drain()
        redirects, effects.redirects_deleted = core.redirects.drain()
        effects.redirects = [(key, row.target, row.last_event) for key, row in redirects]
        for kind, table in self._small.items():
            puts, deletes = table.drain()
            effects.small += [(kind, str(key), _encode(value)) for key, value in puts]
            effects.small_deleted += [(kind, str(key)) for key in deletes]
            if kind == "merges":
                for key, record in puts:
                    table.load(key, _without_states(record))
        for key, value in self._meta().items():
            if self._saved_meta.get(key) != value:
                self._saved_meta[key] = value
                effects.meta.append((key, value))
        log = core.log
        effects.events, log.added = log.added, []
        effects.events_relinked, log.relinked = log.relinked, []
        effects.events_deleted, log.removed = log.removed, []
        effects.events_changed, log.changed = list(log.changed.items()), {}
        effects.unevidenced, core.unevidenced = core.unevidenced, []
        effects.dedupe, self._fresh = list(self._fresh.items()), {}
        effects.dedupe_deleted, core.unseen = core.unseen, []
        effects.forgotten, core.forgotten = core.forgotten, []
        effects.disowned, core.disowned = core.disowned, []
        effects.links, core.link_rows = core.link_rows, []
        effects.consents, core.consent_rows = core.consent_rows, []
        effects.decisions, core.decision_rows = core.decision_rows, []
        effects.changes, core.change_rows = core.change_rows, []
        effects.moves, core.move_rows = core.move_rows, []
        effects.moves_folded, core.folded_moves = core.folded_moves, []
        effects.messages = {shard: encode_envelope(batch) for shard, batch in core.outgoing.items()}
        core.outgoing = {}
        effects.received, self._received = self._received, {}
        effects.replies, core.replies = core.replies, []
        return effects

    def _meta(self) -> dict[str, int]:
        meta = {name: getattr(self.core, name) for name in _COUNTERS}
        meta["settled"] = self.core.settled()
        return meta


_COUNTERS = ("sequence", "last_customer_id", "events_applied", "duplicates", "events_suppressed", "reviews_left_out")


def _without_states(record: MergeRecord) -> MergeRecord:
    """A merge as it is kept in memory: the states of both sides and the evidence stay in the store."""
    return msgspec.structs.replace(record, winner_before=b"", loser_before=b"", evidence=None)


def _by_key(table: Table[int, bool]) -> Table[int, bool]:
    """The same rows, oldest sequence first: `settled` looks at the first."""
    ordered: Table[int, bool] = Table()
    for key in sorted(table):
        ordered.load(key, table[key])
    return ordered


def _by_mark(table: Table[int, int]) -> Table[int, int]:
    """The same rows, those that have waited the longest first."""
    ordered: Table[int, int] = Table()
    for key, mark in sorted(table.items(), key=lambda row: row[1]):
        ordered.load(key, mark)
    return ordered
