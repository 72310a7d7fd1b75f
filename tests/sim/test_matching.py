"""Matching under chaos: everything pending is matched in the end, and no link ever breaks a rule."""

import random

import pytest

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.identity.online import MatchingSettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.protocol import Pairing
from models.shard.state import MachineSettings
from tests.sim.matching_world import MatchingWorld
from tests.sim.world import Chaos

SETTINGS = MachineSettings(
    IdentitySettings(limits={"user_id": 1}, limit_default=50),
    ProfilePolicy(),
    LifecycleRules(),
    MatchingSettings(enabled=True),
)
QUIET = Chaos(0, 0, 0)
START = 1_759_000_000_000


def identify(number: int, *identifiers: str, **traits: str) -> Event:
    at = START + number
    return Event(f"m{number}", "identify", "", at, at, "web", identifiers, identifiers[0], traits=traits)


def person(seed: int) -> dict[str, str]:
    rng = random.Random(seed)
    return {
        "firstName": rng.choice(["Martha", "Albert", "Yusuf", "Ingrid"]),
        "lastName": rng.choice(["Cunningham", "Petrosyan", "Oliveira"]),
        "birthday": f"19{rng.randrange(50, 99)}-0{rng.randrange(1, 9)}-1{rng.randrange(9)}",
        "phone": f"+4420794{rng.randrange(10_000, 99_999)}",
        "postalCode": rng.choice(["N1 9GU", "SW1A 1AA"]),
    }


def history(seed: int, count: int, people: int) -> list[Event]:
    """People who come back under other ids, with some of their traits and now and then a wrong one."""
    rng = random.Random(seed)
    known = [person(seed * 100 + number) for number in range(people)]
    events = []
    for number in range(count):
        who = rng.randrange(people)
        traits = {trait: value for trait, value in known[who].items() if rng.random() < 0.75}
        if rng.random() < 0.2 and "firstName" in traits:
            traits["firstName"] = traits["firstName"][:-1]
        if rng.random() < 0.15:
            traits |= {trait: value for trait, value in rng.choice(known).items() if rng.random() < 0.4}
        own = [f"anonymous_id:a{who}.{rng.randrange(6)}"]
        if rng.random() < 0.3:
            own.insert(0, f"user_id:u{who}.{rng.randrange(2)}")
        if rng.random() < 0.1:
            own.append(f"anonymous_id:a{rng.randrange(people)}.{rng.randrange(6)}")
        events.append(identify(number, *dict.fromkeys(own), **traits))
    return events


def world_with(
    events: list[Event], seed: int, shards: int, matchers: int = 1, chaos: Chaos | None = None
) -> MatchingWorld:
    world = MatchingWorld(seed, shards, SETTINGS, chaos, matchers)
    world.unacknowledged = list(events)
    world.settle()
    return world


@pytest.mark.parametrize("seed", range(12))
def test_everything_is_matched_and_no_link_breaks_a_rule(seed: int) -> None:
    shards = 1 + seed % 4
    world = world_with(history(seed, count=70, people=5), seed, shards, matchers=1 + seed % min(shards, 2))
    world.check_matched()
    assert len({r.message_id for r in world.links}) > 2
    assert world.crashes + world.matcher_crashes > 5
    # Later it is the same: what was taken apart or set apart stays so, and the rest is matched around it.
    undone = []
    for _ in range(2):
        merges = [m for machine in world.machines for m in machine.core.merges.values()]
        merge = next((m for m in merges if not m.undone_at and world.resolve(m.winner) == m.winner), None)
        if merge is not None:
            world.unmerge(merge.merge_id)
            undone.append(merge)
    reviews = [r for x in world.machines for r in x.core.reviews.values()]
    for review in reviews[:2]:
        pairing = Pairing(review.left, review.right, "operator", "support", apart=True, review_id=review.review_id)
        assert world.pair(pairing).outcome in ("set_apart", "same", "gone")
    world.unacknowledged = history(seed, count=100, people=5)[70:]
    world.settle()
    world.check_matched()
    for merge in undone:
        assert world.resolve(merge.winner) != world.resolve(merge.loser)
