"""What a shard keeps for matching: marks, reviews, partings, and who may be joined."""

from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from models.identity.identifiers import IdentitySettings
from models.identity.online import MatchingSettings
from models.identity.profile_record import profile_digest
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.commands import Accept, Matched, Pair, Reviewed, Unmerge
from models.shard.machine import ShardMachine
from models.shard.protocol import Finding, Paired, Pairing
from models.shard.reviews import customers_of, new_review, review_id_of
from models.shard.state import MARK_BITS, MachineSettings
from tests.sim.world import Disk

NOW = 1_760_000_000_000
SETTINGS = MachineSettings(
    IdentitySettings(), ProfilePolicy(), LifecycleRules(), MatchingSettings(enabled=True, reviews_max=2)
)
ANN: dict[str, Any] = {"firstName": "Ann", "birthday": "1980-01-02"}


class Shard:
    """One machine that is the only one, and its disk."""

    def __init__(self, settings: MachineSettings = SETTINGS) -> None:
        self.settings = settings
        self.disk = Disk(0)
        self.machine = self.disk.boot(1, settings)
        self.now = NOW
        self._count = 0

    def restart(self) -> ShardMachine:
        self.machine = self.disk.boot(1, self.settings)
        return self.machine

    def run(self, command: Any) -> list[object]:
        self.machine.handle(command, self.now)
        effects = self.machine.drain()
        self.disk.commit(effects)
        return [reply for _, reply in effects.replies]

    def identify(self, identifier: str, *more: str, explicit: bool = False, **traits: Any) -> int:
        self._count += 1
        identifiers = (identifier, *more)
        at = self.now
        event = Event(
            f"m{self._count}", "identify", "", at, at, "web", identifiers, identifier, traits=traits, explicit=explicit
        )
        self.run(Accept(0, [event]))
        return self.owner(identifier)

    def owner(self, identifier: str) -> int:
        owner = self.machine.core.identifiers[identifier]
        while (redirect := self.machine.core.redirects.get(owner)) is not None:
            owner = redirect.target
        return owner

    def pair(self, left: int, right: int, **more: Any) -> Paired:
        (reply,) = self.run(Pair(1, Pairing(left, right, **{"method": "probabilistic", "source": "matching", **more})))
        assert isinstance(reply, Paired)
        return reply

    def pending(self) -> dict[int, int]:
        return dict(self.machine.core.pending.items())

    def finish(self) -> None:
        self.run(Matched(1, list(self.pending().items())))
        assert self.pending() == {}

    def digest(self, customer_id: int) -> int:
        return profile_digest(self.machine.core.profile(customer_id))


def explanation(confidence: float) -> Explanation:
    return Explanation(
        method="probabilistic", model_version="t", prior=0, fields=(), score=confidence, confidence=confidence
    )


def test_what_changes_a_record_marks_the_profile_until_it_is_matched_as_it_is() -> None:
    shard = Shard()
    ann = shard.identify("crm_id:1", **ANN)
    assert list(shard.pending()) == [ann]
    mark = shard.pending()[ann]
    assert mark >> MARK_BITS == NOW and mark & 1
    shard.now += 5000
    shard.identify("crm_id:1", firstName="Anna")
    later = shard.pending()[ann]
    assert later != mark and later >> MARK_BITS == NOW  # it waits since the first change
    shard.run(Matched(1, [(ann, mark)]))
    assert shard.pending() == {ann: later}
    assert dict(shard.restart().core.pending.items()) == {ann: later}
    shard.finish()
    shard.identify("crm_id:1", plan="pro", firstName="Anna")
    assert shard.pending() == {}
    shard.identify("crm_id:1", "email:a@x.io")
    assert list(shard.pending()) == [ann]


def test_profiles_with_nothing_to_match_on_leave_no_trace() -> None:
    shard = Shard()
    shard.identify("user_id:1", plan="pro")
    shard.identify("anonymous_id:1", visits=3)
    shard.identify("user_id:1", "anonymous_id:1")
    assert shard.pending() == {}
    off = Shard(msgspec.structs.replace(SETTINGS, matching=MatchingSettings(enabled=False)))
    off.identify("user_id:1", "email:a@x.io", **ANN)
    assert off.pending() == {}


def test_deferred_profiles_wait_behind_the_others() -> None:
    shard = Shard()
    ids = [shard.identify(f"crm_id:{n}", **ANN) for n in range(3)]
    shard.run(Matched(1, [], [ids[0]]))
    assert list(shard.pending()) == [ids[1], ids[2], ids[0]]
    assert list(shard.restart().core.pending) == ids  # the order is not kept, what is pending is


def test_a_merge_and_an_unmerge_mark_both_sides() -> None:
    shard = Shard()
    one, two = shard.identify("crm_id:1", **ANN), shard.identify("crm_id:2", city="York", **ANN)
    shard.finish()
    paired = shard.pair(one, two, evidence=explanation(0.9))
    assert (paired.outcome, paired.winner, paired.loser) == ("joined", one, two)
    assert set(shard.pending()) == {one, two}
    record = shard.machine.core.merge(paired.merge_id)
    assert record.evidence == explanation(0.9) and record.method == "probabilistic"
    assert record.identifiers == ["crm_id:1", "crm_id:2"]
    assert shard.machine.core.merges[paired.merge_id].evidence is None  # it stays on disk
    shard.finish()
    assert shard.pair(one, two).outcome == "same"
    assert shard.run(Unmerge(1, paired.merge_id)) == [(one, two)]
    assert set(shard.pending()) == {one, two}
    assert shard.pair(two, one).outcome == "apart"


def test_a_link_is_refused_for_limits_and_for_records_that_have_changed() -> None:
    shard = Shard()
    one, two = shard.identify("user_id:1", **ANN), shard.identify("user_id:2", **ANN)
    assert shard.pair(one, two).outcome == "limits"
    other = shard.identify("crm_id:1", **ANN)
    digests = (shard.digest(one), shard.digest(other))
    shard.identify("crm_id:1", firstName="Anna")
    assert shard.pair(one, other, digests=digests).outcome == "stale"
    assert shard.pair(one, other, digests=(digests[0], shard.digest(other))).outcome == "joined"
    assert shard.pair(one, 1 << 40).outcome == "gone"
    assert shard.pair(other, two, explicit=True).outcome == "joined"  # follows where the other went
    assert shard.owner("user_id:2") == shard.owner("crm_id:1") == one
    assert not len(shard.machine.core.locks) and not len(shard.machine.core.workflows)


def test_a_parting_outlives_an_earlier_merge_that_is_taken_back() -> None:
    shard = Shard()
    one, two, three = (shard.identify(f"crm_id:{n}", **ANN) for n in (1, 2, 3))
    paired = shard.pair(one, two)
    assert shard.pair(one, three, apart=True).outcome == "set_apart"
    assert shard.pair(three, one).outcome == shard.pair(three, two).outcome == "apart"
    shard.run(Unmerge(1, paired.merge_id))
    assert shard.pair(three, one).outcome == shard.pair(three, two).outcome == "apart"
    shard.identify("crm_id:2", "crm_id:3")
    assert shard.owner("crm_id:2") != shard.owner("crm_id:3")
    shard.identify("crm_id:2", "crm_id:3", explicit=True)
    assert shard.owner("crm_id:2") == shard.owner("crm_id:3")


def found(customer_id: int, *others: int, confidence: float = 0.6, changed: bool = False) -> Reviewed:
    reviews = [new_review(customer_id, other, NOW, "confidence", explanation(confidence)) for other in others]
    return Reviewed(1, [Finding(customer_id, list(others), reviews, changed)])


def test_a_review_is_kept_once_and_goes_when_the_two_part_ways() -> None:
    shard = Shard()
    one, two, three, four = (shard.identify(f"crm_id:{n}", **ANN) for n in range(4))
    shard.finish()
    core = shard.machine.core
    for _ in range(2):
        shard.run(found(two, one))
        shard.run(found(one, two, confidence=0.7))
    (review,) = core.reviews.values()
    assert (review.left, review.right, review.confidence) == (one, two, 0.7)
    assert review.explanation == explanation(0.7)
    assert shard.pending() == {}
    shard.run(found(one, two, changed=True))
    assert {c: mark & 1 for c, mark in shard.pending().items()} == {two: 0}  # looked at again; its record is the same
    shard.run(found(one, three, changed=True))
    assert [r.right for r in core.reviews.values()] == [three] and core.open_reviews == 1
    shard.run(found(two, one, four))
    assert (core.open_reviews, core.reviews_left_out) == (2, 1)  # reviews_max
    core = shard.restart().core
    assert (core.open_reviews, core.reviews_left_out) == (2, 1)
    shard.run(Reviewed(1, [Finding(one, [], gone=True)]))
    assert core.open_reviews == len(core.reviews) == len(core.reviews_of) == 0


def test_a_rejected_review_is_remembered_and_an_accepted_one_goes() -> None:
    shard = Shard()
    one, two, three = (shard.identify(f"crm_id:{n}", **ANN) for n in range(3))
    shard.run(found(one, two, three))
    core = shard.machine.core
    rejected = review_id_of(two, one)
    shard.pair(one, two, apart=True, source="kim", review_id=rejected)
    assert (core.reviews[rejected].actor, core.reviews[rejected].rejected_at) == ("kim", NOW)
    shard.run(found(one))
    assert list(core.reviews) == [rejected] and core.open_reviews == 0
    shard.run(found(one, two, three))
    assert core.reviews[rejected].rejected_at == NOW and core.open_reviews == 1
    shard.pair(one, three, explicit=True, review_id=review_id_of(one, three))
    assert list(core.reviews) == [rejected]


def test_review_ids_say_which_two() -> None:
    assert customers_of(review_id_of(1 << 30, 5)) == (5, 1 << 30)
    for wrong in ("", "rev_", "rev_1_2", "mrg_0_1", f"rev_{to_text(1)}_{to_text(2)}"):
        with pytest.raises(ValueError):
            customers_of(wrong)
