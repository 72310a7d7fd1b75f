"""No answer, export, stream or webhook ever holds a field without a basis at that moment: restarts and races included.

Scripts of what people tell, agree to, refuse and are merged by run against a whole service (`purpose_world`). After
each step everything that can be read is read for every purpose (`purpose_reads`), and a naive oracle says which
canaries may be in the bytes of each answer, and which must: so neither talk nor silence passes.
ONEFOLD_PURPOSES_EXAMPLES asks for more scripts than those of every day.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.sim.purpose_oracle import CONSENT_DAYS, DAY_MS, TRAITS
from tests.sim.purpose_reads import Reads
from tests.sim.purpose_world import EVENTS, SHARDS, World

EVERY_DAY = 3
EXAMPLES = int(os.environ.get("ONEFOLD_PURPOSES_EXAMPLES", str(EVERY_DAY)))
PEOPLE = 3
WAYS = ("ads", "analytics", "categories", "tcf", "tcf and gpc", "unreadable", "!restricted", "!guardian")

people = st.integers(0, PEOPLE - 1)
steps = st.one_of(
    st.tuples(st.just("trait"), people, st.sampled_from(TRAITS), st.booleans()),
    st.tuples(st.just("event"), people, st.sampled_from(EVENTS)),
    st.tuples(st.just("say"), people, st.sampled_from(WAYS), st.booleans()),
    st.tuples(st.just("birthday"), people, st.booleans()),
    st.tuples(st.just("merge"), people, people),
    st.tuples(st.just("unmerge")),
    st.tuples(st.just("restart"), st.integers(0, SHARDS - 1)),
    st.tuples(st.just("later"), st.sampled_from((1_000, DAY_MS, CONSENT_DAYS * DAY_MS))),
    st.tuples(st.just("letter"), people),
    st.tuples(st.just("race"), people, st.sampled_from(("!restricted", "analytics", "ads"))),
    st.tuples(st.just("deliver"), st.booleans(), people, st.sampled_from(("", "!restricted", "ads"))),
)


AGREES = ("say", 0, "ads", True)
KNOWN: tuple[list[tuple[Any, ...]], ...] = (
    # What is for ads and for analytics; an agreement that ends by time, and one of a minor.
    [AGREES, ("trait", 0, "income", False), ("event", 0, "Ad Clicked"), ("event", 0, "page"), ("event", 0, "group")],
    [AGREES, ("trait", 0, "segment_x", True), ("later", CONSENT_DAYS * DAY_MS), ("event", 0, "Ad Clicked")],
    [AGREES, ("event", 0, "Ad Clicked"), ("birthday", 0, True), ("say", 0, "!guardian", True)],
    # Two are one and two again, and one of them withdraws while answers are on their way.
    [
        *(AGREES, ("merge", 0, 1), ("event", 1, "Seen"), ("unmerge",)),
        *(("race", 1, "!restricted"), ("restart", 0), ("deliver", False, 2, "!restricted")),
    ],
)


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == EVERY_DAY
)
@example(script=KNOWN[0])
@example(script=KNOWN[1])
@example(script=KNOWN[2])
@example(script=KNOWN[3])
@given(script=st.lists(steps, min_size=6, max_size=10))
def test_nothing_without_a_basis_leaves_and_what_has_one_does(script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), script))


async def run(folder: Path, script: list[tuple[Any, ...]]) -> None:
    world = World(folder)
    with patch("time.time_ns", lambda: world.now * 1_000_000):
        await world.start()
        try:
            for _ in range(PEOPLE):
                await world.arrive()
            reads = Reads(world)
            for turn, (what, *details) in enumerate(script):
                await take_step(world, what, details)
                await world.settle()
                await reads.check_all(turn)
        finally:
            await world.stop()


async def take_step(world: World, what: str, details: list[Any]) -> None:
    match what, details:
        case "trait", [who, name, in_context]:
            await world.tell_trait(who, name, in_context)
        case "event", [who, kind]:
            await world.tell_event(who, kind)
        case "say", [who, how, agrees]:
            await world.say(who, how, agrees)
        case "birthday", [who, is_minor]:
            await world.tell_birthday(who, is_minor)
        case "merge", [who, other]:
            await world.merge(who, other)
        case "unmerge", []:
            await world.unmerge()
        case "restart", [shard]:
            await world.restart(shard)
        case "later", [ms]:
            world.now += ms
        case "letter", [who]:
            await world.refuse_letter(who)
        case "race", [who, purpose]:
            world.race = who, {purpose: purpose == "!restricted"}
        case "deliver", [refuses, who, purpose]:
            world.outbox.refuses = refuses
            world.outbox.race = (who, {purpose: purpose == "!restricted"}) if purpose else None
            world.now += 60_000
            await world.deliver()
            world.outbox.race = None
