"""Purges over many shards: what is past its time is nowhere any more, all else is where it was, whatever crashes."""

import random
from typing import Any, NamedTuple

import msgspec
import pytest

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.properties import unpack_properties
from models.profile.state import DAY_MS, Profile, decode_profile
from models.shard.commands import Purge
from models.shard.protocol import MergeRecord, PurgeStep
from models.shard.state import MachineSettings
from tests.sim.world import Chaos, World

PURPOSES = Purposes(
    known={
        "service": Purpose(
            basis="contract", data=DataScope(traits=("kept*",), events=("Kept",), sections=("identities",))
        ),
        "month": Purpose(
            basis="contract", data=DataScope(traits=("month*",), events=("Month",), sections=("*",)), retention_days=30
        ),
        "week": Purpose(
            basis="contract", data=DataScope(traits=("week*", "month*"), events=("Week",)), retention_days=7
        ),
        "ads": Purpose(basis="consent", data=DataScope(traits=("ads*",), events=("Ads",)), retention_days=30),
    },
    default="service",
)
# The same, but that it is not kept for ever when somebody was seen: then whole events go.
SIGHTINGS_GO = msgspec.structs.replace(
    PURPOSES,
    known={
        **PURPOSES.known,
        "service": Purpose(basis="contract", data=DataScope(traits=("kept*",), events=("Kept",))),
    },
)
DAYS = {"kept": 10_000, "month": 30, "week": 7, "ads": 30}
SETTINGS = MachineSettings(
    IdentitySettings(limits={}),
    ProfilePolicy(attributes={"month_often": AttributePolicy("most_frequent")}),
    LifecycleRules(),
    purposes=PURPOSES,
)


class Canary(NamedTuple):
    """What a text of an event tells: its number, when it happened, and which term it has."""

    number: int
    at: int
    term: str


def text_of(canary: Canary) -> str:
    return f"Zq{canary.number}|{canary.at}|{canary.term}|"


def canaries_in(value: Any) -> set[Canary]:
    pieces = str(value).split("Zq")[1:]
    return {Canary(int(n), int(at), term) for n, at, term, *_ in (piece.split("|") for piece in pieces)}


def history(rng: random.Random, people: int, events: int, now: int) -> list[Event]:
    """Events of the last 60 days, of people some of whom turn out to be one; some agree to ads, some withdraw."""
    found = []
    for number in range(events):
        at = now - rng.randrange(60 * DAY_MS)
        person = rng.randrange(people)
        identifiers = [f"user_id:u{person}"]
        if rng.random() < 0.15:
            identifiers.append(f"user_id:u{rng.randrange(people)}")
        if rng.random() < 0.3:
            identifiers.append(f"anonymous_id:a{number}")
        identifiers = list(dict.fromkeys(identifiers))
        told = {term: text_of(Canary(number, at, term)) for term in DAYS}
        context: dict[str, Any] = {}
        if rng.random() < 0.5:
            context["consent"] = {"categoryPreferences": {"ads": rng.random() < 0.7}}
        if rng.random() < 0.5:
            traits = {f"{term}_{rng.randrange(3)}": told[term] for term in rng.sample(sorted(DAYS), 2)}
            if rng.random() < 0.3:
                traits["month_often"] = told["month"]
            event = Event(f"m{number}", "identify", "", at, at, "web", tuple(identifiers), identifiers[0], traits)
        else:
            term = rng.choice(sorted(DAYS))
            event = Event(
                f"m{number}",
                "track",
                term.capitalize(),
                at,
                at,
                "web",
                tuple(identifiers),
                identifiers[0],
                properties={"text": told[term], "many": [told[term]]},
                context={"page": {"title": told["month"]}} if rng.random() < 0.3 else {},
            )
        found.append(msgspec.structs.replace(event, context={**event.context, **context}))
    return found


def purge(world: World) -> list[PurgeStep]:
    """A whole run at every shard, through crashes; then all that it sent is on its way and arrives."""
    steps = []
    for shard in range(world.shards):
        run, left, number = world.now, 1, 0
        while left:
            number += 1
            for _, reply in world.run(shard, Purge(-7, run, number, 2)):
                assert isinstance(reply, PurgeStep)
                steps.append(reply)
                left = reply.left
    world.settle()
    return steps


def texts_of(profile: Profile) -> set[Canary]:
    details = [unpack_properties(each) for stats in profile.events.values() for each in stats.details]
    return canaries_in([msgspec.to_builtins(profile), details])


def places(world: World) -> set[tuple[str, object, Canary]]:
    """Every place on a disk where a canary is."""
    found: set[tuple[str, object, Canary]] = set()
    for disk in world.disks:
        for customer_id, (state, _) in disk.profiles.items():
            found |= {("profile", customer_id, each) for each in texts_of(decode_profile(state))}
        for row in disk.events.values():
            found |= {("event", row.event.message_id, each) for each in canaries_in(row.event)}
        for (kind, key), body in disk.small.items():
            if kind == "merges":
                record = msgspec.msgpack.decode(body, type=MergeRecord)
                for side in (record.winner_before, record.loser_before):
                    found |= {("merge", key, each) for each in (texts_of(decode_profile(side)) if side else ())}
            else:
                found |= {(kind, key, each) for each in canaries_in(body)}
        assert not any(rows for rows in disk.outbox.values())
    return found


def rows_in_chains(world: World) -> int:
    """The number of rows in the log, each of which must be in the chain of a profile or of one that was merged away."""
    for disk in world.disks:
        heads = {c: decode_profile(state).last_event for c, (state, _) in disk.profiles.items()}
        heads |= {c: last_event for c, (_, last_event) in disk.redirects.items()}
        chained = [stored.sequence for c, head in heads.items() for stored in disk.events_after(c, head, 0)]
        assert sorted(chained) == sorted(disk.events)
    return sum(len(disk.events) for disk in world.disks)


def owners(world: World) -> dict[int, Profile]:
    """Number of an event -> the person that it is of by now."""
    profiles = world.profiles()
    return {
        int(row.event.message_id[1:]): profiles[world.resolve(row.customer_id)]
        for disk in world.disks
        for row in disk.events.values()
    }


def is_current(canary: Canary, owner: Profile, now: int) -> bool:
    """The naive rule: of data for ads, somebody who agrees; and nothing that is too old."""
    if canary.term == "ads":
        told = owner.consents.get("ads")
        if told is None or told.value is not True:
            return False
    return canary.at >= now - DAYS[canary.term] * DAY_MS


@pytest.mark.parametrize("seed", range(20))
def test_what_is_past_its_time_is_nowhere_and_all_else_where_it_was(seed: int) -> None:
    rng = random.Random(seed)
    settings = msgspec.structs.replace(SETTINGS, purposes=SIGHTINGS_GO if seed % 2 else PURPOSES)
    world = World(seed, shards=1 + seed % 4, settings=settings, chaos=Chaos(0.1, 0.1, 0.04))
    world.now += 70 * DAY_MS
    for event in history(rng, people=6, events=60, now=world.now):
        world.quiet(event)
    if seed % 3 == 1:
        _unmerge_one(world)
    before, owned = places(world), owners(world)
    purge(world)
    after = places(world)
    assert after == {place for place in before if is_current(place[2], owned[place[2].number], world.now)}
    assert len(after) < len(before)
    rows = rows_in_chains(world)
    assert rows < 60 if seed % 2 else rows == 60
    world.check_at_rest()
    assert purge(world)
    assert places(world) == after
    for _ in range(2):
        _unmerge_one(world)
        rows_in_chains(world)
    assert all(is_current(each, owned[each.number], world.now) for _, _, each in places(world))
    world.check_at_rest()
    profiles = world.profiles()
    for disk in world.disks:
        for identifier, owner in disk.identifiers.items():
            assert identifier in profiles[world.resolve(owner)].identifiers


def _unmerge_one(world: World) -> None:
    """Takes back a merge that can be, if there is one."""
    for machine in world.machines:
        for merge in list(machine.core.merges.values()):
            if not merge.undone_at and machine.core.is_live(merge.winner):
                world.unmerge(merge.merge_id)
                return


@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_is_what_would_have_been_kept_without_the_rest(seed: int) -> None:
    """The oracle of profiles: a world that only ever saw what is still current."""
    rng = random.Random(seed)
    now = 1_760_000_000_000 + 70 * DAY_MS
    events = [msgspec.structs.replace(e, context={}) for e in history(rng, people=4, events=50, now=now)]
    worlds = []
    for current_only in (False, True):
        world = World(seed, shards=2, settings=SETTINGS, chaos=Chaos(0, 0, 0))
        world.now = now
        for event in events:
            world.quiet(_current(event, now) if current_only else event)
        purge(world)
        worlds.append(world)
    everything, current = ({tuple(sorted(p.identifiers)): p for p in world.profiles().values()} for world in worlds)
    assert everything.keys() == current.keys()
    for key, profile in everything.items():
        naive = current[key]
        assert profile.attributes == naive.attributes
        assert profile.events == naive.events


def _current(event: Event, now: int) -> Event:
    """The event without what is past its time: of all old ones, that the person was seen."""
    if event.type == "identify":
        kept = {k: v for k, v in event.traits.items() if event.timestamp >= now - DAYS[k.partition("_")[0]] * DAY_MS}
        return msgspec.structs.replace(event, traits=kept)
    if event.timestamp >= now - DAYS[event.name.lower()] * DAY_MS:
        return event
    return msgspec.structs.replace(event, type="identify", name="", properties={})


def test_the_restricted_are_kept_and_minors_stay_minors() -> None:
    world = World(1, shards=2, settings=SETTINGS, chaos=Chaos(0, 0, 0))
    old = world.now - 50 * DAY_MS
    birthday = {"birthday": "2015-01-01", "week_1": text_of(Canary(1, old, "week"))}
    purposes = msgspec.structs.replace(PURPOSES, default="week")
    world.settings.purposes = purposes
    try:
        world.quiet(Event("m1", "identify", "", old, old, "web", ("user_id:minor",), "user_id:minor", birthday))
        restricted = {"consent": {"decisions": {"!restricted": True}}}
        traits = {"week_1": text_of(Canary(2, old, "week"))}
        world.quiet(Event("m2", "identify", "", old, old, "web", ("user_id:held",), "user_id:held", traits))
        world.quiet(Event("m3", "consent", "", old, old, "api", ("user_id:held",), "user_id:held", {}, {}, restricted))
        purge(world)
    finally:
        world.settings.purposes = PURPOSES
    assert set(world.read("user_id:minor").attributes) == {"birthday"}
    assert set(world.read("user_id:held").attributes) == {"week_1"}


def test_people_of_whom_nothing_is_kept_are_told_once_they_are_inactive() -> None:
    world = World(1, shards=1, settings=SETTINGS, chaos=Chaos(0, 0, 0))
    for number, days in enumerate((100, 20)):
        at = world.now - days * DAY_MS
        name = f"user_id:{number}"
        world.quiet(Event(f"m{number}", "identify", "", at, at, "web", (name,), name, {"week_1": "x"}))
    ((_, step),) = world.run(0, Purge(1, 1, 1, 10, inactive_ms=50 * DAY_MS))
    assert isinstance(step, PurgeStep)
    assert step.people == 2
    assert step.purged == [("week", "attributes", 2), ("week", "events.traits", 2)]
    assert step.empty == [world.owner("user_id:0")]
