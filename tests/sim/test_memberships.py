"""Memberships are true at every moment: after events, merges, crashes and the mere passing of time."""

import msgspec
import pytest

from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate
from models.shard.commands import Backfill, DeleteSegment, PutSegment, Tick
from tests.sim.test_shards import PLAIN, history
from tests.sim.world import World

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


def install(world: World, definition: SegmentDefinition) -> None:
    """As the router does: on every shard, again until it is answered, then the existing profiles in chunks."""
    for shard in range(world.shards):
        for command in (PutSegment(-1, definition.id, msgspec.json.encode(definition)), Backfill(-1, definition.id, 3)):
            while True:
                replies = world.run(shard, command)
                if replies and not replies[0][1]:
                    break


def check(world: World) -> None:
    compiled = [compile_segment(d, PLAIN.lifecycle) for d in DEFINITIONS]
    inside: dict[str, set[int]] = {d.id: set() for d in DEFINITIONS}
    for profile in world.profiles().values():
        for segment in compiled:
            member = evaluate(segment, profile, world.now).member
            assert (segment.definition.id in profile.memberships) == member
            if member:
                inside[segment.definition.id].add(profile.customer_id)
    for segment_id, expected in inside.items():
        assert {c for m in world.machines for c in m.core.members.get(segment_id, ())} == expected


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
            for shard, machine in enumerate(world.machines):
                while machine.core.next_due() and machine.core.next_due() <= world.now:
                    world.run(shard, Tick())
                    machine = world.machines[shard]
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
        while not world.run(shard, DeleteSegment(1, "x-without-orders")):
            pass
        while world.run(shard, Backfill(1, "x-without-orders", 1)) != [(1, 0)]:
            pass
    assert all("x-without-orders" not in p.memberships for p in world.profiles().values())
    assert all("x-without-orders" not in m.core.members for m in world.machines)
