"""The router: everything that a transport can ask of the shards, as if there were one.

It finds the shards that a request concerns, puts their answers together, coalesces what many callers ask at once, and
repeats what a restarting shard did not answer. One for each replica, in its event loop. Every method raises Unavailable
when the shards did not answer in time, and Invalid for what no shard can answer.
"""

import asyncio
import base64
import heapq
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from actors.errors import Conflict, Invalid, NotFound
from actors.ingestion import Ingestion
from actors.lineages import Lineages
from actors.lookups import Lookups
from actors.matcher import MatcherStatus
from actors.matching import DryRun, Matching
from actors.namespaces import NAMESPACE
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.scoring import ScorerStatus, Scoring
from actors.segment_calls import SEGMENTS_TIMEOUT_S, SegmentCalls
from actors.shard_calls import ShardCalls, Shards
from models.events.event import Event
from models.identity.customer_id import shard_of
from models.identity.evidence import Explanation
from models.identity.identifiers import IdentitySettings
from models.identity.placement import home_shard
from models.identity.record import MatchRecord
from models.identity.resolution import plan
from models.privacy.corrections import CORRECTION
from models.privacy.decisions import DecisionRecord
from models.privacy.ledger import ConsentRecord
from models.privacy.purposes import STATEMENT
from models.profile.state import Profile
from models.scoring.drift import DriftCounts
from models.scoring.kept import KeptScore
from models.segments.predictions import Prediction
from models.shard.core import exact_methods
from models.shard.protocol import (
    DeadLetter,
    EventResult,
    IngestResult,
    Link,
    MergeRecord,
    Paired,
    Resolution,
    Review,
    ShardStatus,
    StoredEvent,
)

TIMEOUT_S = 10.0
_SCORES_S = 0.5  # that a profile waits for its scores
_LETTERS_PAGE = 1_000  # deleted at once in each shard
_AFTER_ALL_LETTERS = (1 << 62, "")


def _random_id() -> str:
    return secrets.token_hex(16)


class Router(SegmentCalls):
    """The facade over `shards` shards."""

    def __init__(
        self,
        shards: int,
        data_dir: Path,
        reach: Shards | None = None,
        new_id: Callable[[], str] = _random_id,
        timeout_s: float = TIMEOUT_S,
        matchers: Shards | None = None,
        namespace: str = NAMESPACE,
        scorers: Shards | None = None,
    ) -> None:
        """`reach` calls a shard once and `matchers` a matcher, both by default Ray's actors in `namespace`; `scorers`
        calls a scorer, None if there are none. `timeout_s` bounds every call that names no bound."""
        self.data_dir = data_dir
        self._shards = shards
        self._new_id = new_id
        if reach is None:
            from actors.cluster import RayMatchers, RayShards  # here, so that a router over other shards needs no Ray

            reach, matchers = RayShards(namespace), RayMatchers(namespace)
        super().__init__(ShardCalls(shards, reach), timeout_s)
        self._ingestion = Ingestion(shards, reach)
        self._lookups = Lookups(self._calls)
        self._lineages = Lineages(self._calls, self._lookups)
        self._matching = Matching(self._calls, self._lookups, matchers)
        self._scoring = Scoring(None if scorers is None else ShardCalls(shards, scorers))
        self._identity: IdentitySettings | None = None
        self._watches: dict[tuple[int, int], asyncio.Task[tuple[list[int], int]]] = {}

    # Events

    async def ingest(self, events: list[Event], wait: bool = False, timeout_s: float = TIMEOUT_S) -> IngestResult:
        """Makes events durable, once each by source and message id; with `wait`, applies them and tells the results."""
        return await self._ingestion.ingest(events, wait, timeout_s)

    async def tail(self, after: dict[int, int], limit: int) -> list[StoredEvent]:
        """Up to `limit` events that follow each shard's position (absent: its beginning), in order in each shard."""
        logs = await self._after("tail", after, limit)
        return list(heapq.merge(*logs, key=lambda stored: stored.event.received_at))[:limit]

    async def latest(self, limit: int) -> tuple[list[StoredEvent], dict[int, int]]:
        """The last `limit` events of all shards, in order of receipt, and the positions that `tail` goes on from."""
        logs = await self._calls.all("latest", limit, timeout_s=self._timeout_s)
        events = sorted((stored for log in logs for stored in log), key=lambda stored: stored.event.received_at)
        # Of events, not of shards: nothing that is committed meanwhile is left out.
        return events[-limit:], {shard: log[-1].sequence if log else 0 for shard, log in enumerate(logs)}

    # Profiles

    async def profile(self, key: str, min_seq: str = "") -> Profile | None:
        """The profile of a normalised "namespace:value" or "customer_id:cus_...", None if there is none.

        With `min_seq`, the `sequence` of an IngestResult, it includes what that acknowledged.
        """
        return (await self.profiles([key], min_seq))[0]

    async def profiles(self, keys: list[str], min_seq: str = "") -> list[Profile | None]:
        """Profiles in the order of the keys."""
        return await self._lookups.profiles(keys, min_seq, self._timeout_s)

    async def events(self, key: str, limit: int, cursor: str = "") -> tuple[list[StoredEvent], str]:
        """A page of the person's events, newest first, and the cursor of the next page ("" at the end)."""
        return await self._lineages.events(key, limit, cursor, self._timeout_s)

    async def consents(self, key: str) -> list[ConsentRecord]:
        """All answers on consent of the person, by the time at which they were given."""
        return await self._lineages.consents(key, self._timeout_s)

    async def decisions(self, key: str) -> list[DecisionRecord]:
        """Automated decisions about the person, and reviews of them, oldest first."""
        return await self._lineages.decisions(key, self._timeout_s)

    async def decision(self, people: list[int], decision: DecisionRecord) -> DecisionRecord | None:
        """A decision as it is in the log about a person who has had these customer ids: the first."""
        return await self._lineages.decision(people, decision, self._timeout_s)

    async def take_decision(self, record: DecisionRecord, absorbed: list[int]) -> DecisionRecord | None:
        """Logs a decision unless one of its id is there; the one that is there then. None if the person is not any more
        who has had these ids before: they were merged with somebody, divided or erased."""
        held: DecisionRecord | None = await self._calls.call(
            shard_of(record.customer_id), "take_decision", record, absorbed, timeout_s=self._timeout_s
        )
        return held

    async def log_decision(self, record: DecisionRecord) -> None:
        """Logs an automated decision or a review; asked again, it is logged once."""
        await self._calls.call(shard_of(record.customer_id), "decide", [record], timeout_s=self._timeout_s)

    async def links(self, key: str) -> list[Link]:
        """The edges of the person's identity graph, oldest first."""
        return await self._lineages.links(key, self._timeout_s)

    async def merges(self, key: str) -> list[MergeRecord]:
        """The merges that made the person, and those that were taken back, oldest first."""
        return await self._lineages.merges(key, self._timeout_s)

    async def changed_profiles(self, after: dict[int, int], timeout_s: float) -> tuple[list[int], dict[int, int]]:
        """Customer ids of profiles changed after the positions, and the new positions; waits for the first change.

        Returns no ids when there was none in `timeout_s`. A shard without a position starts at its present end.
        """
        positions = {shard: after.get(shard, -1) for shard in range(self._shards)}
        watches = {shard: self._watch(shard, position, timeout_s) for shard, position in positions.items()}
        await asyncio.wait(watches.values(), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        changed: dict[int, None] = {}
        for shard, watch in watches.items():
            if watch.done():
                customer_ids, positions[shard] = watch.result()
                changed.update(dict.fromkeys(customer_ids))
        return list(changed), positions

    async def change_positions(self) -> dict[int, int]:
        """The position of each shard's changes now, to follow them from here."""
        answers = await self._calls.all("changed", -1, 0.0, timeout_s=self._timeout_s)
        return {shard: position for shard, (_, position) in enumerate(answers)}

    def _watch(self, shard: int, after: int, timeout_s: float) -> asyncio.Task[tuple[list[int], int]]:
        """Everybody who waits for a shard's changes after the same position waits for the same call."""
        watch = self._watches.get((shard, after))
        if watch is None:
            call = self._calls.call(
                shard, "changed", after, timeout_s, timeout_s=timeout_s + 5, attempt_s=timeout_s + 5
            )
            watch = self._watches[shard, after] = asyncio.get_running_loop().create_task(call)
            watch.add_done_callback(lambda _: self._watches.pop((shard, after), None))
        return watch

    # Identity

    async def resolve(self, identifiers: list[str]) -> Resolution:
        """What an event with these identifiers would do. Changes nothing."""
        settings = await self._identity_settings()
        ranked = sorted(dict.fromkeys(identifiers), key=settings.rank)
        owners, candidates = await self._lookups.owners(ranked, self._timeout_s)
        decided = plan(ranked, owners, candidates, settings.limits, settings.limit_default)
        matched = [identifier for identifier in decided.kept if owners[identifier]]
        return Resolution(
            customer_id=decided.target,
            created=not decided.target,
            confidence=1.0,
            methods=exact_methods(matched) if matched else ["new"],
            merges=decided.losers,
            demoted_identifiers=decided.demoted,
        )

    async def merge(self, left: str, right: str, source: str, now: int) -> EventResult:
        """States that two keys are one person, whatever the limits. Raises NotFound if one of them is nobody's."""
        settings = await self._identity_settings()
        pair = [await self._identifier(left, "left", settings), await self._identifier(right, "right", settings)]
        identifiers = tuple(sorted(dict.fromkeys(pair), key=settings.rank))
        event = Event(
            message_id=f"merge-{self._new_id()}",
            type="merge",
            name="",
            timestamp=now,
            received_at=now,
            source=source,
            identifiers=identifiers,
            route=identifiers[0],
            explicit=True,
        )
        return (await self.ingest([event], True, self._timeout_s)).results[0]

    async def state_consents(self, key: str, consent: dict[str, Any], source: str, now: int) -> EventResult:
        """An operator's statement of what a person has answered: `consent` as of `models.privacy.statements`. Raises
        NotFound if the key is nobody's."""
        return await self._state(key, STATEMENT, {}, {"consent": consent}, source, now)

    async def correct(
        self, key: str, traits: dict[str, Any], context: dict[str, Any], source: str, now: int
    ) -> EventResult:
        """An operator's correction: `traits` and `context` as of `models.privacy.corrections`. Raises NotFound if the
        key is nobody's."""
        return await self._state(key, CORRECTION, traits, context, source, now)

    async def lift_suppression(self, identifiers: list[str]) -> None:
        """Takes events with these normalised identifiers again, which an erasure had refused. May be asked again."""
        await self._calls.all("suppress", identifiers, 0, timeout_s=self._timeout_s)

    async def _state(
        self, key: str, kind: str, traits: dict[str, Any], context: dict[str, Any], source: str, now: int
    ) -> EventResult:
        """A statement of an operator about a person, taken as an event is."""
        identifier = await self._identifier(key, "key", await self._identity_settings())
        event = Event(
            message_id=f"{kind}-{self._new_id()}",
            type=kind,
            name="",
            timestamp=now,
            received_at=now,
            source=source,
            identifiers=(identifier,),
            route=identifier,
            traits=traits,
            context=context,
        )
        (result,) = (await self.ingest([event], True, self._timeout_s)).results
        if result.status == "suppressed":  # erased since the key was looked up
            raise NotFound("key: nobody has this key")
        return result

    async def unmerge(self, merge_id: str, now: int) -> tuple[int, int]:
        """Takes a merge back: the customer ids that survived and that is restored. Raises NotFound, Conflict."""
        shard = self._merge_shard(merge_id)
        try:
            winner, restored = await self._calls.call(shard, "unmerge", merge_id, timeout_s=self._timeout_s)
        except Conflict:
            # An attempt without an answer may have done it; its answer is then that it has been done.
            record = await self._calls.call(shard, "merge_record", merge_id, timeout_s=self._timeout_s)
            if record is None or record.undone_at < now:
                raise
            winner, restored = record.winner, record.loser
        return winner, restored

    async def _identifier(self, key: str, field: str, settings: IdentitySettings) -> str:
        """The key itself if it is an identifier, else the identifier of the highest priority of that customer."""
        profile = await self.profile(key)
        if profile is None or not profile.identifiers:
            raise NotFound(f"{field}: nobody has this key")
        return min(profile.identifiers, key=settings.rank) if key.startswith(CUSTOMER_ID_NAMESPACE) else key

    async def _identity_settings(self) -> IdentitySettings:
        if self._identity is None:
            self._identity = await self._calls.call(0, "identity_settings", timeout_s=self._timeout_s)
        return self._identity

    def _merge_shard(self, merge_id: str) -> int:
        """The shard that keeps a merge: its id says so, "mrg_<shard>_<number>"."""
        parts = merge_id.split("_")
        if len(parts) != 3 or parts[0] != "mrg" or not parts[1].isdecimal() or int(parts[1]) >= self._shards:
            raise NotFound("merge_id: there is no such merge; the person's merges list them")
        return int(parts[1])

    # Matching

    async def list_reviews(self, cursor: str, limit: int) -> tuple[list[Review], str]:
        """A page of open reviews by id, and the cursor of the next page ("" at the end)."""
        return await self._matching.list_reviews(cursor, limit, self._timeout_s)

    async def review(self, review_id: str) -> Review:
        """One review, rejected ones too. Raises NotFound."""
        return await self._matching.review(review_id, self._timeout_s)

    async def accept_review(self, review_id: str, actor: str) -> Paired:
        """Joins the two customers on an operator's word, whatever the limits. Raises NotFound, Conflict."""
        return await self._matching.accept_review(review_id, actor, self._timeout_s)

    async def reject_review(self, review_id: str, actor: str) -> None:
        """Sets the two customers apart for good. Raises NotFound, Conflict if they are one person by now."""
        await self._matching.reject_review(review_id, actor, self._timeout_s)

    async def resolve_dry_run(self, record: MatchRecord | None, identifiers: Sequence[str] = ()) -> DryRun:
        """What would become of somebody with this record (see `models.identity.profile_record.traits_record`) and these
        normalised identifiers, with everybody who resembles them. Changes nothing."""
        exact = await self.resolve(list(identifiers))
        return await self._matching.dry_run(record, identifiers, exact, self._timeout_s)

    async def explain(self, left: str, right: str) -> Explanation:
        """The evidence on two people, by their keys, as they are now. Raises NotFound, Invalid, Conflict."""
        return await self._matching.explain(left, right, self._timeout_s)

    async def merge_record(self, merge_id: str) -> MergeRecord:
        """A merge: of whom, and the evidence (None if an event showed it, or it was stated). Raises NotFound."""
        shard = self._merge_shard(merge_id)
        record: MergeRecord | None = await self._calls.call(shard, "merge_record", merge_id, timeout_s=self._timeout_s)
        if record is None:
            raise NotFound("merge_id: there is no such merge; the person's merges list them")
        return record

    async def matcher_statuses(self) -> list[MatcherStatus]:
        """The counters of every matcher; none if matching is off."""
        return await self._matching.statuses(self._timeout_s)

    # Scores

    async def scores(self, customer_ids: Sequence[int]) -> dict[int, list[KeptScore]]:
        """The scores of those of these people who have some, as their scorers answer in a short time."""
        return await self._scoring.scores(customer_ids, _SCORES_S)

    async def segment_predictions(self, segment_id: str) -> dict[str, Prediction]:
        """What models say of a segment's members, by the score's name; nothing without scorers. Raises Unavailable."""
        if not self._scoring.is_on:
            return {}
        return await self._scoring.predictions(await self.member_ids(segment_id), SEGMENTS_TIMEOUT_S)

    async def model_drift(self) -> list[DriftCounts]:
        """Who was counted for the drift of models, of each shard; nobody if scoring is off. Raises Unavailable."""
        return await self._scoring.drift(self._timeout_s)

    async def scorer_statuses(self) -> list[ScorerStatus]:
        """How every scorer stands; none if scoring is off. Raises Unavailable."""
        return await self._scoring.statuses(self._timeout_s)

    # Dead letters

    async def reject(self, letters: list[DeadLetter]) -> None:
        """Keeps messages that could not be taken."""
        groups: dict[int, list[DeadLetter]] = {}
        for letter in letters:
            groups.setdefault(home_shard(letter.letter_id, self._shards), []).append(letter)
        await self._calls.each("put_letters", {s: (group,) for s, group in groups.items()}, self._timeout_s)

    async def dead_letters(self, limit: int, cursor: str = "") -> tuple[list[DeadLetter], str]:
        """A page of dead letters, newest first, and the cursor of the next page ("" at the end)."""
        before = _decode_letter_cursor(cursor) if cursor else _AFTER_ALL_LETTERS
        pages = await self._calls.all("letters", limit + 1, *before, timeout_s=self._timeout_s)
        letters: list[DeadLetter] = [letter for page in pages for letter in page]
        letters.sort(key=lambda letter: (letter.received_at, letter.letter_id), reverse=True)
        page = letters[:limit]
        if len(letters) <= limit:
            return page, ""
        return page, base64.urlsafe_b64encode(f"{page[-1].received_at}:{page[-1].letter_id}".encode()).decode()

    async def take_dead_letters(self, ids: list[str]) -> list[DeadLetter]:
        """The letters with these ids that have not been replayed yet, oldest first."""
        calls = {shard: (group,) for shard, group in self._letters_by_shard(ids).items()}
        pages = await self._calls.each("letters_with", calls, self._timeout_s)
        return _oldest_first(pages.values())

    async def waiting_dead_letters(
        self, after: dict[int, int], limit: int
    ) -> tuple[list[DeadLetter], dict[int, int], bool]:
        """Letters that have not been replayed yet, after the positions: as many of each shard, some `limit` in all.

        With the new positions, and whether there may be more after them.
        """
        share = max(1, limit // self._shards)
        logs = await self._after("letters_waiting", after, share)
        positions = {shard: position for shard, (_, position) in enumerate(logs)}
        return _oldest_first(page for page, _ in logs), positions, any(len(page) >= share for page, _ in logs)

    async def delete_dead_letters(self, ids: list[str] | None) -> int:
        """Deletes the letters with these ids, or all, whether replayed or not. Returns how many were there.

        That many at least: what an attempt without an answer deleted is not counted.
        """
        if ids is not None:
            calls = {shard: (group,) for shard, group in self._letters_by_shard(ids).items()}
            return sum((await self._calls.each("delete_letters", calls, self._timeout_s)).values())
        total = 0
        while deleted := sum(await self._calls.all("delete_any_letters", _LETTERS_PAGE, timeout_s=self._timeout_s)):
            total += deleted
        return total

    async def mark_replayed(self, ids: list[str], now: int) -> None:
        """Notes that these letters were taken after all, at `now` ms."""
        calls = {shard: (group, now) for shard, group in self._letters_by_shard(ids).items()}
        await self._calls.each("mark_replayed", calls, self._timeout_s)

    def _letters_by_shard(self, ids: list[str]) -> dict[int, list[str]]:
        groups: dict[int, list[str]] = {}
        for letter_id in ids:
            groups.setdefault(home_shard(letter_id, self._shards), []).append(letter_id)
        return groups

    # Counters

    async def status(self) -> list[ShardStatus]:
        """The counters of every shard."""
        return await self._calls.all("status", timeout_s=self._timeout_s)


def _oldest_first(pages: Iterable[list[DeadLetter]]) -> list[DeadLetter]:
    letters = [letter for page in pages for letter in page]
    return sorted(letters, key=lambda letter: (letter.received_at, letter.letter_id))


def _decode_letter_cursor(cursor: str) -> tuple[int, str]:
    try:
        received_at, _, letter_id = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return int(received_at), letter_id
    except ValueError:
        raise Invalid("cursor: expected the cursor of the page before, as it was given") from None
