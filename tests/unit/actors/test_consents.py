"""Consent over real shards: what has no basis reaches no file, and merges take the stricter answer until they end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actors.router import Router
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.profile.state import Profile
from tests.unit.actors.local_shards import NOW, LocalShards, identify, run_scenario, settings, track

SHARDS = 3
SECRET = "secret-income-9f"
PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(traits=("income",), events=("Ad *",))),
    },
    default="service",
)
Scenario = Callable[[Router, LocalShards], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    purposeful = msgspec.structs.replace(settings(), purposes=PURPOSES)
    return lambda scenario: run_scenario(tmp_path, SHARDS, scenario, purposeful)


async def found(router: Router, key: str) -> Profile:
    profile = await router.profile(key)
    assert profile is not None
    return profile


async def state(router: Router, key: str, at: int, **decisions: bool) -> None:
    await router.state_consents(key, {"decisions": decisions, "noticeVersion": "v3"}, "desk", at)


def on_disk(data_dir: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in data_dir.rglob("*") if path.is_file())


def test_what_has_no_basis_is_kept_nowhere(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        event = identify("m1", "user_id:u1", income=SECRET, plan="pro")
        clicked = track("m2", "user_id:u1", name="Ad Clicked", text=SECRET)
        results = (await router.ingest([event, clicked], wait=True)).results
        assert [result.withheld for result in results] == [["traits.income"], ["events.Ad Clicked"]]
        profile = await found(router, "user_id:u1")
        assert profile.attributes.keys() == {"plan"}
        assert profile.events == {}
        assert not on_disk(shards.data_dir, SECRET)
        await state(router, "user_id:u1", NOW + 1, ads=True)
        again = [
            identify("m3", "user_id:u1", at=NOW + 2, income=SECRET),
            track("m4", "user_id:u1", name="Ad Clicked", at=NOW + 2),
        ]
        results = (await router.ingest(again, wait=True)).results
        assert [result.withheld for result in results] == [[], []]
        profile = await found(router, "user_id:u1")
        assert (profile.attributes["income"].winner.value, profile.events["Ad Clicked"].count) == (SECRET, 1)
        await state(router, "user_id:u1", NOW + 3, ads=False)
        (result,) = (await router.ingest([track("m5", "user_id:u1", name="Ad Seen", at=NOW + 4)], wait=True)).results
        assert result.withheld == ["events.Ad Seen"]
        ledger = await router.consents("user_id:u1")
        assert [(r.purpose, r.granted, r.source, r.notice) for r in ledger] == [
            ("ads", True, "desk", "v3"),
            ("ads", False, "desk", "v3"),
        ]

    run(scenario)


def test_a_statement_is_no_visit(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:u1")], wait=True)
        before = await found(router, "user_id:u1")
        await state(router, "user_id:u1", NOW + 1_000, ads=True)
        after = await found(router, "user_id:u1")
        assert (after.last_seen, after.identifiers) == (before.last_seen, before.identifiers)

    run(scenario)


@pytest.mark.parametrize("keys", [("user_id:u1", "email:a@x.io"), ("email:a@x.io", "user_id:u1")], ids=" older ".join)
def test_of_two_who_are_joined_the_refusal_holds_until_they_are_taken_apart(
    run: Callable[[Scenario], None], keys: tuple[str, str]
) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        for number, key in enumerate(keys):
            await router.ingest([identify(f"m{number}", key)], wait=True)
            await asyncio.sleep(0.003)  # the older of two takes in the other
        await state(router, "user_id:u1", NOW + 1, ads=False)
        await state(router, "email:a@x.io", NOW + 2, ads=True)
        (result,) = (await router.ingest([identify("m3", "user_id:u1", "email:a@x.io", at=NOW + 3)], wait=True)).results
        assert len(result.merged) == 1
        assert (await found(router, "user_id:u1")).consents["ads"].value is False
        assert [record.granted for record in await router.consents("user_id:u1")] == [False, True]
        for number, key in enumerate(("email:a@x.io", "user_id:u1", "email:a@x.io")):
            consent = {"categoryPreferences": {"News": bool(number)}}
            told = msgspec.structs.replace(
                identify(f"c{number}", key, at=NOW + 4 + number), context={"consent": consent}
            )
            await router.ingest([told], wait=True)
        (merge,) = await router.merges("user_id:u1")
        await router.unmerge(merge.merge_id, NOW + 9)
        answers = {key: (await found(router, key)).consents["ads"].value for key in ("user_id:u1", "email:a@x.io")}
        assert answers == {"user_id:u1": False, "email:a@x.io": True}
        ledgers = {
            key: [(each.purpose, each.granted, each.at - NOW) for each in await router.consents(key)] for key in answers
        }
        assert ledgers == {
            "user_id:u1": [("ads", False, 1), ("News", True, 5)],
            "email:a@x.io": [("ads", True, 2), ("News", False, 4), ("News", True, 6)],
        }

    run(scenario)
