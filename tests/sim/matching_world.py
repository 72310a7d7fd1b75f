"""The world with matchers: they read what shards have to match, ask each other, link and review, and crash.

A matcher's index lives in memory only. A step of a matcher may end anywhere: answers go missing, its shard crashes, it
does itself, and what is pending is then found again.
"""

from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from models.identity.assessment import Assessment, Assessor
from models.identity.customer_id import shard_of
from models.identity.match_index import MatchIndex, Query
from models.identity.online import Scored
from models.identity.profile_record import profile_record
from models.identity.resolution import Candidate
from models.profile.state import decode_profile
from models.shard.commands import Matched, Pair, Reviewed
from models.shard.matching import finding_of, pairing_of
from models.shard.merging import candidate_of
from models.shard.protocol import MergeRecord, Paired, Pairing
from models.shard.state import MachineSettings
from models.shard.tables import Effects
from tests.sim.world import Chaos, World
from tests.strategies.additive_matcher import AdditiveMatcher

T = TypeVar("T")
PATIENCE = 200  # steps until a link that was not answered is asked for again


class Lost(Exception):
    """A call between processes was not answered."""


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class MatchingWorld(World):
    """`matchers` matchers, each for the shards of its remainder. Checks every link that is committed."""

    def __init__(
        self, seed: int, shards: int, settings: MachineSettings, chaos: Chaos | None = None, matchers: int = 1
    ) -> None:
        super().__init__(seed, shards, settings, chaos)
        self.matcher = AdditiveMatcher()
        self.indexes = [MatchIndex(self.matcher, settings.matching) for _ in range(matchers)]
        self.assessor = Assessor(self, self.matcher, settings.matching, settings.identity)
        self.links: list[MergeRecord] = []
        self.matcher_crashes = 0
        self.matching = True
        self.answered: dict[int, object] = {}
        self._steps = 0
        self._asked: dict[tuple[int, int], int] = {}

    # Steps

    def step(self) -> None:
        self._steps += 1
        if self.matching and self.random.random() < 0.3:
            self.match(self.random.randrange(self.shards))
        else:
            super().step()

    def match(self, shard: int) -> None:
        """Matches some of what is pending at a shard; what goes wrong is tried again some other time."""
        try:
            self._match(shard)
        except Lost:
            return
        if self.random.random() < self.chaos.crash:
            self.crash_matcher(shard % len(self.indexes))

    def _match(self, shard: int) -> None:
        core = self.machines[shard].core
        index = self.indexes[shard % len(self.indexes)]
        rows = [(c, mark) for c, mark in core.pending.items()][: self.random.randrange(1, 6)]
        states = [(c, core.profiles[c] if core.is_live(c) else None) for c, _ in rows]
        queries = {query.customer_id: query for query in index.take(states)}
        assessments = {a.query.customer_id: a for a in run_now(self.assessor.assess(list(queries.values())))}
        done, deferred = [], []
        for customer_id, mark in rows:
            assessment = assessments.get(customer_id)
            if assessment is None or self._follow(assessment):
                done.append((customer_id, mark))
            else:
                deferred.append(customer_id)
        gone = {c for c, state in states if state is None}
        findings = [finding_of(c, mark, assessments.get(c), c in gone, self.now) for c, mark in done]
        for other in range(self.shards):
            if not self.ask(other, Reviewed(self.number(), findings)):
                raise Lost
        self.ask(shard, Matched(self.number(), done, deferred))

    def _follow(self, assessment: Assessment) -> bool:
        """Does what follows; whether that is all."""
        for customer_id in assessment.outdated:
            self.refresh(customer_id)
        if assessment.outdated:
            return False
        pairing = pairing_of(assessment)
        if pairing is None:
            return True
        pair = (pairing.left, pairing.right)
        if self._steps < self._asked.get(pair, -PATIENCE) + PATIENCE:
            return False
        self._asked[pair] = self._steps
        for reply in self.ask(shard_of(min(pairing.left, pairing.right)), Pair(self.number(), pairing)):
            assert isinstance(reply, Paired)
            if reply.outcome in ("joined", "same"):
                return True
            for customer_id in (pairing.left, pairing.right):
                self.refresh(customer_id)
        return False  # no answer yet

    def pair(self, pairing: Pairing) -> Paired:
        """As an operator does it: again and again until it is answered that it is done, or why not."""
        for _ in range(1000):
            number = self.number()
            self.run(shard_of(min(pairing.left, pairing.right)), Pair(number, pairing))
            self.settle()
            if isinstance(reply := self.answered.get(number), Paired):
                return reply
        raise AssertionError("no answer")

    def refresh(self, customer_id: int) -> None:
        shard = shard_of(customer_id)
        core = self.machines[shard].core
        state = core.profiles[customer_id] if core.is_live(customer_id) else None
        self.indexes[shard % len(self.indexes)].take([(customer_id, state)])

    def crash_matcher(self, number: int) -> None:
        """Its index is made anew from what is on the disks."""
        self.matcher_crashes += 1
        index = self.indexes[number] = MatchIndex(self.matcher, self.settings.matching)
        for disk in self.disks[number :: len(self.indexes)]:
            index.take([(c, state) for c, (state, _) in disk.profiles.items()])

    def run(self, shard: int, command: object) -> list[tuple[int, object]]:
        replies = super().run(shard, command)
        self.answered.update(replies)
        return replies

    def ask(self, shard: int, command: object) -> list[object]:
        """The answer, if there is one at once and it is not lost."""
        call = command.call  # type: ignore[attr-defined]
        replies = [reply for number, reply in self.run(shard, command) if number == call]
        return replies if self.random.random() >= self.chaos.lose else []

    def number(self) -> int:
        self._call += 1
        return self._call

    # What an assessment asks

    async def kin(self, queries: Sequence[Query]) -> list[list[Scored]]:
        if self.random.random() < self.chaos.lose:
            raise Lost
        return [[scored for index in self.indexes for scored in index.nearest_kin(query)] for query in queries]

    async def candidates(self, customer_ids: Sequence[int]) -> Mapping[int, Candidate]:
        found = {}
        for customer_id in customer_ids:
            core = self.machines[shard_of(customer_id)].core
            if core.is_live(customer_id):
                found[customer_id] = candidate_of(decode_profile(core.profiles[customer_id]))
        return found

    # Checks

    def committed(self, effects: Effects) -> None:
        for kind, _, value in effects.small:
            if kind != "merges":
                continue
            record = msgspec.msgpack.decode(value, type=MergeRecord)
            # An unmerge may write a later link of the profile again, on what is left of it.
            if record.method == "probabilistic" and record.message_id not in {r.message_id for r in self.links}:
                self.check_link(record)

    def check_link(self, record: MergeRecord) -> None:
        """It keeps to limits and partings, and its evidence is that of the records as they were at that moment."""
        winner, loser = decode_profile(record.winner_before), decode_profile(record.loser_before)
        assert not {record.winner, *winner.absorbed} & set(loser.apart)
        assert not {record.loser, *loser.absorbed} & set(winner.apart)
        limits = self.settings.identity
        for namespace in {i.partition(":")[0] for i in (*winner.identifiers, *loser.identifiers)}:
            counts = [sum(i.startswith(namespace + ":") for i in p.identifiers) for p in (winner, loser)]
            assert sum(counts) <= max(limits.limit(namespace), *counts)
        left, right = profile_record(winner), profile_record(loser)
        assert record.evidence is not None and left is not None and right is not None
        (again,) = self.matcher.score(left, [right])
        assert again.score == record.evidence.score
        assert again.confidence >= self.settings.matching.link_confidence
        self.links.append(record)

    def is_at_rest(self) -> bool:
        return super().is_at_rest() and not (self.matching and any(len(m.core.pending) for m in self.machines))

    def unmerge(self, merge_id: str) -> None:
        """Without matchers meanwhile, which might merge the profile into an older one."""
        self.matching = False
        super().unmerge(merge_id)
        self.matching = True
        self.settle()

    def check_matched(self) -> None:
        """Nothing is left to be done: a look at every profile with a fresh index finds no link and no other reviews."""
        self.check_at_rest()
        held = {c: d for index in self.indexes for c in index.blocks for d in [index.blocks.get(c)]}
        for number in range(len(self.indexes)):
            self.crash_matcher(number)
        assert held == {c: d for index in self.indexes for c in index.blocks for d in [index.blocks.get(c)]}
        reviews = {r.review_id: r for machine in self.machines for r in machine.core.reviews.values()}
        due: Counter[str] = Counter()
        lose, self.chaos.lose = self.chaos.lose, 0
        for customer_id, profile in self.profiles().items():
            record = profile_record(profile)
            if record is None:
                continue
            query = Query(customer_id, record, self.matcher.keys([record])[0])
            (assessment,) = run_now(self.assessor.assess([query]))
            assert assessment.verdict.decision != "link"
            due.update(review.review_id for review in finding_of(customer_id, 0, assessment, False, 0).reviews)
        self.chaos.lose = lose
        # Due from both sides; or from one, when the other has more than it opens.
        found = {r.review_id for r in reviews.values() if not r.rejected_at}
        assert {review_id for review_id, sides in due.items() if sides == 2} <= found <= due.keys()
