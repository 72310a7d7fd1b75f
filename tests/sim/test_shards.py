"""Many shards under chaos end as one unsharded resolver would: same people, same profiles, nothing lost or doubled."""

import random

import pytest

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.commands import Accept
from models.shard.protocol import IngestResult
from models.shard.state import MachineSettings
from tests.sim.oracle import Oracle, essence
from tests.sim.world import Chaos, World

PLAIN = MachineSettings(IdentitySettings(limits={}, limit_default=1_000_000), ProfilePolicy(), LifecycleRules())
LIMITED = MachineSettings(
    IdentitySettings(limits={"user_id": 1, "email": 2}, limit_default=3), ProfilePolicy(), LifecycleRules()
)
PRIORITY = {"user_id": 0, "email": 1}


def history(seed: int, count: int, people: int) -> list[Event]:
    """Events of a few people with several identifiers each, now and then of two people at once."""
    rng = random.Random(seed)
    pools = {
        person: [f"user_id:u{person}", f"email:e{person}@x.io"] + [f"anonymous_id:a{person}.{i}" for i in range(4)]
        for person in range(people)
    }
    events = []
    for number in range(count):
        pool = list(pools[rng.randrange(people)])
        if rng.random() < 0.08:
            pool += pools[rng.randrange(people)]
        chosen = list(dict.fromkeys(rng.choices(pool, k=rng.choice([1, 1, 2, 2, 3]))))
        chosen.sort(key=lambda i: (PRIORITY.get(i.split(":")[0], 9), i))
        kind = rng.random()
        at = 1_759_000_000_000 + rng.randrange(10_000_000)
        order = kind > 0.85
        events.append(
            Event(
                message_id=f"m{number}",
                type="identify" if kind < 0.3 else "track",
                name="" if kind < 0.3 else ("Order Completed" if order else rng.choice(["A", "B"])),
                timestamp=at,
                received_at=at,
                source="web",
                identifiers=tuple(chosen),
                route=chosen[-1],
                traits={"city": rng.choice("xyz")} if kind < 0.3 else {},
                properties={"order_id": f"o{number}", "revenue": 5.25} if order else {},
            )
        )
    return events


def compare(world: World, oracle: Oracle) -> None:
    profiles = world.profiles()
    pairs: dict[int, int] = {}
    for identifier, expected in oracle.owner.items():
        found = world.owner(identifier)
        assert pairs.setdefault(found, expected) == expected, identifier
    assert len(set(pairs.values())) == len(pairs) == len(oracle.identifiers) == len(profiles)
    for customer_id, expected in pairs.items():
        assert essence(profiles[customer_id]) == essence(oracle.profile(expected))
    assert sorted(row.event.message_id for row in world.stored()) == sorted(
        e.message_id for events in oracle.events.values() for e, _ in events
    )


@pytest.mark.parametrize("settings", [PLAIN, LIMITED], ids=["plain", "limited"])
@pytest.mark.parametrize("seed", range(25))
def test_chaos_ends_as_the_oracle(seed: int, settings: MachineSettings) -> None:
    events = history(seed, count=120, people=7)
    world = World(seed, shards=1 + seed % 5, settings=settings)
    world.unacknowledged = list(events)
    world.settle()
    world.check_at_rest()
    assert {e.message_id for e in world.log} == {e.message_id for e in events}
    oracle = Oracle(settings)
    sent = {event.message_id: event for event in events}
    for stored in world.log:  # the order in which the shards committed them is the order that must explain them
        oracle.take(sent[stored.message_id])
    compare(world, oracle)


@pytest.mark.parametrize("settings", [PLAIN, LIMITED], ids=["plain", "limited"])
@pytest.mark.parametrize("seed", range(8))
def test_readers_see_what_is_settled_at_every_moment(seed: int, settings: MachineSettings) -> None:
    world = World(100 + seed, shards=2 + seed % 3, settings=settings)
    world.watched = True
    world.unacknowledged = history(100 + seed, count=60, people=5)
    world.settle()
    world.check_at_rest()


def test_a_repeated_request_waits_for_the_first() -> None:
    """The router repeats what a killed shard did not answer: the answer is then the result, not an empty duplicate."""
    world = World(1, shards=2, settings=PLAIN, chaos=Chaos(0, 0, 0))
    identifiers = ("user_id:u1", "email:a@x.io", "email:b@x.io", "email:c@x.io", "email:d@x.io")
    event = Event("m1", "identify", "", 1, 1, "web", identifiers, "user_id:u1")
    shard = world.machines[0].core.home(event.route)
    assert {world.machines[0].core.home(i) for i in identifiers} == {0, 1}
    assert world.run(shard, Accept(1, [event], True)) == []
    assert world.run(shard, Accept(2, [event], True)) == []
    answered = {}
    world_run = world.run

    def run(shard: int, command: object) -> list[tuple[int, object]]:
        replies = world_run(shard, command)
        answered.update({call: r for call, r in replies if isinstance(r, IngestResult)})
        return replies

    world.run = run  # type: ignore[method-assign]
    world._call = 10
    world.settle()
    for call in (1, 2):
        (result,) = answered[call].results
        assert (result.status, result.customer_id) == ("applied", world.owner("user_id:u1"))
    ((_, later),) = world.run(shard, Accept(3, [event], True))
    assert isinstance(later, IngestResult)
    assert later.results[0].customer_id == world.owner("user_id:u1")


@pytest.mark.parametrize("seed", range(6))
def test_an_unmerge_is_answered_when_readers_see_it(seed: int) -> None:
    world = World(seed, shards=4, settings=PLAIN, chaos=Chaos(lose=0.3, double=0.2, crash=0))
    left, right = ("user_id:u1", "email:a@x.io"), ("user_id:u2", "email:b@x.io", "email:c@x.io")
    for number, identifiers in enumerate((left, right, ("user_id:u1", "user_id:u2"))):
        world.quiet(Event(f"m{number}", "identify", "", 1, 1, "web", identifiers, identifiers[0]))
    (merge,) = [m for machine in world.machines for m in machine.core.merges.values()]
    seen: list[bool] = []
    plain_run = world.run

    def run(shard: int, command: object) -> list[tuple[int, object]]:
        replies = plain_run(shard, command)
        if any(isinstance(reply, tuple) for _, reply in replies):
            seen.append(all(world.read(i).customer_id == merge.loser for i in right))
        return replies

    world.run = run  # type: ignore[method-assign]
    world.unmerge(merge.merge_id)
    assert seen == [True]


@pytest.mark.parametrize("seed", range(10))
def test_one_at_a_time_equals_the_oracle_in_the_same_order(seed: int) -> None:
    events = history(1000 + seed, count=60, people=5)
    world = World(seed, shards=4, settings=LIMITED, chaos=Chaos(lose=0.1, double=0.1, crash=0.02))
    oracle = Oracle(LIMITED)
    for event in events:
        world.quiet(event)
        oracle.take(event)
    world.check_at_rest()
    compare(world, oracle)


def test_the_chaos_is_real() -> None:
    world = World(3, shards=4, settings=PLAIN)
    world.unacknowledged = history(3, count=120, people=7)
    world.settle()
    assert world.crashes > 10
    assert any(core.core.redirects for core in world.machines), "no merge happened"
