"""A matcher: finds who a changed profile resembles, and has the shards link, ask an operator, or neither.

Each matcher follows some of the shards: it holds the records of their profiles in memory, found by blocking keys, and
answers the other matchers' queries from them; so a profile is compared at all matchers at once. What it has to do is in
the shards' durable list of pending profiles, which it alone takes from: it holds a profile's record before it takes it
off that list, so a restart reads all profiles again and misses nothing, and doing something twice changes nothing.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from actors.errors import NotFound, OnefoldError, Unavailable
from actors.lookups import by_shard
from actors.shard_calls import ShardCalls, Shards
from actors.shard_reads import resident_bytes
from models.identity.assessment import Assessment, Assessor
from models.identity.customer_id import shard_of, to_text
from models.identity.evidence import Explanation
from models.identity.identifiers import IdentitySettings
from models.identity.match_index import MatchIndex, Query
from models.identity.online import MatchingSettings, PairMatcher, Scored
from models.identity.profile_record import profile_record
from models.identity.record import MatchRecord
from models.identity.resolution import Candidate
from models.profile.state import decode_profile
from models.shard.matching import finding_of, pairing_of
from models.shard.protocol import Finding, Paired, Pairing

_BATCH = 32  # profiles matched together
_PAGE = 500  # profiles of a page while the index is made
_POLL_S = 2.0
_CALL_S = 10.0
_PAUSE_S_MIN = 0.05
_PAUSE_S_MAX = 2.0

log = logging.getLogger("onefold.matcher")

Row = tuple[int, int, bytes | None]
"""Customer id, mark, encoded profile or None if it is gone."""


class Vectors(Protocol):
    """Finds records that no key leads to, by what they are near to: `actors.vector_candidates.VectorCandidates`."""

    def put(self, customer_ids: Sequence[int], records: Sequence[MatchRecord]) -> None: ...
    def drop(self, customer_ids: Sequence[int]) -> None: ...
    def near(self, record: MatchRecord) -> list[int]: ...
    def purge(self) -> None: ...


class MatcherStatus(msgspec.Struct):
    """A matcher's counters since it started."""

    matcher: int
    model: str
    ready: bool  # it holds the records of all its profiles
    records: int
    postings: int  # key and record
    oversized_keys: int  # of look-ups, not used because too many records share them
    truncated: int  # look-ups with more candidates than are compared
    matched: int
    linked: int
    deferred: int  # put off, mostly because a profile changed meanwhile
    failed: int  # profiles that could not be matched; the log names them
    failed_pairs: int  # comparisons that failed
    resident_bytes: int


class Matcher:
    """One matcher, number `number` of `matchers`. Construct it within a running event loop."""

    def __init__(
        self,
        number: int,
        matchers: int,
        calls: ShardCalls,
        peers: Shards,
        pair_matcher: PairMatcher,
        settings: MatchingSettings,
        identity: IdentitySettings,
        die: Callable[[BaseException], None],
        vectors: Vectors | None = None,
    ) -> None:
        """`calls` reaches the shards, `peers` the matchers by their number; `die` must end the process."""
        self._number = number
        self._matchers = matchers
        self._calls = calls
        self._peers = peers
        self._matcher = pair_matcher
        self._identity = identity
        self._index = MatchIndex(pair_matcher, settings)
        self._assessor = Assessor(self, pair_matcher, settings, identity)
        self._vectors = vectors
        self._die = die
        self._ready = asyncio.Event()
        self._counts = {"matched": 0, "linked": 0, "deferred": 0, "failed": 0}
        self._tasks: set[asyncio.Task[None]] = set()
        self._run(self._work())

    async def close(self) -> None:
        """Ends the matcher. What it has not finished stays pending."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            # Again: in Python 3.11 `wait_for` forgets a cancellation that comes together with its answer.
            await asyncio.wait(tasks, timeout=0.1)

    async def process_id(self) -> int:
        """The id of the matcher's process."""
        return os.getpid()

    # Asked by others

    async def find(self, queries: list[Query]) -> list[list[Scored]]:
        """For each query the profiles held here that resemble it. Waits until all are held."""
        await self._ready.wait()
        answers = []
        for query in queries:
            near = self._vectors.near(query.record) if self._vectors is not None else ()
            answers.append(self._index.nearest_kin(query, near))
            await asyncio.sleep(0)  # a comparison takes a millisecond or more: others may ask between two
        return answers

    async def refresh(self, customer_ids: list[int]) -> None:
        """Reads profiles of this matcher's shards again."""
        for shard, group in by_shard(customer_ids).items():
            states = await self._calls.call(shard, "states_of", group, timeout_s=_CALL_S)
            self._take(list(zip(group, states, strict=True)))

    async def forget(self, customer_ids: list[int]) -> None:
        """Drops what is held of these people, from memory and from the files of the vector index."""
        await self._ready.wait()
        self._take([(customer_id, None) for customer_id in customer_ids])
        if self._vectors is not None:
            self._vectors.purge()

    async def assess(self, record: MatchRecord, identifiers: list[str]) -> Assessment:
        """What would follow for somebody with this record and these identifiers. Changes nothing."""
        (keys,) = self._matcher.keys([record])
        nobody = Candidate(0, identifiers)
        (assessment,) = await self._assessor.assess([Query(0, record, keys)], nobody)
        return assessment

    async def explain(self, left: int, right: int) -> Explanation:
        """The evidence on two profiles as they are now. Raises NotFound if one is gone or has no record."""
        records = []
        for customer_id in (left, right):
            (state,) = await self._calls.call(shard_of(customer_id), "states_of", [customer_id], timeout_s=_CALL_S)
            record = None if state is None else profile_record(decode_profile(state))
            if record is None:
                raise NotFound(
                    f"{to_text(customer_id)}: there is no such customer, or too little is known to compare: at least "
                    "two of name, date of birth, e-mail, phone, address"
                )
            records.append(record)
        return self._matcher.score(records[0], records[1:])[0]

    async def status(self) -> MatcherStatus:
        """The matcher's counters."""
        blocks = self._index.blocks
        return MatcherStatus(
            matcher=self._number,
            model=self._matcher.version,
            ready=self._ready.is_set(),
            records=len(blocks),
            postings=blocks.postings,
            oversized_keys=blocks.oversized_lookups,
            truncated=blocks.truncated_lookups,
            failed_pairs=self._index.failed_pairs,
            resident_bytes=resident_bytes(),
            **self._counts,
        )

    # What an assessment asks (models.identity.assessment.Surroundings)

    async def kin(self, queries: Sequence[Query]) -> list[list[Scored]]:
        """From all matchers."""
        asked = list(queries)
        answers = await asyncio.gather(
            *(
                self.find(asked)
                if number == self._number
                else self._peers.call(number, "find", asked, timeout_s=_CALL_S)
                for number in range(self._matchers)
            )
        )
        return [[scored for found in of_query for scored in found] for of_query in zip(*answers, strict=True)]

    async def candidates(self, customer_ids: Sequence[int]) -> Mapping[int, Candidate]:
        """Those that exist under these ids."""
        groups = by_shard(list(customer_ids))
        answers = await self._calls.each("candidates", {s: (group,) for s, group in groups.items()}, _CALL_S)
        found = (candidate for answer in answers.values() for candidate in answer)
        return {candidate.customer_id: candidate for candidate in found if isinstance(candidate, Candidate)}

    # Its own work

    async def _work(self) -> None:
        mine = range(self._number, self._calls.shards, self._matchers)
        started = time.monotonic()
        for shard in mine:
            await self._read(shard)
        gc.freeze()
        self._ready.set()
        took_ms = round((time.monotonic() - started) * 1000)
        fields = {"matcher": self._number, "count": len(self._index.blocks), "duration_ms": took_ms}
        log.info("matcher has read its profiles", extra={"fields": fields})
        for shard in mine:
            self._run(self._follow(shard))

    async def _read(self, shard: int) -> None:
        """Takes in all profiles of a shard. Those that change meanwhile are pending."""
        after = 0
        while True:
            try:
                page = await self._calls.call(shard, "profile_states", after, _PAGE, timeout_s=_CALL_S)
            except Unavailable:
                continue  # the call itself has paused and tried again
            if not page:
                return
            try:
                self._take(page)
            except Exception:
                for row in page:
                    try:
                        self._take([row])
                    except Exception as error:
                        self._leave_out(row[0], error)
            after = page[-1][0]
            await asyncio.sleep(0)

    def _take(self, states: Sequence[tuple[int, bytes | None]]) -> list[Query]:
        queries = self._index.take(states)
        if self._vectors is not None:
            self._vectors.drop([customer_id for customer_id, _ in states])
            self._vectors.put([q.customer_id for q in queries], [q.record for q in queries])
        return queries

    def _leave_out(self, customer_id: int, error: Exception) -> None:
        """A profile cannot be matched. The error's message may hold personal data: it is not logged."""
        self._counts["failed"] += 1
        self._take([(customer_id, None)])
        fields = {"customer_id": to_text(customer_id), "error": type(error).__name__}
        log.error("a profile cannot be matched", extra={"fields": fields})

    async def _follow(self, shard: int) -> None:
        """Matches what is pending at a shard, for ever."""
        pause = _PAUSE_S_MIN
        while True:
            try:
                rows = await self._calls.call(
                    shard, "pending_matches", _BATCH, _POLL_S, timeout_s=_CALL_S, attempt_s=_POLL_S + 5
                )
                idle = await self._match(shard, rows) if rows else False
            except OnefoldError:
                idle = True  # a shard or a matcher is away; all is still pending
            if idle:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_S_MAX)
            else:
                pause = _PAUSE_S_MIN

    async def _match(self, shard: int, rows: list[Row]) -> bool:
        """Matches some profiles; whether none of them could be finished."""
        try:
            assessments = await self._assess(rows)
        except Unavailable:
            raise
        except Exception as error:
            if len(rows) > 1:
                return all([await self._match(shard, [row]) for row in rows])
            self._leave_out(rows[0][0], error)  # it would fail again and again, and hold up all others
            assessments = {}
        outcomes = await asyncio.gather(*(self._carry_out(a) for a in assessments.values()))
        unfinished = {c for c, finished in zip(assessments, outcomes, strict=True) if not finished}
        done = [row for row in rows if row[0] not in unfinished]
        now = time.time_ns() // 1_000_000
        findings = [finding_of(c, mark, assessments.get(c), state is None, now) for c, mark, state in done]
        await self._tell(findings)
        marks = [(customer_id, mark) for customer_id, mark, _ in done]
        await self._calls.call(shard, "matched", marks, sorted(unfinished), timeout_s=_CALL_S)
        self._counts["matched"] += len(done)
        self._counts["deferred"] += len(unfinished)
        return not done

    async def _assess(self, rows: list[Row]) -> dict[int, Assessment]:
        """By customer id; those that are gone or have no record have none."""
        queries = self._take([(customer_id, state) for customer_id, _, state in rows])
        return {a.query.customer_id: a for a in await self._assessor.assess(queries)} if queries else {}

    async def _carry_out(self, assessment: Assessment) -> bool:
        """Makes the link, if there is to be one; whether the profile is finished with."""
        if assessment.outdated:
            await self._refresh(assessment.outdated)
            return False
        pairing = pairing_of(assessment)
        if pairing is None:
            return True
        paired = await self._pair(pairing)
        if paired is not None and paired.outcome in ("joined", "same"):
            self._counts["linked"] += paired.outcome == "joined"
            return True
        # What was compared is no more as it was. Look again, at what is there now.
        await self._refresh((pairing.left, pairing.right))
        return False

    async def _pair(self, pairing: Pairing) -> Paired | None:
        shard = shard_of(min(pairing.left, pairing.right))
        try:
            answer: Paired = await self._calls.call(shard, "pair", pairing, timeout_s=_CALL_S, attempt_s=_CALL_S)
        except Unavailable:
            return None  # it may yet happen; then the next look finds it done
        return answer

    async def _refresh(self, customer_ids: Sequence[int]) -> None:
        groups: dict[int, list[int]] = {}
        for customer_id in customer_ids:
            groups.setdefault(shard_of(customer_id) % self._matchers, []).append(customer_id)
        for number, group in groups.items():
            if number == self._number:
                await self.refresh(group)
            else:
                await self._peers.call(number, "refresh", group, timeout_s=_CALL_S)

    async def _tell(self, findings: list[Finding]) -> None:
        """Every shard may keep reviews of these profiles; each gets those that are to be opened there."""
        calls: dict[int, tuple[object, ...]] = {}
        for shard in range(self._calls.shards):
            of_shard = [
                msgspec.structs.replace(finding, reviews=[r for r in finding.reviews if shard_of(r.left) == shard])
                for finding in findings
            ]
            calls[shard] = (of_shard,)
        await self._calls.each("reviewed", calls, _CALL_S)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a part of the matcher for ever; if it fails, the matcher does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._die(error)
