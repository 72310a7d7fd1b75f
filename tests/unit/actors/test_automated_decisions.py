"""Automated decisions over real shards: logged once, none about those who have opted out, gone with an erasure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actors.automated_decisions import AutomatedDecisions, Look
from actors.errors import NotFound
from actors.reader import CommittedReader
from actors.router import Router
from actors.shard_calls import ShardCalls
from models.identity.customer_id import shard_of
from models.privacy.decisions import Choice, DecisionRecord, decision_of, review_of
from models.privacy.purposes import NO_AUTOMATED_DECISIONS
from models.profile.state import Profile
from models.shard.commands import Erasure
from serve.profile_reads import ProfileReads
from tests.unit.actors.local_shards import NOW, LocalShards, identify, run_scenario

SHARDS = 3
Scenario = Callable[[Router, LocalShards], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    return lambda scenario: run_scenario(tmp_path, SHARDS, scenario)


async def person(router: Router, key: str) -> int:
    profile = await router.profile(key)
    assert profile is not None
    return profile.customer_id


def chosen(action: str) -> Choice:
    return Choice(action, {"none": 0.25, "letter": 0.75}, {"none": 1.0, "letter": 2.5}, "welcome@1", True)


def look(router: Router, folder: Path, is_local: bool) -> Look:
    """Into the log by asking the shards, or in their files."""
    return ProfileReads(router, CommittedReader(folder, SHARDS)).decision if is_local else router.decision


async def told(router: Router, key: str) -> list[tuple[str, str, str]]:
    return [(record.kind, record.cause, record.decided) for record in await router.decisions(key)]


def test_a_decision_is_logged_once_and_not_taken_of_who_opted_out(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1")], wait=True)
        decisions = AutomatedDecisions(router, lambda: NOW)
        who = await person(router, "user_id:u1")
        for _ in range(2):
            assert await decisions.may_decide("webhook", "offers", who, "msg_1", "ads")
        shards.lost_replies = 1
        assert await decisions.may_decide("model", "churn@3", who, "week 9", "")
        await router.state_consents("user_id:u1", {"decisions": {NO_AUTOMATED_DECISIONS: True}}, "desk", NOW + 1)
        assert not await decisions.may_decide("webhook", "offers", who, "msg_2", "ads")
        for shard in range(SHARDS):
            await shards.stop(shard)
            shards.start(shard)
        assert sorted(await told(router, "user_id:u1")) == [
            ("model", "week 9", "taken"),
            ("webhook", "msg_1", "taken"),
            ("webhook", "msg_2", "skipped: opted out"),
        ]
        assert not await decisions.may_decide("webhook", "offers", who + 1, "msg_3", "")  # who is nobody

    run(scenario)


def test_decisions_and_reviews_follow_a_merge_and_go_with_an_erasure(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1"), identify("m2", "email:a@x.io")], wait=True)
        decisions = AutomatedDecisions(router, lambda: NOW)
        for key in ("user_id:u1", "email:a@x.io"):
            assert await decisions.may_decide("webhook", "offers", await person(router, key), f"of {key}", "")
        first = (await router.decisions("user_id:u1"))[0]
        await router.log_decision(review_of(first, "overturned", "a.meier", "", NOW + 1))
        await router.log_decision(review_of(first, "upheld", "b.huber", "", NOW + 2))  # it was reviewed before
        await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)
        assert sorted(await told(router, "user_id:u1")) == [
            ("review", "", "overturned"),
            ("webhook", "of email:a@x.io", "taken"),
            ("webhook", "of user_id:u1", "taken"),
        ]
        who = await person(router, "user_id:u1")
        erased = await router.profile("user_id:u1")
        assert erased is not None
        calls = ShardCalls(SHARDS, shards)
        await calls.call(shard_of(who), "erase", Erasure("r1", who, NOW + 9), timeout_s=5)
        await router.log_decision(first)  # late: nothing is kept of an erased person
        with pytest.raises(NotFound, match="erased meanwhile"):
            await decisions.decide("user_id:u1", erased, "welcome", "d1", "shop", lambda _: chosen("letter"))
        people = {first.customer_id, who}
        assert await calls.all("decisions", sorted(people), timeout_s=5) == [[]] * SHARDS

    run(scenario)


def test_a_decision_stays_what_it_was_over_retries_restarts_and_merges(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1"), identify("m2", "email:a@x.io")], wait=True)
        decisions = AutomatedDecisions(router, lambda: NOW)

        async def decide(key: str, action: str) -> DecisionRecord:
            profile = await router.profile(key)
            assert profile is not None
            return await decisions.decide(key, profile, "welcome", "d1", "shop", lambda _: chosen(action))

        first, *others = await asyncio.gather(*(decide("user_id:u1", action) for action in ("letter", "none", "none")))
        assert others == [first, first]
        other = "none" if first.action == "letter" else "letter"
        told = chosen(first.action)
        assert (first.propensities, first.expected, first.model) == (told.propensities, told.expected, told.model)
        assert (first.personal, first.cause, first.purpose) == (True, "d1", "shop")
        for shard in range(SHARDS):
            await shards.stop(shard)
            shards.start(shard)
        shards.lost_replies = 1
        assert await decide("user_id:u1", other) == first
        theirs = await decide("email:a@x.io", other)
        assert theirs.action == other and theirs.customer_id != first.customer_id
        await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)
        assert await decide("user_id:u1", other) in (first, theirs)
        assert len(await router.decisions("user_id:u1")) == 2

    run(scenario)


@pytest.mark.parametrize("is_local", [False, True])
def test_of_requests_that_a_merge_overtakes_one_decision_stands_and_it_is_the_one_that_was_told(
    run: Callable[[Scenario], None], tmp_path: Path, is_local: bool
) -> None:
    rng = random.Random(5)

    async def scenario(router: Router, shards: LocalShards) -> None:
        decisions = AutomatedDecisions(router, lambda: NOW + rng.randrange(3), look(router, tmp_path, is_local))
        alone = 0
        for number in range(60):
            keys = [f"user_id:u{number}", f"email:u{number}@x.io"]
            await router.ingest([identify(f"{key}1", key) for key in keys], wait=True)

            async def decide(key: str, is_late: bool, cause: str) -> str:
                await asyncio.sleep(rng.random() / 100)
                profile = await router.profile(key)
                assert profile is not None
                if is_late:  # it holds on to whom it has seen
                    await asyncio.sleep(rng.random() / 50)
                action = rng.choice(["none", "letter"])
                told = await decisions.decide(key, profile, "welcome", cause, "shop", lambda _: chosen(action))
                return told.record_id

            async def merge(keys: list[str]) -> None:
                await asyncio.sleep(rng.random() / 100)
                shards.lost_replies += rng.random() < 0.3
                await router.ingest([identify(f"{keys[0]}2", *keys, at=NOW + 3)], wait=True)

            asked = [decide(key, is_late, f"d{number}") for key in keys for is_late in (False, True)]
            *told, _ = await asyncio.gather(*asked, merge(keys))
            logged = {record.record_id for record in await router.decisions(keys[0])}
            assert logged == set(told)
            assert {await decide(key, False, f"d{number}") for key in keys} <= logged
            assert len(await router.decisions(keys[0])) == len(logged)
            alone += len(logged) == 1
        assert 5 < alone < 55

    run(scenario)


@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("is_survivor", [False, True])
def test_who_was_seen_before_a_merge_gets_the_decision_that_was_taken_about_the_other(
    run: Callable[[Scenario], None], tmp_path: Path, is_survivor: bool, is_local: bool
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1"), identify("m2", "email:a@x.io")], wait=True)
        seen = [profile for profile in await router.profiles(["user_id:u1", "email:a@x.io"]) if profile]
        late, first = sorted(seen, key=lambda profile: profile.customer_id, reverse=not is_survivor)
        decisions = AutomatedDecisions(router, lambda: NOW, look(router, tmp_path, is_local))
        told = await decisions.decide("user_id:u1", first, "welcome", "d1", "shop", lambda _: chosen("letter"))
        await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)
        assert await decisions.decide("user_id:u1", late, "welcome", "d1", "shop", lambda _: chosen("none")) == told
        assert await router.decisions("user_id:u1") == [told]
        anew = await decisions.decide(
            "user_id:u1", late, "welcome", "d2", "shop", lambda _: chosen("none"), is_new=True
        )
        assert anew.customer_id == min(late.customer_id, first.customer_id)

    run(scenario)


@pytest.mark.parametrize("key", ["user_id:u1", "email:a@x.io"])
def test_of_two_who_are_divided_meanwhile_it_is_decided_about_whom_the_key_is_of(
    run: Callable[[Scenario], None], key: str
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1"), identify("m2", "email:a@x.io")], wait=True)
        await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)
        seen = await router.profile(key)
        assert seen is not None and len(seen.identifiers) == 2
        (merge,) = await router.merges(key)
        await router.unmerge(merge.merge_id, NOW + 9)
        chosen_for: list[set[str]] = []

        def choose(profile: Profile) -> Choice:
            chosen_for.append(set(profile.identifiers))
            return chosen("letter")

        told = await AutomatedDecisions(router, lambda: NOW).decide(key, seen, "welcome", "d1", "shop", choose)
        assert told.customer_id == await person(router, key) and chosen_for[-1] == {key}
        assert await router.decisions(key) == [told]

    run(scenario)


@pytest.mark.parametrize("absorbed", [[], [7]])
def test_a_decision_is_logged_about_whom_it_was_chosen_for(
    run: Callable[[Scenario], None], absorbed: list[int]
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1"), identify("m2", "email:a@x.io")], wait=True)
        one, other = await person(router, "user_id:u1"), await person(router, "email:a@x.io")
        await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)
        who = await person(router, "user_id:u1")
        gone = other if who == one else one
        for about, before in ((who, absorbed), (gone, [])):
            assert (
                await router.take_decision(decision_of("model", "welcome", about, "d", "", False, NOW), before) is None
            )
        record = decision_of("model", "welcome", who, "d", "", False, NOW)
        assert await router.take_decision(record, [gone]) == record
        later = msgspec.structs.replace(record, action="letter")
        assert await router.take_decision(later, [gone]) == record
        assert await router.decisions("user_id:u1") == [record]

    run(scenario)


def test_no_review_is_kept_of_a_decision_that_was_purged_meanwhile(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1")], wait=True)
        who = await person(router, "user_id:u1")
        records = [decision_of("model", "welcome", who, cause, "", False, NOW) for cause in ("d1", "d2")]
        for record in records:
            await router.log_decision(record)
        calls = ShardCalls(SHARDS, shards)
        await calls.call(shard_of(who), "delete_decisions", [records[0].record_id], timeout_s=5)
        for record in records:
            await router.log_decision(review_of(record, "upheld", "a.meier", "", NOW + 1))
        assert await told(router, "user_id:u1") == [("model", "d2", "taken"), ("review", "", "upheld")]

    run(scenario)


def test_a_record_of_before_decision_points_is_still_read() -> None:
    before = ("dec_1", 7, "webhook", "offers", "taken", NOW, "msg_1", "ads", "", "")
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(before), type=DecisionRecord)
    assert (read.subject, read.action, read.propensities, read.personal) == ("offers", "", {}, False)
