"""Matching on real shards and matchers in one process: found, linked, reviewed, explained, taken back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.errors import Conflict, Invalid, NotFound
from actors.router import Router
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from models.identity.profile_record import traits_record
from models.identity.record import MatchRecord
from models.profile.state import Profile
from models.shard.protocol import Review
from tests.strategies.additive_matcher import AdditiveMatcher
from tests.unit.actors.local_matchers import LocalMatchers, matching_settings
from tests.unit.actors.local_shards import LocalShards, identify, track

SHARDS = 3
MATCHERS = 2
Scenario = Callable[[Router, LocalShards, LocalMatchers], Awaitable[None]]
MARTHA: dict[str, Any] = {
    "firstName": "Martha",
    "lastName": "Cunningham",
    "birthday": "1968-03-12",
    "address": {"postalCode": "N1 9GU", "city": "London"},
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario in its own event loop, with all shards and matchers up at the start."""

    def runner(scenario: Scenario) -> None:
        async def main() -> None:
            shards = LocalShards(tmp_path, SHARDS, matching_settings(MATCHERS))
            matchers = LocalMatchers(shards, MATCHERS)
            shards.start_all()
            matchers.start_all()
            try:
                await scenario(Router(SHARDS, tmp_path, shards, timeout_s=5, matchers=matchers), shards, matchers)
            finally:
                await matchers.stop_all()
                await shards.stop_all()
            assert not shards.deaths

        asyncio.run(main())

    return runner


async def matched(router: Router) -> None:
    """Returns when nothing is pending."""
    for _ in range(1000):
        if not sum(status.pending_matches for status in await router.status()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("something stays pending")


async def two(router: Router, *keys: str) -> list[Profile]:
    found = await router.profiles(list(keys))
    assert None not in found
    return [profile for profile in found if profile is not None]


async def only_review(router: Router) -> Review:
    reviews, cursor = await router.list_reviews("", 10)
    assert cursor == ""
    (review,) = reviews
    return review


def test_people_who_are_alike_become_one_with_the_evidence(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        await router.ingest([identify("m1", "crm_id:1", **MARTHA)], wait=True)
        await router.ingest([identify("m2", "crm_id:2", **MARTHA), track("m3", "crm_id:2")], wait=True)
        await matched(router)
        one, other = await two(router, "crm_id:1", "crm_id:2")
        assert one.customer_id == other.customer_id
        (merge,) = await router.merges("crm_id:1")
        assert (merge.method, merge.source) == ("probabilistic", "matching")
        evidence = (await router.merge_record(merge.merge_id)).evidence
        assert evidence is not None and merge.evidence == evidence
        assert evidence.prior + sum(field.weight for field in evidence.fields) == evidence.score
        assert {field.field for field in evidence.fields if field.level == "equal"} >= {"given_name", "birth_date"}
        (link,) = await router.links("crm_id:1")
        assert {link.left, link.right} == {"crm_id:1", "crm_id:2"}
        assert link.confidence == evidence.confidence and link.evidence == evidence
        assert sum(status.linked for status in await router.matcher_statuses()) == 1
        # Taken back, they are not joined again by the same evidence.
        await router.unmerge(merge.merge_id, 0)
        await matched(router)
        one, other = await two(router, "crm_id:1", "crm_id:2")
        assert one.customer_id != other.customer_id
        assert (await router.list_reviews("", 10))[0] == []

    run(scenario)


def test_limits_hold_and_an_operator_decides(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        await router.ingest([identify("m1", "user_id:1", **MARTHA), identify("m2", "user_id:2", **MARTHA)], wait=True)
        await matched(router)
        review = await only_review(router)
        assert review.reason == "limits" and review.confidence == review.explanation.confidence > 0.8
        paired = await router.accept_review(review.review_id, "support")
        assert (paired.outcome, paired.winner, paired.loser) == ("joined", review.left, review.right)
        one, other = await two(router, "user_id:1", "user_id:2")
        assert one.customer_id == other.customer_id == review.left
        (merge,) = await router.merges("user_id:1")
        assert (merge.method, merge.source, merge.evidence) == ("operator", "support", review.explanation)
        assert (await router.accept_review(review.review_id, "support")).outcome == "same"
        with pytest.raises(NotFound):
            await router.reject_review(review.review_id, "support")
        await matched(router)
        assert (await router.list_reviews("", 10))[0] == []

    run(scenario)


def test_a_rejected_pair_stays_apart(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        less: dict[str, Any] = {"firstName": "Martha", "lastName": "Cunningham", "address": {"city": "London"}}
        await router.ingest([identify("m1", "crm_id:1", **MARTHA), identify("m2", "crm_id:2", **less)], wait=True)
        await matched(router)
        review = await only_review(router)
        assert (review.reason == "confidence" and 0.5 <= review.confidence < 0.8) or review.confidence >= 0.8
        await router.reject_review(review.review_id, "support")
        await router.reject_review(review.review_id, "support")
        with pytest.raises(Conflict):
            await router.accept_review(review.review_id, "support")
        assert (await router.review(review.review_id)).actor == "support"
        # Now the same in every way, and still two.
        await router.ingest([identify("m3", "crm_id:2", at=1_770_000_000_000, **MARTHA)], wait=True)
        await matched(router)
        one, other = await two(router, "crm_id:1", "crm_id:2")
        assert one.customer_id != other.customer_id
        assert (await router.list_reviews("", 10))[0] == []

    run(scenario)


def test_a_dry_run_tells_and_changes_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        await router.ingest([identify("m1", "user_id:1", **MARTHA)], wait=True)
        await matched(router)
        (martha,) = await two(router, "user_id:1")
        before = await router.status()
        record = traits_record(MARTHA, [])
        told = await router.resolve_dry_run(record)
        assert (told.decision, told.customer_id) == ("link", martha.customer_id)
        (candidate,) = told.candidates
        assert (candidate.standing, candidate.explanation.confidence) == ("free", told.confidence)
        other = await router.resolve_dry_run(record, ["user_id:2"])
        assert (other.decision, other.customer_id, other.candidates[0].standing) == ("review", 0, "limits")
        exact = await router.resolve_dry_run(record, ["user_id:1"])
        assert (exact.decision, exact.customer_id, exact.candidates) == ("link", martha.customer_id, [])
        stranger = traits_record({"firstName": "Yusuf", "lastName": "Oliveira", "birthday": "1990-01-01"}, [])
        assert (await router.resolve_dry_run(stranger)).decision == "new"
        assert (await router.resolve_dry_run(None, ["crm_id:9"])).decision == "new"
        after = await router.status()
        assert [s.sequence for s in before] == [s.sequence for s in after]

    run(scenario)


def test_two_people_are_explained(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        other = {**MARTHA, "firstName": "Albert", "birthday": "1990-01-01"}
        await router.ingest([identify("m1", "crm_id:1", **MARTHA), identify("m2", "crm_id:2", **other)], wait=True)
        await router.ingest([track("m3", "crm_id:3")], wait=True)
        (one, _) = await two(router, "crm_id:1", "crm_id:2")
        told = await router.explain(f"customer_id:{to_text(one.customer_id)}", "crm_id:2")
        levels = {field.field: field.level for field in told.fields}
        assert (levels["family_name"], levels["given_name"]) == ("equal", "different")
        assert told.confidence < 0.5
        for left, right, error in (("crm_id:1", "crm_id:1", Invalid), ("crm_id:1", "crm_id:3", NotFound)):
            with pytest.raises(error):
                await router.explain(left, right)
        for review_id, wrong in (("rev_1", Invalid), ("rev_0ak9rqc1a0000_0ak9rqc4p0400", NotFound)):
            with pytest.raises(wrong):
                await router.accept_review(review_id, "support")

    run(scenario)


def test_what_is_pending_waits_for_the_matchers(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards, matchers: LocalMatchers) -> None:
        await router.ingest([identify("m1", "crm_id:1", **MARTHA)], wait=True)
        await matched(router)
        await matchers.stop_all()
        await router.ingest([identify(f"n{n}", f"crm_id:{n}", **MARTHA) for n in range(2, 6)], wait=True)
        pending = await router.status()
        assert sum(status.pending_matches for status in pending) >= 4
        assert max(status.pending_match_ms for status in pending) > 0
        for shard in range(SHARDS):
            await shards.stop(shard)
            shards.start(shard)
        matchers.start(0)
        await asyncio.sleep(0.2)
        assert sum(status.pending_matches for status in await router.status()) >= 4  # all matchers are asked
        matchers.start(1)
        await matched(router)
        assert len({p.customer_id for p in await two(router, *(f"crm_id:{n}" for n in range(1, 6)))}) == 1
        assert sum(status.records for status in await router.matcher_statuses()) == 1

    run(scenario)


class Choosy(AdditiveMatcher):
    """Cannot compare records of one city, and can make no keys of those of another."""

    def keys(self, records: Sequence[MatchRecord]) -> list[tuple[int, ...]]:
        if any(record.values.get("city") == ("El Dorado",) for record in records):
            raise ValueError("not a place")
        return super().keys(records)

    def score(self, left: MatchRecord, rights: Sequence[MatchRecord]) -> list[Explanation]:
        if any(record.values.get("city") == ("Atlantis",) for record in (left, *rights)):
            raise ValueError("not a place")
        return super().score(left, rights)


def test_a_profile_that_cannot_be_matched_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        shards = LocalShards(tmp_path, 1, matching_settings(1))
        matchers = LocalMatchers(shards, 1, Choosy())
        shards.start_all()
        router = Router(1, tmp_path, shards, timeout_s=5, matchers=matchers)
        cities = {"crm_id:1": "London", "crm_id:2": "Atlantis", "crm_id:4": "El Dorado", "crm_id:3": "London"}
        people = [identify(key, key, **{**MARTHA, "address": {"city": city}}) for key, city in cities.items()]
        await router.ingest(people, wait=True)
        matchers.start_all()
        await matched(router)
        one, lost_one, three = await two(router, "crm_id:1", "crm_id:2", "crm_id:3")
        assert one.customer_id == three.customer_id != lost_one.customer_id
        (status,) = await router.matcher_statuses()
        assert status.failed == 2 and status.failed_pairs > 0 and status.records == 2
        await matchers.stop(0)
        matchers.start(0)
        await router.ingest([identify("m9", "crm_id:9", **MARTHA)], wait=True)
        await matched(router)
        assert [s.ready for s in await router.matcher_statuses()] == [True]
        await matchers.stop_all()
        await shards.stop_all()
        assert not shards.deaths

    asyncio.run(scenario())


def test_without_matching_exact_resolution_is_all_there_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        shards = LocalShards(tmp_path, 1)
        shards.start_all()
        router = Router(1, tmp_path, shards, timeout_s=5)
        await router.ingest([identify("m1", "crm_id:1", **MARTHA), identify("m2", "crm_id:2", **MARTHA)], wait=True)
        record = traits_record(MARTHA, [])
        assert (await router.resolve_dry_run(record)).decision == "new"
        assert (await router.resolve_dry_run(record, ["crm_id:1"])).decision == "link"
        assert (await router.list_reviews("", 10), await router.matcher_statuses()) == (([], ""), [])
        with pytest.raises(Conflict):
            await router.explain("crm_id:1", "crm_id:2")
        await shards.stop_all()

    asyncio.run(scenario())
