"""Corrections over real shards: they hold through late events, merges, unmerges, restarts; everything sees them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.errors import NotFound
from actors.router import Router
from models.identity.customer_id import shard_of
from models.privacy.corrections import correction_context
from models.profile.state import Profile
from models.segments.catalogue import Resolved
from models.segments.criteria import SegmentDefinition
from models.shard.commands import Erasure
from tests.unit.actors.local_shards import NOW, LocalShards, identify, run_scenario

SHARDS = 3
Scenario = Callable[[Router, LocalShards], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    return lambda scenario: run_scenario(tmp_path, SHARDS, scenario)


async def correct(router: Router, key: str, at: int, *lift: str, **traits: Any) -> None:
    await router.correct(key, traits, correction_context(list(lift), "it was wrong"), "desk", at)


async def traits(router: Router, key: str) -> dict[str, Any]:
    profile = await router.profile(key)
    assert profile is not None
    return {name: a.winner.value for name, a in profile.attributes.items() if a.winner.value is not None}


def test_a_correction_holds_against_later_and_repeated_events_and_restarts(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        wrong = identify("m1", "user_id:u1", name="Jnae", birthday="1990-01-01", plan="pro")
        await router.ingest([wrong], wait=True)
        before = await router.profile("user_id:u1")
        await correct(router, "user_id:u1", NOW + 1, name="Jane", birthday=None)
        after = await router.profile("user_id:u1")
        assert before is not None and after is not None
        assert (after.last_seen, after.identifiers) == (before.last_seen, before.identifiers)  # it is no visit
        late = identify("m2", "user_id:u1", at=NOW + 1_000_000, name="Jnae", birthday="1991-01-01", plan="free")
        (result,) = (await router.ingest([late], wait=True)).results
        assert "attributes.name" not in result.profile_updates and "attributes.plan" in result.profile_updates
        await router.ingest([wrong, late], wait=True)
        for shard in range(SHARDS):
            await shards.stop(shard)
            shards.start(shard)
        await router.ingest([identify("m3", "user_id:u1", at=NOW + 2_000_000, name="Jnae")], wait=True)
        assert await traits(router, "user_id:u1") == {"name": "Jane", "plan": "free"}
        await correct(router, "user_id:u1", NOW + 2, "name", "birthday")
        assert await traits(router, "user_id:u1") == {"name": "Jnae", "birthday": "1991-01-01", "plan": "free"}

    run(scenario)


def test_two_who_are_joined_have_the_later_correction_and_each_their_own_when_taken_apart(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest(
            [identify("m1", "user_id:u1", name="A", city="X"), identify("m2", "email:a@x.io", name="B")], wait=True
        )
        await correct(router, "user_id:u1", NOW + 1, name="Ann", city="Rome")
        await correct(router, "email:a@x.io", NOW + 2, name="Anna")
        joined = identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3, name="C", city="Z")
        (result,) = (await router.ingest([joined], wait=True)).results
        assert len(result.merged) == 1
        assert await traits(router, "user_id:u1") == {"name": "Anna", "city": "Rome"}
        (merge,) = await router.merges("user_id:u1")
        await router.unmerge(merge.merge_id, NOW + 4)
        assert (await traits(router, "user_id:u1"), await traits(router, "email:a@x.io")) == (
            {"name": "Ann", "city": "Rome"},
            {"name": "Anna"},
        )

    run(scenario)


def test_segments_and_columns_see_the_corrected_value(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        criteria = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
        segment = Resolved(SegmentDefinition(id="pro", name="Pro", criteria=criteria))
        people = [identify("m1", "user_id:u1", plan="pro"), identify("m2", "user_id:u2", plan="pro")]
        await router.ingest([*people, identify("m3", "user_id:u3")], wait=True)
        await router.put_segment(segment)

        async def counts() -> tuple[int, int]:
            return len((await router.segment_members("pro", 10))[0]), (await router.preview(segment, NOW))[0]

        assert await counts() == (2, 2)
        await correct(router, "user_id:u1", NOW + 1, plan="free")
        assert await counts() == (1, 1)
        await correct(router, "user_id:u2", NOW + 1, plan=None)
        await correct(router, "user_id:u3", NOW + 1, plan="pro")
        assert await counts() == (1, 1)
        await router.ingest([identify("m4", "user_id:u2", at=NOW + 9, plan="pro")], wait=True)
        assert await counts() == (1, 1)
        await correct(router, "user_id:u2", NOW + 2, "plan")
        await correct(router, "user_id:u3", NOW + 2, "plan")
        assert await counts() == (1, 1)
        assert [await traits(router, f"user_id:u{n}") for n in (1, 2, 3)] == [{"plan": "free"}, {"plan": "pro"}, {}]

    run(scenario)


@pytest.mark.parametrize("says", ["a correction", "a consent"])
def test_what_is_said_of_somebody_who_is_erased_meanwhile_makes_nobody(
    run: Callable[[Scenario], None], says: str
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        (result,) = (await router.ingest([identify("m1", "user_id:u1", name="Jane")], wait=True)).results
        looked_up = await router.profile("user_id:u1")
        erasure = Erasure("r1", result.customer_id, NOW)
        await shards.running[shard_of(result.customer_id)].erase(erasure)

        async def stale(key: str, min_seq: str = "") -> Profile | None:
            return looked_up

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(router, "profile", stale)
            with pytest.raises(NotFound, match="nobody has this key"):
                if says == "a correction":
                    await correct(router, "user_id:u1", NOW + 1, name="Joan")
                else:
                    await router.state_consents("user_id:u1", {"ads": {"granted": True}}, "desk", NOW + 1)
        assert await router.profile("user_id:u1") is None
        assert all(not shard._core.profiles for shard in shards.running.values())

    run(scenario)
