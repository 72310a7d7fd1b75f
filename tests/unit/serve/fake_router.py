"""A router without shards: the facade of `actors.router.Router`, over profiles in one process and the real models.

Identity is the simplest that can be: whoever shares an identifier is one person. Whom somebody resembles is found by
comparing with everybody. `down` makes every call fail as it does while a shard restarts.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from actors.errors import Conflict, Invalid, NotFound, Unavailable
from actors.matcher import MatcherStatus
from actors.matching import DryRun, DryRunCandidate
from actors.scoring import ScorerStatus
from actors.segment_reads import first_entries, undo
from models.events.event import Event
from models.identity import customer_id as ids
from models.identity.evidence import LINK_CONFIDENCE, REVIEW_CONFIDENCE, Decision, Explanation
from models.identity.online import ReviewReason
from models.identity.profile_record import profile_record
from models.identity.record import MatchRecord
from models.impact.holdout_outcomes import Measure, Measuring, Sums
from models.privacy.corrections import CORRECTION
from models.privacy.decisions import DecisionRecord, record_id_of
from models.privacy.ledger import ConsentRecord, records_of
from models.privacy.purposes import NO_PURPOSES, STATEMENT
from models.privacy.visibility import may_read
from models.profile import reduce
from models.profile.lifecycle import DEFAULT_RULES
from models.profile.policy import ProfilePolicy
from models.profile.state import Profile, decode_profile, encode_profile
from models.scoring.drift import DriftCounts
from models.scoring.kept import KeptScore
from models.segments.analytics import Summary, add_conversions, join, summarise
from models.segments.catalogue import Resolved
from models.segments.columns import Columns
from models.segments.compile import compile_resolved
from models.segments.evaluate import evaluate
from models.segments.holdout import is_held_out
from models.segments.predictions import Prediction
from models.segments.spans import NEVER
from models.shard.protocol import (
    DeadLetter,
    EventResult,
    IngestResult,
    Link,
    MergeRecord,
    Paired,
    Resolution,
    Review,
    SegmentChange,
    SegmentStatus,
    ShardStatus,
    StoredEvent,
)
from models.shard.reviews import customers_of, new_review
from tests.strategies.additive_matcher import AdditiveMatcher

SHARDS = 2


class FakeRouter:
    """`now` gives ms."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.down = False
        self.people: dict[int, Profile] = {}
        self.index: dict[str, int] = {}
        self.log: list[StoredEvent] = []
        self.letters: dict[str, DeadLetter] = {}
        self.reviews: dict[str, Review] = {}
        self.matchers: list[MatcherStatus] | None = []  # None: they do not answer
        self._matcher = AdditiveMatcher()
        self._now = now
        self._seen: set[str] = set()
        self._segments: dict[str, Resolved] = {}
        self._changes: list[SegmentChange] = []
        self._links: list[Link] = []
        self._merges: list[MergeRecord] = []
        self._sequence = dict.fromkeys(range(SHARDS), 0)
        self._policy = ProfilePolicy()
        self.purposes = NO_PURPOSES
        self._consents: list[ConsentRecord] = []
        self._decisions: dict[str, DecisionRecord] = {}
        self.kept_scores: dict[int, list[KeptScore]] = {}
        self.scorers: list[ScorerStatus] = []
        self.drift: list[DriftCounts] = []
        self.predictions: dict[str, Prediction] = {}
        self.lifted: list[str] = []  # identifiers whose suppression was lifted

    async def ingest(self, events: list[Event], wait: bool = False, timeout_s: float = 10) -> IngestResult:
        self._require_up()
        results = [self._take(event) for event in events]
        if not wait:
            results = [
                EventResult(r.message_id, "duplicate" if r.status == "duplicate" else "accepted") for r in results
            ]
        return IngestResult(",".join(f"{shard}:{number}" for shard, number in self._sequence.items()), results)

    async def reject(self, letters: list[DeadLetter]) -> None:
        self._require_up()
        self.letters |= {letter.letter_id: letter for letter in letters}

    async def profile(self, key: str, min_seq: str = "") -> Profile | None:
        self._require_up()
        found = ids.from_text(key.partition(":")[2]) if key.startswith("customer_id:") else self.index.get(key)
        return None if found is None else self.people.get(found)

    async def profiles(self, keys: list[str], min_seq: str = "") -> list[Profile | None]:
        return [await self.profile(key, min_seq) for key in keys]

    async def events(self, key: str, limit: int, cursor: str = "") -> tuple[list[StoredEvent], str]:
        profile = await self.profile(key)
        mine = [s for s in reversed(self.log) if profile is not None and s.customer_id == profile.customer_id]
        start = _offset(cursor)
        return mine[start : start + limit], str(start + limit) if len(mine) > start + limit else ""

    async def links(self, key: str) -> list[Link]:
        profile = await self.profile(key)
        return [link for link in self._links if profile is not None and link.customer_id == profile.customer_id]

    async def merges(self, key: str) -> list[MergeRecord]:
        profile = await self.profile(key)
        lineage = [] if profile is None else [profile.customer_id, *profile.absorbed]
        return [merge for merge in self._merges if merge.winner in lineage]

    async def consents(self, key: str) -> list[ConsentRecord]:
        profile = await self.profile(key)
        return [each for each in self._consents if profile is not None and each.customer_id == profile.customer_id]

    async def state_consents(self, key: str, consent: dict[str, Any], source: str, now: int) -> EventResult:
        if key not in self.index:
            raise NotFound("key: nobody has this key")
        context = {"consent": consent}
        return self._take(Event(f"c{now}", STATEMENT, "", now, now, source, (key,), key, context=context))

    async def correct(
        self, key: str, traits: dict[str, Any], context: dict[str, Any], source: str, now: int
    ) -> EventResult:
        if key not in self.index:
            raise NotFound("key: nobody has this key")
        event = Event(f"r{now}", CORRECTION, "", now, now, source, (key,), key, traits, context=context)
        return self._take(event)

    async def lift_suppression(self, identifiers: list[str]) -> None:
        self._require_up()
        self.lifted += identifiers

    async def log_decision(self, record: DecisionRecord) -> None:
        self._decisions.setdefault(record.record_id, record)

    async def decision(self, people: list[int], decision: DecisionRecord) -> DecisionRecord | None:
        ids = (record_id_of(decision, each) for each in people)
        return next((self._decisions[each] for each in ids if each in self._decisions), None)

    async def take_decision(self, record: DecisionRecord, absorbed: list[int]) -> DecisionRecord | None:
        return self._decisions.setdefault(record.record_id, record)

    async def decisions(self, key: str) -> list[DecisionRecord]:
        profile = await self.profile(key)
        return [each for each in self._decisions.values() if profile and each.customer_id == profile.customer_id]

    async def merge(self, left: str, right: str, source: str, now: int) -> EventResult:
        self._require_up()
        if left not in self.index or right not in self.index:
            raise NotFound("no profile has this key")
        return self._take(Event(f"merge-{now}", "merge", "", now, now, source, (left, right), left, explicit=True))

    async def unmerge(self, merge_id: str, now: int) -> tuple[int, int]:
        for record in self._merges:
            if record.merge_id == merge_id:
                if record.undone_at:
                    raise Conflict("the merge was taken back already")
                record.undone_at = now
                for before in (decode_profile(record.winner_before), decode_profile(record.loser_before)):
                    self.people[before.customer_id] = before
                    self.index |= dict.fromkeys(before.identifiers, before.customer_id)
                return record.winner, record.loser
        raise NotFound("no merge has this id")

    async def resolve(self, identifiers: list[str]) -> Resolution:
        self._require_up()
        known = sorted({self.index[identifier] for identifier in identifiers if identifier in self.index})
        if not known:
            return Resolution(0, True, 1.0, ["new"], [], [])
        return Resolution(known[0], False, 1.0, ["exact"], known[1:], [])

    async def list_reviews(self, cursor: str, limit: int) -> tuple[list[Review], str]:
        self._require_up()
        waiting = [self.reviews[key] for key in sorted(self.reviews) if not self.reviews[key].rejected_at]
        start = _offset(cursor)
        return waiting[start : start + limit], str(start + limit) if len(waiting) > start + limit else ""

    async def review(self, review_id: str) -> Review:
        _customers(review_id)
        if review_id not in self.reviews:
            raise NotFound("review_id: there is no such review")
        return self.reviews[review_id]

    async def accept_review(self, review_id: str, actor: str) -> Paired:
        left, right = _customers(review_id)
        if review_id not in self.reviews and left in self.people and right in self.people[left].absorbed:
            return Paired("same", left, left)
        review = await self.review(review_id)
        if review.rejected_at:
            raise Conflict("review_id: this review was rejected")
        merge_id = self.join_people(review.left, review.right, "operator", actor)
        return Paired("joined", review.left, review.right, merge_id)

    async def reject_review(self, review_id: str, actor: str) -> None:
        review = await self.review(review_id)
        self.reviews[review_id] = msgspec.structs.replace(review, rejected_at=self._now(), actor=actor)

    async def resolve_dry_run(self, record: MatchRecord | None, identifiers: Sequence[str] = ()) -> DryRun:
        exact = await self.resolve(list(identifiers))
        found = [] if record is None else self._alike(record, exact.customer_id)
        if exact.customer_id or not found:
            return DryRun("link" if exact.customer_id else "new", exact.customer_id, 1.0, exact, found)
        confidence = found[0].explanation.confidence
        decision: Decision = "new"
        if confidence >= REVIEW_CONFIDENCE:
            decision = "link" if confidence >= LINK_CONFIDENCE else "review"
        return DryRun(decision, found[0].customer_id if decision == "link" else 0, confidence, exact, found)

    async def explain(self, left: str, right: str) -> Explanation:
        self._require_up()
        records = []
        for key in (left, right):
            profile = await self.profile(key)
            record = None if profile is None else profile_record(profile)
            if record is None:
                raise NotFound("nobody has this key, or too little is known to compare")
            records.append(record)
        if records[0].record_id == records[1].record_id:
            raise Invalid("right: expected somebody else than left")
        return self._matcher.score(records[0], records[1:])[0]

    async def merge_record(self, merge_id: str) -> MergeRecord:
        for record in self._merges:
            if record.merge_id == merge_id:
                return record
        raise NotFound("merge_id: there is no such merge")

    async def matcher_statuses(self) -> list[MatcherStatus]:
        if self.matchers is None:
            raise Unavailable("matcher 0 does not answer; try again")
        return self.matchers

    async def scores(self, customer_ids: Sequence[int]) -> dict[int, list[KeptScore]]:
        return {each: self.kept_scores[each] for each in customer_ids if each in self.kept_scores}

    async def model_drift(self) -> list[DriftCounts]:
        return self.drift

    async def scorer_statuses(self) -> list[ScorerStatus]:
        return self.scorers

    def open_review(self, left: str, right: str, reason: ReviewReason = "confidence") -> Review:
        """A review of the people with these identifiers, as a matcher would open it."""
        one, other = (self.people[self.index[key]] for key in (left, right))
        evidence = self._evidence(one, other)
        review = new_review(one.customer_id, other.customer_id, self._now(), reason, evidence)
        self.reviews[review.review_id] = review
        return review

    def join_people(self, left: int, right: int, method: str, source: str) -> str:
        """Makes two people one, as matching or an operator does. Returns the id of the merge."""
        one, other = self.people[left], self.people.pop(right)
        event = Event(f"match-{left}-{right}", "merge", "", self._now(), self._now(), source, (), "")
        evidence = self._evidence(one, other)
        for review_id in [key for key in self.reviews if right in customers_of(key)]:
            del self.reviews[review_id]
        self._join(one, other, event, method, evidence)
        first, second = (next(iter(profile.identifiers)) for profile in (one, other))
        self._links.append(
            Link(left, first, second, method, 1.0, event.message_id, source, self._now(), evidence=evidence)
        )
        return self._merges[-1].merge_id

    def _evidence(self, one: Profile, other: Profile) -> Explanation:
        left, right = profile_record(one), profile_record(other)
        assert left is not None and right is not None
        return self._matcher.score(left, [right])[0]

    def _alike(self, record: MatchRecord, customer_id: int) -> list[DryRunCandidate]:
        found = []
        for profile in self.people.values():
            other = profile_record(profile)
            if other is not None and profile.customer_id != customer_id:
                explanation = self._matcher.score(record, [other])[0]
                if explanation.confidence >= REVIEW_CONFIDENCE:
                    found.append(DryRunCandidate(profile.customer_id, "free", explanation))
        return sorted(found, key=lambda candidate: -candidate.explanation.confidence)

    async def put_segment(self, resolved: Resolved) -> bool:
        self._require_up()
        self._segments[resolved.definition.id] = resolved
        for profile in self.people.values():
            self._evaluate(profile, "definition")
        return True

    async def delete_segment(self, segment_id: str) -> None:
        self._segments.pop(segment_id, None)
        for profile in self.people.values():
            profile.memberships.pop(segment_id, None)

    async def segment_members(
        self, segment_id: str, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[tuple[int, int]], str, int]:
        every = [profile for profile in self.people.values() if segment_id in profile.memberships]
        inside = [profile for profile in every if may_read(profile, self.purposes, purpose, self._now())]
        members = [(profile.customer_id, profile.memberships[segment_id]) for profile in inside]
        start = _offset(cursor)
        following = str(start + limit) if len(members) > start + limit else ""
        return members[start : start + limit], following, len(every) - len(inside)

    async def member_profiles(
        self, segment_id: str, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[tuple[int, Profile]], str, int]:
        members, following, withheld = await self.segment_members(segment_id, limit, cursor, purpose)
        return [(entered, self.people[customer_id]) for customer_id, entered in members], following, withheld

    async def members_at(
        self, segment_id: str, at: int, limit: int, cursor: str = "", purpose: str = ""
    ) -> tuple[list[int], str]:
        members = {customer_id for customer_id, p in self.people.items() if segment_id in p.memberships}
        undo(members, self._changes_since(segment_id, at))
        start = _offset(cursor)
        found = sorted(members)
        return found[start : start + limit], str(start + limit) if len(found) > start + limit else ""

    async def preview(self, resolved: Resolved, now: int) -> tuple[int, int]:
        compiled = compile_resolved(resolved)
        return sum(evaluate(compiled, profile, now).member for profile in self.people.values()), len(self.people)

    async def backtest(self, resolved: Resolved, times: list[int]) -> list[int]:
        return [(await self.preview(resolved, now))[0] for now in times]

    async def segment_flow(self, segment_id: str, times: list[int]) -> tuple[int, list[tuple[int, int]]]:
        members = sum(segment_id in profile.memberships for profile in self.people.values())
        flows = []
        for start, end in pairwise([*times, 1 << 62]):
            kinds = [c.change for c in self._changes if c.segment_id == segment_id and start < c.at <= end]
            flows.append((kinds.count("entered"), kinds.count("exited")))
        return members, flows

    async def segment_predictions(self, segment_id: str) -> dict[str, Prediction]:
        return self.predictions

    async def segment_summary(
        self, segment_id: str, holdout: float, since: int, until: int, event: str, within: int
    ) -> Summary:
        columns = Columns()
        for profile in self.people.values():
            columns.put(profile)
        profiles = [self.people[int(customer_id)] for customer_id in columns.customers]
        mask = np.array([segment_id in profile.memberships for profile in profiles])
        now = self._now()
        summary = summarise(columns, mask, lambda slot: profiles[slot], now, DEFAULT_RULES)
        entries = np.full(len(profiles), NEVER, np.int64)
        for change in self._changes:
            if change.segment_id == segment_id and change.change == "entered" and since <= change.at <= until:
                entries[columns.slot_of(change.customer_id)] = change.at
        members = [p.customer_id for p in profiles if segment_id in p.memberships]
        summary.held_out = sum(is_held_out(segment_id, customer_id, holdout) for customer_id in members)
        add_conversions(summary, columns, entries, event, within, now)
        return join([summary])

    async def holdout_start(self, segment_id: str) -> int:
        entries = first_entries(self._changes_since(segment_id, 0), any_holdout=True)
        return min((entry.at for entry in entries.values()), default=0)

    async def segment_impact(self, segment_id: str, since: int, measure: Measure, purpose: str) -> Sums:
        now = self._now()
        measuring = Measuring(measure, now, lambda profile: may_read(profile, self.purposes, purpose, now))
        for customer_id, entry in first_entries(self._changes_since(segment_id, since - 1)).items():
            measuring.add(self.people[customer_id], entry)
        return measuring.sums

    async def segment_overlap(self, segment_ids: list[str]) -> list[list[int]]:
        inside = [{c for c, p in self.people.items() if segment_id in p.memberships} for segment_id in segment_ids]
        return [[len(left & right) for right in inside] for left in inside]

    def _changes_since(self, segment_id: str, at: int) -> list[SegmentChange]:
        return [c for c in reversed(self._changes) if c.segment_id == segment_id and c.at > at]

    async def segment_changes(self, after: dict[int, int], limit: int) -> list[SegmentChange]:
        later = [c for c in self._changes if c.sequence > after.get(ids.shard_of(c.customer_id), 0)]
        return later[:limit]

    async def tail(self, after: dict[int, int], limit: int) -> list[StoredEvent]:
        return [stored for stored in self.log if stored.sequence > after.get(stored.shard, 0)][:limit]

    async def latest(self, limit: int) -> tuple[list[StoredEvent], dict[int, int]]:
        self._require_up()
        positions = dict.fromkeys(range(SHARDS), 0) | {stored.shard: stored.sequence for stored in self.log}
        return sorted(self.log, key=lambda stored: stored.event.received_at)[-limit:], positions

    async def changed_profiles(self, after: dict[int, int], timeout_s: float) -> tuple[list[int], dict[int, int]]:
        self._require_up()
        await asyncio.sleep(0)  # the shards would wait for a change
        changed = {stored.customer_id for stored in self.log if stored.sequence > after.get(stored.shard, 0)}
        return sorted(changed), dict(self._sequence)

    async def change_positions(self) -> dict[int, int]:
        self._require_up()
        return dict(self._sequence)

    async def dead_letters(self, limit: int, cursor: str = "") -> tuple[list[DeadLetter], str]:
        letters = list(self.letters.values())
        start = _offset(cursor)
        return letters[start : start + limit], str(start + limit) if len(letters) > start + limit else ""

    async def take_dead_letters(self, ids: list[str]) -> list[DeadLetter]:
        return [letter for letter in self.letters.values() if not letter.replayed_at and letter.letter_id in ids]

    async def waiting_dead_letters(
        self, after: dict[int, int], limit: int
    ) -> tuple[list[DeadLetter], dict[int, int], bool]:
        letters = list(enumerate(self.letters.values(), 1))
        waiting = [(n, letter) for n, letter in letters if not letter.replayed_at and n > after.get(0, 0)][:limit]
        position = waiting[-1][0] if waiting else after.get(0, 0)
        return [letter for _, letter in waiting], {0: position}, len(waiting) >= limit

    async def delete_dead_letters(self, ids: list[str] | None) -> int:
        gone = [letter_id for letter_id in self.letters if ids is None or letter_id in ids]
        for letter_id in gone:
            del self.letters[letter_id]
        return len(gone)

    async def mark_replayed(self, ids: list[str], now: int) -> None:
        for letter_id in ids:
            self.letters[letter_id].replayed_at = now

    async def status(self) -> list[ShardStatus]:
        self._require_up()
        return [self._status(shard) for shard in range(SHARDS)]

    def _require_up(self) -> None:
        if self.down:
            raise Unavailable("shard 1 does not answer; try again")

    def _take(self, event: Event) -> EventResult:
        if event.message_id in self._seen:
            return EventResult(event.message_id, "duplicate")
        self._seen.add(event.message_id)
        known = sorted({self.index[identifier] for identifier in event.identifiers if identifier in self.index})
        created = not known
        born = ids.mint(0, self._now() + len(self.people), len(self.people) % SHARDS)
        profile = self.people[known[0]] if known else Profile(born, self._now())
        self.people[profile.customer_id] = profile
        for other in known[1:]:
            self._join(profile, self.people.pop(other), event)
        for identifier in event.identifiers:
            reduce.add_identifier(profile, identifier, event)
            self.index[identifier] = profile.customer_id
        updates = reduce.apply(profile, event, self._policy, self.purposes)
        told = [path.rpartition(".")[2] for path in updates if path.startswith("privacy.consents.")]
        self._consents += records_of(event, profile.customer_id, told, self.purposes, len(self._consents))
        shard = ids.shard_of(profile.customer_id)
        self._sequence[shard] += 1
        profile.sequence = self._sequence[shard]
        self.log.append(StoredEvent(shard, profile.sequence, profile.customer_id, event))
        for left, right in zip(event.identifiers, event.identifiers[1:], strict=False):
            self._links.append(
                Link(profile.customer_id, left, right, "exact", 1.0, event.message_id, event.source, event.received_at)
            )
        return EventResult(
            event.message_id,
            "applied",
            customer_id=profile.customer_id,
            created=created,
            confidence=1.0,
            methods=["new"] if created else ["exact"],
            profile_updates=updates,
            segment_changes=self._evaluate(profile, event.message_id),
            merged=known[1:],
        )

    def _join(
        self,
        profile: Profile,
        other: Profile,
        event: Event,
        method: str = "exact",
        evidence: Explanation | None = None,
    ) -> None:
        self._merges.append(
            MergeRecord(
                f"mrg_{len(self._merges)}",
                profile.customer_id,
                other.customer_id,
                self._now(),
                0,
                event.message_id,
                event.source,
                method,
                list(event.identifiers),
                encode_profile(profile),
                encode_profile(other),
                evidence=evidence,
            )
        )
        reduce.merge(profile, other, self._policy)
        profile.absorbed += [other.customer_id, *other.absorbed]
        self.index |= dict.fromkeys(other.identifiers, profile.customer_id)

    def _evaluate(self, profile: Profile, cause: str) -> list[SegmentChange]:
        changes = []
        shard = ids.shard_of(profile.customer_id)
        for resolved in self._segments.values():
            segment = resolved.definition
            member = evaluate(compile_resolved(resolved), profile, self._now()).member
            if member is not (segment.id in profile.memberships):
                if member:
                    profile.memberships[segment.id] = self._now()
                else:
                    del profile.memberships[segment.id]
                self._sequence[shard] += 1
                change = SegmentChange(
                    profile.customer_id,
                    segment.id,
                    "entered" if member else "exited",
                    self._now(),
                    cause,
                    self._sequence[shard],
                    segment.holdout > 0 and is_held_out(segment.id, profile.customer_id, segment.holdout),
                )
                changes.append(change)
        self._changes += changes
        return changes

    def _status(self, shard: int) -> ShardStatus:
        mine = [profile for profile in self.people.values() if ids.shard_of(profile.customer_id) == shard]
        return ShardStatus(
            shard=shard,
            profiles=len(mine),
            identifiers=sum(len(profile.identifiers) for profile in mine),
            events=sum(stored.shard == shard for stored in self.log),
            duplicates=0,
            in_flight=0,
            sequence=self._sequence[shard],
            settled=self._sequence[shard],
            segments={
                segment_id: SegmentStatus(sum(segment_id in profile.memberships for profile in mine), "live")
                for segment_id in self._segments
            },
            dead_letters=len(self.letters) if shard == 0 else 0,
            reviews=sum(ids.shard_of(r.left) == shard and not r.rejected_at for r in self.reviews.values()),
        )


def _offset(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdecimal()):
        raise Invalid("cursor: expected `cursor.next` of the page before, as it was given")
    return int(cursor or 0)


def _customers(review_id: str) -> tuple[int, int]:
    try:
        return customers_of(review_id)
    except ValueError:
        raise Invalid("review_id: expected the id of a review") from None
