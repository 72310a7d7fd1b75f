"""Matching with shards and matchers as Ray actors, through the kill of both."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import cluster
from actors.errors import Invalid
from actors.router import Router
from models.identity.profile_record import traits_record
from tests.strategies.additive_matcher import AdditiveMatcher
from tests.unit.actors.local_matchers import matching_settings
from tests.unit.actors.local_shards import identify

SHARDS = 2
MARTHA: dict[str, Any] = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12", "city": "London"}


def load_matcher(path: str | None) -> AdditiveMatcher:
    return AdditiveMatcher()


@pytest.fixture
def running(node: Path, tmp_path: Path) -> Iterator[Path]:
    """The data directory of running shards and two matchers."""
    cluster.start(tmp_path, SHARDS, matching_settings(matchers=2), load_matcher=load_matcher)
    yield tmp_path
    cluster.stop(SHARDS)


async def matched(router: Router) -> None:
    for _ in range(2_400):
        if not sum(status.pending_matches for status in await router.status()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("something stays pending")


def test_people_are_matched_across_processes_and_kills(running: Path) -> None:
    async def scenario() -> None:
        router = Router(SHARDS, running, timeout_s=30)
        await router.ingest([identify("m1", "crm_id:1", **MARTHA), identify("m2", "crm_id:2", **MARTHA)], wait=True)
        await matched(router)
        found = await router.profiles(["crm_id:1", "crm_id:2"])
        assert len({profile.customer_id for profile in found if profile is not None}) == 1
        (merge,) = await router.merges("crm_id:1")
        assert (await router.merge_record(merge.merge_id)).evidence is not None
        pids = [*await router._calls.all("process_id", timeout_s=30), await matcher_pid(router)]
        await router.ingest([identify("m3", "crm_id:3", **MARTHA)], wait=True)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await router.ingest([identify("m4", "user_id:1", **MARTHA)], wait=True, timeout_s=60)
        await matched(router)
        found = await router.profiles(["crm_id:1", "crm_id:3", "user_id:1"])
        assert len({profile.customer_id for profile in found if profile is not None}) == 1
        told = await router.resolve_dry_run(traits_record(MARTHA, []), ["user_id:2"])
        assert (told.decision, [c.standing for c in told.candidates]) == ("review", ["limits"])
        assert sum(status.records for status in await router.matcher_statuses()) == 1

    asyncio.run(scenario())


async def matcher_pid(router: Router) -> int:
    return int(await cluster.RayMatchers().call(0, "process_id", timeout_s=30))


def test_matching_needs_a_matcher(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        cluster.start(tmp_path, SHARDS, matching_settings(matchers=1))
