"""The actor of a scorer: puts it together, and answers what others ask of it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from actors.cluster import RayShards, die, end_if_failed
from actors.control import ControlStore
from actors.ingestion import Ingestion
from actors.scoring import ScorerStatus
from actors.shard_calls import ShardCalls
from models.scoring.drift import DriftCounts
from models.scoring.kept import KeptModel, Row
from models.scoring.samples import OtherScore
from models.scoring.settings import ScoringSettings
from models.segments.predictions import Prediction
from models.shard.state import MachineSettings

_PAUSE_S = 2.0

log = logging.getLogger("onefold.scorer")


class ScorerActor:
    """The actor: scores a shard's people, in a process of its own, which ends when it cannot go on.

    Starts again where its file stands.
    """

    def __init__(
        self,
        shard: int,
        shards: int,
        data_dir: str,
        settings: MachineSettings,
        scoring: ScoringSettings,
        configure: Callable[[], None] | None,
        namespace: str,
    ) -> None:
        # Imported here: whoever starts the actor does without SciPy.
        from actors.band_statements import BandStatements
        from actors.model_asking import ModelAsker
        from actors.model_host import ModelHosts
        from actors.scorer import Scorer, spare_the_collector

        if configure is not None:
            configure()
        spare_the_collector()
        try:
            control = ControlStore(Path(data_dir) / "control.sqlite")
            reach = RayShards(namespace)
            models = ModelAsker(ModelHosts(Path(data_dir) / "models", scoring.hosts, namespace))
            ingest = Ingestion(shards, reach).ingest
            bands = BandStatements(scoring, settings.purposes, settings.identity, ingest)
            self._scorer = Scorer(
                shard,
                Path(data_dir),
                ShardCalls(shards, reach),
                control,
                models,
                settings.purposes,
                settings.lifecycle,
                bands,
            )
        except Exception as error:  # Ray would not start it again after an error of its constructor
            log.error("a scorer cannot start", exc_info=error)
            time.sleep(_PAUSE_S)
            die(error)
        self._task = asyncio.get_running_loop().create_task(self._scorer.run())
        self._task.add_done_callback(end_if_failed)

    async def forget(self, customer_ids: list[int]) -> None:
        await self._scorer.forget(customer_ids)

    async def rows(self, customer_ids: list[int]) -> tuple[list[Row], dict[int, KeptModel]]:
        return await self._scorer.rows(customer_ids)

    async def other_scores(self, customer_ids: list[int]) -> list[OtherScore]:
        return await self._scorer.other_scores(customer_ids)

    async def predictions(self, members: bytes) -> dict[str, Prediction]:
        return await self._scorer.predictions(members)

    async def drift(self) -> DriftCounts:
        return await self._scorer.drift()

    async def status(self) -> ScorerStatus:
        return await self._scorer.status()

    async def process_id(self) -> int:
        return os.getpid()
