"""Shards as Ray actors: found by name, killed and back by themselves, one owner of a file."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from actors import cluster
from actors.errors import Conflict, NotFound, Unavailable
from actors.router import Router
from actors.schema import create_shards
from actors.store import Store
from models.identity.customer_id import to_text
from tests.unit.actors.local_shards import identify, settings, track

SHARDS = 2


@pytest.fixture
def shards(node: Path, tmp_path: Path) -> Iterator[Path]:
    """The data directory of running shards."""
    cluster.start(tmp_path, SHARDS, settings())
    yield tmp_path
    cluster.stop(SHARDS)


def run(data_dir: Path, scenario: Callable[[Router], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Router(SHARDS, data_dir, timeout_s=30))

    asyncio.run(main())


def test_a_killed_shard_is_back_with_everything_and_calls_wait_for_it(shards: Path) -> None:
    async def scenario(router: Router) -> None:
        sent = [identify(f"i{n}", f"user_id:u{n}", f"anonymous_id:a{n}") for n in range(40)]
        acknowledged = await router.ingest(sent)
        before = await router.profiles([f"user_id:u{n}" for n in range(40)], acknowledged.sequence)
        assert all(before)
        pids = await reached(router, "process_id")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        # Made while the shards are down: answered once they are back, and rightly.
        reading = asyncio.ensure_future(router.profiles([f"anonymous_id:a{n}" for n in range(40)]))
        again = await router.ingest([*sent[:20], track("new", "user_id:u0")], timeout_s=60)
        assert [r.status for r in again.results[:20]] == ["duplicate"] * 20
        assert (await reading)[1:] == before[1:]  # the first may or may not have the new event by then
        after = await router.profile("user_id:u0", again.sequence)
        assert after is not None and after.events["Seen"].count == 1
        assert set(await reached(router, "process_id")).isdisjoint(pids)
        assert len(await router.tail({}, 1000)) == 41

    run(shards, scenario)


async def reached(router: Router, method: str) -> list[int]:
    answers: list[int] = await router._calls.all(method, timeout_s=60)
    return answers


def test_profiles_of_different_shards_are_merged_and_taken_apart(shards: Path) -> None:
    async def scenario(router: Router) -> None:
        people = [f"user_id:p{n}" for n in range(20)]
        await router.ingest([track(f"t{n}", person) for n, person in enumerate(people)], wait=True)
        result = await router.merge(people[0], people[1], "support", 0)
        assert len(result.merged) == 1
        (record,) = await router.merges(people[0])
        assert len((await router.events(people[1], 10))[0]) == 3
        winner, restored = await router.unmerge(record.merge_id, 0)
        assert {to_text(winner), to_text(restored)} == {
            to_text(profile.customer_id) for profile in await router.profiles(people[:2]) if profile
        }
        with pytest.raises(NotFound):
            await router.unmerge("mrg_1_12345", 0)

    run(shards, scenario)


def test_starting_again_finds_the_running_shards_and_a_stop_lets_go_of_the_files(shards: Path) -> None:
    async def count(router: Router) -> None:
        assert len(await router.tail({}, 10)) == 1

    async def one(router: Router) -> None:
        await router.ingest([track("m1", "user_id:u1")], wait=True)

    run(shards, one)
    cluster.start(shards, SHARDS, settings())
    run(shards, count)
    with pytest.raises(Unavailable):
        Store(shards, 0, SHARDS)
    with pytest.raises(Conflict):
        cluster.start(shards, SHARDS + 1, settings())
    cluster.stop(SHARDS)
    Store(shards, 0, SHARDS, lock_timeout_s=10).close()
    cluster.start(shards, SHARDS, settings())
    run(shards, count)


def test_without_its_shards_a_service_is_unavailable(node: Path, tmp_path: Path) -> None:
    create_shards(tmp_path, SHARDS)

    async def scenario(router: Router) -> None:
        with pytest.raises(Unavailable):
            await router.profile("user_id:u1")

    asyncio.run(scenario(Router(SHARDS, tmp_path, timeout_s=0.5)))
