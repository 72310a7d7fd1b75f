"""Merging and unmerging lose nothing: a machine-checked history of merges, unmerges and events.

Whatever happens, every event is in the log once, every profile is the fold of its own events, and after an
unmerge each side has its own history back and the same evidence does not join the two again.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile, canonical
from models.shard.state import MachineSettings
from tests.sim.world import Chaos, World

SETTINGS = MachineSettings(IdentitySettings(limits={"user_id": 1}, limit_default=50), ProfilePolicy(), LifecycleRules())
IDENTIFIERS = [
    *(f"user_id:u{i}" for i in range(3)),
    *(f"email:e{i}@x.io" for i in range(3)),
    *(f"anonymous_id:a{i}" for i in range(5)),
]
RANK = {identifier: number for number, identifier in enumerate(IDENTIFIERS)}


def essence(profile: Profile) -> bytes:
    """The profile without what the machine owns, and without sightings of identifiers that limits had demoted."""
    copy = Profile(0, 0)
    for name in ("first_seen", "last_seen", "attributes", "events", "orders", "channels", "preferences", "context"):
        setattr(copy, name, getattr(profile, name))
    copy.active_minutes = profile.active_minutes
    return canonical(copy) + repr(sorted(profile.identifiers)).encode()


class Merging(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 10_000), shards=st.integers(1, 4))
    def start(self, seed: int, shards: int) -> None:
        self.world = World(seed, shards, SETTINGS, Chaos(lose=0.1, double=0.1, crash=0.02))
        self.sent: list[Event] = []
        self.undone = 0

    @rule(
        identifiers=st.sets(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3),
        name=st.sampled_from(["A", "B"]),
        offset=st.integers(0, 5_000_000),
        explicit=st.booleans(),
    )
    def event(self, identifiers: set[str], name: str, offset: int, explicit: bool) -> None:
        chosen = tuple(sorted(identifiers, key=RANK.__getitem__))
        number = len(self.sent)
        event = Event(
            message_id=f"m{number}",
            type="track",
            name=name,
            timestamp=1_759_000_000_000 + offset,
            received_at=1_759_000_000_000 + offset,
            source="web",
            identifiers=chosen,
            route=chosen[-1],
            explicit=explicit and number % 4 == 0,
        )
        self.sent.append(event)
        self.world.quiet(event)

    def _standing(self) -> list[str]:
        return [
            record.merge_id
            for machine in self.world.machines
            for record in machine.core.merges.values()
            if not record.undone_at and self.world.resolve(record.winner) == record.winner
        ]

    @precondition(lambda self: self._standing())
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        merge_id = data.draw(st.sampled_from(sorted(self._standing())))
        record = next(m.core.merges[merge_id] for m in self.world.machines if merge_id in m.core.merges)
        before = self.world.profiles()[record.winner]
        self.world.unmerge(merge_id)
        self.undone += 1
        after = self.world.profiles()
        winner, loser = after[record.winner], after[record.loser]
        assert set(winner.identifiers) | set(loser.identifiers) == set(before.identifiers)
        assert not set(winner.identifiers) & set(loser.identifiers)
        assert record.loser in winner.apart and record.winner in loser.apart

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.check_at_rest()
        rows = self.world.stored()
        assert sorted(r.event.message_id for r in rows) == sorted(e.message_id for e in self.sent)
        for profile in self.world.profiles().values():
            lineage = {profile.customer_id, *profile.absorbed}
            folded = Profile(0, 0)
            for row in rows:
                if row.customer_id in lineage:
                    for identifier in row.event.identifiers:
                        if identifier in profile.identifiers and identifier not in folded.identifiers:
                            add_identifier(folded, identifier, row.event)
                    apply(folded, row.event, SETTINGS.policy)
            assert essence(folded) == essence(profile)
            for customer_id in profile.absorbed:
                assert self.world.resolve(customer_id) == profile.customer_id


Merging.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMerging = Merging.TestCase


def test_merges_of_one_event_are_taken_back_with_a_later_one_between_them() -> None:
    """The state that the later merge keeps of its winner has to know of the events since the first one."""
    state = Merging()
    state.start(seed=0, shards=1)
    for identifiers in ({"email:e0@x.io"}, {"user_id:u0"}, {"user_id:u1"}, {"email:e1@x.io"}):
        state.event(identifiers=identifiers, name="A", offset=0, explicit=False)
    three = {"user_id:u0", "email:e1@x.io", "email:e0@x.io"}
    state.event(identifiers=three, name="A", offset=0, explicit=False)
    while len(state.sent) % 4:
        state.event(identifiers={"anonymous_id:a0"}, name="A", offset=0, explicit=False)
    state.event(identifiers={"user_id:u0", "user_id:u1"}, name="A", offset=0, explicit=True)
    first, second, later = sorted(state._standing(), key=lambda merge_id: int(merge_id.split("_")[2]))
    for merge_id in (second, later, first):
        state.world.unmerge(merge_id)
        state.nothing_is_lost_or_doubled()
