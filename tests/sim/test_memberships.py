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
from models.shard.commands import Accept, Command, Count, DeleteSegment, Fold, Load, PutSegment, Refresh, Tick
from models.shard.profile_columns import ProfileColumns
from tests.sim.test_shards import PLAIN, history
from tests.sim.world import Chaos, World

HOUR_MS = 3_600_000
ANYBODY = {"type": "behavioral", "event": "A", "operator": "at_least", "value": 0}
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


RECENT = DEFINITIONS[0]


def counted(seed: int) -> World:
    """A world that has just counted a segment of the last hour, and has written it into no profile."""
    world = World(seed, shards=1, settings=PLAIN, chaos=Chaos(0, 0, 0))
    world.unacknowledged = history(seed, count=60, people=6)
    world.settle()
    world.now = max(p.events["A"].last for p in world.profiles().values() if "A" in p.events) + 1000
    install(world, RECENT)
    assert world.disks[0].moves
    return world


def wrong(world: World) -> int:
    """How many profiles are not where they should be, once the shard has done all that it does by itself."""
    for _ in range(20):
        until_done(world, 0, Load(-1, 100))
        for command in (Tick(), Count(-1), Fold(-1, 100)):
            world.run(0, command)
    segment = compile_segment(RECENT, PLAIN.lifecycle)
    return sum(
        (RECENT.id in p.memberships) != evaluate(segment, p, world.now).member for p in world.profiles().values()
    )


@pytest.mark.parametrize("load_at_start", [0, 100])
def test_whose_time_has_come_while_a_shard_was_away_leave(monkeypatch: pytest.MonkeyPatch, load_at_start: int) -> None:
    monkeypatch.setattr(machine, "LOAD_AT_START", load_at_start)
    world = counted(1)
    world.now += 2 * HOUR_MS
    world.crash(0)
    assert wrong(world) == 0


def test_a_change_beside_the_end_of_loading_does_not_lose_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = counted(1)
    monkeypatch.setattr(machine, "LOAD_AT_START", 0)
    world.crash(0)
    members = [p for p in world.profiles().values() if RECENT.id in p.memberships]
    event = history(1, count=1, people=1)[0]
    keys = [next(iter(profile.identifiers)) for profile in members]
    changes = [
        msgspec.structs.replace(
            event, message_id=f"z{key}", type="identify", name="", traits={"a": 1}, identifiers=(key,), route=key
        )
        for key in keys
    ]
    shard = world.machines[0]
    shard.handle(Accept(1, changes), world.now)
    shard.handle(Load(2, 1000), world.now)  # in the same group
    world.disks[0].commit(shard.drain())
    world.now += 2 * HOUR_MS
    assert wrong(world) == 0


def test_a_definition_that_cannot_be_compiled_stops_alone() -> None:
    world = counted(1)
    resolved = Resolved(msgspec.structs.replace(RECENT, id="broken", criteria={"type": "nothing of the kind"}))
    until_done(world, 0, PutSegment(-1, "broken", msgspec.json.encode(resolved)))
    until_done(world, 0, Count(-1))
    assert world.machines[0].core.stopped == {"broken": "InvalidCriteria"}
    world.crash(0)
    assert world.machines[0].core.stopped == {"broken": "InvalidCriteria"}
    assert wrong(world) == 0


def test_who_is_held_out_is_so_when_the_segment_is_deleted() -> None:
    world = World(1, shards=1, settings=PLAIN, chaos=Chaos(0, 0, 0))
    world.unacknowledged = history(1, count=60, people=6)
    world.settle()
    definition = msgspec.structs.replace(DEFINITIONS[1], id="half", holdout=50.0, criteria=ANYBODY)
    install(world, definition)
    until_done(world, 0, DeleteSegment(-1, "half"))
    world.crash(0)
    until_done(world, 0, Load(-1, 100))
    until_done(world, 0, Count(-1))
    entered, exited = sorted(world.disks[0].moves.values(), key=lambda move: move.first)
    assert (entered.holdout, exited.holdout, exited.cause) == (50.0, 50.0, "deletion")
    assert entered.entered == exited.exited != b""


def test_a_profile_that_an_unmerge_brings_back_while_others_load() -> None:
    keeper = ProfileColumns(frozenset())
    keeper.begin([10, 30, 50])
    assert keeper.next_unloaded(1) == [10]
    keeper.take_anew(40)
    keeper.update({40: Profile(40, 1)})
    assert [keeper.next_unloaded(1) for _ in range(3)] == [[30], [40], [50]]
