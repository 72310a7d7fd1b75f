"""A re-resolution's platform over the simulated shards, and a plan made from them by hand."""

import random
from collections.abc import Mapping, Sequence

from models.events.event import Event
from models.identity.profile_record import profile_digest
from models.identity.reresolution import Group, PlannedUnit
from models.identity.resolution import Candidate
from models.profile.state import decode_profile
from models.shard.commands import Pair, Receive
from models.shard.merging import candidate_of
from models.shard.protocol import MergeRecord, Paired, Pairing, StoredEvent
from models.shard.separating import Unit, first_ties, separate
from tests.sim.world import World

START = 1_759_000_000_000


class WorldPlatform:
    """Implements `pipelines.reresolve_steps.Platform`. `killed_after` steps it raises Killed, before or after one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.killed_after = -1
        self.evidence: list[Pairing] = []

    async def candidates(self, customer_ids: Sequence[int]) -> list[Candidate | int | None]:
        found: list[Candidate | int | None] = []
        for customer_id in customer_ids:
            core = self.world.machines[(customer_id >> 11) & 1023].core
            redirect = core.redirects.get(customer_id)
            if redirect is not None:
                found.append(redirect.target)
            else:
                state = core.profiles.get(customer_id)
                found.append(None if state is None else candidate_of(decode_profile(state)))
        return found

    async def merges(self, lineages: Sequence[Candidate]) -> list[MergeRecord]:
        losers = {c for candidate in lineages for c in (candidate.customer_id, *candidate.lineage)}
        return [
            disk.merge(record.merge_id)
            for disk, machine in zip(self.world.disks, self.world.machines, strict=True)
            for record in machine.core.merges.values()
            if record.loser in losers or record.winner in losers
        ]

    async def states(self, customer_ids: Sequence[int]) -> list[bytes | None]:
        return [self.world.machines[(c >> 11) & 1023].core.profiles.get(c) for c in customer_ids]

    async def unmerge(self, merge_id: str) -> None:
        self._count()
        self.world.unmerge(merge_id)

    async def pair(self, pairing: Pairing) -> Paired:
        self._count()
        world = self.world
        shard = (min(pairing.left, pairing.right) >> 11) & 1023
        world._call += 1
        call, found = world._call, list[Paired]()
        replies = world.run(shard, Pair(call, pairing))
        for _ in range(100_000):
            found += [reply for number, reply in replies if number == call and isinstance(reply, Paired)]
            if found:
                break
            replies = [reply for source in range(world.shards) for reply in deliver(world, source)]
        world.settle()
        if found[0].outcome == "joined":
            self.evidence.append(pairing)
        return found[0]

    def _count(self) -> None:
        if self.killed_after == 0:
            raise Killed
        self.killed_after -= 1


class Killed(Exception):
    """The process was killed."""


def deliver(world: World, source: int) -> list[tuple[int, object]]:
    """Delivers the first envelope to each shard; returns the replies."""
    replies: list[tuple[int, object]] = []
    for destination, rows in list(world.disks[source].outbox.items()):
        for number, envelope in list(rows.items())[:1]:
            answers = world.run(destination, Receive(-1, source, number, [envelope]))
            rows.pop(number, None)
            replies += [(call, reply) for call, reply in answers if call != -1]
    return replies


def person(rng: random.Random, number: int, people: int) -> Event:
    """Some traits of one of `people`, under an id of their own, or of another as well."""
    who = rng.randrange(people)
    traits = {"firstName": f"Name{who}", "lastName": f"Family{who}", "birthday": f"19{50 + who}-01-02"}
    kept = {trait: value for trait, value in traits.items() if rng.random() < 0.8}
    identifiers = [f"anonymous_id:a{rng.randrange(3 * people)}"]
    if rng.random() < 0.3:
        identifiers.append(f"anonymous_id:a{rng.randrange(3 * people)}")
    if rng.random() < 0.2:
        identifiers.insert(0, f"user_id:u{rng.randrange(2 * people)}")
    at = START + number
    known = tuple(dict.fromkeys(identifiers))
    return Event(f"m{number}", "identify", "", at, at, "web", known, known[0], traits=kept)


def units_of(world: World) -> dict[int, list[Unit]]:
    """The units of every profile."""
    found = {}
    records = [
        d.merge(r.merge_id) for d, m in zip(world.disks, world.machines, strict=True) for r in m.core.merges.values()
    ]
    for customer_id, profile in world.profiles().items():
        lineage = {customer_id, *profile.absorbed}
        mine = [record for record in records if record.loser in lineage and not record.undone_at]
        events: dict[int, list[StoredEvent]] = {}
        for winner, after in first_ties(customer_id, mine).items():
            disk, core = world.disks[(winner >> 11) & 1023], world.machines[(winner >> 11) & 1023].core
            redirect = core.redirects.get(winner)
            head = redirect.last_event if redirect is not None else core.profile(winner).last_event
            events[winner] = disk.events_after(winner, head, after)
        state = world.machines[(customer_id >> 11) & 1023].core.profiles[customer_id]
        found[customer_id] = separate(state, mine, events, world.shards, world.settings)
    return found


def group_of(units: Mapping[int, Sequence[Unit]], world: World, person_of: Mapping[int, int]) -> Group:
    """All profiles as one group."""
    planned = [
        PlannedUnit(u.profile.customer_id, profile, person_of[u.profile.customer_id], u.winner, u.order, digest(u))
        for profile, of_it in units.items()
        for u in of_it
    ]
    profiles = world.profiles()
    return Group(0, planned, {profile: profile_digest(profiles[profile]) for profile in units})


def digest(unit: Unit) -> int:
    return profile_digest(unit.profile)


def partition(world: World, units: Sequence[int]) -> dict[int, int]:
    """The profile that each unit is part of."""
    return {unit: world.resolve(unit) for unit in units}
