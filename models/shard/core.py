"""The steps that every part of the machine is made of: messages, applying an event, entering and leaving segments.

A step reads and changes the shard's state, and says what to send.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

import msgspec
from pyroaring import BitMap64

from models.events.event import Event
from models.identity.placement import home_shard
from models.identity.profile_record import is_matched_by
from models.privacy.corrections import CORRECTION
from models.privacy.decisions import DecisionRecord
from models.privacy.gate import admitted
from models.privacy.ledger import records_of
from models.profile.reduce import apply
from models.profile.state import Profile
from models.segments.compile import CompiledSegment
from models.segments.evaluate import judged
from models.segments.holdout import is_held_out
from models.segments.index import SegmentIndex
from models.segments.spans import NEVER
from models.shard.messages import Applied, Intake, Message, Unsee
from models.shard.protocol import EventResult, IngestResult, Link, SegmentChange
from models.shard.rows import Waiter
from models.shard.state import ShardState
from models.shard.tables import EventRow

TIMERS_MAX = 1000  # profiles re-evaluated in one step because of time


class ShardCore(ShardState):
    """State and primitive steps of one shard."""

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
        """An event that was taken in is an erased person's, or states something of somebody who is gone: it goes no
        further."""
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
        self.keep_consents(event, profile.customer_id, changed)
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

    def keep_consents(self, event: Event, customer_id: int, changed: list[str]) -> None:
        """Puts the answers of an event that have changed into the ledger."""
        if "consent" in event.context:
            prefix = "privacy.consents."
            answers = [path.removeprefix(prefix) for path in changed if path.startswith(prefix)]
            records = records_of(event, customer_id, answers, self.settings.purposes, self.sequence)
            self.sequence += len(records)
            self.consent_rows += records

    def log_decisions(self, records: Iterable[DecisionRecord]) -> None:
        """Logs decisions about people who are here, or were before they were merged away: not of the erased. Reviews of
        decisions that are there: not of those whose time is over, which would stay without them."""
        for each in records:
            is_here = self.is_live(each.customer_id) or each.customer_id in self.redirects
            if is_here and (each.kind != "review" or self._decision(each.subject)):
                self.decision_rows.append(each)

    def take_decision(self, record: DecisionRecord, absorbed: list[int]) -> DecisionRecord | None:
        """Logs a decision if there is none of its id; what the log has then. None if the person was merged with
        somebody, divided or erased since their ids were these."""
        if not self.is_live(record.customer_id) or self.peek(record.customer_id).absorbed != absorbed:
            return None
        held = self._decision(record.record_id)
        if held is None:
            self.decision_rows.append(record)
        return held or record

    def _decision(self, record_id: str) -> DecisionRecord | None:
        """One of the log, or of this step."""
        written = (each for each in self.decision_rows if each.record_id == record_id)
        return next(written, None) or self.history.decision(record_id)

    def log_event(self, profile: Profile, event: Event) -> None:
        """Appends the event to the log, at the head of the profile's chain."""
        self.sequence += 1
        self.log.added.append(EventRow(self.sequence, profile.customer_id, profile.last_event, event))
        profile.last_event = self.sequence

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


def dedupe_key(event: Event) -> str:
    """What makes two messages the same one: their source and message id."""
    return f"{event.source}\0{event.message_id}"


def exact_methods(identifiers: Iterable[str]) -> list[str]:
    """Names of the ways in which identifiers found a person, e.g. ["exact:user_id"]."""
    return list(dict.fromkeys("exact:" + i.partition(":")[0] for i in identifiers))
