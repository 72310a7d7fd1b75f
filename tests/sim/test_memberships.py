"""Memberships are true at every moment: after events, merges, crashes and the mere passing of time."""

import msgspec
import pytest

from models.identity.customer_id import shard_of
from models.profile.state import Profile
from models.segments.catalogue import Resolved
from models.segments.compile import CompiledSegment, compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate, judged
from models.segments.spans import Judgement
from models.segments.vector import VectorEvaluator
from models.shard import core as core_module
from models.shard import machine
from models.shard.commands import Command, Count, DeleteSegment, Fold, Load, PutSegment, Refresh, Tick
from tests.sim.test_shards import PLAIN, history
from tests.sim.world import Chaos, World

HOUR_MS = 3_600_000
DEFINITIONS = [
    SegmentDefinition(
        id="recent-a",
        name="A in the last hour",
        criteria={"type": "behavioral", "event": "A", "operator": "at_least", "value": 1, "window": {"last": "1h"}},
    ),
    SegmentDefinition(
        id="x-without-orders",
        name="City x, no order",
        criteria={
            "all": [
                {"type": "demographic", "trait": "city", "operator": "equals", "value": "x"},
                {"not": {"type": "transactional", "measure": "count", "operator": "at_least", "value": 1}},
            ]
        },
    ),
]


def until_done(world: World, shard: int, command: Command) -> None:
    """As the actor does: again until it is answered that nothing is left to do."""
    for _ in range(10_000):
        replies = world.run(shard, command)
        if replies and not replies[0][1]:
            return
    raise AssertionError("it never ends")


def install(world: World, definition: SegmentDefinition) -> None:
    """As the router and the actor do, on every shard."""
    for shard in range(world.shards):
        until_done(world, shard, PutSegment(-1, definition.id, msgspec.json.encode(Resolved(definition))))
        until_done(world, shard, Load(-1, 100))
        until_done(world, shard, Count(-1))


def check(world: World) -> None:
    compiled = [compile_segment(d, PLAIN.lifecycle) for d in DEFINITIONS]
    for shard in range(world.shards):
        until_done(world, shard, Load(-1, 100))
    inside: dict[str, set[int]] = {d.id: set() for d in DEFINITIONS}
    for profile in world.profiles().values():
        for segment in compiled:
            member = evaluate(segment, profile, world.now).member
            assert (segment.definition.id in profile.memberships) == member
            if member:
                inside[segment.definition.id].add(profile.customer_id)
    for segment in compiled:
        assert vector_members(world, segment) == inside[segment.segment_id]
    for segment_id, expected in inside.items():
        assert {c for m in world.machines for c in m.core.members.get(segment_id, ())} == expected


def vector_members(world: World, segment: CompiledSegment) -> set[int]:
    """Who meets the criteria by the columns that followed all that has happened."""
    found: set[int] = set()
    for shard_machine in world.machines:
        core = shard_machine.core
        evaluator = VectorEvaluator(core.columns, core.profile_at, world.now)
        found.update(map(int, core.columns.customers[evaluator.members(segment.tree)]))
    return found


@pytest.fixture(params=[0, 5_000], ids=["loaded in steps", "loaded at the start"])
def load_at_start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOAD_AT_START", request.param)


@pytest.mark.usefixtures("load_at_start")
@pytest.mark.parametrize("seed", range(12))
def test_memberships_follow_events_merges_crashes_and_time(seed: int) -> None:
    events = history(seed, count=90, people=6)
    start = 1_759_000_000_000
    world = World(seed, shards=1 + seed % 4, settings=PLAIN)
    world.now = start
    install(world, DEFINITIONS[0])
    world.unacknowledged = events[:60]
    world.settle()
    install(world, DEFINITIONS[1])
    world.unacknowledged = events[60:]
    world.settle()
    seen = set()
    # From timer to timer: each is the exact millisecond of a change.
    for _ in range(2000):
        due = [m.core.next_due() for m in world.machines if m.core.next_due()]
        if not due:
            break
        for moment in (max(min(due) - 1, world.now), max(min(due), world.now)):
            world.now = moment
            for shard in range(world.shards):
                until_done(world, shard, Load(-1, 100))
                while (next_due := world.machines[shard].core.next_due()) and next_due <= world.now:
                    world.run(shard, Tick())
                    until_done(world, shard, Load(-1, 100))
            check(world)
        seen.add(sum(len(m.core.members["recent-a"]) for m in world.machines))
    else:
        raise AssertionError("the timers never end")
    assert len(seen) > 2, "time moved nobody"
    changes = [c for c in world.changes if c.segment_id == "recent-a"]
    assert {c.change for c in changes} == {"entered", "exited"}
    assert "time" in {c.cause for c in changes}


def test_a_deleted_segment_leaves_nothing_behind() -> None:
    world = World(5, shards=3, settings=PLAIN)
    world.unacknowledged = history(5, count=60, people=5)
    world.settle()
    for definition in DEFINITIONS:
        install(world, definition)
    check(world)
    for shard in range(3):
        until_done(world, shard, DeleteSegment(1, "x-without-orders"))
        until_done(world, shard, Load(1, 100))
        until_done(world, shard, Count(1))
    assert all("x-without-orders" not in p.memberships for p in world.profiles().values())
    assert all("x-without-orders" not in m.core.members for m in world.machines)


@pytest.mark.usefixtures("load_at_start")
@pytest.mark.parametrize("seed", range(4))
def test_moves_of_many_come_to_be_in_the_profiles(seed: int) -> None:
    world = World(seed, shards=2, settings=PLAIN)
    world.unacknowledged = history(seed, count=80, people=30)
    world.settle()
    install(world, DEFINITIONS[1])
    before = {customer_id: dict(profile.memberships) for customer_id, profile in world.profiles().items()}
    assert any(before.values())
    for shard in range(2):
        for _ in range(1_000):
            until_done(world, shard, Load(1, 100))
            if not world.disks[shard].moves:
                break
            world.run(shard, Fold(1, 3))
    assert not any(disk.moves for disk in world.disks)
    assert {customer_id: dict(profile.memberships) for customer_id, profile in world.profiles().items()} == before
    for shard_machine in world.machines:
        held = {c for c, p in world.profiles().items() if shard_of(c) == shard_machine.core.shard and p.memberships}
        assert set(shard_machine.core.members["x-without-orders"]) == held


def test_a_segment_that_is_not_real_time_moves_when_it_is_due() -> None:
    world = World(3, shards=1, settings=PLAIN)
    definition = msgspec.structs.replace(DEFINITIONS[1], refresh="1h")
    install(world, definition)
    counted = world.now
    world.unacknowledged = history(3, count=40, people=8)
    world.settle()
    until_done(world, 0, Load(1, 100))
    core = world.machines[0].core
    assert not core.members[definition.id]
    world.now = max(world.now, counted + HOUR_MS)
    assert world.machines[0].segmenting.due_refreshes(world.now) == [definition.id]
    until_done(world, 0, Refresh(1, definition.id))
    until_done(world, 0, Load(1, 100))
    compiled = compile_segment(definition, PLAIN.lifecycle)
    core = world.machines[0].core
    expected = {c for c, p in world.profiles().items() if evaluate(compiled, p, world.now).member}
    assert expected and set(core.members[definition.id]) == expected
    assert not world.machines[0].segmenting.due_refreshes(world.now)


def test_a_segment_whose_evaluation_fails_stops_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(4, shards=1, settings=PLAIN, chaos=Chaos(crash=0))
    for definition in DEFINITIONS:
        install(world, definition)

    def fail(segment: CompiledSegment, profile: Profile, now: int) -> Judgement:
        if segment.segment_id == "recent-a":
            raise ZeroDivisionError
        return judged(segment, profile, now)

    monkeypatch.setattr(core_module, "judged", fail)
    world.unacknowledged = history(4, count=40, people=8)
    world.settle()
    core = world.machines[0].core
    assert core.stopped == {"recent-a": "ZeroDivisionError"}
    assert core.members["x-without-orders"]
