"""Erasures among many shards under chaos: nothing of the erased stays anywhere, and the others are as without them."""

import random

import msgspec
import pytest

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.privacy.suppression import FOREVER, refused_until
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.scoring.statements import band_trait, statement
from models.segments.criteria import SegmentDefinition
from models.shard.commands import Accept, Suppress
from models.shard.protocol import IngestResult
from models.shard.state import MachineSettings
from tests.sim.oracle import Oracle, essence
from tests.sim.test_memberships import install
from tests.sim.world import Chaos, World

SETTINGS = MachineSettings(
    IdentitySettings(limits={}, limit_default=1_000_000),
    ProfilePolicy(),
    LifecycleRules(),
    suppression_key=b"\x07" * 32,
)
START = 1_759_000_000_000


def canary(person: int) -> str:
    return f"canary{person:04d}x"


def events_of(rng: random.Random, person: int, count: int) -> list[Event]:
    """Of one person, whose identifiers come together little by little; every field carries the canary."""
    mark = canary(person)
    pool = [f"user_id:{mark}", f"email:{mark}@x.io", *(f"anonymous_id:{mark}.{i}" for i in range(4))]
    events = []
    for number in range(count):
        chosen = tuple(sorted(set(rng.choices(pool, k=rng.choice([1, 1, 2])))))
        at = START + rng.randrange(10_000_000)
        kind = rng.choice(["identify", "track"])
        events.append(
            Event(
                message_id=f"{mark}-{number}",
                type=kind,
                name="" if kind == "identify" else f"Looked at {mark}",
                timestamp=at,
                received_at=at,
                source="web",
                identifiers=chosen,
                route=chosen[-1],
                traits={"note": mark} if kind == "identify" else {},
                properties={"text": mark} if kind == "track" else {},
                context={"page": {"title": mark}, "consent": {"categoryPreferences": {mark: True}}},
            )
        )
    return events


def remains(world: World, person: int) -> list[str]:
    """Where the canary still is: on the disks, on the way, in the shards' memory."""
    mark = canary(person).encode()
    found = []
    for disk, machine in zip(world.disks, world.machines, strict=True):
        core = machine.core
        parts = {
            **{name: getattr(disk, name) for name in disk.__dataclass_fields__},
            "compact": [msgspec.msgpack.encode(profile) for profile in world.profiles().values()],
            "memory": [list(core.identifiers.items()), list(core.merges.items()), list(core.held.items())],
            "workflows": [list(core.workflows.items()), list(core.settling.items()), list(core.locks.items())],
        }
        found += [f"{disk.shard}: {name}" for name, part in parts.items() if mark in repr(part).encode()]
    return found


def erase_all(world: World, person: int, until: int) -> int:
    """Erases whatever profile any of the person's identifiers leads to, until there is none; how many there were."""
    erased = 0
    while owners := sorted({o for d in world.disks for i, o in d.identifiers.items() if canary(person) in i}):
        if world.erase(f"request-{person}-{erased}", world.resolve(owners[0]), until).people:
            erased += 1
        world.settle()
    return erased


NOTED = SegmentDefinition(
    id="noted", name="With a note", criteria={"type": "demographic", "trait": "note", "operator": "exists"}
)


@pytest.mark.parametrize("seed", range(24))
def test_nothing_of_the_erased_stays_and_others_are_as_without_them(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed, shards=1 + seed % 5, settings=SETTINGS)
    install(world, NOTED)
    people = {person: events_of(rng, person, 14) for person in range(6)}
    gone = rng.sample(sorted(people), 2)
    every = [event for events in people.values() for event in events]
    rng.shuffle(every)
    half = len(every) // 2
    world.unacknowledged = every[:half]
    world.settle()
    assert all(remains(world, person) for person in gone), "a scan that would find nothing"
    world.unacknowledged = every[half:]
    for _ in range(rng.randrange(200)):
        world.step()
    for number, person in enumerate(gone):  # in the middle of it all
        known = [o for d in world.disks for i, o in d.identifiers.items() if canary(person) in i]
        if known:
            world.erase(f"early-{number}", world.resolve(known[0]), FOREVER)
    world.settle()
    for person in gone:
        erase_all(world, person, FOREVER)
    world.unacknowledged = [event for person in gone for event in people[person]]  # late, and replayed
    rng.shuffle(world.unacknowledged)
    world.settle()
    world.check_at_rest()
    for person in gone:
        assert remains(world, person) == []
    oracle = Oracle(SETTINGS)
    for event in every:
        if not any(canary(person) in event.message_id for person in gone):
            oracle.take(event)
    profiles = world.profiles()
    assert len(profiles) == len(oracle.identifiers)
    for identifier, expected in oracle.owner.items():
        assert essence(profiles[world.owner(identifier)]) == essence(oracle.profile(expected))
    for machine in world.machines:
        held = {c for bitmap in machine.core.members.values() for c in bitmap}
        assert held <= set(machine.core.profiles)


@pytest.mark.parametrize("seed", range(8))
def test_an_erased_person_who_was_merged_and_taken_apart(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed, shards=1 + seed % 4, settings=SETTINGS, chaos=Chaos(0.1, 0.1, 0.02))
    one, other = ("user_id:" + canary(1), "email:a@x.io"), ("user_id:" + canary(2), "email:b@x.io")
    for number, identifiers in enumerate((one, other, (one[0], other[0]))):
        traits = {"note": canary(number + 1)} if number < 2 else {}
        world.quiet(Event(f"m{number}", "identify", "", 1, 1, "web", identifiers, identifiers[0], traits))
    (merge,) = [m for machine in world.machines for m in machine.core.merges.values()]
    if rng.random() < 0.5:
        world.unmerge(merge.merge_id)
        loser = 1 if world.owner(one[0]) == merge.loser else 2
        # The event that showed both stays with the winner, to whom it belongs as well: see who is meant by name.
        assert world.erase("r", merge.loser, FOREVER).people == [merge.loser]
        world.settle()
        assert world.owner((one, other)[loser - 1][1]) == 0
        assert world.owner((one, other)[2 - loser][1]) == merge.winner
        assert not any(m.loser_before for m in map(world.disks[0].merge, _merges(world, 0)))
    else:
        assert set(world.erase("r", merge.winner, FOREVER).people) == {merge.winner, merge.loser}
        world.settle()
        assert remains(world, 1) == remains(world, 2) == []
        assert not any(disk.profiles or disk.redirects or disk.events for disk in world.disks)
    world.check_at_rest()


@pytest.mark.parametrize("seed", range(16))
def test_nobody_comes_back_by_what_models_say(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed, shards=1 + seed % 5, settings=SETTINGS)
    people = {person: events_of(rng, person, 8) for person in range(3)}
    world.unacknowledged = [event for events in people.values() for event in events]
    world.settle()
    later = START + 20_000_000  # than the erasure: no identifier is refused then

    def said(person: int, at: int) -> list[Event]:
        known = sorted({i for event in people[person] for i in event.identifiers})
        return [statement(person, i, {f"s{n}": canary(person)}, {}, later + at + n) for n, i in enumerate(known)]

    world.unacknowledged = [event for person in people for event in said(person, 0)]
    rng.shuffle(world.unacknowledged)
    for _ in range(rng.randrange(150)):
        world.step()
    assert erase_all(world, 0, START + 10_000_000)  # in the middle of it all
    world.settle()
    world.unacknowledged = said(0, 1_000)
    world.settle()
    world.check_at_rest()
    assert remains(world, 0) == []
    told = {trait for profile in world.profiles().values() for trait in profile.attributes if trait != "note"}
    assert told == {band_trait(f"s{n}") for n in range(max(len(said(person, 0)) for person in (1, 2)))}


def _merges(world: World, shard: int) -> list[str]:
    return [key for kind, key in world.disks[shard].small if kind == "merges"]


def test_asked_again_the_answer_is_the_same() -> None:
    world = World(1, shards=3, settings=SETTINGS, chaos=Chaos(0, 0, 0))
    for event in events_of(random.Random(1), 1, 10):
        world.quiet(event)
    owners = {world.resolve(o) for d in world.disks for o in d.identifiers.values()}
    customer_id = owners.pop()
    first = world.erase("r", customer_id, FOREVER)
    assert first.people[0] == customer_id
    assert first.events > 0
    assert world.erase("r", customer_id, FOREVER) == first
    assert world.erase("another", customer_id, FOREVER).people == []


@pytest.mark.parametrize(
    ("suppress", "at", "taken"), [("all", 5_000, False), ("earlier", 1_000, False), ("earlier", 5_000, True)]
)
def test_what_comes_later_is_taken_only_if_that_was_asked_for(suppress: str, at: int, taken: bool) -> None:
    world = World(1, shards=2, settings=SETTINGS, chaos=Chaos(0, 0, 0))
    identifier = "user_id:" + canary(1)
    world.quiet(Event("m1", "identify", "", START, START, "web", (identifier,), identifier))
    customer_id = world.owner(identifier)
    until = refused_until(suppress, START + 2_000)  # type: ignore[arg-type]
    assert world.erase("r", customer_id, until).people == [customer_id]
    world.settle()
    later = Event("m2", "track", "Back", START + at, START + at, "web", (identifier, "email:b@x.io"), "email:b@x.io")
    world.quiet(later)
    assert bool(world.owner(identifier)) == taken == bool(world.owner("email:b@x.io"))
    assert world.owner(identifier) != customer_id


def test_a_refusal_is_told_and_can_be_lifted() -> None:
    world = World(1, shards=2, settings=SETTINGS, chaos=Chaos(0, 0, 0))
    identifier = "user_id:" + canary(1)
    for shard in range(2):
        world.run(shard, Suppress(-1, [identifier], FOREVER))
    home = world.machines[0].core.home(identifier)
    event = Event("m1", "identify", "", START, START, "web", (identifier,), identifier)
    ((_, refused),) = world.run(home, Accept(1, [event], True))
    assert isinstance(refused, IngestResult)
    assert [result.status for result in refused.results] == ["suppressed"]
    assert world.machines[home].core.events_suppressed == 1
    for shard in range(2):
        world.run(shard, Suppress(-1, [identifier], 0))
    ((_, taken),) = world.run(home, Accept(1, [event], True))
    assert isinstance(taken, IngestResult)
    assert [result.status for result in taken.results] == ["applied"]
