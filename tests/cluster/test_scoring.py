"""Scoring with shards and scorers as Ray actors, through the kill of both."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from actors import cluster
from actors.control import ControlStore
from actors.reader import Elsewhere
from actors.router import Router
from actors.score_reader import ScoreReader
from actors.score_store import DIRECTORY, scores_path
from models.events.event import Event
from models.scoring.drift import Distribution
from models.scoring.kept import KeptScore
from models.scoring.registry import AliasChange
from models.scoring.settings import ScoringSettings
from models.segments.catalogue import EMPTY, resolve
from models.segments.parse import parse_definition
from tests.strategies.purchase_models import order, version
from tests.unit.actors.local_shards import NOW, settings

SHARDS = 2
LEARNED = {"value": Distribution((0.5,), (0.5, 0.5, 0.0))}
BUYERS = {"type": "behavioral", "event": "Order Completed", "operator": "exists"}


@pytest.fixture
def running(node: Path, tmp_path: Path) -> Iterator[Path]:
    """The data directory of running shards and scorers."""
    ControlStore(tmp_path / "control.sqlite", create=True).close()
    cluster.start(tmp_path, SHARDS, settings(), scoring=ScoringSettings(bands={"churn": {"scored": 0.0}}))
    yield tmp_path
    cluster.stop(SHARDS)


def promote(data_dir: Path) -> None:
    with closing(ControlStore(data_dir / "control.sqlite")) as control:
        model = control.register_model(msgspec.structs.replace(version("churn"), distributions=LEARNED))
        control.set_model_aliases(AliasChange("churn", "champion", model.version, NOW, "test"))


async def scores(data_dir: Path, customer_id: int, purchases: int) -> KeptScore:
    """The score that was made of so many purchases."""
    for _ in range(2_400):
        reader = ScoreReader(data_dir, SHARDS)
        found: list[KeptScore] = []
        with suppress(Elsewhere):  # a scorer that was killed has not opened its file again
            found = reader.scores(reader.rows(customer_id))
        reader.close()
        if found and found[0].score.features["repeat_purchases"] == purchases - 1:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError("no such score appears")


def test_scores_follow_events_through_kills(running: Path) -> None:
    async def scenario() -> None:
        router = Router(SHARDS, running, timeout_s=30, scorers=cluster.RayScorers())
        people = [f"p{number}" for number in range(6)]

        async def send(events: list[Event]) -> list[int]:
            return [result.customer_id for result in (await router.ingest(events, wait=True, timeout_s=60)).results]

        ids = await send([order(each, 1, 50) for each in people])
        assert await router.scores(ids) == {}
        promote(running)
        for customer_id in ids:
            found = await scores(running, customer_id, 1)
            assert (found.name, found.score.version) == ("churn", "churn@1")
        assert set(await router.scores(ids)) == set(ids)
        for _ in range(2_400):  # counted when everybody is scored
            shards = [each.models.get("churn@1", {}) for each in await router.model_drift()]
            if sum(sum(each.get("value", ())) for each in shards) == len(people):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("nobody is counted for the drift of the model")
        reach = cluster.RayScorers()
        pids = [await reach.call(shard, "process_id", timeout_s=30) for shard in range(SHARDS)]
        pids += await router._calls.all("process_id", timeout_s=30)
        await send([order(each, 2, 20) for each in people[:3]])
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await send([order(each, 2, 20) for each in people[3:]])
        newcomers = [f"n{number}" for number in range(6)]
        await send([order(each, 1, 20) for each in newcomers])
        for customer_id in ids:
            await scores(running, customer_id, 2)
        statuses = await router.scorer_statuses()
        assert [status.champions for status in statuses] == [["churn@1"]] * SHARDS
        everybody = [f"user_id:{each}" for each in (*people, *newcomers)]
        for _ in range(2_400):  # each band stated by way of the shard of the person's identifier, through the kills
            profiles = await router.profiles(everybody)
            bands = [each.attributes.get("churn_band") for each in profiles if each is not None]
            if [band.winner.value for band in bands if band is not None] == ["scored"] * len(everybody):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("no such bands appear")
        buyers = {"id": "buyers", "name": "Buyers", "criteria": BUYERS}
        await router.put_segment(resolve(parse_definition(buyers), EMPTY))
        told = (await router.segment_predictions("buyers"))["churn"]
        assert (told.members, told.stale, sum(told.steps)) == (len(everybody), 0, len(everybody))

    asyncio.run(scenario())
    assert all(scores_path(running, shard).exists() for shard in range(SHARDS))
    cluster.stop(SHARDS)
    cluster.start(running, SHARDS, settings(), scoring=ScoringSettings(enabled=False))
    assert not list((running / DIRECTORY).iterdir())  # nobody would forget there who is erased
