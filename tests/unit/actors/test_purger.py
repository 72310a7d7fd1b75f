"""A run of the purge over real shards in one process: what is past its time is in no file, through restarts too."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import actors.purger
from actors.delivery_store import Dead, DeliveryStore
from actors.privacy_calls import PrivacyCalls
from actors.privacy_store import PrivacyStore
from actors.purge_store import PurgeReport, PurgeStore
from actors.purger import Purger
from actors.router import Router
from actors.shard_calls import ShardCalls
from models.privacy.deadlines import due
from models.privacy.decisions import DecisionRecord, decision_of, review_of
from models.privacy.needles import needles_of
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced
from models.privacy.settings import KeptFor, PrivacySettings
from models.profile.state import DAY_MS
from models.shard.protocol import DeadLetter
from pipelines.privacy_scan import scan
from tests.unit.actors.local_shards import LocalShards, identify, settings, track

SHARDS = 2
KEY = b"k" * 32
PURPOSES = Purposes(
    known={
        "month": Purpose(basis="contract", data=DataScope(traits=("note",), events=("Seen",)), retention_days=30),
        "shop": Purpose(basis="contract"),
    },
    default="shop",
)
SETTINGS = PrivacySettings(
    purposes=PURPOSES,
    retention=KeptFor(dead_letter_days=10, delivery_days=10, decision_days=10, result_days=10),
    inactive_days=100,
)


class LocalDeliveries:
    """Calls to a deliverer that has nothing but its store."""

    def __init__(self, store: DeliveryStore) -> None:
        self._store = store

    async def call(self, number: int, method: str, *arguments: Any, timeout_s: float) -> int:
        assert (number, method) == (0, "purge")
        return self._store.delete_dead(*arguments)


def in_files(data_dir: Path, *texts: str) -> list[str]:
    report = scan(data_dir, needles_of([], texts, KEY))
    assert not report.failures
    needles = needles_of([], texts, KEY)
    found = {each.needle for each in report.found}
    return [text for text, needle in zip(texts, needles, strict=True) if needle.fingerprint in found]


def request(number: int, completed: int) -> SubjectRequest:
    asked = SubjectRequest(
        request_id=f"{number:08x}-d5d6-44b2-9831-815ac9017798",
        kind="access",
        regulation="gdpr",
        submitted_at=1,
        received_at=number,
        due_at=due("gdpr", number),
        identities=[SubjectIdentity("user_id", "u1")],
    )
    return advanced(asked, "completed", completed, results=f"file{number}")


def test_a_run_takes_out_what_is_past_its_time_from_everywhere(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    old, recent, long_ago = now - 40 * DAY_MS, now - 5 * DAY_MS, now - 200 * DAY_MS
    machine_settings = msgspec.structs.replace(settings(), purposes=PURPOSES)
    discarded: list[str] = []

    async def run() -> None:
        shards = LocalShards(tmp_path, SHARDS, machine_settings)
        shards.start_all()
        router = Router(SHARDS, tmp_path, shards, timeout_s=30)
        store = PrivacyStore(tmp_path / "privacy.sqlite", KEY)
        deliveries = DeliveryStore(tmp_path / "deliveries.sqlite")
        calls = PrivacyCalls(
            router,
            ShardCalls(SHARDS, shards),
            None,
            ShardCalls(1, LocalDeliveries(deliveries)),
        )
        await router.ingest(
            [
                identify("m1", "user_id:u1", at=old, note="Zqold1", kept="Zqkept1"),
                track("m2", "user_id:u1", at=old, text="Zqold2"),
                track("m3", "user_id:u1", at=recent, text="Zqrecent3"),
                *(
                    identify(f"n{number}", f"user_id:p{number}", at=old, note=f"Zqmany{number}")
                    for number in range(120)
                ),
                identify("m4", "user_id:gone", at=long_ago, note="Zqold4"),
            ],
            wait=True,
        )
        letters = [DeadLetter(f"l{at}", at, "web", "", [], b"{}") for at in (old, recent)]
        await router.reject(letters)
        dead = [Dead(f"d{at}", at, "HTTP 500", b"{}") for at in (old, recent)]
        deliveries.note("crm", now, dead=dead)
        store.add(request(1, old))
        store.add(request(2, recent))
        purger = Purger(calls, store, SETTINGS, discarded.append)
        shards.lost_replies = 1
        report = await purger.purge(now)
        assert report == PurgeReport(
            people=122,
            purged=[
                ("month", "attributes", 122),
                ("month", "behaviors", 1),
                ("month", "events", 1),
                ("month", "events.traits", 122),
            ],
            erased=1,
            dead_letters=1,
            deliveries=1,
            results=1,
        )
        assert discarded == ["file1"]
        (erasure,) = [each for each in store.requests(("pending",), 10) if each.kind == "erasure"]
        assert [(each.namespace, each.value) for each in erasure.identities] == [("user_id", "gone")]
        assert erasure.suppress == "earlier"
        await shards.stop(0)
        shards.start(0)  # from its file
        assert await purger.purge(now + 1) == PurgeReport(erased=1)
        profile = await router.profile("user_id:u1")
        assert profile is not None
        assert set(profile.attributes) == {"kept"}
        await shards.stop_all()
        assert not shards.deaths

    asyncio.run(run())
    kept = ["Zqkept1", "Zqrecent3"]
    assert in_files(tmp_path, "Zqold1", "Zqold2", "Zqold4", "Zqmany7", "Zqmany99", *kept) == kept


def test_decisions_go_with_their_reviews_but_of_those_whose_data_must_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.purger, "_PAGE", 2)
    now = time.time_ns() // 1_000_000
    old, recent = now - 11 * DAY_MS, now - 9 * DAY_MS

    async def run() -> None:
        shards = LocalShards(tmp_path, SHARDS, settings())
        shards.start_all()
        router = Router(SHARDS, tmp_path, shards, timeout_s=30)
        users = [f"u{number}" for number in range(6)]
        await router.ingest([identify(f"m{user}", f"user_id:{user}", at=old) for user in users], wait=True)
        who = [profile.customer_id for profile in await router.profiles([f"user_id:{x}" for x in users]) if profile]

        async def decided(about: int, cause: str, at: int) -> DecisionRecord:
            record = decision_of("model", "welcome", about, cause, "", False, at)
            await router.log_decision(record)
            return record

        first = await decided(who[0], "Zqcause", old)
        await router.log_decision(review_of(first, "overturned", "a.meier", "Zqreview", recent))
        for about in who[1:]:
            for number in range(3):
                await decided(about, f"old {number}", old + number)
        await decided(who[0], "recent", recent)
        await router.merge("user_id:u3", "user_id:u2", "desk", now)  # u3 is restricted by u2's word
        for user in ("u1", "u2"):
            await router.state_consents(f"user_id:{user}", {"decisions": {"!restricted": True}}, "desk", now)
        store = PrivacyStore(tmp_path / "privacy.sqlite", KEY)
        deliveries = ShardCalls(1, LocalDeliveries(DeliveryStore(tmp_path / "deliveries.sqlite")))
        purger = Purger(PrivacyCalls(router, ShardCalls(SHARDS, shards), None, deliveries), store, SETTINGS, print)
        shards.lost_replies = 1
        assert (await purger.purge(now)).decisions == 1 + 3 * 2
        kept = {user: [each.cause for each in await router.decisions(f"user_id:{user}")] for user in users}
        stay = [cause for cause in ("old 0", "old 1", "old 2") for _ in range(2)]
        assert kept == {"u0": ["recent"], "u1": stay[::2], "u2": stay, "u3": stay, "u4": [], "u5": []}
        await router.state_consents("user_id:u1", {"decisions": {"!restricted": False}}, "desk", now + 1)
        assert (await purger.purge(now + 1)).decisions == 3
        assert (await purger.purge(now + 2)).decisions == 0
        await shards.stop_all()

    asyncio.run(run())
    assert in_files(tmp_path, "Zqcause", "Zqreview") == []


def test_a_run_that_may_have_begun_does_not_do_for_who_asks_later(tmp_path: Path) -> None:
    store, other = PurgeStore(tmp_path / "purges.sqlite"), PurgeStore(tmp_path / "purges.sqlite")
    assert other.next() is None
    assert store.want(100) == 100
    assert other.want(200) == store.want(300) == 200  # it has not begun before the first has finished
    assert [(each.run, each.finished) for each in other.latest(10)] == [(200, 0), (100, 0)]
    assert other.next() == 100
    report = PurgeReport(people=3, purged=[("month", "attributes", 3)])
    other.finish(100, 250, report)
    assert [(each.run, each.finished, each.report) for each in store.latest(10)[1:]] == [(100, 250, report)]
    assert store.next() == 200
    assert store.want(300) == 300  # the second may have begun by now


def test_runs_of_one_moment_are_two(tmp_path: Path) -> None:
    store = PurgeStore(tmp_path / "purges.sqlite")
    assert store.want(100) == 100
    store.finish(100, 100, PurgeReport(people=1))
    assert store.want(100) == 101
    assert [(each.run, each.finished) for each in store.latest(10)] == [(101, 0), (100, 100)]
