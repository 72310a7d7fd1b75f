"""Re-resolution on the simulated shards: the steps lead exactly to the people that were planned, through kills, and
back again; limits and partings hold; what a unit would be is what an unmerge makes of it.
"""

import asyncio
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.event import Event
from models.identity.identifiers import IdentitySettings, namespace_of
from models.identity.profile_record import profile_digest
from models.identity.reresolution import (
    Block,
    Group,
    Merge,
    allocate,
    changed_groups,
    joins,
    pieces,
    planned_steps,
    restores,
    separable,
)
from models.identity.resolution import Candidate, standing
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.commands import Pair
from models.shard.merging import candidate_of
from models.shard.protocol import Pairing
from models.shard.state import MachineSettings
from pipelines.reresolve_steps import Apply, GroupResult, RollBack
from tests.sim.world import Chaos, World
from tests.strategies.additive_matcher import AdditiveMatcher
from tests.strategies.reresolution_world import Killed, WorldPlatform, group_of, partition, person, units_of

SETTINGS = MachineSettings(IdentitySettings(limits={"user_id": 1}, limit_default=50), ProfilePolicy(), LifecycleRules())


def world_of(seed: int, events: int = 24, links: int = 8) -> World:
    """Profiles of a few people, some joined by likeness, with events before, between and after."""
    rng = random.Random(seed)
    world = World(seed, rng.randrange(1, 4), SETTINGS, Chaos(0, 0, 0))
    for number in range(events):
        world.now += rng.randrange(5)
        world.quiet(person(rng, number, people=4))
        if number > 4 and rng.random() < links / events:
            link(world, rng)
    return world


def link(world: World, rng: random.Random, method: str = "probabilistic") -> None:
    profiles = sorted(world.profiles())
    if len(profiles) > 1:
        left, right = rng.sample(profiles, 2)
        world.run((left >> 11) & 1023, Pair(0, Pairing(left, right, method, "matching")))
        world.settle()


def wanted(world: World, seed: int) -> dict[int, int]:
    """A random partition of the units that the rules allow: unit -> person."""
    rng = random.Random(seed)
    labels: dict[int, list[Block]] = {}
    for units in units_of(world).values():
        blocks: dict[int, list[Candidate]] = {}
        for unit in units:
            blocks.setdefault(rng.randrange(4), []).append(candidate_of(unit.profile))
        for label, candidates in blocks.items():
            both = Candidate(
                candidates[0].customer_id,
                [i for c in candidates for i in c.identifiers],
                [x for c in candidates for x in (c.customer_id, *c.lineage)],
                [x for c in candidates for x in c.apart],
            )
            labels.setdefault(label, []).append(Block(tuple(c.customer_id for c in candidates), both))
    limits = SETTINGS.identity
    people = [p for blocks_ in labels.values() for p in allocate(blocks_, limits.limits, limits.limit_default).people]
    person_of = {}
    for blocks_ in people:
        units_ = [unit for block in blocks_ for unit in block.units]
        person_of.update(dict.fromkeys(units_, min(units_)))
    return person_of


def apply(platform: WorldPlatform, world: World, person_of: dict[int, int], seed: int = -1) -> GroupResult:
    group = group_of(units_of(world), world, person_of)
    rng = random.Random(seed)
    resumed = False
    while True:
        platform.killed_after = rng.randrange(4) if seed >= 0 and rng.random() < 0.8 else -1
        try:
            return asyncio.run(Apply(platform, AdditiveMatcher(), "reresolve-1", group, resumed).run())
        except Killed:
            resumed = True


@pytest.mark.parametrize("seed", range(60))
def test_steps_lead_exactly_to_the_people_that_were_planned_through_kills_and_back(seed: int) -> None:
    world = world_of(seed)
    person_of = wanted(world, seed)
    before = partition(world, list(person_of))
    group = group_of(units_of(world), world, person_of)
    stored = Counter(row.event.message_id for row in world.stored())
    platform = WorldPlatform(world)
    planned = planned_steps(group)
    result = apply(platform, world, person_of, seed if seed % 2 else -1)
    assert result.outcome == "done"
    if not (planned.restores or planned.joins):
        assert result.steps == []
    assert partition(world, list(person_of)) == person_of  # the oldest unit's id is the person's
    world.check_at_rest()
    assert all(pairing.evidence is not None and pairing.source == "reresolve-1" for pairing in platform.evidence)
    result = roll_back(world, group, "reresolve-1")
    after = partition(world, list(person_of))
    assert result.outcome == "done"
    assert blocks_of(after) == blocks_of(before)
    assert Counter(row.event.message_id for row in world.stored()) == stored
    world.check_at_rest()


def blocks_of(partition_: dict[int, int]) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for unit, profile in partition_.items():
        found.setdefault(profile, set()).add(unit)
    return {frozenset(units) for units in found.values()}


@pytest.mark.parametrize("seed", range(40))
def test_units_are_what_unmerges_make_of_the_profiles(seed: int) -> None:
    world = world_of(seed, links=12)
    units = units_of(world)
    planned = {u.profile.customer_id: u.profile for of_it in units.values() for u in of_it}
    alone = {unit: unit for unit in planned}
    assert apply(WorldPlatform(world), world, alone).outcome == "done"
    made = world.profiles()
    assert set(made) == set(planned)
    for customer_id, profile in planned.items():
        assert profile_digest(made[customer_id]) == profile_digest(profile)
        assert set(made[customer_id].identifiers) == set(profile.identifiers)
        assert made[customer_id].events == profile.events


# The pure part


def candidate(unit: int, users: tuple[str, ...] = (), apart: tuple[int, ...] = ()) -> Candidate:
    return Candidate(unit, [f"user_id:{user}" for user in users], [], list(apart))


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[Merge], dict[int, int]]:
    """The ties of profile 1, oldest first, and a person for each of its units."""
    count = draw(st.integers(1, 9))
    found = [Merge(draw(st.integers(1, unit - 1)), unit, order, True) for order, unit in enumerate(range(2, count + 1))]
    return found, {unit: draw(st.integers(0, 3)) for unit in range(1, count + 1)}


@given(trees())
def test_restores_and_joins_are_exact_and_no_tie_is_undone_in_vain(tree: tuple[list[Merge], dict[int, int]]) -> None:
    merges, person_of = tree
    ties = separable(1, merges)
    due = restores(1, ties, person_of)
    parts = pieces(1, ties, due)
    assert sorted(unit for part in parts for unit in part) == sorted(person_of)
    assert all(len({person_of[unit] for unit in part}) == 1 for part in parts)
    joined = joins((part[0] for part in parts), person_of)
    assert len(parts) - sum(len(group) - 1 for group in joined) == len(set(person_of.values()))
    lost = {tie.loser for tie in due}
    for tie in due:  # its winner stands by itself by then
        assert tie.winner == 1 or tie.winner in lost
    for tie in due:  # needed: two people beneath it, or at it
        below = {tie.loser}
        for other in ties:
            if other.winner in below:
                below.add(other.loser)
        assert len({person_of[unit] for unit in (tie.winner, *below)}) > 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([(), ("a",), ("b",)]), st.sets(st.integers(1, 8), max_size=2)),
        min_size=1,
        max_size=8,
    )
)
def test_allocated_people_keep_limits_and_partings(given_: list[tuple[int, tuple[str, ...], set[int]]]) -> None:
    limits = {"user_id": 1}
    blocks = [
        Block((unit,), candidate(unit, users, tuple(apart - {unit})))
        for unit, (_, users, apart) in enumerate(given_, start=1)
    ]
    allocated = allocate(blocks, limits, 50)
    assert sorted(u for person_ in allocated.people for block in person_ for u in block.units) == list(
        range(1, len(blocks) + 1)
    )
    for person_ in allocated.people:
        users = Counter(namespace_of(i) for block in person_ for i in block.candidate.identifiers)
        assert users["user_id"] <= 1
        for one in person_:
            for other in person_:
                if one is not other:
                    assert standing(one.candidate, other.candidate, {}, 50) != "apart"
    if not allocated.limits and not allocated.apart:
        assert len(allocated.people) == 1


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=12))
def test_groups_are_the_components_that_change(rows: list[tuple[int, int]]) -> None:
    units = np.arange(1, len(rows) + 1)
    profiles = np.array([profile for profile, _ in rows], np.int64)
    entities = np.array([entity for _, entity in rows], np.int64)
    found = changed_groups(units, profiles, entities)
    same = {profile: {e for p, e in rows if p == profile} for profile in set(profiles.tolist())}
    back = {entity: {p for p, e in rows if e == entity} for entity in set(entities.tolist())}
    for number, (profile, entity) in zip(found.number.tolist(), rows, strict=True):
        assert (number < 0) == (same[profile] == {entity} and back[entity] == {profile})
    for left, one in enumerate(rows):
        for right, other in enumerate(rows):
            if found.number[left] >= 0 and (one[0] == other[0] or one[1] == other[1]):
                assert found.number[left] == found.number[right]
    assert set(found.number.tolist()) - {-1} == set(range(found.groups))


# What has changed since the plan was made


def fresh(seed: int) -> tuple[World, dict[int, int], Group]:
    world = World(seed, 2, SETTINGS, Chaos(0, 0, 0))
    at = 1_759_000_000_000
    for number in range(3):
        key = f"anonymous_id:{number}"
        traits = {"firstName": "Ann", "birthday": "1980-01-02"}
        world.quiet(Event(f"m{number}", "identify", "", at, at, "web", (key,), key, traits=traits))
    units = units_of(world)
    person_of = dict.fromkeys(sorted(units), min(units))
    return world, person_of, group_of(units, world, person_of)


def attempt(world: World, group: Group) -> GroupResult:
    return asyncio.run(Apply(WorldPlatform(world), AdditiveMatcher(), "reresolve-1", group, False).run())


def roll_back(world: World, group: Group, source: str) -> GroupResult:
    return asyncio.run(RollBack(WorldPlatform(world), AdditiveMatcher(), source, group).run())


def test_a_group_is_left_alone_if_a_record_or_a_parting_or_a_merge_came_since() -> None:
    at = 1_759_000_000_001
    world, _, group = fresh(1)
    key = "anonymous_id:0"
    world.quiet(Event("new", "identify", "", at, at, "web", (key,), key, traits={"firstName": "Bea"}))
    assert attempt(world, group) == GroupResult(0, "changed", [])
    world, person_of, group = fresh(2)
    left, right, _ = sorted(person_of)
    shard = (left >> 11) & 1023
    world.run(shard, Pair(0, Pairing(left, right, "operator", "me", apart=True)))
    world.settle()
    assert attempt(world, group) == GroupResult(0, "changed", [])
    world, person_of, group = fresh(3)
    left, right, _ = sorted(person_of)
    world.run((left >> 11) & 1023, Pair(0, Pairing(left, right, "probabilistic", "matching")))
    world.settle()
    assert attempt(world, group) == GroupResult(0, "changed", [])
    world, _, group = fresh(4)
    world.quiet(Event("seen", "track", "Seen", at, at, "web", (key,), key))  # tells nothing that is matched by
    assert attempt(world, group).outcome == "done"


def test_merges_of_others_since_are_not_taken_back() -> None:
    world, person_of, group = fresh(5)
    assert attempt(world, group).outcome == "done"
    key = "anonymous_id:old"
    at = 1_759_000_000_001
    world.quiet(Event("other", "identify", "", at, at, "web", (key,), key))
    world.quiet(Event("both", "identify", "", at, at, "web", (key, "anonymous_id:0"), key))
    assert (
        asyncio.run(RollBack(WorldPlatform(world), AdditiveMatcher(), "reresolve-2", group).run()).outcome == "changed"
    )
    assert len(set(partition(world, list(person_of)).values())) == 1
    assert roll_back(world, group, "reresolve-1").outcome == "done"
    assert len(set(partition(world, list(person_of)).values())) == 3
