"""The graph of a person, from real shards and matchers: what joined whom, and the weakest of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.router import Router
from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.shard.cluster import STATED_BITS, Cluster, cluster_of
from tests.unit.actors.local_matchers import LocalMatchers, matching_settings
from tests.unit.actors.local_shards import LocalShards, identify, track

SHARDS = 3
MARTHA: dict[str, Any] = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12"}


async def matched(router: Router) -> None:
    for _ in range(1000):
        if not sum(status.pending_matches for status in await router.status()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("something stays pending")


async def take(router: Router, event: Event) -> None:
    """Applies an event, in a millisecond of its own: the older of two profiles takes in the other."""
    await router.ingest([event], wait=True)
    await asyncio.sleep(0.003)


async def graph(router: Router, key: str) -> Cluster:
    profile = await router.profile(key)
    assert profile is not None
    return cluster_of(profile, await router.merges(key), IdentitySettings().rank)


def edges_of(cluster: Cluster) -> list[tuple[str, str, str]]:
    """Labels of winner and loser, and the method, oldest first."""
    nodes = cluster.graph.nodes
    pairs = zip(cluster.graph.edges, cluster.merges, strict=True)
    return [(nodes[edge.left], nodes[edge.right], merge.method) for edge, merge in pairs]


def test_a_person_that_was_joined_in_several_ways(tmp_path: Path) -> None:
    async def scenario() -> None:
        shards = LocalShards(tmp_path, SHARDS, matching_settings(1))
        matchers = LocalMatchers(shards, 1)
        shards.start_all()
        matchers.start_all()
        router = Router(SHARDS, tmp_path, shards, timeout_s=5, matchers=matchers)
        await take(router, track("m0", "crm_id:0"))
        await take(router, identify("m1", "crm_id:1", "phone:+41791234567", **MARTHA))
        alone = await graph(router, "crm_id:1")
        assert (alone.graph.nodes, alone.graph.edges, alone.graph.weakest) == (("crm_id:1",), (), -1)
        await take(router, identify("m2", "crm_id:2", **MARTHA))
        await matched(router)
        await take(router, track("m3", "crm_id:0", "crm_id:2"))
        whole = await graph(router, "phone:+41791234567")
        assert whole.graph.nodes == ("crm_id:0", "crm_id:1", "crm_id:2")
        assert edges_of(whole) == [
            ("crm_id:1", "crm_id:2", "probabilistic"),
            ("crm_id:0", "crm_id:1", "exact"),
        ]
        found, shown = whole.graph.edges
        evidence = whole.merges[0].evidence
        assert evidence is not None and (found.score, found.confidence) == (evidence.score, evidence.confidence)
        assert (shown.score, shown.confidence) == (max(STATED_BITS, found.score + 1), 1.0)
        assert whole.graph.weakest == 0
        # Without the weakest merge the person falls in two, and each graph is a part of the whole.
        await router.unmerge(whole.merges[1].merge_id, 0)
        assert (await graph(router, "crm_id:0")).graph.nodes == ("crm_id:0",)
        assert edges_of(await graph(router, "crm_id:2")) == [("crm_id:1", "crm_id:2", "probabilistic")]
        await matchers.stop_all()
        await shards.stop_all()
        assert not shards.deaths

    asyncio.run(scenario())


@pytest.mark.parametrize("events", [0, 1])
def test_a_shown_merge_is_never_weaker_than_a_found_one(tmp_path: Path, events: int) -> None:
    """However strong the evidence of the one that was found."""

    async def scenario() -> None:
        shards = LocalShards(tmp_path, 1, matching_settings(1))
        matchers = LocalMatchers(shards, 1)
        shards.start_all()
        matchers.start_all()
        router = Router(1, tmp_path, shards, timeout_s=5, matchers=matchers)
        strong = {**MARTHA, "postalCode": "8001", "phone": "+41791234567", "email": "m@example.com"}
        await router.ingest([identify("m1", "crm_id:1", **strong), identify("m2", "crm_id:2", **strong)], wait=True)
        await matched(router)
        if events:
            await router.ingest([track("m3", "crm_id:1", "crm_id:3"), track("m4", "crm_id:4")], wait=True)
            await router.ingest([track("m5", "crm_id:4", "crm_id:1")], wait=True)
        cluster = await graph(router, "crm_id:2")
        weakest = cluster.merges[cluster.graph.weakest]
        assert weakest.method == "probabilistic" and weakest.evidence is not None
        assert weakest.evidence.score > STATED_BITS
        assert len(cluster.merges) == 1 + events
        await matchers.stop_all()
        await shards.stop_all()

    asyncio.run(scenario())
