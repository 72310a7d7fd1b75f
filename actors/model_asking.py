"""Has models score: built-in ones here, since they are closed formulas, all others in their hosts.

Whatever a model does, its answer is a batch of scores or `ModelFailed`.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import pyarrow as pa

from models.scoring.builtin import BUILTIN
from models.scoring.contract import ScoringModel
from models.scoring.hosting import ModelFailed
from models.scoring.registry import ModelVersion


class Hosts(Protocol):
    """Models that are plugged in, each in a process of its own (`actors.model_host.ModelHosts`)."""

    async def score(self, model: ModelVersion, features: pa.RecordBatch) -> pa.RecordBatch: ...
    async def keep(self, models: Iterable[ModelVersion]) -> None: ...


class ModelAsker:
    """Asks the model of a version."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._builtin: dict[str, ScoringModel] = {}  # by reference: a version never changes

    async def ask(self, version: ModelVersion, features: pa.RecordBatch) -> pa.RecordBatch:
        """The scores of n people. Raises ModelFailed."""
        if version.source != "builtin":
            return await self._hosts.score(version, features)
        try:
            model = self._builtin.get(version.reference)
            if model is None:
                model = self._builtin[version.reference] = BUILTIN[version.target](version.parameters)
            return await asyncio.to_thread(model.score, features)
        except Exception as error:  # its words may quote data
            raise ModelFailed(f"it raised {type(error).__name__}") from None

    async def keep(self, versions: Iterable[ModelVersion]) -> None:
        """Ends what only other versions need."""
        kept = list(versions)
        references = {version.reference for version in kept}
        self._builtin = {each: model for each, model in self._builtin.items() if each in references}
        await self._hosts.keep(kept)
