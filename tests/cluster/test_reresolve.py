"""Bulk re-resolution with real Ray actors: planned, applied through a kill while others read and write, rolled back."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
import ray

from actors import cluster
from actors.errors import Conflict
from actors.router import Router
from actors.shard_calls import ShardCalls
from models.events.event import Event
from models.identity.customer_id import shard_of, to_text
from models.identity.evidence import Explanation
from models.identity.online import MatchingSettings
from models.shard.protocol import Paired, Pairing
from pipelines.reresolve_report import Example
from pipelines.reresolve_run import Partition, PlanOptions, apply, create, plan, roll_back, source_of, summary
from pipelines.reresolve_store import PlanStore, plan_directory
from pipelines.task_runner import Progress, Runner
from tests.cluster.reresolve_driver import load_matcher
from tests.strategies import additive_partition
from tests.unit.actors.local_shards import identify, settings, track

SHARDS = 2
PEOPLE = 66
PROFILES = 198
# The live matchers link nothing of what the plan does: the plan's model is another one.
LIVE = MatchingSettings(enabled=True, matchers=1, link_confidence=1.0, review_confidence=1.0)


@pytest.fixture
def running(node: Path, tmp_path: Path) -> Iterator[Path]:
    """The data directory of running shards and a matcher."""
    cluster.start(tmp_path, SHARDS, msgspec.structs.replace(settings(), matching=LIVE), load_matcher=load_matcher)
    yield tmp_path
    cluster.stop(SHARDS)


def key_of(number: int) -> str:
    return f"crm_id:{number}"


KEYS = [key_of(number) for number in range(PROFILES)]


def people() -> list[Event]:
    """Three profiles of each person, that exact identifiers do not tell are one; some have a user id of their own."""
    rng = random.Random(5)
    events = []
    for number in range(PROFILES):
        who = number % PEOPLE
        traits: dict[str, Any] = {
            "firstName": f"{chr(65 + who % 26)}ame{who}",
            "lastName": f"{chr(65 + who // 26)}{who}family",
            "birthday": f"19{10 + who}-0{1 + who % 9}-1{who % 7}",
            "postalCode": f"N{who}",
        }
        if rng.random() < 0.2:
            traits["lastName"] += "s"
        known = [key_of(number)] + ([f"user_id:u{number}"] if who == 3 and number < 2 * PEOPLE else [])
        events.append(identify(f"m{number}", *known, **traits))
    return events


async def customers(router: Router) -> list[int]:
    """Whom each key leads to. Every key leads to somebody who has it."""
    found = await router.profiles(KEYS)
    for key, profile in zip(KEYS, found, strict=True):
        assert profile is not None and key in profile.identifiers
    return [profile.customer_id for profile in found if profile is not None]


def blocks_of(customers_: list[int]) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for number, customer in enumerate(customers_):
        found.setdefault(customer, set()).add(number)
    return {frozenset(numbers) for numbers in found.values()}


async def link(router: Router, left: int, right: int) -> None:
    """A merge by likeness, as matching makes them."""
    profiles = await router.profiles([key_of(left), key_of(right)])
    one, other = (profile.customer_id for profile in profiles if profile is not None)
    evidence = Explanation(method="probabilistic", model_version="old", prior=0, fields=(), score=9, confidence=0.99)
    calls = ShardCalls(SHARDS, cluster.RayShards())
    pairing = Pairing(one, other, "probabilistic", "matching", evidence=evidence)
    paired: Paired = await calls.call(shard_of(min(one, other)), "pair", pairing, timeout_s=30)
    assert paired.outcome == "joined"


async def live_traffic(router: Router, stop: asyncio.Event) -> int:
    """Reads everybody and sends events, until told to stop; nothing fails and nobody is missing.

    (While an unmerge hands identifiers back, one may for a moment still lead to the side that it was on.)
    """
    rounds = 0
    while not stop.is_set():
        assert all(profile is not None for profile in await router.profiles(KEYS))
        await router.ingest([track(f"t{rounds}", key_of(rounds % PROFILES))], wait=True)
        rounds += 1
    return rounds


def applied_groups(data_dir: Path, plan_id: str) -> int:
    return summary(data_dir, plan_id).groups.get("done", 0)


def test_a_plan_is_applied_through_a_kill_while_others_read_and_write_and_rolled_back(running: Path) -> None:
    async def load(router: Router) -> list[int]:
        await router.ingest(people(), wait=True, timeout_s=60)
        # Right: 0 and its person's second profile. Wrong, and to be split: 10 with 11, and 12 with 13 and 14.
        for left, right in ((0, PEOPLE), (10, 11), (12, 13), (12, 14), (PEOPLE + 20, 21)):
            await link(router, left, right)
        # An operator's word is not undone, and a parting holds.
        await router.merge(key_of(30), key_of(31), "me", 1_760_000_000_000)
        one, other = [p.customer_id for p in await router.profiles([key_of(40), key_of(40 + PEOPLE)]) if p is not None]
        calls = ShardCalls(SHARDS, cluster.RayShards())
        parting = Pairing(one, other, "operator", "me", apart=True)
        await calls.call(shard_of(min(one, other)), "pair", parting, timeout_s=30)
        return await customers(router)

    async def main() -> None:
        router = Router(SHARDS, running, timeout_s=30)
        before = await load(router)
        plan_id = create(running, PlanOptions(SHARDS, slice_profiles=40, bucket_groups=7))
        with pytest.raises(Conflict):
            await asyncio.to_thread(apply, running, plan_id, load_matcher)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(plan, running, plan_id, stopped, load_matcher)
        written = {path: path.stat().st_mtime_ns for path in plan_directory(running, plan_id).glob("units/*")}
        assert len(written) >= PROFILES // 40
        check_records(plan_directory(running, plan_id), before)
        await asyncio.to_thread(plan, running, plan_id, checked(written), load_matcher)
        assert await customers(router) == before  # a plan changes nothing
        told = summary(running, plan_id)
        assert (told.stage, told.profiles, told.units) == ("ready", len(set(before)), PROFILES - 1)
        assert told.counts.restores == 4 and told.counts.profiles_split == 3
        assert told.counts.kept_apart_by_limits >= 1
        check_examples(running, plan_id)
        check_no_personal_data(running, plan_id)
        stop = asyncio.Event()
        traffic = asyncio.create_task(live_traffic(router, stop))
        await asyncio.to_thread(apply_and_kill, running, plan_id)
        halfway = applied_groups(running, plan_id)
        assert 0 < halfway < told.counts.groups
        await asyncio.to_thread(apply, running, plan_id, load_matcher, groups_max=5)
        assert summary(running, plan_id).stage == "ready"
        await asyncio.to_thread(apply, running, plan_id, load_matcher, batch=4)
        stop.set()
        assert await traffic > 3
        done = summary(running, plan_id)
        assert done.stage == "applied" and set(done.groups) == {"done"}
        after = await customers(router)
        check_people(after)
        for number in range(PROFILES):  # ids that were given out lead to the person, and the oldest is the person's
            profile = await router.profile(f"customer_id:{to_text(before[number])}")
            assert profile is not None
        merges = await router.merges(key_of(1))
        assert {m.source for m in merges} == {source_of(plan_id)} and len(merges) == 2
        for merge in merges:
            evidence = (await router.merge_record(merge.merge_id)).evidence
            assert evidence is not None and evidence.model_version == "additive-1"
        # A second plan finds nothing to do.
        again = create(running, PlanOptions(SHARDS))
        await asyncio.to_thread(plan, running, again, additive_partition.partition, load_matcher)
        assert summary(running, again).counts.groups == 0
        await asyncio.to_thread(roll_back, running, plan_id, load_matcher)
        assert summary(running, plan_id).stage == "rolled_back"
        assert blocks_of(await customers(router)) == blocks_of(before)
        with pytest.raises(Conflict):
            await asyncio.to_thread(apply, running, plan_id, load_matcher)

    asyncio.run(main())


def stopped(records: Path, cannot_links: Path, output: Path, runner: Runner, progress: Progress) -> None:
    raise ZeroDivisionError


def checked(written: dict[Path, int]) -> Partition:
    """The partition, after a look whether nothing was extracted a second time."""

    def partition(records: Path, cannot_links: Path, output: Path, runner: Runner, progress: Progress) -> None:
        assert {path: path.stat().st_mtime_ns for path in records.parent.glob("units/*")} == written
        additive_partition.partition(records, cannot_links, output, runner, progress)

    return partition


def check_records(directory: Path, before: list[int]) -> None:
    """What the partition gets to see."""
    rows = pads.dataset(str(directory / "records"), format="parquet").to_table().to_pylist()
    assert len({row["unit_id"] for row in rows}) == len(rows) == PROFILES - 1
    assert sorted(i for row in rows for i in row["exclusive"]) == ["user_id:u3", f"user_id:u{3 + PEOPLE}"]
    (pair,) = pq.read_table(directory / "cannot_links.parquet").to_pylist()
    assert {pair["left"], pair["right"]} == {before[40], before[40 + PEOPLE]} and pair["left"] < pair["right"]


def check_people(after: list[int]) -> None:
    for who in range(PEOPLE):
        mine = {after[who + n * PEOPLE] for n in range(3)}
        if who == 3:
            assert len(mine) == 2  # two user ids
        elif who == 40:
            assert after[40] != after[40 + PEOPLE]
        elif who in (30, 31):
            assert after[30] == after[31]
        else:
            assert len(mine) == 1, who
    assert len({after[10], after[11]}) == 2 and len({after[12], after[13], after[14]}) == 3


def check_examples(data_dir: Path, plan_id: str) -> None:
    store = PlanStore(plan_directory(data_dir, plan_id))
    found = [msgspec.json.decode(body, type=Example) for body in store.examples(0, 500)]
    store.close()
    assert {example.kind for example in found} == {"join", "split"}
    assert all(example.confidence > 0.5 for example in found if example.kind == "join")
    assert all(example.fields and example.left.startswith("cus_") for example in found)


def check_no_personal_data(data_dir: Path, plan_id: str) -> None:
    directory = plan_directory(data_dir, plan_id)
    assert not list(directory.rglob("*.parquet"))
    for path in directory.iterdir():
        content = path.read_bytes()
        assert b"family" not in content.replace(b"family_name", b"") and b"crm_id:" not in content


def apply_and_kill(data_dir: Path, plan_id: str) -> None:
    """Applies in another process and kills it in the middle of the work."""
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "tests.cluster.reresolve_driver", address, str(data_dir), plan_id]
    child = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 90
        while applied_groups(data_dir, plan_id) < 6:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
