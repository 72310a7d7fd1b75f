"""A group's steps on the live platform: towards the people that are wanted, whatever state it is found in.

Nothing is remembered between two steps. The state is read, the next step follows from it, and it is read again: so a
run that was killed anywhere is gone on with by running it again, and what an unmerge has dealt out otherwise than was
thought is put right. A step is an unmerge or a pairing like any other: identifier limits hold, and nothing is joined
that somebody has set apart since the plan was made.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from actors.errors import Conflict, NotFound
from models.identity.evidence import Explanation
from models.identity.online import PairMatcher
from models.identity.profile_record import profile_record, record_digest
from models.identity.record import MatchRecord
from models.identity.reresolution import Group, Merge, joins, restores, separable
from models.identity.resolution import Candidate, standing
from models.profile.state import decode_profile
from models.shard.protocol import MergeRecord, Paired, Pairing
from models.shard.separating import merge_of

Outcome = Literal["done", "changed", "limits", "apart"]

COMPARED_MAX = 30  # profiles of one person that are compared with each other for the best evidence
_TRIES_MAX = 4  # of steps that others got in the way of
_HOPS_MAX = 64
_NO_LIMIT = 1 << 60


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A step that was taken: a unit restored from `left`, two profiles joined (`left` survives) or set apart."""

    kind: Literal["restore", "join", "part"]
    left: int
    right: int
    merge_id: str = ""


class GroupResult(msgspec.Struct, frozen=True, array_like=True):
    """What became of a group. Unless it is "done", the steps that were left are not taken, for the reason given: a
    profile has changed since the plan was made, or the rules of joining forbid it."""

    number: int
    outcome: Outcome
    steps: list[Step]


class Platform(Protocol):
    """What steps ask of the shards."""

    async def candidates(self, customer_ids: Sequence[int]) -> list[Candidate | int | None]:
        """What `actors.shard_reads.ShardReads.candidates` tells."""

    async def merges(self, lineages: Sequence[Candidate]) -> list[MergeRecord]:
        """All merges in the lineages of these profiles, undone ones too."""

    async def states(self, customer_ids: Sequence[int]) -> list[bytes | None]:
        """The encoded profiles with these ids, None for those that are gone."""

    async def unmerge(self, merge_id: str) -> None:
        """Takes a merge back. Raises NotFound, Conflict."""

    async def pair(self, pairing: Pairing) -> Paired:
        """Joins two profiles or sets them apart."""


class State(NamedTuple):
    """A group as it is now. A unit that leads nowhere is in none of these."""

    profile_of: dict[int, int]
    candidates: dict[int, Candidate]  # by profile
    ties: dict[int, list[Merge]]  # by profile
    undone: list[MergeRecord]


class _Stop(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


async def read(platform: Platform, units: Sequence[int]) -> State:
    """The state of a group's units."""
    at = {unit: unit for unit in units}
    candidates: dict[int, Candidate] = {}
    for _ in range(_HOPS_MAX):
        asked = sorted({customer_id for customer_id in at.values() if customer_id not in candidates})
        if not asked:
            break
        found = dict(zip(asked, await platform.candidates(asked), strict=True))
        candidates.update((c, answer) for c, answer in found.items() if isinstance(answer, Candidate))
        at = {unit: _led(c, found.get(c, candidates.get(c))) for unit, c in at.items()}
        at = {unit: customer_id for unit, customer_id in at.items() if customer_id}
    records = await platform.merges([c for c in candidates.values() if c.lineage])
    standing = [merge_of(record) for record in records if not record.undone_at]
    undone = [record for record in records if record.undone_at]
    return State(at, candidates, {c: separable(c, standing) for c in candidates}, undone)


def _led(customer_id: int, answer: Candidate | int | None) -> int:
    if isinstance(answer, Candidate):
        return customer_id
    return answer or 0


class Approach(ABC):
    """Takes a group's steps towards the people that are `wanted`: unit -> person."""

    def __init__(
        self, platform: Platform, matcher: PairMatcher, source: str, group: Group, wanted: Mapping[int, int]
    ) -> None:
        """`source` is what the merges say that they are from."""
        self._platform = platform
        self._matcher = matcher
        self._source = source
        self._group = group
        self._before = group.before()
        self._wanted = wanted
        self._steps: list[Step] = []

    async def run(self) -> GroupResult:
        """Takes all steps that are left, and tells which."""
        outcome: Outcome = "done"
        try:
            state = await self._read()
            await self._begin(state)
            tries = 0
            while (taken := await self._step(state)) is not None:
                tries = 0 if taken else tries + 1
                if tries == _TRIES_MAX:
                    raise _Stop("changed")
                state = await self._read()
            await self._end(state)
        except _Stop as stop:
            outcome = stop.outcome
        return GroupResult(self._group.number, outcome, self._steps)

    @abstractmethod
    async def _begin(self, state: State) -> None:
        """Raises _Stop if the group is not to be touched."""

    @abstractmethod
    def _may_undo(self, tie: Merge) -> bool:
        """Whether it is ours to take this merge back."""

    @abstractmethod
    def _reunites(self, left: Sequence[int], right: Sequence[int]) -> bool:
        """Whether profiles of these units are joined even if they are set apart."""

    @abstractmethod
    async def _pairing(self, state: State, roots: Sequence[int]) -> Pairing:
        """The next join of profiles that are to become one, with its evidence."""

    @abstractmethod
    async def _end(self, state: State) -> None:
        """Everybody is who is wanted."""

    async def _read(self) -> State:
        state = await read(self._platform, list(self._wanted))
        for unit in self._wanted:
            profile = state.profile_of.get(unit)
            if profile is None:
                raise _Stop("changed")  # it was deleted
            if unit != profile and all(tie.loser != unit for tie in state.ties[profile]):
                raise _Stop("changed")  # it is bound by other than likeness
        return state

    async def _step(self, state: State) -> bool | None:
        """The next step: whether it was taken, None if none is left."""
        for profile in sorted(state.candidates):
            due = restores(profile, state.ties[profile], self._wanted)
            if due:
                if not all(self._may_undo(tie) for tie in due):
                    raise _Stop("changed")
                return await self._restore(due[0])
        for roots in joins(state.candidates, self._wanted_by_root(state)):
            return await self._join(state, await self._pairing(state, roots))
        return None

    def _wanted_by_root(self, state: State) -> dict[int, int]:
        return {profile: self._wanted[unit] for unit, profile in state.profile_of.items()}

    async def _restore(self, tie: Merge) -> bool:
        try:
            await self._platform.unmerge(tie.merge_id)
        except (Conflict, NotFound):
            return False  # somebody else did, or it has another id by now
        self._steps.append(Step("restore", tie.winner, tie.loser, tie.merge_id))
        return True

    async def _join(self, state: State, pairing: Pairing) -> bool:
        units = [[u for u, p in state.profile_of.items() if p == profile] for profile in (pairing.left, pairing.right)]
        paired = await self._platform.pair(msgspec.structs.replace(pairing, reunite=self._reunites(*units)))
        if paired.outcome == "limits" or paired.outcome == "apart":
            raise _Stop(paired.outcome)
        if paired.outcome == "joined":
            self._steps.append(Step("join", paired.winner, paired.loser, paired.merge_id))
        return paired.outcome in ("joined", "same")

    async def _records(self, customer_ids: Sequence[int]) -> list[MatchRecord]:
        """The profiles' records, without values where there is too little to compare. Raises _Stop if one is gone."""
        states = await self._platform.states(customer_ids)
        if any(state is None for state in states):
            raise _Stop("changed")
        records = [profile_record(decode_profile(state)) for state in states if state is not None]
        return [record or MatchRecord("", {}) for record in records]

    async def _digests(self, customer_ids: Sequence[int]) -> list[int]:
        return [_digest(record) for record in await self._records(customer_ids)]


def _digest(record: MatchRecord) -> int:
    return record_digest(record if record.values else None)


class Apply(Approach):
    """Makes a group's profiles the people that are planned, if they still are what they were when the plan was made.

    `resumed`: some of the steps may have been taken before.
    """

    def __init__(self, platform: Platform, matcher: PairMatcher, source: str, group: Group, resumed: bool) -> None:
        super().__init__(platform, matcher, source, group, group.after())
        self._resumed = resumed

    async def _begin(self, state: State) -> None:
        before = {profile: set[int]() for profile in self._group.digests}
        for unit in self._group.units:
            before[unit.profile].add(unit.unit)
        alone = {unit.unit: unit.digest for unit in self._group.units}
        known = {frozenset(units): self._group.digests[profile] for profile, units in before.items()}
        now: dict[int, set[int]] = {}
        for profile, ties in state.ties.items():
            now[profile] = {profile, *(tie.loser for tie in ties)}
        if not self._resumed:
            if now != before or self._parted(state):
                raise _Stop("changed")
        elif any(units - self._before.keys() for units in now.values()):
            raise _Stop("changed")
        profiles = sorted(now)
        for profile, digest in zip(profiles, await self._digests(profiles), strict=True):
            units = frozenset(now[profile])
            expected = known.get(units, alone[profile] if len(units) == 1 else digest)
            if digest != expected:
                raise _Stop("changed")

    def _parted(self, state: State) -> bool:
        """Whether profiles that are to have a person in common are set apart."""
        of_person: dict[int, set[int]] = {}
        for unit, person in self._wanted.items():
            of_person.setdefault(person, set()).add(state.profile_of[unit])
        return any(
            _are_apart(state.candidates[one], state.candidates[other])
            for profiles in of_person.values()
            for one in profiles
            for other in profiles
            if one < other
        )

    def _may_undo(self, tie: Merge) -> bool:
        return tie.loser in self._before and tie.winner in self._before

    def _reunites(self, left: Sequence[int], right: Sequence[int]) -> bool:
        # What was one profile has been set apart by nobody but this plan's own unmerges.
        return not {self._before[unit] for unit in left}.isdisjoint(self._before[unit] for unit in right)

    async def _pairing(self, state: State, roots: Sequence[int]) -> Pairing:
        """The pair that resembles each other most, of which one is the oldest: evidence that is worth reading."""
        compared = list(roots[:COMPARED_MAX])
        records = await self._records(compared)
        found = self._matcher.score(records[0], records[1:])
        best = max(range(len(found)), key=lambda n: (found[n].confidence, found[n].score, -n))
        return Pairing(
            left=compared[0],
            right=compared[best + 1],
            method="probabilistic",
            source=self._source,
            digests=(_digest(records[0]), _digest(records[best + 1])),
            evidence=found[best],
        )

    async def _end(self, state: State) -> None:
        """Sets the people apart that were one profile, so that the live matchers do not join them again."""
        people_of: dict[int, set[int]] = {}
        for unit, profile in self._before.items():
            people_of.setdefault(profile, set()).add(state.profile_of[unit])
        for people in people_of.values():
            ordered = sorted(people)
            for number, left in enumerate(ordered):
                for right in ordered[number + 1 :]:
                    if not _are_apart(state.candidates[left], state.candidates[right]):
                        await self._platform.pair(Pairing(left, right, "probabilistic", self._source, apart=True))
                        self._steps.append(Step("part", left, right))


class RollBack(Approach):
    """Makes a group's units the profiles that they were, as far as they are what the plan made of them.

    A unit whose record has changed since the plan was made is not joined again, and what others have joined since is
    not taken back.
    """

    def __init__(self, platform: Platform, matcher: PairMatcher, source: str, group: Group) -> None:
        super().__init__(platform, matcher, source, group, group.before())
        self._digest_of = {unit.unit: unit.digest for unit in group.units}

    async def _begin(self, state: State) -> None:
        """Whatever is there: a merge that cannot be taken back shows when it is its turn."""

    def _may_undo(self, tie: Merge) -> bool:
        if tie.loser not in self._before or tie.winner not in self._before:
            return False
        return tie.source == self._source or self._before[tie.winner] == self._before[tie.loser]

    def _reunites(self, left: Sequence[int], right: Sequence[int]) -> bool:
        return True

    async def _pairing(self, state: State, roots: Sequence[int]) -> Pairing:
        """The merge that was taken back, made again with the evidence that it had."""
        left, right = roots[:2]
        records = await self._records([left, right])
        for root, record in zip((left, right), records, strict=True):
            alone = sum(profile == root for profile in state.profile_of.values()) == 1
            if alone and _digest(record) != self._digest_of.get(root, 0):
                raise _Stop("changed")
        was: Explanation | None = None
        for merge in sorted(state.undone, key=lambda merge: merge.undone_at):
            if merge.loser == right and merge.evidence is not None:
                was = merge.evidence
        if was is None:
            (was,) = self._matcher.score(records[0], records[1:])
        return Pairing(
            left=left,
            right=right,
            method="probabilistic",
            source=self._source,
            digests=(_digest(records[0]), _digest(records[1])),
            evidence=was,
        )

    async def _end(self, state: State) -> None:
        """An unmerge has set apart what the plan had joined; there is nothing else to do."""


def _are_apart(left: Candidate, right: Candidate) -> bool:
    return standing(left, right, {}, _NO_LIMIT) == "apart"
